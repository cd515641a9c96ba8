/**
 * Passkey-only sign-in over one WebSocket.
 *
 * Importing this module does nothing: it touches no browser object, so it is safe on a server. `connect` loads the rest.
 */

import type { Session, State } from './state.js';

export { PasskeyError, type Code } from './error.js';
export type { EndReason, Session, State } from './state.js';

export interface ConnectOptions {
  /** The app's id, `app_...`. It is public. */
  app: string;
  /** The server's browser socket, `wss://host/v1/gateway`. By default that of the page's own origin. */
  url?: string | URL;
  /** Gives up connecting, or closes the client later. */
  signal?: AbortSignal;
}

export interface CallOptions {
  /** Ends the call, with code `cancelled`. */
  signal?: AbortSignal;
}

export interface EmailOptions extends CallOptions {
  /** The person's address. It is not stored in the browser. */
  email: string;
}

/** A sign-up whose code is on its way by email. */
export interface PendingSignUp {
  /** When the code stops working. */
  readonly expiresAt: Date;
  /** Types the code in, makes a passkey, signs in. After `wrongCode` it can be called again. */
  verify(code: string, options?: CallOptions): Promise<Session>;
}

/** A connection to the server, kept until `close`. One call at a time: a new one cancels the one before. */
export interface Client {
  /** Where the page stands. The same frozen object until it changes. */
  readonly state: State;
  /** Calls `listener` after each change of `state`. Returns how to stop that. */
  readonly subscribe: (listener: (state: State) => void) => () => void;
  /** Has a code mailed to `email`. The answer is the same for addresses that have an account. */
  signUp(options: EmailOptions): Promise<PendingSignUp>;
  /** Signs in with a passkey. */
  signIn(options: EmailOptions): Promise<Session>;
  /** Ends the session, everywhere at once. */
  signOut(): Promise<void>;
  /** Ends the session and the connection, for good. */
  close(): void;
}

/** Connects to the server. Resolves when it has greeted; afterwards a lost connection is made anew by itself. */
export async function connect(options: ConnectOptions): Promise<Client> {
  const { open } = await import('./client.js');
  return open(options);
}
