//! Messages of the back-end socket, `GET /v1/events` and `GET /` (docs/protocol.md section 2).

mod first;
mod message;
mod reply;
mod whole;

pub use first::{FirstMessage, Start};
pub use message::{
    Assigned, Bookmark, BookmarkData, Challenge, Drain, Gap, GapData, GapNext, GapReason, Lease, Message,
    OpenSession, RawEvent, Read, Ready, Revoked, RevokedData, SignedHead, Snapshot, SnapshotPage,
};
pub use reply::{Ack, Proven, Reply};
pub use whole::WholeEvent;

/// The version of the stream protocol that this code speaks.
pub const PROTOCOL: u32 = 1;

/// The largest message a back end may send, in bytes.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;

/// The largest message the server sends, in bytes.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 64 * 1024;

/// The types that a subscription gets when it names none.
pub const DEFAULT_TYPES: [&str; 2] = ["loggedIn", "loggedOut"];

/// The most types that a subscription may name.
pub const MAX_TYPES: usize = 64;

/// Items that may await acknowledgement when the client names no number.
pub const DEFAULT_WINDOW: u32 = 256;

/// The most items that may await acknowledgement.
pub const MAX_WINDOW: u32 = 4_096;

/// The most lanes that a consumer may have.
pub const MAX_LANES: u32 = 64;

/// The longest name of a consumer, in characters of `[A-Za-z0-9._-]`.
pub const MAX_CONSUMER_CHARS: usize = 64;

/// How long a worker may keep one item unsettled while others wait for its lane, in milliseconds, when it names no time.
pub const DEFAULT_ACK_TIMEOUT_MS: u64 = 60_000;

/// The longest such time, in milliseconds.
pub const MAX_ACK_TIMEOUT_MS: u64 = 900_000;
