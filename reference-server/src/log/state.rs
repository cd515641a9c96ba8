//! The state that a log leads to: its head and the sessions that are open. Pure; cloning is cheap.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};
use passkey_accounts::{
    log::{ChainHash, Entry as ChainEntry, Epoch, EventID},
    planted,
    protocol::{AccountID, AppID, SessionID, UnixMillis, event::EventKind, stream::GapReason},
};

use super::Entry;
use crate::{recovery::Running, sessions::Session, store::Roll};

/// A position with the whole of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// As it is told to back ends.
    pub id: EventID,
    /// The chain up to it.
    pub hash: ChainHash,
}

impl Place {
    /// The position of the entry with this number and hash.
    pub fn new(epoch: Epoch, seq: u64, hash: ChainHash) -> Self {
        Self { id: EventID::new(epoch, seq, &hash), hash }
    }
}

/// One app's log up to some entry, without the entries themselves.
///
/// The maps are persistent: a clone shares all memory and is the exact state as of one position, for ever.
#[derive(Debug, Clone)]
pub struct LogState {
    app_id: AppID,
    epoch: Epoch,
    start: Place,
    head: Place,
    sessions: OrdMap<SessionID, Arc<Session>>,
    accounts: HashMap<AccountID, u64>,
    recoveries: OrdMap<AccountID, Running>,
    roll: Roll,
}

impl LogState {
    /// A log of the entries after `start` up to `head`, with no session open.
    pub fn new(app_id: AppID, start: Place, head: Place) -> Self {
        let (sessions, accounts, roll) = (OrdMap::new(), HashMap::new(), Roll::default());
        let recoveries = OrdMap::new();
        Self { app_id, epoch: head.id.epoch, start, head, sessions, accounts, recoveries, roll }
    }

    /// A log without entries.
    pub fn empty(app_id: AppID, epoch: Epoch) -> Self {
        let genesis = Place::new(epoch, 0, ChainHash::GENESIS);
        Self::new(app_id, genesis, genesis)
    }

    /// Whose log.
    pub const fn app_id(&self) -> AppID {
        self.app_id
    }

    /// The log's lineage.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the last entry.
    pub const fn seq(&self) -> u64 {
        self.head.id.seq
    }

    /// The position of the last entry.
    pub const fn head(&self) -> Place {
        self.head
    }

    /// The position before the oldest entry that is kept.
    pub const fn start(&self) -> Place {
        self.start
    }

    /// The entries up to `start` are no longer kept.
    pub fn cut(&mut self, start: Place) {
        self.start = start;
    }

    /// A backup was restored: the log goes on from its head in a new lineage. What came before is no longer told, because
    /// ids of the old lineage would say that it is the same history.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.head = Place::new(epoch, self.head.id.seq, self.head.hash);
        self.start = self.head;
    }

    /// Whether a reader can go on after `position`, where `stored` is the hash of the entry with that number, if it is
    /// kept. Checked on every use: a position from before a restored backup must never be continued in silence.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self, position: EventID, stored: Option<ChainHash>) -> Result<Place, GapReason> {
        if position.epoch != self.epoch && !planted!(EpochNotChecked) {
            return Err(GapReason::Epoch);
        }
        if position.seq > self.head.id.seq && planted!(AheadAccepted) {
            return Ok(self.head);
        }
        if position.seq > self.head.id.seq {
            return Err(GapReason::Ahead);
        }
        if position.seq < self.start.id.seq {
            return Err(GapReason::Truncated);
        }
        let hash = if position.seq == self.start.id.seq { Some(self.start.hash) } else { stored };
        match hash {
            None => Err(GapReason::Truncated),
            Some(hash) if !position.matches(&hash) && !planted!(HashNotChecked) => Err(GapReason::Diverged),
            Some(hash) => Ok(Place { id: position, hash }),
        }
    }

    /// What else the database must hold for the app.
    pub const fn roll(&self) -> &Roll {
        &self.roll
    }

    /// The roll, to change it with its rows.
    pub(crate) const fn roll_mut(&mut self) -> &mut Roll {
        &mut self.roll
    }

    /// The open sessions in the order of their ids.
    pub fn sessions(&self) -> &OrdMap<SessionID, Arc<Session>> {
        &self.sessions
    }

    /// The recoveries that run, by their accounts.
    pub const fn recoveries(&self) -> &OrdMap<AccountID, Running> {
        &self.recoveries
    }

    /// Which recovery of an account runs.
    pub(crate) fn set_running(&mut self, account_id: AccountID, running: Option<Running>) {
        match running {
            Some(running) => self.recoveries.insert(account_id, running),
            None => self.recoveries.remove(&account_id),
        };
    }

    /// How many sessions of an account are open.
    pub fn account_sessions(&self, account_id: AccountID) -> u64 {
        self.accounts.get(&account_id).copied().unwrap_or(0)
    }

    /// Adds a session and says how many the account has now.
    pub fn open_session(&mut self, session: Arc<Session>) -> u64 {
        let count = self.accounts.entry(session.account_id).or_insert(0);
        *count += 1;
        let count = *count;
        self.sessions.insert(session.session_id, session);
        count
    }

    /// Takes a session out and says how many the account has left; `None` if it is not open.
    pub fn end_session(&mut self, session_id: SessionID) -> Option<(Arc<Session>, u64)> {
        let session = self.sessions.remove(&session_id)?;
        let left = self.accounts.get(&session.account_id).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.accounts.remove(&session.account_id);
        } else {
            self.accounts.insert(session.account_id, left);
        }
        Some((session, left))
    }

    /// Appends an event and returns its entry.
    pub fn append(&mut self, now: UnixMillis, kind: &EventKind) -> Entry {
        let (seq, name, data) = (self.seq() + 1, kind.name(), kind.data_json());
        let Self { app_id, epoch, .. } = *self;
        let entry = ChainEntry { app_id, epoch, seq, time: now, name, data: &data };
        self.head = Place::new(epoch, seq, self.head.hash.followed_by(&entry));
        Entry::new(epoch, seq, now, name, data, self.head.hash)
    }
}
