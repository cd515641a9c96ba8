/** The bytes of the WebAssembly module; wasm.js itself is generated. */
export function wasm(): Uint8Array<ArrayBuffer>;
