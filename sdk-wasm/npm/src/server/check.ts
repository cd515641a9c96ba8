/** What reads along with a stream before its items are handed over: pins, a witness, or both. */

import type { Stream } from './core.js';
import { now } from './driver.js';
import type { EvidenceOptions } from './evidence.js';
import { errorOf, thrown } from './failure.js';
import { Keeper } from './keeper.js';
import { findSignatures } from './signatures.js';
import type { WitnessOptions } from './witness.js';

/** Over the stream that `stream` gives once there is one. */
export class Check {
  #stream: () => Stream;
  #evidence: EvidenceOptions | undefined;
  #witness: WitnessOptions | undefined;
  #pins: Keeper | undefined;
  #checkpoint: Keeper | undefined;

  constructor(stream: () => Stream, { evidence, witness }: { evidence?: EvidenceOptions | undefined; witness?: WitnessOptions | undefined }) {
    this.#stream = stream;
    this.#evidence = evidence;
    this.#witness = witness;
    if (evidence) this.#pins = new Keeper(evidence.pins, PINS, () => this.#stream().takePins());
    if (witness) this.#checkpoint = new Keeper(witness.checkpoint, CHECKPOINT, () => this.#stream().takeCheckpoint());
  }

  /** Reads what is remembered, and gives what is to be done before the stream begins. Either throws a `PasskeyError`. */
  async prepare(): Promise<(stream: Stream) => void> {
    const [evidence, witness] = [this.#evidence, this.#witness];
    // To go on without would be to believe everything.
    if (evidence && !(await findSignatures())) throw errorOf('notSupported', NO_SIGNATURES);
    const [pins, checkpoint] = [await this.#pins?.load(), await this.#checkpoint?.load()];
    return (stream) => {
      try {
        // The pins first: they say where the stream begins.
        if (evidence) {
          const { appID, rpID, origins } = evidence;
          stream.evidence(JSON.stringify({ appID, rpID, origins }), pins, now());
        }
        if (witness) stream.witness([...witness.keys], checkpoint);
      } catch (refused) {
        throw thrown(refused);
      }
    };
  }

  /** An item was handed over, or what became of one was told. */
  look(): void {
    this.#pins?.keep();
    this.#checkpoint?.keep();
    const unproven = this.#pins === undefined ? 0 : this.#stream().takeUnproven();
    if (unproven > 0) {
      console.warn(
        `passkey-accounts: ${unproven} open sessions were left out, because events about them were missed; these people must sign in again`,
      );
    }
  }

  /** Resolves when everything is saved. */
  async close(): Promise<void> {
    await Promise.all([this.#pins?.close(), this.#checkpoint?.close()]);
  }
}

const PINS = { what: 'pins', loss: 'after a restart, events are read again', everyMs: 1_000 };

const CHECKPOINT = { what: 'checkpoint', loss: 'after a restart, less is noticed' };

const NO_SIGNATURES =
  'evidence cannot be checked here, because there is no node:crypto that checks signatures; in workerd, set the compatibility flag nodejs_compat';
