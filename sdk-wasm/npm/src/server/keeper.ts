/** Carries checkpoints between the machine of a stream with a witness and where they are kept. */

import type { Stream } from './core.js';
import { errorOf, sentence, thrown } from './failure.js';
import type { CheckpointStore } from './witness.js';

export class Keeper {
  #store: CheckpointStore;
  #unsaved: string | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isSaving = false;

  constructor(store: CheckpointStore) {
    this.#store = store;
  }

  /** Puts the witness over the stream. Throws a `PasskeyError` when that cannot be. */
  async begin(stream: Stream, keys: readonly string[]): Promise<void> {
    let checkpoint: string | null | undefined;
    try {
      checkpoint = await this.#store.load();
    } catch (cause) {
      throw errorOf('internal', `the checkpoint cannot be read: ${sentence(cause)}`, cause);
    }
    try {
      stream.witness([...keys], checkpoint ?? undefined);
    } catch (refused) {
      throw thrown(refused);
    }
  }

  /** Saves what there is to remember; the newest, if there is more than one while another is being saved. */
  keep(stream: Stream): void {
    const checkpoint = stream.takeCheckpoint();
    if (checkpoint === undefined) return;
    this.#unsaved = checkpoint;
    if (this.#isSaving) return;
    this.#isSaving = true;
    this.#saving = this.#save();
  }

  /** Resolves when everything is saved. */
  saved(): Promise<void> {
    return this.#saving;
  }

  async #save(): Promise<void> {
    while (this.#unsaved !== undefined) {
      const checkpoint = this.#unsaved;
      this.#unsaved = undefined;
      try {
        await this.#store.save(checkpoint);
      } catch (error) {
        console.error('the checkpoint of the log cannot be saved; after a restart, less is noticed:', error);
      }
    }
    this.#isSaving = false;
  }
}
