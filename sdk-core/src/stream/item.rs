//! What a stream hands to the application, in the order of the log.

use crate::protocol::{
    DecodeError, UnixMillis,
    base64url::Base64Url,
    event::EventKind,
    stream::{self as wire, Gap, RawEvent, SignedHead, Snapshot, WholeEvent},
};

/// One thing to handle.
///
/// ```
/// use passkey_accounts::{Item, protocol::event::EventKind};
///
/// fn describe(item: &Item) -> String {
///     match item {
///         Item::Event(event) => match &event.kind {
///             Some(EventKind::LoggedIn(login)) => format!("signed in: {}", login.account_id),
///             Some(EventKind::LoggedOut(logout)) => format!("signed out: {}", logout.account_id),
///             Some(_) | None => format!("also happened: {}", event.name),
///         },
///         Item::Snapshot(page) => format!("{} sessions are open", page.sessions.len()),
///         Item::Gap(gap) => format!("events after {} are no longer kept", gap.after),
///         Item::Bookmark(_) => "nothing new".into(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Something happened.
    Event(Event),
    /// A page of the open sessions. With `first`, forget the sessions known so far; with `last`, the state is whole.
    Snapshot(Snapshot),
    /// Events are missing here: the position cannot be continued. What follows says how it goes on.
    Gap(Gap),
    /// Nothing happened up to here.
    Bookmark(Bookmark),
}

impl Item {
    /// Where to resume once this item is handled: give it to [`after`](crate::EventsBuilder::after).
    ///
    /// `None` for what is no position: a gap, and every snapshot page but the last.
    pub fn position(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.id),
            Self::Snapshot(page) if page.last => Some(&page.id),
            Self::Snapshot(_) | Self::Gap(_) => None,
            Self::Bookmark(bookmark) => Some(&bookmark.id),
        }
    }
}

/// An entry of the app's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Cursor and dedupe key. Opaque.
    pub id: String,
    /// Its number in the app's log, from 1.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
    /// The type on the wire, for example `loggedIn`.
    pub name: String,
    /// The data as JSON text, byte for byte as the log's hash chain covers it.
    pub data: String,
    /// The data, read. `None` for a type that is newer than this version.
    pub kind: Option<EventKind>,
}

impl TryFrom<RawEvent> for Event {
    type Error = DecodeError;

    fn try_from(raw: RawEvent) -> Result<Self, DecodeError> {
        let kind = raw.kind()?;
        let RawEvent { name, data, id, prev: _, seq, time, lane: _ } = raw;
        Ok(Self { id, seq, time, name, data, kind })
    }
}

impl From<WholeEvent<'_>> for Event {
    fn from(event: WholeEvent<'_>) -> Self {
        let WholeEvent { name, data, kind, id, prev: _, seq, time, lane: _ } = event;
        let [id, name, data] = [id, name, data].map(str::to_owned);
        Self { id, seq, time, name, data, kind: Some(kind) }
    }
}

/// Up to here nothing happened that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The position.
    pub id: String,
    /// The server's clock.
    pub time: UnixMillis,
    /// The hash chain up to the position, 32 bytes.
    pub hash: Option<Base64Url>,
    /// The newest head that the server has signed, where one is due.
    pub head: Option<SignedHead>,
}

impl From<wire::Bookmark> for Bookmark {
    fn from(bookmark: wire::Bookmark) -> Self {
        let wire::Bookmark { id, prev: _, time, hash, head, lane: _ } = bookmark;
        Self { id, time, hash, head }
    }
}
