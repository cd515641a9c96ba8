//! The browser module: converts between JavaScript and `passkey-accounts`, and does nothing else.
//!
//! `npm/` holds the face that pages use; what is exported here is known to `npm/src/client.ts` only.

mod authenticator;
mod client;
mod error;
mod session_key;

pub use client::Core;
