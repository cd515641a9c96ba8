//! The browser module: converts between JavaScript and `passkey-accounts`, and does nothing else.
//!
//! `npm/` holds the face that pages use; what is exported here is known to `npm/src/core.ts` only, which also has the
//! socket, the clock and the promises. Without the standard library: its formatting and panic messages would be half of
//! what a browser downloads.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod codec;
mod json;
mod machine;
#[cfg(target_arch = "wasm32")]
mod rim;
#[cfg(test)]
mod tests;

pub use machine::Machine;
