/** Evidence: what to hold sign-ins against, so that no server can make them up, and where to keep what is known. */

import { fileStore } from './file.js';

/**
 * What a back end knows of its own app, from its configuration and never from the server, and where it keeps what it knows
 * of passkeys. For views, whose items are handled one by one.
 */
export interface EvidenceOptions {
  /** The app: `app_...`. */
  appID: string;
  /** Its WebAuthn RP ID: `shop.example`. */
  rpID: string;
  /** The origins that its pages have, character for character: `https://shop.example`. */
  origins: readonly string[];
  /** Where the pins are kept: the public keys that accounts are known to have. One for each stream. */
  pins: PinStore;
}

/** Keeps pins, where the server cannot change them. They hold no secret, and are the same in every language. */
export interface PinStore {
  /**
   * What was saved last; nothing before the first time. Pins that cannot be read must be thrown: to begin anew would be to
   * believe the server once more.
   */
  load(): string | null | undefined | Promise<string | null | undefined>;
  /** Keeps them in place of those before: JSON, all of them. Called at most once a second. */
  save(pins: string): void | Promise<void>;
}

/** Pins in a file of their own, written for one process. The file `<path>.new` beside it is used too. */
export function filePins(path: string): PinStore {
  return fileStore(path);
}
