/** The WebAssembly module in base64; wasm.js itself is generated. */
export const wasm: string;
