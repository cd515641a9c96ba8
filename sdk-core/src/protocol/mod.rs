//! The wire types that the server and every client share. docs/protocol.md is the text they implement.
//!
//! Nothing here reads a clock, draws a random number or opens a socket.

pub mod base64url;
pub mod code;
#[cfg(feature = "json")]
mod decode;
#[cfg(feature = "json")]
pub mod event;
pub mod gateway;
#[cfg(feature = "json")]
pub mod http;
pub mod id;
#[cfg(feature = "json")]
pub(crate) mod object;
#[cfg(feature = "openapi")]
mod schema;
#[cfg(feature = "json")]
pub mod scope;
#[cfg(feature = "json")]
pub mod stream;
#[cfg(feature = "json")]
mod text;
pub mod time;
#[cfg(feature = "json")]
pub mod webauthn;

pub use code::Code;
#[cfg(feature = "json")]
pub use decode::DecodeError;
pub use id::{AccountID, AppID, CeremonyID, ConnectionID, PasskeyID, SessionID};
#[cfg(feature = "json")]
pub use object::is_strict_object;
#[cfg(feature = "json")]
pub use scope::Scope;
pub use time::UnixMillis;

/// The number a client puts on a request; the answer repeats it.
pub type RequestID = u64;
