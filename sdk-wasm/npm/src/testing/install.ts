/** Puts a fake server and a software authenticator where a page looks for the real ones. */

import { FakePublicKeyCredential, type SoftwareAuthenticator } from './authenticator.js';
import type { FakeServer } from './server.js';

export interface Installed {
  /** Puts everything back. */
  (): void;
}

/**
 * Replaces `WebSocket` (for the server's address only), `navigator.credentials` and `PublicKeyCredential`. On Node it also
 * makes what every page has: `origin`, `location`, and events of the window. Either part can be left out.
 *
 * Returns how to put everything back; call it after each test.
 */
export function install({ server, authenticator }: { server?: FakeServer; authenticator?: SoftwareAuthenticator }): Installed {
  const undo: (() => void)[] = [];
  const put = (target: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false });
    undo.unshift(() => {
      if (before) Object.defineProperty(target, name, before);
      else Reflect.deleteProperty(target, name);
    });
  };
  const world = globalThis as { [name: string]: unknown };
  const origin = server?.origins[0];
  if (origin && (typeof world['origin'] !== 'string' || world['origin'] === 'null')) put(world, 'origin', origin);
  if (origin && world['location'] === undefined) put(world, 'location', new URL(`${origin}/`));
  if (world['addEventListener'] === undefined) {
    const events = new EventTarget();
    for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent'] as const) {
      put(world, name, events[name].bind(events));
    }
  }
  // What a listener throws is the test's business, so the runner gets to see it.
  if (world['reportError'] === undefined) {
    put(world, 'reportError', (error: unknown) => queueMicrotask(() => { throw error; }));
  }
  if (server) {
    const Real = world['WebSocket'] as typeof WebSocket | undefined;
    const standIn = function (url: string | URL, protocols?: string | string[]): object {
      const socket = server.accept(new URL(url, globalThis.location?.href), protocols);
      if (socket) return socket;
      if (Real) return new Real(url, protocols);
      throw new DOMException(`there is no fake server at ${String(url)}`, 'SyntaxError');
    };
    put(world, 'WebSocket', Object.assign(standIn, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 }));
  }
  if (authenticator) {
    if (world['navigator'] === undefined) put(world, 'navigator', {});
    put(world['navigator'] as object, 'credentials', {
      create: (options: CredentialCreationOptions) => authenticator.create(options),
      get: (options: CredentialRequestOptions) => authenticator.get(options),
    });
    put(world, 'PublicKeyCredential', credentialClass(authenticator));
    if (world['isSecureContext'] === undefined) put(world, 'isSecureContext', true);
  }
  return () => {
    for (const step of undo.splice(0)) step();
  };
}

/** As browsers do, `signalUnknownCredential` deletes the passkey for good. */
function credentialClass(authenticator: SoftwareAuthenticator): typeof FakePublicKeyCredential {
  return class PublicKeyCredential extends FakePublicKeyCredential {
    static override [Symbol.hasInstance](value: unknown): boolean {
      return typeof value === 'object' && value !== null && FakePublicKeyCredential.prototype.isPrototypeOf(value);
    }

    static signalUnknownCredential({ credentialId }: { credentialId: string }): Promise<void> {
      authenticator.forget(credentialId);
      return Promise.resolve();
    }

    static signalAllAcceptedCredentials(): Promise<void> {
      return Promise.resolve();
    }
  };
}
