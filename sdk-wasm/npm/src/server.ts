/** The package's entry for back ends: Node, Bun, Deno. */

import { provide } from './server/load.js';
import { wasm } from './server/wasm.js';

provide(wasm);

export * from './server/entry.js';
