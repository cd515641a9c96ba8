/** A text in a file of its own, whole after every crash. */

/** What is kept from one start of the program to the next. */
export interface TextStore {
  load(): string | null | undefined | Promise<string | null | undefined>;
  save(text: string): void | Promise<void>;
}

/** Written for one process. The file `<path>.new` beside it is used too. */
export function fileStore(path: string): TextStore {
  return {
    async load() {
      const { readFile } = await load<Files>('node:fs/promises');
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(text) {
      const { open, rename } = await load<Files>('node:fs/promises');
      const { dirname } = await load<Paths>('node:path');
      const { platform } = await load<Process>('node:process');
      const synced = async (file: File, content?: string): Promise<void> => {
        try {
          if (content !== undefined) await file.writeFile(content);
          await file.sync();
        } finally {
          await file.close();
        }
      };
      // Beside it and moved over: a crash leaves the old file or the new one, whole.
      await synced(await open(`${path}.new`, 'w'), `${text}\n`);
      await rename(`${path}.new`, path);
      // The name is safe once the folder is. Windows opens no folders, and keeps the names itself.
      if (platform !== 'win32') await synced(await open(dirname(path), 'r'));
    },
  };
}

/** By a name that bundlers do not follow: workerd has no files. */
async function load<Module>(name: string): Promise<Module> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as Module;
}

interface Files {
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  open(path: string, flags: 'r' | 'w'): Promise<File>;
  rename(from: string, to: string): Promise<void>;
}

interface File {
  writeFile(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

interface Paths {
  dirname(path: string): string;
}

interface Process {
  platform: string;
}
