// The parts of the server entry that replays drive by hand, the module started. Bundled by tests/src/build.rs.
import { initSync } from '../../../sdk-wasm/npm/src/server/core.js';
import { findSignatures } from '../../../sdk-wasm/npm/src/server/signatures.ts';
import { wasm } from '../../../sdk-wasm/npm/src/server/wasm.js';

initSync({ module: wasm() });
// Browsers have none: there nobody checks evidence.
await findSignatures();

export { elsewhere, Stream } from '../../../sdk-wasm/npm/src/server/core.js';
export { Batch, positionOf } from '../../../sdk-wasm/npm/src/server/items.js';
