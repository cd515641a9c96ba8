/** The bytes of the module for back ends; wasm.js itself is generated. */
export function wasm(): Uint8Array<ArrayBuffer>;
