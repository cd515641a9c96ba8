// The parts of the server entry that replays drive by hand, the module started. Bundled by tests/src/build.rs.
import { initSync } from '../../../sdk-wasm/npm/src/server/core.js';
import { wasm } from '../../../sdk-wasm/npm/src/server/wasm.js';

initSync({ module: wasm() });

export { elsewhere, Stream } from '../../../sdk-wasm/npm/src/server/core.js';
export { Batch, positionOf } from '../../../sdk-wasm/npm/src/server/items.js';
