//! A seeded walk with an honest server: whatever it does, and whatever becomes of the application, nobody is accused. And
//! with the same walk behind it, a server that rewrites one entry is.

use fastrand::Rng;

use super::{
    Sees, Witness,
    tests::{Log, gap, witness},
};
use crate::{
    log::{Checkpoint, Contradiction, Epoch},
    protocol::stream::{GapReason, SignedHead},
    stream::Item,
};

const SEEDS: u64 = 400;
const STEPS: u32 = 200;

#[test]
fn an_honest_server_is_never_accused_and_one_that_rewrites_an_entry_is() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            if let Err(contradiction) = world.step() {
                panic!("seed {seed}: an honest server is accused: {contradiction}");
            }
        }
        seen.events += world.seen.events;
        seen.again += world.seen.again;
        seen.heads += world.seen.heads;
        seen.gaps += world.seen.gaps;
        seen.restores += world.seen.restores;
        seen.restarts += world.seen.restarts;
        seen.rewritten += u32::from(world.rewrite(seed));
    }
    // A walk that meets nothing proves nothing.
    assert!(
        seen.events > 20_000
            && seen.again > 1_000
            && seen.heads > 3_000
            && seen.gaps > 500
            && seen.restores > 300
            && seen.restarts > 1_000
            && seen.rewritten > 100,
        "{seen:?}"
    );
}

#[derive(Debug, Default)]
struct Seen {
    events: u32,
    again: u32,
    heads: u32,
    gaps: u32,
    restores: u32,
    restarts: u32,
    rewritten: u32,
}

struct World {
    rng: Rng,
    log: Log,
    witness: Witness,
    sees: Sees,
    /// Every position of this lineage that the application has handled, in its order.
    handled: Vec<usize>,
    /// How far the server has sent.
    sent: usize,
    signed: Vec<SignedHead>,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let sees = if rng.bool() { Sees::Everything } else { Sees::Some };
        let log = Log::of(0..rng.u32(0..20));
        let mut world = Self {
            witness: witness(sees, None),
            rng,
            log,
            sees,
            handled: vec![],
            sent: 0,
            signed: vec![],
            seen: Seen::default(),
        };
        let first = if world.rng.bool() { world.log.bookmark(0, None) } else { world.state() };
        world.deliver(&first).unwrap();
        world.handled.push(world.sent);
        world
    }

    fn step(&mut self) -> Result<(), Contradiction> {
        match self.rng.u32(0..100) {
            0..25 => {
                for _ in 0..self.rng.u32(1..4) {
                    self.log.append(self.rng.u32(..));
                }
                Ok(())
            }
            25..70 => self.send_event(),
            70..85 => self.send_bookmark(),
            85..90 => self.restart(),
            90..93 => self.truncate(),
            93..95 => self.restore(),
            _ => {
                let head = self.log.events.len();
                self.signed.push(self.log.head(head, 1));
                Ok(())
            }
        }
    }

    fn send_event(&mut self) -> Result<(), Contradiction> {
        let is_wanted = |seq: &usize| self.sees == Sees::Everything || seq.is_multiple_of(3);
        let Some(next) = (self.sent + 1..=self.log.events.len()).find(is_wanted) else { return Ok(()) };
        self.sent = next;
        self.seen.events += 1;
        let event = Item::Event(self.log.events[next - 1].clone());
        self.deliver(&event)
    }

    fn send_bookmark(&mut self) -> Result<(), Contradiction> {
        if self.sees == Sees::Some {
            // Up to before the next entry that is wanted.
            let end = self.log.events.len().min(self.sent - self.sent % 3 + 2);
            self.sent = self.rng.usize(self.sent..=end.max(self.sent));
        }
        let mut head = None;
        if self.rng.bool() && !self.signed.is_empty() {
            head = Some(self.signed[self.rng.usize(..self.signed.len())].clone());
            self.seen.heads += 1;
        }
        let mut item = self.log.bookmark(self.sent, head);
        if let Item::Bookmark(bookmark) = &mut item
            && self.rng.u32(0..4) == 0
        {
            bookmark.hash = None;
        }
        self.deliver(&item)
    }

    /// Hands over, and the application handles it, or does not: then the stream resumes before it.
    fn deliver(&mut self, item: &Item) -> Result<(), Contradiction> {
        self.witness.check(item)?;
        let is_handled = self.handled.is_empty() || self.rng.u32(0..6) > 0;
        if is_handled {
            self.handled.push(self.sent);
            return Ok(());
        }
        self.seen.again += 1;
        self.resume_at_last()
    }

    fn resume_at_last(&mut self) -> Result<(), Contradiction> {
        self.sent = *self.handled.last().unwrap();
        self.witness.handle_resume(&self.log.id(self.sent).to_string())
    }

    /// Another process, with the checkpoint, and with a position that may be older.
    fn restart(&mut self) -> Result<(), Contradiction> {
        self.seen.restarts += 1;
        self.witness = witness(self.sees, Some(self.remembered()));
        self.handled.truncate(self.rng.usize(1..=self.handled.len()));
        self.resume_at_last()
    }

    fn remembered(&self) -> Checkpoint {
        let text = serde_json::to_string(&self.witness.checkpoint().unwrap()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The position is no longer kept: the state as of the end.
    fn truncate(&mut self) -> Result<(), Contradiction> {
        self.seen.gaps += 1;
        self.witness.check(&gap(GapReason::Truncated, self.log.id(self.sent)))?;
        let state = self.state();
        self.deliver(&state)
    }

    /// An operator restores a backup, says so, and somebody agrees.
    fn restore(&mut self) -> Result<(), Contradiction> {
        self.seen.restores += 1;
        let held = self.log.id(self.sent);
        let kept = self.rng.usize(..=self.log.events.len());
        self.log.events.truncate(kept);
        self.log.hashes.truncate(kept + 1);
        self.log.epoch = Epoch::from_random(self.rng.u32(1_000..100_000));
        self.signed.clear();
        let refused = {
            let mut unasked = witness(self.sees, Some(self.remembered()));
            unasked.check(&gap(GapReason::Epoch, held))?;
            unasked.check(&self.log.snapshot(kept))
        };
        assert!(matches!(refused, Err(Contradiction::NewLineage { .. })), "{refused:?}");
        self.witness = witness(self.sees, Some(self.remembered().accept(self.log.epoch)));
        self.witness.check(&gap(GapReason::Epoch, held))?;
        self.handled.clear();
        let state = self.state();
        self.deliver(&state)
    }

    fn state(&mut self) -> Item {
        self.sent = self.log.events.len();
        self.log.snapshot(self.sent)
    }

    /// The server changes an entry that was read, and goes on. Whether it could be asked to show anything.
    fn rewrite(mut self, seed: u64) -> bool {
        let at = self.sent;
        if at == 0 || self.witness.checkpoint().is_none_or(|checkpoint| checkpoint.hash.is_none()) {
            return false;
        }
        let changed = self.rng.usize(1..=at);
        let mut forged = Log::of([]);
        forged.epoch = self.log.epoch;
        for seq in 1..=at {
            forged.append(if seq == changed { u32::MAX } else { u32::try_from(seq).unwrap() });
        }
        let accused = self.witness.check(&forged.bookmark(at, None));
        assert!(matches!(accused, Err(Contradiction::Rewritten { .. })), "seed {seed}: {accused:?}");
        assert_eq!(self.witness.check(&self.log.bookmark(at, None)), accused, "it does not change its mind");
        true
    }
}
