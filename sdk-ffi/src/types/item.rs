//! What a stream hands over, as foreign languages see it.

use std::time::SystemTime;

use passkey_accounts::{protocol::stream as core_stream, stream as core};

use super::{Event, SessionKey, system_time};

/// One item to handle, and by what number to say what became of it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Delivery {
    /// Names it in [`EventStream::settle`](crate::EventStream::settle); rises by one with each item of the stream.
    pub receipt: u64,
    /// The lane; 0 where there is one only.
    pub lane: u32,
    /// The fencing token: the number of the ownership of the lane. 0 for a view.
    pub lease: u64,
    /// What to handle.
    pub item: Item,
}

/// One thing to handle, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Item {
    /// Something happened.
    Event {
        /// What.
        event: Box<Event>,
    },
    /// A page of the open sessions.
    Snapshot {
        /// The page.
        snapshot: Snapshot,
    },
    /// Events are missing here.
    Gap {
        /// Why, and how it goes on.
        gap: Gap,
    },
    /// Nothing happened up to here.
    Bookmark {
        /// The position.
        bookmark: Bookmark,
    },
}

impl From<core::Item> for Item {
    fn from(item: core::Item) -> Self {
        match item {
            core::Item::Event(event) => Self::Event { event: Box::new(event.into()) },
            core::Item::Snapshot(snapshot) => Self::Snapshot { snapshot: snapshot.into() },
            core::Item::Gap(gap) => Self::Gap { gap: gap.into() },
            core::Item::Bookmark(bookmark) => Self::Bookmark { bookmark: bookmark.into() },
        }
    }
}

/// A page of the open sessions.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Snapshot {
    /// Open sessions.
    pub sessions: Vec<OpenSession>,
    /// Forget what was held before this page.
    pub first: bool,
    /// The state is whole with this page, as of `id`.
    pub last: bool,
    /// The position, if this is the last page.
    pub id: String,
    /// On the last page: the hash chain up to the position, 32 bytes.
    pub hash: Option<Vec<u8>>,
}

impl From<core_stream::Snapshot> for Snapshot {
    fn from(snapshot: core_stream::Snapshot) -> Self {
        // The lane is the delivery's.
        let core_stream::Snapshot { sessions, first, last, id, hash, lane: _ } = snapshot;
        let sessions = sessions.into_iter().map(OpenSession::from).collect();
        Self { sessions, first, last, id, hash: hash.map(|hash| hash.0) }
    }
}

/// A session in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OpenSession {
    /// Whose session.
    pub account_id: String,
    /// The session.
    pub session_id: String,
    /// The passkey that opened it.
    pub passkey_id: String,
    /// The public key that its proofs are checked with.
    pub session_key: SessionKey,
    /// When it was opened.
    pub since: SystemTime,
    /// When it ends at the latest.
    pub expires_at: SystemTime,
}

impl From<core_stream::OpenSession> for OpenSession {
    fn from(session: core_stream::OpenSession) -> Self {
        let core_stream::OpenSession { account_id, session_id, passkey_id, session_key, since, expires_at } =
            session;
        Self {
            account_id: account_id.to_string(),
            session_id: session_id.to_string(),
            passkey_id: passkey_id.to_string(),
            session_key: session_key.into(),
            since: system_time(since),
            expires_at: system_time(expires_at),
        }
    }
}

/// Events are missing here: the position cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The position that was asked for.
    pub after: String,
    /// What follows.
    pub next: GapNext,
    /// The position before the oldest event that is kept.
    pub oldest: Option<String>,
}

impl From<core_stream::Gap> for Gap {
    fn from(gap: core_stream::Gap) -> Self {
        let core_stream::Gap { reason, after, next, oldest, lane: _ } = gap;
        Self { reason: reason.into(), after, next: next.into(), oldest }
    }
}

impl From<core_stream::GapData> for Gap {
    fn from(gap: core_stream::GapData) -> Self {
        let core_stream::GapData { reason, after, next, oldest } = gap;
        Self { reason: reason.into(), after, next: next.into(), oldest }
    }
}

/// Why a position cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum GapReason {
    /// Events right after it are no longer kept.
    Truncated,
    /// The log does not reach that far.
    Ahead,
    /// The log has another entry there.
    Diverged,
    /// An operator restored the log and said so.
    Epoch,
    /// A newer server's reason.
    Other,
}

impl From<core_stream::GapReason> for GapReason {
    fn from(reason: core_stream::GapReason) -> Self {
        match reason {
            core_stream::GapReason::Truncated => Self::Truncated,
            core_stream::GapReason::Ahead => Self::Ahead,
            core_stream::GapReason::Diverged => Self::Diverged,
            core_stream::GapReason::Epoch => Self::Epoch,
            core_stream::GapReason::Other => Self::Other,
        }
    }
}

/// What follows a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum GapNext {
    /// A snapshot of the present state.
    Snapshot,
    /// The oldest event that is kept.
    Oldest,
    /// A newer server's choice.
    Other,
}

impl From<core_stream::GapNext> for GapNext {
    fn from(next: core_stream::GapNext) -> Self {
        match next {
            core_stream::GapNext::Snapshot => Self::Snapshot,
            core_stream::GapNext::Oldest => Self::Oldest,
            core_stream::GapNext::Other => Self::Other,
        }
    }
}

/// Up to here nothing happened that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Bookmark {
    /// The position.
    pub id: String,
    /// The server's clock.
    pub time: SystemTime,
    /// The hash chain up to the position, 32 bytes.
    pub hash: Option<Vec<u8>>,
    /// The newest head that the server has signed, where one is due.
    pub head: Option<SignedHead>,
}

impl From<core::Bookmark> for Bookmark {
    fn from(bookmark: core::Bookmark) -> Self {
        let core::Bookmark { id, time, hash, head } = bookmark;
        let (hash, head) = (hash.map(|hash| hash.0), head.map(SignedHead::from));
        Self { id, time: system_time(time), hash, head }
    }
}

/// The server's word for how long its log is and what it says.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SignedHead {
    /// The log's lineage.
    pub epoch: String,
    /// The number of its last entry.
    pub seq: u64,
    /// The hash chain up to it, 32 bytes.
    pub hash: Vec<u8>,
    /// When it was signed.
    pub time: SystemTime,
    /// Which key signed: its RFC 7638 thumbprint in base64url; the keys are at `/.well-known/jwks.json`.
    pub key_id: String,
    /// Ed25519, 64 bytes.
    pub sig: Vec<u8>,
}

impl From<core_stream::SignedHead> for SignedHead {
    fn from(head: core_stream::SignedHead) -> Self {
        let core_stream::SignedHead { epoch, seq, hash, time, key_id, sig } = head;
        Self { epoch, seq, hash: hash.0, time: system_time(time), key_id, sig: sig.0 }
    }
}
