/** A witness of a stream: what the log was is remembered, and a log that says otherwise later ends the stream. */

/**
 * What to hold the server to. Every item is checked before it is handed over: with `types: ['*']` each entry's place in the
 * hash chain, otherwise that positions, bookmarks and heads fit together. For a view whose items are handled one by one.
 */
export interface WitnessOptions {
  /**
   * The server's Ed25519 keys: the members `x` of `/.well-known/jwks.json`, written down where the server cannot change
   * them. None: signatures are not looked at.
   */
  keys: readonly string[];
  /** Where it is kept what the log was. One for each stream. */
  checkpoint: CheckpointStore;
}

/** Keeps a checkpoint, where the server cannot change it. It holds no secret. */
export interface CheckpointStore {
  /**
   * What was saved last; nothing before the first time. One that cannot be read must be thrown: to begin anew would be to
   * forget what the server must be held to.
   */
  load(): string | null | undefined | Promise<string | null | undefined>;
  /**
   * Keeps it in place of the one before: JSON. After a restore of the server that its operator has told you of, put the
   * log's new lineage, four characters, into it as `accepted`.
   */
  save(checkpoint: string): void | Promise<void>;
}

/** A checkpoint in a file of its own, written for one process. The file `<path>.new` beside it is used too. */
export function fileCheckpoint(path: string): CheckpointStore {
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
    async save(checkpoint) {
      const { open, rename } = await load<Files>('node:fs/promises');
      const { dirname } = await load<Paths>('node:path');
      const { platform } = await load<Process>('node:process');
      const synced = async (file: File, text?: string): Promise<void> => {
        try {
          if (text !== undefined) await file.writeFile(text);
          await file.sync();
        } finally {
          await file.close();
        }
      };
      // Beside it and moved over: a crash leaves the old file or the new one, whole.
      await synced(await open(`${path}.new`, 'w'), `${checkpoint}\n`);
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
