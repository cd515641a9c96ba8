//! The nonces of late: every proof passes once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{MAX_AGE_MS, NonceName, Proof, ProofError};
use crate::protocol::{SessionID, UnixMillis};

/// Remembers the nonce of every accepted proof for as long as the proof could be accepted again.
///
/// Bounded: [`MAX_NONCES`](Self::MAX_NONCES) in all and [`MAX_NONCES_PER_SESSION`](Self::MAX_NONCES_PER_SESSION), some 80
/// bytes each. What does not fit is refused, never forgotten. One window serves all threads.
pub struct NonceWindow {
    shards: [Mutex<Shard>; SHARDS],
}

impl NonceWindow {
    /// How many nonces are remembered: room for 8,000 requests a second.
    pub const MAX_NONCES: usize = 1_048_576;

    /// How many nonces of one session are remembered: room for 60 requests a second.
    pub const MAX_NONCES_PER_SESSION: usize = 8_192;

    /// A window that has seen nothing.
    pub fn new() -> Self {
        Self { shards: Default::default() }
    }

    /// Takes the nonce of a proof whose signature was verified. Of any number of calls with one nonce, one succeeds,
    /// whichever threads they come from.
    ///
    /// # Errors
    /// [`ProofError::Replayed`] when the nonce was taken before; [`ProofError::Expired`] when that cannot be known any
    /// more, also when the clock was set back; [`ProofError::Overloaded`] when there is no room.
    pub fn remember(&self, proof: &Proof, now: UnixMillis) -> Result<(), ProofError> {
        proof.check_time(now)?;
        let session_id = proof.session_id;
        // The end of a session's id is random, and not of the session's choice.
        let index = session_id.as_bytes().last().map_or(0, |byte| usize::from(*byte) % SHARDS);
        let shard = self.shards.get(index).expect("the index is below the number of shards");
        // Nothing can panic while it is held.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.remember(session_id, proof.nonce, proof.created, now)
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        let len = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).len;
        self.shards.iter().map(len).sum()
    }

    /// Whether no nonce is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for NonceWindow {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for NonceWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonceWindow").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The nonces of some of the sessions.
#[derive(Default)]
struct Shard {
    /// By when they may be forgotten, in steps of [`STEP_SECONDS`].
    steps: BTreeMap<u64, Step>,
    /// What would be of an earlier step may have been forgotten already: when the clock was set back, it is refused.
    oldest: u64,
    len: usize,
}

#[derive(Default)]
struct Step {
    nonces: HashSet<NonceName>,
    by_session: HashMap<SessionID, usize>,
}

impl Shard {
    fn remember(
        &mut self,
        session_id: SessionID,
        nonce: NonceName,
        created: u64,
        now: UnixMillis,
    ) -> Result<(), ProofError> {
        self.forget(now);
        let step = created.saturating_add(MAX_AGE_MS / 1_000) / STEP_SECONDS;
        if step < self.oldest {
            return Err(ProofError::Expired);
        }
        // In all of them: the session's own key may have signed one nonce with two times.
        if self.steps.values().any(|step| step.nonces.contains(&nonce)) {
            return Err(ProofError::Replayed);
        }
        let of_session: usize = self.steps.values().filter_map(|step| step.by_session.get(&session_id)).sum();
        if self.len >= NonceWindow::MAX_NONCES / SHARDS || of_session >= NonceWindow::MAX_NONCES_PER_SESSION {
            return Err(ProofError::Overloaded);
        }
        let step = self.steps.entry(step).or_default();
        step.nonces.insert(nonce);
        *step.by_session.entry(session_id).or_default() += 1;
        self.len += 1;
        Ok(())
    }

    /// Forgets what could not be accepted any more.
    fn forget(&mut self, now: UnixMillis) {
        while let Some(first) = self.steps.first_entry() {
            let last_second = first.key().saturating_add(1).saturating_mul(STEP_SECONDS);
            if last_second.saturating_mul(1_000) > now.0 {
                return;
            }
            self.oldest = first.key().saturating_add(1);
            self.len = self.len.saturating_sub(first.remove().nonces.len());
        }
    }
}

const SHARDS: usize = 16;

/// So coarsely nonces are forgotten: at most this much later than they could be.
const STEP_SECONDS: u64 = 10;
