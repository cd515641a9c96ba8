/**
 * Passkey-only sign-in over one WebSocket.
 *
 * Importing this module does nothing: it touches no browser object, so it is safe on a server. `connect` loads the rest.
 */

import type { Client, ConnectOptions } from './types.js';

export { PasskeyError, type Code } from './error.js';
export type * from './types.js';

/** Connects to the server. Resolves when it has greeted; afterwards a lost connection is made anew by itself. */
export async function connect(options: ConnectOptions): Promise<Client> {
  const { open } = await import('./client.js');
  return open(options);
}
