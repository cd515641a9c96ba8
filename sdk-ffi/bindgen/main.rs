//! Generates the foreign code from the built library: `uniffi-bindgen generate --library ...`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
