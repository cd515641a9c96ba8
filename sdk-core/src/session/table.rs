//! The open sessions, found by id, by account, and by when they expire.

use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::LiveSession;
use crate::protocol::{AccountID, SessionID, UnixMillis};

/// Sessions by their three keys. Each index holds one pointer a session: the keys are read where they lie.
#[derive(Default)]
pub(super) struct Table {
    sessions: HashSet<ByID>,
    accounts: HashSet<ByAccount>,
    expiries: BTreeSet<ByExpiry>,
}

/// A session that was taken out.
pub(super) struct Removed {
    pub(super) session: Arc<LiveSession>,
    /// It was the account's last.
    pub(super) account_is_gone: bool,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn find(&self, id: SessionID) -> Option<&Arc<LiveSession>> {
        self.sessions.get(&id).map(|entry| &entry.0)
    }

    pub(super) fn of_account(&self, id: AccountID) -> impl Iterator<Item = &Arc<LiveSession>> {
        let entry = self.accounts.get(&id);
        entry.into_iter().flat_map(|entry| std::iter::once(&entry.first).chain(entry.others()))
    }

    pub(super) fn has_account(&self, id: AccountID) -> bool {
        self.accounts.contains(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<LiveSession>> {
        self.sessions.iter().map(|entry| &entry.0)
    }

    /// Adds a session whose id is not there yet.
    pub(super) fn insert(&mut self, session: &Arc<LiveSession>) {
        debug_assert!(self.find(session.session_id).is_none());
        self.sessions.insert(ByID(Arc::clone(session)));
        self.expiries.insert(ByExpiry(Arc::clone(session)));
        let entry = match self.accounts.take(&session.account_id) {
            None => ByAccount { first: Arc::clone(session), more: None },
            Some(mut entry) => {
                entry.more.get_or_insert_default().0.push(Arc::clone(session));
                entry
            }
        };
        self.accounts.insert(entry);
    }

    pub(super) fn remove(&mut self, id: SessionID) -> Option<Removed> {
        let ByID(session) = self.sessions.take(&id)?;
        self.expiries.remove(&ByExpiry(Arc::clone(&session)));
        let rest = self.accounts.take(&session.account_id).and_then(|entry| entry.without(id));
        let account_is_gone = rest.is_none();
        self.accounts.extend(rest);
        Some(Removed { session, account_is_gone })
    }

    /// The session that expires first.
    pub(super) fn first_to_expire(&self) -> Option<&Arc<LiveSession>> {
        self.expiries.first().map(|entry| &entry.0)
    }

    /// Takes out one session whose time is over.
    pub(super) fn remove_expired(&mut self, now: UnixMillis) -> Option<Removed> {
        let first = self.first_to_expire()?;
        if first.expires_at > now {
            return None;
        }
        let id = first.session_id;
        self.remove(id)
    }
}

struct ByID(Arc<LiveSession>);

impl Borrow<SessionID> for ByID {
    fn borrow(&self) -> &SessionID {
        &self.0.session_id
    }
}

impl PartialEq for ByID {
    fn eq(&self, other: &Self) -> bool {
        self.0.session_id == other.0.session_id
    }
}

impl Eq for ByID {}

impl Hash for ByID {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.session_id.hash(state);
    }
}

/// The sessions of one account: nearly always one.
struct ByAccount {
    first: Arc<LiveSession>,
    more: Option<Box<Others>>,
}

/// In a box, because a vector in every entry would cost three words.
#[derive(Default)]
struct Others(Vec<Arc<LiveSession>>);

impl ByAccount {
    fn others(&self) -> impl Iterator<Item = &Arc<LiveSession>> {
        self.more.iter().flat_map(|others| &others.0)
    }

    fn without(mut self, id: SessionID) -> Option<Self> {
        if self.first.session_id == id {
            self.first = self.more.as_mut()?.0.pop()?;
        } else if let Some(others) = &mut self.more {
            others.0.retain(|session| session.session_id != id);
        }
        if self.more.as_ref().is_some_and(|others| others.0.is_empty()) {
            self.more = None;
        }
        Some(self)
    }
}

impl Borrow<AccountID> for ByAccount {
    fn borrow(&self) -> &AccountID {
        &self.first.account_id
    }
}

impl PartialEq for ByAccount {
    fn eq(&self, other: &Self) -> bool {
        self.first.account_id == other.first.account_id
    }
}

impl Eq for ByAccount {}

impl Hash for ByAccount {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.first.account_id.hash(state);
    }
}

struct ByExpiry(Arc<LiveSession>);

impl ByExpiry {
    fn key(&self) -> (UnixMillis, SessionID) {
        (self.0.expires_at, self.0.session_id)
    }
}

impl PartialEq for ByExpiry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByExpiry {}

impl PartialOrd for ByExpiry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByExpiry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
