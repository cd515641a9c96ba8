/** Starts the WebAssembly core, once, when it is first needed. */

import * as core from './core.js';
import { wasm } from './wasm.js';

let isLoaded = false;

/** The core. Compiling it takes some milliseconds, the first time. */
export function load(): typeof core {
  if (!isLoaded) {
    core.initSync({ module: wasm() });
    isLoaded = true;
  }
  return core;
}
