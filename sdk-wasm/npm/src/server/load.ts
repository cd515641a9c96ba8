/** Starts the WebAssembly core, once, when it is first needed. */

import {
  Live,
  Origins,
  Proof,
  Stream,
  badSignature,
  describe,
  elsewhere,
  eventsAddress,
  initSync,
  isKeyPair,
  readPage,
  signRequest,
  statusOf,
  tooLarge,
} from './core.js';

// Not `import *`: the helper that esbuild makes of it would be one more file for every entry, browsers' included.
const core = {
  Live,
  Origins,
  Proof,
  Stream,
  badSignature,
  describe,
  elsewhere,
  eventsAddress,
  isKeyPair,
  readPage,
  signRequest,
  statusOf,
  tooLarge,
};

/** The module as the entry has it: its bytes, or compiled. */
type Source = () => BufferSource | WebAssembly.Module;

let source: Source | undefined;

/** Says where the module comes from. Every entry does, and nothing else happens when it is imported. */
export function provide(from: Source): void {
  source ??= from;
}

/** The core. Compiling it takes some milliseconds, the first time. */
export function load(): typeof core {
  if (source !== undefined) {
    initSync({ module: source() });
    source = undefined;
  }
  return core;
}
