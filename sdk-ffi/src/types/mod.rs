//! Values as foreign languages see them: ids as text, times as the language's own, bytes as bytes.
//!
//! Conversions name every variant and every member, so that a change in the core does not compile here until it is
//! mirrored.

mod account;
mod event;
mod item;
mod session;
mod status;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passkey_accounts::protocol::UnixMillis;

pub use account::{
    AccountInfo, AppInfo, Checkpoint, CreatedKey, EventsPage, KeyInfo, PasskeyInfo, Policy, SessionsPage,
};
pub use event::{
    Confirmation, EndReason, Event, EventKind, Evidence, LoggedIn, RemovalReason, SessionKey, TamperedRow,
};
pub use item::{Bookmark, Delivery, Gap, GapNext, GapReason, Item, OpenSession, SignedHead, Snapshot};
pub use session::{Ended, SessionEnd, SessionEnds};
pub use status::Status;

/// A time that no calendar reaches becomes the start of time: it is informative only.
pub(crate) fn system_time(time: UnixMillis) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(time.0)).unwrap_or(UNIX_EPOCH)
}

pub(crate) fn unix_millis(time: SystemTime) -> UnixMillis {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
