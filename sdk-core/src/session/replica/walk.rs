//! A seeded walk: the replica against a model too simple to be wrong, compared after every step.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use futures_util::FutureExt;

use super::{
    Replica,
    tests::{account_id, at, bookmark, expiring, gap, logged_in, logged_out, page, server, session_id},
};
use crate::{
    protocol::{AccountID, SessionID, UnixMillis, stream::OpenSession},
    session::{Endings, LiveSession, View},
};

const SEEDS: u64 = 200;
const STEPS: u32 = 400;
const SESSIONS: u64 = 24;
const ACCOUNTS: u64 = 8;

/// What is open and until when; what the replica should know and show.
#[derive(Default)]
struct Model {
    visible: BTreeMap<SessionID, (AccountID, UnixMillis)>,
    collecting: Option<BTreeMap<SessionID, (AccountID, UnixMillis)>>,
    is_in_sync: bool,
}

struct World {
    rng: Rng,
    now: u64,
    replica: Replica,
    view: View,
    model: Model,
    /// The server's truth, and the pages of it that have not been sent.
    truth: BTreeMap<SessionID, OpenSession>,
    unsent: Option<Vec<OpenSession>>,
    /// Every session that was ever looked up.
    held: HashMap<SessionID, Arc<LiveSession>>,
    endings: Endings,
    seen: Seen,
}

#[derive(Default, Debug)]
struct Seen {
    swaps: u32,
    vanished: u32,
    expired: u32,
    ends: u32,
}

#[test]
fn after_every_step_the_replica_shows_what_the_model_shows() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.compare(seed);
        }
        seen.swaps += world.seen.swaps;
        seen.vanished += world.seen.vanished;
        seen.expired += world.seen.expired;
        seen.ends += world.seen.ends;
    }
    // A walk that meets nothing proves nothing.
    assert!(seen.swaps > 800 && seen.vanished > 800 && seen.expired > 500 && seen.ends > 10_000, "{seen:?}");
}

impl World {
    fn new(seed: u64) -> Self {
        let replica = Replica::new();
        let view = replica.view();
        let endings = view.endings();
        Self {
            rng: Rng::with_seed(seed),
            now: 0,
            view,
            endings,
            replica,
            model: Model::default(),
            truth: BTreeMap::new(),
            unsent: None,
            held: HashMap::new(),
            seen: Seen::default(),
        }
    }

    fn step(&mut self) {
        match self.rng.u32(0..100) {
            0..40 => self.sign_in_or_out(),
            40..50 => self.now += self.rng.u64(1..4),
            50..58 => self.tick(),
            58..64 => self.bookmark(),
            64..70 => self.gap(),
            70..76 => self.begin_snapshot(),
            _ => self.send_page(),
        }
    }

    /// Something happens on the server; the replica hears of it unless it is in the middle of a snapshot or cut off.
    fn sign_in_or_out(&mut self) {
        let number = self.rng.u64(0..SESSIONS);
        let id = session_id(number);
        let is_heard = self.unsent.is_none() && self.rng.u32(0..10) > 0;
        let item = match self.truth.remove(&id) {
            Some(open) => {
                if is_heard {
                    self.model.visible.remove(&id);
                }
                let account = (0..ACCOUNTS).find(|account| account_id(*account) == open.account_id);
                logged_out(number, account.unwrap(), self.now)
            }
            None => {
                let until = self.now + self.rng.u64(1..40);
                let open = expiring(number, self.rng.u64(0..ACCOUNTS), until);
                self.truth.insert(id, open.clone());
                if is_heard {
                    self.model.visible.insert(id, (open.account_id, open.expires_at));
                }
                logged_in(&open, self.now)
            }
        };
        if is_heard {
            self.model.collecting = None;
            self.replica.apply(&item, at(self.now));
        } else if self.unsent.is_none() {
            // Missed: from here on only a gap and a new state help.
            self.gap();
        }
    }

    fn tick(&mut self) {
        let before = self.model.visible.len();
        let now = server(self.now);
        self.model.visible.retain(|_, (_, expires_at)| *expires_at > now);
        self.seen.expired += u32::try_from(before - self.model.visible.len()).unwrap();
        self.truth.retain(|_, open| open.expires_at > now);
        self.replica.handle_tick(at(self.now));
    }

