//! The nonces of late: every proof passes once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{KeyProof, MAX_AGE_MS, NonceName, Owner, Proof, ProofError, Signed};
use crate::protocol::UnixMillis;

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
        self.remember_signed(*proof.session_id.as_bytes(), &proof.signed, now)
    }

    /// As [`remember`](Self::remember), for a back end's proof.
    ///
    /// # Errors
    /// As of `remember`.
    pub fn remember_key(&self, proof: &KeyProof, now: UnixMillis) -> Result<(), ProofError> {
        self.remember_signed(proof.owner(), proof.signed(), now)
    }

    fn remember_signed(&self, owner: Owner, signed: &Signed, now: UnixMillis) -> Result<(), ProofError> {
        signed.check_time(now)?;
        // The end of an id is random, and not of its owner's choice.
        let index = owner.last().map_or(0, |byte| usize::from(*byte) % SHARDS);
        let shard = self.shards.get(index).expect("the index is below the number of shards");
        // Nothing can panic while it is held.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.remember(owner, signed.nonce, signed.created, now)
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
    by_owner: HashMap<Owner, usize>,
}

impl Shard {
    fn remember(
        &mut self,
        owner: Owner,
        nonce: NonceName,
        created: u64,
        now: UnixMillis,
    ) -> Result<(), ProofError> {
        self.forget(now);
        let step = created.saturating_add(MAX_AGE_MS / 1_000) / STEP_SECONDS;
        if step < self.oldest {
            return Err(ProofError::Expired);
        }
        // In all of them: the owner's key may have signed one nonce with two times.
        if self.steps.values().any(|step| step.nonces.contains(&nonce)) {
            return Err(ProofError::Replayed);
        }
        let of_owner: usize = self.steps.values().filter_map(|step| step.by_owner.get(&owner)).sum();
        if self.len >= NonceWindow::MAX_NONCES / SHARDS || of_owner >= NonceWindow::MAX_NONCES_PER_SESSION {
            return Err(ProofError::Overloaded);
        }
        let step = self.steps.entry(step).or_default();
        step.nonces.insert(nonce);
        *step.by_owner.entry(owner).or_default() += 1;
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

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::{MAX_AGE_MS, NonceWindow, SHARDS};
    use crate::{
        proof::{Body, NonceName, Proof, ProofError, SIGNATURE_BYTES, Signed},
        protocol::{SessionID, UnixMillis},
    };

    const NOW: u64 = 1_795_370_400;
    const SHARDS_U8: u8 = 16;

    fn proof(session: u8, nonce: u64, created: u64) -> Proof {
        let session_id = SessionID::from_bytes([session; 16]);
        Proof {
            session_id,
            signed: Signed {
                created,
                nonce: NonceName::new(b"request", session_id.as_bytes(), &nonce.to_be_bytes()),
                bytes: Vec::new(),
                signature: [0; SIGNATURE_BYTES],
                body: Body::Absent,
            },
        }
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    #[test]
    fn a_nonce_passes_once_for_its_session() {
        let window = NonceWindow::new();
        assert_eq!(window.remember(&proof(1, 1, NOW), at(NOW)), Ok(()));
        assert_eq!(window.remember(&proof(1, 1, NOW), at(NOW)), Err(ProofError::Replayed));
        // The key itself has signed the nonce twice.
        assert_eq!(window.remember(&proof(1, 1, NOW + 30), at(NOW)), Err(ProofError::Replayed));
        assert_eq!(window.remember(&proof(1, 2, NOW), at(NOW)), Ok(()));
        // Other sessions, near and far.
        assert_eq!(window.remember(&proof(2, 1, NOW), at(NOW)), Ok(()));
        assert_eq!(window.remember(&proof(1 + SHARDS_U8, 1, NOW), at(NOW)), Ok(()));
        assert_eq!(window.len(), 4);
    }

    #[test]
    fn a_nonce_is_remembered_for_as_long_as_its_proof_could_be_accepted() {
        for created in NOW..NOW + 10 {
            for skew in [0, 59, 60] {
                let window = NonceWindow::new();
                let made = proof(1, 1, created);
                window.remember(&made, at(created - skew)).unwrap();
                for later in 0..=60 {
                    let now = UnixMillis(created * 1_000 + later * 1_000);
                    assert_eq!(window.remember(&made, now), Err(ProofError::Replayed), "{created} {later}");
                }
                let now = UnixMillis(created * 1_000 + MAX_AGE_MS + 1);
                assert_eq!(window.remember(&made, now), Err(ProofError::Expired));
                // Others pass, and it is forgotten.
                window.remember(&proof(1, 2, created + 71), at(created + 71)).unwrap();
                assert_eq!(window.len(), 1);
            }
        }
    }

    #[test]
    fn what_was_forgotten_is_refused_when_the_clock_is_set_back() {
        let window = NonceWindow::new();
        window.remember(&proof(1, 1, NOW), at(NOW)).unwrap();
        window.remember(&proof(1, 2, NOW + 100), at(NOW + 100)).unwrap();
        assert_eq!(window.len(), 1);
        assert_eq!(window.remember(&proof(1, 1, NOW), at(NOW)), Err(ProofError::Expired));
        // A clock that was far ahead and is right again keeps nobody out who has come since.
        let window = NonceWindow::new();
        window.remember(&proof(1, 1, NOW), at(NOW)).unwrap();
        assert_eq!(window.remember(&proof(1, 2, NOW), at(NOW + 36_000)), Err(ProofError::Expired));
        assert_eq!(window.remember(&proof(1, 3, NOW + 20), at(NOW + 20)), Ok(()));
    }

    #[test]
    fn of_many_threads_with_one_proof_one_passes() {
        let (window, barrier) = (NonceWindow::new(), Barrier::new(8));
        let passed: usize = thread::scope(|scope| {
            let tried = || {
                barrier.wait();
                (0..1_000).filter(|nonce| window.remember(&proof(1, *nonce, NOW), at(NOW)).is_ok()).count()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(tried)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1_000);
    }

    #[test]
    fn a_session_that_sends_too_much_is_refused_and_others_are_not() {
        let window = NonceWindow::new();
        for nonce in 0..NonceWindow::MAX_NONCES_PER_SESSION as u64 {
            window.remember(&proof(0, nonce, NOW + nonce % 50), at(NOW)).unwrap();
        }
        let one_more = proof(0, u64::MAX, NOW);
        assert_eq!(window.remember(&one_more, at(NOW)), Err(ProofError::Overloaded));
        assert_eq!(window.remember(&proof(0, 0, NOW), at(NOW)), Err(ProofError::Replayed));
        assert_eq!(window.remember(&proof(SHARDS_U8, 1, NOW), at(NOW)), Ok(()));
        let later = at(NOW + 130);
        assert_eq!(window.remember(&proof(0, u64::MAX, NOW + 130), later), Ok(()));
    }

    #[test]
    fn a_full_window_refuses_and_forgets_nothing() {
        let window = NonceWindow::new();
        let per_shard = (NonceWindow::MAX_NONCES / SHARDS) as u64;
        // Sessions of one shard.
        let of = |nonce: u64| proof(u8::try_from(nonce % 16).unwrap() * SHARDS_U8, nonce, NOW);
        for nonce in 0..per_shard {
            window.remember(&of(nonce), at(NOW)).unwrap();
        }
        assert_eq!(window.remember(&of(per_shard), at(NOW)), Err(ProofError::Overloaded));
        assert_eq!(window.remember(&of(0), at(NOW)), Err(ProofError::Replayed));
        assert_eq!(window.len(), per_shard as usize);
    }
}
