/** What a bundler for workerd makes of an imported WebAssembly file. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
