/** How a page reaches its engine: in a SharedWorker, or in the page itself. */

import type { Engine } from './engine.js';
import { notSupported, PORT_VERSION, type Attachment, type ToEngine, type ToPage } from './port.js';
import type { ConnectOptions } from './types.js';

export interface Link {
  readonly persistence: 'worker' | 'page';
  readonly post: (message: ToEngine) => void;
  /** Nothing is heard any more; the engine learns that this page is gone. `isOver`: for good. */
  readonly close: (isOver: boolean) => void;
}

export interface LinkOptions extends Pick<ConnectOptions, 'persistence' | 'worker'> {
  readonly app: string;
  /** The socket's address with its `app` parameter. */
  readonly url: string;
  readonly pageGoneMs: number;
  /** The page's own engine, for a page that comes back. */
  readonly kept: { engine?: Engine };
  readonly hear: (message: ToPage) => void;
  /** The worker died, and with it the session. */
  readonly onLost: () => void;
}

/** How long a worker may take to load and start before the page does its work: so often, so many milliseconds. */
const WORKER_TRIES = 4;
const WORKER_PATIENCE_MS = 2_500;

export async function link(options: LinkOptions): Promise<Link> {
  const inWorker = options.persistence === 'page' ? undefined : await linkToWorker(options).catch(() => undefined);
  return inWorker ?? linkInPage(options);
}

async function linkInPage({ app, url, kept, hear }: LinkOptions): Promise<Link> {
  kept.engine ??= await startInPage();
  const { engine } = kept;
  let isOpen = true;
  // Not within the engine's own call: a listener may make the next one. The other way it is at once, because a page that
  // is put away runs nothing later.
  const post = engine.connect((message) => queueMicrotask(() => isOpen && hear(message)));
  post({ type: 'attach', attachment: { app, url, pageGoneMs: 0 } });
  const close = (isOver: boolean): void => {
    isOpen = false;
    post({ type: 'detach', isOver });
  };
  return { persistence: 'page', post, close };
}

async function startInPage(): Promise<Engine> {
  const { start } = await import('./worker.js').catch((cause: unknown) => {
    throw notSupported('the worker.js of this package could not be loaded; it lies beside its other files', cause);
  });
  return start();
}

/** `undefined`, or a rejection, where this browser, its policy or the network has no such worker for us. */
async function linkToWorker({ app, url, pageGoneMs, worker, hear, onLost }: LinkOptions): Promise<Link | undefined> {
  if (typeof SharedWorker === 'undefined' || !globalThis.navigator?.locks) return undefined;
  const script = worker === undefined ? new URL('./worker.js', import.meta.url) : new URL(worker, location.href);
  if (script.origin !== location.origin) return undefined;
  const name = `passkey-accounts/${PORT_VERSION} ${app} ${url}`;
  let port: Port | 'late' | undefined = 'late';
  // A worker that is just dying takes the port and says nothing. Asking again brings a new one, unless the browser keeps the
  // dead one under its name: then all pages try the next name.
  for (let tries = 0; port === 'late' && tries < WORKER_TRIES; tries += 1) {
    port = await openPort(script.href, tries < 2 ? name : `${name} ${tries}`);
  }
  if (!port || port === 'late') return undefined;
  const own = await hold(`passkey-accounts ${crypto.randomUUID()}`);
  const waiting = new AbortController();
  const post = (message: ToEngine): void => port.port.postMessage(message);
  const close = (isOver: boolean): void => {
    post({ type: 'detach', isOver });
    port.port.onmessage = null;
    waiting.abort();
    own.release();
  };
  const lost = (): void => {
    port.port.close();
    own.release();
    onLost();
  };
  navigator.locks.request(port.lock, { mode: 'shared', signal: waiting.signal }, lost).catch(() => undefined);
  port.port.onmessage = ({ data }: MessageEvent<ToPage>) => hear(data);
  const attachment: Attachment = { app, url, pageGoneMs, lock: own.name };
  post({ type: 'attach', attachment });
  return { persistence: 'worker', post, close };
}

interface Port {
  readonly port: MessagePort;
  readonly lock: string;
}

function openPort(script: string, name: string): Promise<Port | 'late' | undefined> {
  return new Promise((resolve) => {
    // Lib.dom does not know the option yet. With it the worker, and the socket in it, survives a reload.
    const options: WorkerOptions & { extendedLifetime: boolean } = { type: 'module', name, extendedLifetime: true };
    const worker = new SharedWorker(trusted(script), options);
    const { port } = worker;
    const give = (found?: Port | 'late'): void => {
      clearTimeout(timer);
      worker.onerror = port.onmessage = null;
      if (typeof found !== 'object') port.close();
      resolve(found);
    };
    const timer = setTimeout(() => give('late'), WORKER_PATIENCE_MS);
    worker.onerror = () => give();
    port.onmessage = ({ data }: MessageEvent<ToPage>) =>
      give(data.type === 'ready' ? { port, lock: data.lock } : undefined);
  });
}

/** Holds a Web Lock from when this resolves until `release`, or until the page is gone. */
function hold(name: string): Promise<{ name: string; release: () => void }> {
  return new Promise((resolve, reject) => {
    const held = (): Promise<void> =>
      new Promise((release) => resolve({ name, release }));
    navigator.locks.request(name, held).catch(reject);
  });
}

interface ScriptURLPolicy {
  createScriptURL(url: string): string;
}

let policy: ScriptURLPolicy | undefined;
let trustedScript = '';

/** Under `require-trusted-types-for 'script'` a worker's address needs a policy; ours lets nothing else through. */
function trusted(script: string): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: ScriptURLPolicy): ScriptURLPolicy };
  };
  if (!trustedTypes) return script;
  trustedScript = script;
  try {
    policy ??= trustedTypes.createPolicy('passkey-accounts', {
      createScriptURL(url) {
        if (url === trustedScript) return url;
        throw new TypeError('this policy is for the worker of passkey-accounts');
      },
    });
  } catch {
    // The page's policy does not name ours. If it demands one, the constructor throws, and the page does the work.
    return script;
  }
  return policy.createScriptURL(script);
}
