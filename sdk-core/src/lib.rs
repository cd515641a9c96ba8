//! Passkey-only sign-in over one WebSocket, with live auth events for back ends.
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `http` (default) | the HTTP API's client on reqwest |
//! | `native` (default) | the client of a back end on tokio: [`Accounts`], the event stream, [`LiveSessions`] |
//! | `tower` | [a layer](tower::ProofLayer) that checks proofs of requests |
//! | `axum` | the layer's [`Account`] as an argument of handlers |
//! | `sqlite` | [`SqlitePositions`]: positions in the transaction of the effect (sqlx) |
//! | `verify` | checking assertions, evidence and exports of the log (aws-lc-rs); `evidence`, `witness` |
//! | `evidence` | [what is decided](evidence) about evidence: pure, also in WebAssembly |
//! | `witness` | the [witness](log::Witness) of the log: pure, also in WebAssembly |
//! | `proof` | reading and judging [proofs](proof): pure, also in WebAssembly |
//! | `json` | the wire types in JSON, and the event stream's machine |
//! | `session` | the live sessions without a socket: [`session::Replica`] |
//! | `address` | the rules for the stream's address: [`transport::events_address`] |
//! | `web` | the browser's own base64, for the browser module |
//! | `node` | signatures of evidence checked by JavaScript's platform, for the module of its back ends |
//! | `openapi` | OpenAPI schemas of the HTTP API's types, for servers |
//!
//! With none of them the crate is pure: state machines and hashes, with time and randomness as arguments.
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # async fn example() -> Result<(), passkey_accounts::StreamError> {
//! let accounts = passkey_accounts::Accounts::connect("https://auth.example", "pa_live_...")?;
//! let mut events = accounts.events().open();
//! while let Some(delivery) = events.next().await {
//!     let delivery = delivery?;
//!     println!("{:?}", delivery.item());
//!     delivery.ack();
//! }
//! # Ok(())
//! # }
//! ```

// Without JSON nothing here needs an operating system: what a browser downloads stays small.
#![cfg_attr(not(any(feature = "json", feature = "planted", test)), no_std)]

extern crate alloc;

#[cfg(feature = "http")]
pub mod api;
pub mod ceremony;
#[cfg(feature = "native")]
mod client;
#[doc(hidden)]
pub mod defence;
#[cfg(feature = "evidence")]
pub mod evidence;
#[cfg(feature = "json")]
pub mod key_pair;
pub mod log;
#[cfg(any(feature = "address", feature = "http"))]
mod loopback;
#[doc(hidden)]
pub mod planted;
#[cfg(feature = "proof")]
pub mod proof;
pub mod protocol;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "json")]
pub mod stream;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "address")]
pub mod transport;

#[cfg(feature = "http")]
pub use api::{Api, ApiError};
#[cfg(feature = "native")]
pub use client::{
    Account, Accounts, BoxError, Delivery, Events, EventsBuilder, KeyProvider, LiveSessions, Position,
    PositionStore, Proofs, ProofsBuilder, Receipt, VerifiedHead,
};
#[cfg(feature = "sqlite")]
pub use client::{SaveError, SqlitePositions};
#[cfg(feature = "proof")]
pub use proof::ProofError;
#[cfg(feature = "native")]
pub use protocol::stream::Start;
#[cfg(feature = "native")]
pub use stream::{Event, Item, Status, StreamError};
