//! Passkey-only sign-in over one WebSocket, with live auth events for back ends.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `native` (default) | the event-stream client and the live sessions on tokio |
//! | `verify` | checking assertions and evidence, the witness of the log (aws-lc-rs) |
//! | `json` | the wire types in JSON |
//! | `web` | the browser socket |
//!
//! With none of them the crate is pure: state machines and hashes, with time and randomness as arguments.

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

#[cfg(feature = "native")]
pub use client::{
    Accounts, BoxError, Delivery, Events, EventsBuilder, KeyProvider, LiveSessions, Position, PositionStore,
    Receipt,
};
#[cfg(feature = "native")]
pub use protocol::stream::Start;
#[cfg(feature = "native")]
pub use stream::{Event, Item, Status, StreamError};
