//! Passkey-only sign-in over one WebSocket, with live auth events for back ends.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `native` (default) | the event-stream client on tokio |
//! | `http` (default) | the HTTP API's client on reqwest |
//! | `verify` | checking assertions and evidence (aws-lc-rs) |
//! | `json` | the wire types in JSON |
//! | `web` | the browser socket |
//! | `openapi` | OpenAPI schemas of the HTTP API's types, for servers |
//!
//! With none of them the crate is pure: state machines and hashes, with time and randomness as arguments.

#[cfg(feature = "http")]
pub mod api;
pub mod ceremony;
#[cfg(feature = "native")]
mod client;
#[cfg(feature = "verify")]
pub mod evidence;
pub mod log;
pub mod protocol;
#[cfg(feature = "native")]
pub mod session;
#[cfg(feature = "json")]
pub mod stream;
#[cfg(any(feature = "native", feature = "web"))]
pub mod transport;

#[cfg(feature = "http")]
pub use api::{Api, ApiError};
#[cfg(feature = "native")]
pub use client::{Events, EventsBuilder};
#[cfg(feature = "native")]
pub use stream::{Event, Item, Status, StreamError};
