//! UniFFI bindings: converts between foreign languages and `passkey-accounts`, and does nothing else.
//!
//! | file | what it converts |
//! | --- | --- |
//! | `client.rs` | a server and the key to it: what everything is opened from |
//! | `stream.rs`, `inbox.rs` | the event stream, pulled in two phases: `ready` waits and carries nothing, `take` carries and never waits |
//! | `live.rs` | the live sessions |
//! | `proofs.rs` | who sent this request |
//! | `api.rs` | the HTTP API |
//! | `provider.rs` | what the application is asked: keys, positions |
//! | `types/`, `text.rs`, `packed.rs` | items, events and other values; a batch of items as one text, or as bytes in memory |
//! | `error.rs` | errors |
//! | `engine.rs` | nothing: the threads that the foreign program need not know of |
//! | `replay.rs` | nothing: the stream's machine and the checking of proofs with a clock that a test sets |

mod api;
mod client;
mod engine;
mod error;
mod inbox;
mod live;
mod packed;
mod proofs;
mod provider;
mod replay;
mod stream;
mod text;
mod types;

pub use client::{Client, ConnectOptions};
pub use error::Error;
pub use live::{Endings, LiveSession, LiveSessions, SessionHandle};
pub use packed::Batch;
pub use proofs::{Account, Field, ProofRefusal, Proofs, RequestHead, VerifiedHead, body_too_large};
pub use provider::{KeyProvider, Positions, ProviderError};
pub use replay::{ProofReplay, ReplayOutput, StreamReplay};
pub use stream::{EventStream, EventsOptions, EvidenceOptions, Start, WitnessOptions};
pub use types::*;

/// An event is made on one thread and let go of on another, which costs the C library's allocator a lock and a search.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

uniffi::setup_scaffolding!();
