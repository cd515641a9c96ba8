//! The state that a log leads to: its head and the sessions that are open. Pure; cloning is cheap.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};
use passkey_accounts::{
    log::{ChainHash, Entry as ChainEntry, Epoch, EventID},
    protocol::{AccountID, AppID, SessionID, UnixMillis, event::EventKind},
};

use super::Entry;
use crate::sessions::Session;

/// One app's log up to some entry, without the entries themselves.
///
/// The maps are persistent: a clone shares all memory and is the exact state as of one position, for ever.
#[derive(Debug, Clone)]
pub struct LogState {
    app_id: AppID,
    epoch: Epoch,
    seq: u64,
    hash: ChainHash,
    sessions: OrdMap<SessionID, Arc<Session>>,
    accounts: HashMap<AccountID, u64>,
}

impl LogState {
    /// A log whose last entry has this number and hash, with no session open; 0 and
    /// [`ChainHash::GENESIS`] for an empty one.
    pub fn new(app_id: AppID, epoch: Epoch, seq: u64, hash: ChainHash) -> Self {
        Self { app_id, epoch, seq, hash, sessions: OrdMap::new(), accounts: HashMap::new() }
    }

    /// The log's lineage.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the last entry.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The position of the last entry.
    pub fn head(&self) -> EventID {
        EventID::new(self.epoch, self.seq, &self.hash)
    }

    /// The open sessions in the order of their ids.
    pub fn sessions(&self) -> &OrdMap<SessionID, Arc<Session>> {
        &self.sessions
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
        let (seq, name, data) = (self.seq + 1, kind.name(), kind.data_json());
        let Self { app_id, epoch, .. } = *self;
        self.hash = self.hash.followed_by(&ChainEntry { app_id, epoch, seq, time: now, name, data: &data });
        self.seq = seq;
        Entry::new(epoch, seq, now, name, data, self.hash)
    }
}
