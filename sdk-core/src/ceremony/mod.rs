//! A WebAuthn exchange as the browser's side sees it, and the challenge that both sides compute.
//!
//! [`machine::Machine`] decides; it opens no socket, shows no prompt and reads no clock. Whoever drives it
//! (`sdk-wasm/npm/src/core.ts` in a browser, a test with virtual time) hands in what happened and carries out what it says.

pub mod action;
mod backoff;
pub mod binding;
mod call;
mod link;
pub mod machine;
mod options;
mod refusal;
mod session;
mod state;

pub use backoff::Backoff;
pub use call::{Answer, CallID, PlainRequest};
pub use machine::{Config, Machine};
pub use options::{BoundOptions, Options};
pub use refusal::Refusal;
pub use state::{Credential, Greeting, Incoming, Offer, Output, Report, State};