    fn bookmark(&mut self) {
        (self.unsent, self.model.collecting) = (None, None);
        self.replica.apply(&bookmark(self.now), at(self.now));
    }

    fn gap(&mut self) {
        (self.unsent, self.model.collecting, self.model.is_in_sync) = (None, None, false);
        self.replica.apply(&gap(), at(self.now));
    }

    fn begin_snapshot(&mut self) {
        self.unsent = Some(self.truth.values().cloned().collect());
        self.model.collecting = Some(BTreeMap::new());
        self.model.is_in_sync = false;
        self.send(true);
    }

    fn send_page(&mut self) {
        if self.unsent.is_some() {
            self.send(false);
        }
    }

    fn send(&mut self, first: bool) {
        let mut unsent = self.unsent.take().unwrap();
        let rest = unsent.split_off(self.rng.usize(0..=unsent.len().min(9)));
        let last = rest.is_empty() && self.rng.bool();
        if let Some(collecting) = &mut self.model.collecting {
            collecting
                .extend(unsent.iter().map(|open| (open.session_id, (open.account_id, open.expires_at))));
        }
        if last {
            if let Some(collected) = self.model.collecting.take() {
                let gone = self.model.visible.keys().filter(|id| !collected.contains_key(*id)).count();
                self.seen.vanished += u32::try_from(gone).unwrap();
                self.seen.swaps += 1;
                (self.model.visible, self.model.is_in_sync) = (collected, true);
            }
        } else {
            self.unsent = Some(rest);
        }
        self.replica.apply(&page(unsent, first, last), at(self.now));
    }

    fn compare(&mut self, seed: u64) {
        let now = at(self.now);
        let is_open = |(_, expires_at): &(AccountID, UnixMillis)| *expires_at > server(self.now);
        for number in 0..SESSIONS {
            let id = session_id(number);
            let expected = self.model.visible.get(&id).filter(|session| is_open(session));
            let found = self.view.get(id, now);
            let facts = found.as_ref().map(|found| (found.account_id, found.expires_at));
            assert_eq!(facts.as_ref(), expected, "seed {seed}, second {}, {id}", self.now);
            if let Some(found) = found {
                assert_eq!(found.end(), None, "seed {seed}: {id} is open and ended");
                let before = self.held.insert(id, Arc::clone(&found));
                if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &found)) {
                    assert!(before.end().is_some(), "seed {seed}: {id} was replaced in silence");
                }
            }
        }
        for account in (0..ACCOUNTS).map(account_id) {
            let expected: BTreeSet<_> = (self.model.visible.iter())
                .filter(|(_, session)| session.0 == account && is_open(session))
                .map(|(id, _)| *id)
                .collect();
            let found: BTreeSet<_> =
                self.view.of_account(account, now).iter().map(|session| session.session_id).collect();
            assert_eq!(found, expected, "seed {seed}");
            let is_logged_in = self.model.is_in_sync.then_some(!expected.is_empty());
            assert_eq!(self.view.is_logged_in(account, now), is_logged_in, "seed {seed}");
        }
        if !self.model.is_in_sync {
            assert!(self.view.fresh_within(Duration::MAX, now).is_err(), "seed {seed}");
        }
        self.check_ends(seed);
    }

    /// Every held session that is not visible any more has ended, and each end was announced once.
    fn check_ends(&mut self, seed: u64) {
        let mut announced = BTreeSet::new();
        while let Some(Some(end)) = self.endings.next().now_or_never() {
            let end = end.unwrap();
            self.seen.ends += 1;
            announced.insert(end.session_id);
            let account_has_more = self.model.visible.values().any(|session| session.0 == end.account_id);
            // Several can end in one step; the last of them says that the account is gone.
            assert!(!(end.account_is_gone && account_has_more), "seed {seed}");
        }
        let visible = &self.model.visible;
        let gone: Vec<_> = self.held.keys().filter(|id| !visible.contains_key(*id)).copied().collect();
        for id in gone {
            let session = self.held.remove(&id).unwrap();
            assert!(session.end().is_some(), "seed {seed}: {id} is gone and has not ended");
            assert!(announced.contains(&id), "seed {seed}: the end of {id} was not announced");
        }
    }
}
