/** One connection: over the platform's WebSocket, or over the package `ws` where there is none (Node 20). */

import { errorOf, sentence } from './failure.js';

/** What a connection is told of the world. Nothing is told after `closed`, `refused` or `broken`, or after `close`. */
export interface Happenings {
  opened(): void;
  message(frame: string | Uint8Array): void;
  /** A ping or pong. */
  heard(): void;
  closed(code: number, reason: string): void;
  refused(status: number, retryAfterMs: number | undefined): void;
  broken(why: string): void;
}

/** A connection, or the attempt at one. */
export interface Link {
  send(text: string): void;
  /** Says goodbye, or gives up the attempt. Resolves when it is gone, at the latest after a second. */
  close(code: number, reason: string): Promise<void>;
  /** Stops reading, or goes on. `false` where that is not possible. */
  read(isWanted: boolean): boolean;
}

/** A class like the browser's `WebSocket`, or that of the package `ws`. */
export type WebSocketClass = new (url: string, ...rest: never[]) => object;

/** The class to use where the application names none. */
export async function platformSocket(): Promise<WebSocketClass> {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketClass };
  if (WebSocket !== undefined) return WebSocket;
  try {
    // By a name that bundlers do not follow: it is needed in Node 20 only, and then it is there.
    const name = 'ws';
    const { default: fallback } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as {
      default: WebSocketClass;
    };
    return fallback;
  } catch (cause) {
    throw errorOf('notSupported', 'this runtime has no WebSocket: install the package "ws", or use Node 22', cause);
  }
}

export function connect(WebSocket: WebSocketClass, address: string, on: Happenings): Link {
  const isEmitter = typeof (WebSocket.prototype as { on?: unknown }).on === 'function';
  return isEmitter
    ? new EmitterLink(WebSocket as unknown as EmitterClass, address, on)
    : new EventLink(WebSocket as unknown as EventClass, address, on);
}

/** The largest message the server sends, in bytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;

const GOODBYE_TIMEOUT_MS = 1_000;

/** What is used of the package `ws`. */
interface Emitter {
  on(event: 'open' | 'ping' | 'pong', listener: () => void): void;
  on(event: 'message', listener: (data: Uint8Array, isBinary: boolean) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: (code: number, reason: Uint8Array) => void): void;
  on(
    event: 'unexpected-response',
    listener: (request: { destroy(): void }, response: { statusCode: number; headers: Record<string, unknown> }) => void,
  ): void;
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

type EmitterClass = new (
  url: string,
  options: { perMessageDeflate: false; maxPayload: number; followRedirects: false; skipUTF8Validation: true },
) => Emitter;

/** Over `ws`: knows HTTP answers, pings, and how not to read. */
class EmitterLink implements Link {
  #socket: Emitter;
  #isOver = false;
  #gone: Promise<void>;
  #why = 'the connection ended';

  constructor(WebSocket: EmitterClass, address: string, on: Happenings) {
    this.#socket = new WebSocket(address, {
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
      followRedirects: false,
      // The core looks itself.
      skipUTF8Validation: true,
    });
    const socket = this.#socket;
    const tell = (happening: () => void): void => {
      if (!this.#isOver) happening();
    };
    const tellLast = (happening: () => void): void => {
      const wasOver = this.#isOver;
      this.#isOver = true;
      if (!wasOver) happening();
    };
    socket.on('open', () => tell(() => on.opened()));
    socket.on('ping', () => tell(() => on.heard()));
    socket.on('pong', () => tell(() => on.heard()));
    socket.on('message', (data, isBinary) => tell(() => (isBinary ? on.heard() : on.message(data))));
    socket.on('unexpected-response', (request, { statusCode, headers }) => {
      tellLast(() => on.refused(statusCode, retryAfterMs(headers['retry-after'])));
      request.destroy();
    });
    // Without this listener the process would end.
    socket.on('error', (error) => {
      this.#why = sentence(error);
    });
    this.#gone = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        resolve();
        // 1006: there was no close frame.
        if (code === 1006) tellLast(() => on.broken(this.#why));
        else tellLast(() => on.closed(code, new TextDecoder().decode(reason)));
      });
    });
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  async close(code: number, reason: string): Promise<void> {
    this.#isOver = true;
    this.#socket.close(code, reason);
    const timer = setTimeout(() => this.#socket.terminate(), GOODBYE_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  read(isWanted: boolean): boolean {
    if (isWanted) this.#socket.resume();
    else this.#socket.pause();
    return true;
  }
}

type EventClass = new (url: string) => WebSocket;

/** Over the platform's own: it says neither HTTP answers nor pings, and always reads. */
class EventLink implements Link {
  #socket: WebSocket;
  #isOver = false;
  #gone: Promise<void>;
  #why = 'no connection could be made, or it ended';

  constructor(WebSocket: EventClass, address: string, on: Happenings) {
    this.#socket = new WebSocket(address);
    const socket = this.#socket;
    const tellLast = (happening: () => void): void => {
      const wasOver = this.#isOver;
      this.#isOver = true;
      if (!wasOver) happening();
    };
    socket.addEventListener('open', () => {
      if (!this.#isOver) on.opened();
    });
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      if (this.#isOver) return;
      if (typeof data !== 'string') on.heard();
      else if (data.length <= MAX_MESSAGE_BYTES) on.message(data);
      else {
        socket.close(4504, 'tooLarge');
        tellLast(() => on.broken('the server sent a message that is too large'));
      }
    });
    socket.addEventListener('error', (event) => {
      // Node, Bun and Deno say why, browsers do not.
      const { message } = event as { message?: string };
      if (message) this.#why = message;
    });
    this.#gone = new Promise((resolve) => {
      socket.addEventListener('close', ({ code, reason }) => {
        resolve();
        if (code === 1006) tellLast(() => on.broken(this.#why));
        else tellLast(() => on.closed(code, reason));
      });
    });
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  async close(code: number, reason: string): Promise<void> {
    this.#isOver = true;
    this.#socket.close(code, reason);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
    });
    await Promise.race([this.#gone, late]);
    clearTimeout(timer);
  }

  read(isWanted: boolean): boolean {
    return isWanted;
  }
}

/** `Retry-After` in seconds. The other form, a date, would need the two clocks to agree. */
function retryAfterMs(header: unknown): number | undefined {
  return typeof header === 'string' && /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : undefined;
}
