//! The newest entries of each log in memory, shared by all readers. Readers pull; nothing is queued for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use passkey_accounts::protocol::{AppID, UnixMillis, stream::SignedHead};
use tokio::sync::watch;

use super::{Entry, LogState};
use crate::{
    crypto::HeadSigner,
    limits::{HEAD_ENTRIES, HEAD_MS},
};

/// Entries kept in memory per app. Older ones are read from the database.
const RING_ENTRIES: usize = 1_000;

/// The tails of all apps.
#[derive(Debug, Default)]
pub struct Logs {
    tails: RwLock<HashMap<AppID, Arc<Tail>>>,
    /// Which app an API key speaks for.
    keys: RwLock<HashMap<String, AppID>>,
}

impl Logs {
    /// The tail of an app's log.
    pub fn tail(&self, app_id: AppID) -> Option<Arc<Tail>> {
        self.tails.read().unwrap_or_else(PoisonError::into_inner).get(&app_id).cloned()
    }

    /// The tails of all apps, in no order.
    pub fn all(&self) -> Vec<Arc<Tail>> {
        self.tails.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The app that the API key with this name speaks for.
    pub fn app_of_key(&self, key_id: &str) -> Option<AppID> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(key_id).copied()
    }

    /// Adds an API key.
    pub fn key_is_of(&self, key_id: String, app_id: AppID) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key_id, app_id);
    }

    /// Adds the log of an app.
    pub fn insert(&self, app_id: AppID, state: LogState) {
        let tail = Arc::new(Tail::new(state));
        self.tails.write().unwrap_or_else(PoisonError::into_inner).insert(app_id, tail);
    }
}

/// The end of one app's log: its state and its last entries.
#[derive(Debug)]
pub struct Tail {
    inner: Mutex<Inner>,
    head: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    state: LogState,
    ring: VecDeque<Arc<Entry>>,
    signed: Option<SignedHead>,
}

impl Tail {
    fn new(state: LogState) -> Self {
        let head = watch::Sender::new(state.seq());
        Self { inner: Mutex::new(Inner { state, ring: VecDeque::new(), signed: None }), head }
    }

    /// The state as of the last committed entry.
    pub fn state(&self) -> LogState {
        self.lock().state.clone()
    }

    /// Wakes when the log has grown. It carries the head's number, never the data.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Up to `limit` entries after `seq`; `None` when they are no longer in memory.
    pub fn entries_after(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let inner = self.lock();
        if seq >= inner.state.seq() {
            return Some(Vec::new());
        }
        if seq < inner.state.start().id.seq {
            return None;
        }
        let first = inner.ring.front()?.seq;
        let skip = usize::try_from((seq + 1).checked_sub(first)?).ok()?;
        Some(inner.ring.iter().skip(skip).take(limit).cloned().collect())
    }

    /// The head of the log, signed: at most every [`HEAD_MS`] or [`HEAD_ENTRIES`], and then for all readers.
    pub fn signed_head(&self, signer: &HeadSigner, now: UnixMillis) -> SignedHead {
        let mut inner = self.lock();
        let head = inner.state.head();
        if let Some(signed) = &inner.signed {
            let is_young = now.since(signed.time) < HEAD_MS && head.id.seq < signed.seq + HEAD_ENTRIES;
            if is_young || head.id.seq == signed.seq {
                return signed.clone();
            }
        }
        let signed = signer.sign(inner.state.app_id(), head, now);
        inner.signed = Some(signed.clone());
        signed
    }

    /// Makes committed entries visible and wakes the readers.
    pub fn publish(&self, state: LogState, entries: impl IntoIterator<Item = Arc<Entry>>) {
        let seq = state.seq();
        let mut inner = self.lock();
        inner.state = state;
        inner.ring.extend(entries);
        let excess = inner.ring.len().saturating_sub(RING_ENTRIES);
        inner.ring.drain(..excess);
        drop(inner);
        self.head.send_replace(seq);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
