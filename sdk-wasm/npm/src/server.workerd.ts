/** The entry for back ends in workerd, which compiles WebAssembly from files only and before the first request. */

import { provide } from './server/load.js';
import module from './server.wasm';

provide(() => module);

export * from './server/entry.js';
