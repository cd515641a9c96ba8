// The parts of the server entry that replays drive by hand; bundled beside the package (tests/src/build.rs).
export { elsewhere, initSync, Stream } from '../../../sdk-wasm/npm/src/server/core.js';
export { decode, positionOf } from '../../../sdk-wasm/npm/src/server/items.js';
export { wasm } from '../../../sdk-wasm/npm/src/server/wasm.js';
