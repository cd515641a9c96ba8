/**
 * The engine in one file that needs no other: as the script of a SharedWorker it serves the pages that connect to it; imported
 * by a page, it gives that page an engine of its own.
 */

import { init } from './core.js';
import { Engine } from './engine.js';
import { notSupported, toRaw, type ToEngine, type ToPage } from './port.js';
import { wasm } from './wasm.js';

let loading: Promise<unknown> | undefined;

/** An engine for whoever imports this. */
export async function start(): Promise<Engine> {
  // Once: a second instance of the module would take the first one's place.
  loading ??= WebAssembly.compile(wasm()).then(init);
  try {
    await loading;
  } catch (cause) {
    loading = undefined;
    throw notSupported(
      "WebAssembly could not be started; a Content-Security-Policy needs script-src 'wasm-unsafe-eval'",
      cause,
    );
  }
  return new Engine();
}

interface WorkerScope {
  onconnect: (event: MessageEvent) => void;
}

if ('SharedWorkerGlobalScope' in globalThis) {
  const starting = Promise.all([start(), holdLock()]);
  // Said to every page that connects; without a page nobody asks.
  starting.catch(() => undefined);
  (globalThis as unknown as WorkerScope).onconnect = ({ ports: [port] }) => {
    if (!port) return;
    const post = (message: ToPage): void => port.postMessage(message);
    starting.then(
      ([engine, lock]) => {
        const hear = engine.connect(post);
        port.onmessage = ({ data }: MessageEvent<ToEngine>) => hear(data);
        post({ type: 'ready', lock });
      },
      (thrown: unknown) => post({ type: 'broken', error: toRaw(thrown) }),
    );
  };
}

/** Holds a lock as long as this worker lives: pages wait for it to learn that it died. */
function holdLock(): Promise<string> {
  const name = `passkey-accounts ${crypto.randomUUID()}`;
  return new Promise((resolve, reject) => {
    const forever = (): Promise<never> => {
      resolve(name);
      return new Promise(() => undefined);
    };
    navigator.locks.request(name, forever).catch(reject);
  });
}
