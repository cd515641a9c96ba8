/** A witness of a stream: what the log was is remembered, and a log that says otherwise later ends the stream. */

import { fileStore } from './file.js';

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
  return fileStore(path);
}
