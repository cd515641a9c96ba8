//! What a client asks the stream for.

use super::cursor::{Expecting, Resume};
use crate::protocol::stream::{DEFAULT_ACK_TIMEOUT_MS, FirstMessage, MAX_ACK_TIMEOUT_MS, PROTOCOL, Start};

/// What to ask the server for. The default is a view that begins with the open sessions.
///
/// ```
/// use passkey_accounts::stream::Subscription;
///
/// let worker = Subscription { consumer: Some("billing".into()), window: Some(64), ..Subscription::default() };
/// assert!(worker.is_worker() && !Subscription::default().is_worker());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    /// Event types; `None` for the server's default (`loggedIn`, `loggedOut`), `["*"]` for all.
    pub types: Option<Vec<String>>,
    /// Resume strictly after this position. Views only: a worker's position is kept by the server or by its store.
    pub after: Option<String>,
    /// Where to begin without a position; `None` for the open sessions.
    pub start: Option<Start>,
    /// `Some(false)`: never send the open sessions; a gap goes on at the oldest event that is kept.
    pub snapshot: Option<bool>,
    /// `Some(false)`, with `snapshot: Some(false)`: a gap ends the stream (`gone`) instead of going on.
    pub skip: Option<bool>,
    /// A name of 1 to 64 of `[A-Za-z0-9._-]`: makes the client a worker.
    pub consumer: Option<String>,
    /// 1 to 64; only read by the server when the consumer is made.
    pub lanes: Option<u32>,
    /// Items that may await acknowledgement, 1 to 4096; 0: none are acknowledged; `None`: the server's 256.
    pub window: Option<u32>,
    /// Workers: how long one item may stay unsettled while others wait for the lane; `None`: 60,000.
    pub ack_timeout_ms: Option<u64>,
    /// How many items of a lane may be in the application's hands at once, settled in their order; 0 counts as 1.
    pub in_hand: u32,
}

impl Subscription {
    /// Whether the server keeps this client's positions.
    pub const fn is_worker(&self) -> bool {
        self.consumer.is_some()
    }

    pub(super) fn first_message(&self, shown: FirstMessage, resume: &Resume) -> FirstMessage {
        FirstMessage {
            protocol: Some(PROTOCOL),
            after: resume.id().map(str::to_owned),
            start: if *resume == Resume::Beginning { self.start } else { None },
            snapshot: self.snapshot,
            skip: self.skip,
            consumer: self.consumer.clone(),
            lanes: self.lanes,
            types: self.types.clone(),
            window: self.window,
            ack_timeout_ms: self.ack_timeout_ms,
            ndjson: Some(true),
            client: Some(concat!("passkey-accounts/", env!("CARGO_PKG_VERSION")).to_owned()),
            ..shown
        }
    }

    /// What may come first where there is no position.
    pub(super) fn expecting(&self, resume: &Resume) -> Expecting {
        let from_state = match (resume, self.start) {
            (Resume::Beginning, Some(Start::Now | Start::Earliest)) => false,
            (Resume::Beginning | Resume::State | Resume::After(_), _) => self.snapshot != Some(false),
        };
        if from_state { Expecting::FirstPage } else { Expecting::Anything }
    }

    pub(super) fn ack_timeout_ms(&self) -> u64 {
        self.ack_timeout_ms.unwrap_or(DEFAULT_ACK_TIMEOUT_MS).min(MAX_ACK_TIMEOUT_MS)
    }

    pub(super) fn in_hand_max(&self) -> usize {
        usize::try_from(self.in_hand).unwrap_or(usize::MAX).max(1)
    }
}
