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
  statusOf,
  tooLarge,
} from './core.js';
import { wasm } from './wasm.js';

// Not `import *`: the helper that esbuild makes of it would be one more file for every entry, browsers' included.
const core = { Live, Origins, Proof, Stream, badSignature, describe, elsewhere, eventsAddress, statusOf, tooLarge };
let isLoaded = false;

/** The core. Compiling it takes some milliseconds, the first time. */
export function load(): typeof core {
  if (!isLoaded) {
    initSync({ module: wasm() });
    isLoaded = true;
  }
  return core;
}
