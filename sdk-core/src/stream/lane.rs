//! One lane: what was received and waits, what the application has in hand, and what of it was acknowledged.
//!
//! A view has one lane, which is its own while it is connected. A worker's lanes are offered, taken and given back.

use std::{collections::VecDeque, time::Duration};

use super::{
    Item,
    acks::Acks,
    cursor::{Cursor, Expecting, Resume},
    done::Done,
};
use crate::{
    planted,
    protocol::stream::{Ack, GapNext},
};

/// Names one handing over of an item, so that its outcome is attributed to nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    pub(super) lane: u32,
    pub(super) number: u64,
}

/// An item in the application's hands. Its outcome is told with
/// [`Machine::handle_settled`](super::Machine::handle_settled).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InHand {
    /// Names this handing over.
    pub token: Token,
    /// The lane; 0 for a view.
    pub lane: u32,
    /// The number of the ownership under which it was received: the fencing token. 0 for a view.
    pub lease: u64,
    /// What to handle.
    pub item: Item,
}

/// Whose the lane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not ours.
    Idle,
    /// Offered. It is taken when the application has nothing of it in hand.
    Offered(Offer),
    /// The application's own position is being asked for.
    Asking(Offer),
    /// Ours.
    Started { lease: u64 },
    /// Ours until what is in hand is settled.
    Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) lease: u64,
    /// The position that the server has stored.
    pub(super) id: Option<String>,
}

#[derive(Debug)]
pub(super) struct Lane {
    number: u32,
    stage: Stage,
    /// Rises with every subscription, gap and assignment. An outcome of an older one moves `floor` and is not
    /// acknowledged: it would open the window of, or set a position in, a flow that it is not part of.
    generation: u64,
    cursor: Cursor,
    /// Received and not handed over. Dropped on every loss, so that reconnecting never adds to it.
    queue: VecDeque<Queued>,
    /// Handed over and not settled; it outlives connections.
    in_hand: VecDeque<Held>,
    /// Behind the last item that this process completed.
    floor: Resume,
    /// The position store was asked, perhaps for an earlier ownership, and has not answered.
    is_asked: bool,
    acks: Acks,
    /// What a worker without a store of its own completed lately.
    done: Done,
    /// Whether the server's word for the position was taken: it may be behind what this process has done.
    may_repeat: bool,
}

#[derive(Debug)]
struct Queued {
    generation: u64,
    /// This process has handled it under an earlier ownership.
    is_done: bool,
    item: Item,
}

#[derive(Debug)]
struct Held {
    number: u64,
    generation: u64,
    is_settled: bool,
    step: Step,
}

/// What completing an item changes.
#[derive(Debug)]
enum Step {
    /// An event, the end of a snapshot, a bookmark, or a gap that says where it goes on.
    To { id: String, seq: Option<u64>, counts: bool },
    /// A page before the last: the snapshot would have to start again. Its id is good for an acknowledgement.
    Page { receipt: String },
    /// A gap that announces the state.
    State,
    /// A gap that goes on with events, wherever that is.
    Stay,
}

impl Lane {
    pub(super) fn new(number: u32, floor: Resume) -> Self {
        Self {
            number,
            stage: Stage::Idle,
            generation: 0,
            cursor: Cursor::new(None, Expecting::FirstPage),
            queue: VecDeque::new(),
            in_hand: VecDeque::new(),
            floor,
            is_asked: false,
            acks: Acks::default(),
            done: Done::default(),
            may_repeat: false,
        }
    }

    pub(super) const fn is_ours(&self) -> bool {
        matches!(self.stage, Stage::Started { .. } | Stage::Revoked)
    }

    pub(super) const fn is_started(&self) -> bool {
        matches!(self.stage, Stage::Started { .. })
    }

    /// Whether something of it is in hand that the server waits for.
    pub(super) fn is_working(&self) -> bool {
        self.is_ours() && !self.in_hand.is_empty()
    }

    pub(super) fn has_nothing_in_hand(&self) -> bool {
        self.in_hand.is_empty()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn acks(&self) -> &Acks {
        &self.acks
    }

    /// Where a view goes on: behind what is in hand, because that is not given twice while it may still succeed.
    pub(super) fn resume(&self) -> Resume {
        if planted!(ResumedAfterReceived)
            && let Some(held) = self.cursor.held()
        {
            return Resume::After(held.to_owned());
        }
        let mut resume = self.floor.clone();
        for held in &self.in_hand {
            match &held.step {
                Step::To { id, .. } => resume = Resume::After(id.clone()),
                Step::Page { .. } | Step::State => resume = Resume::State,
                Step::Stay => {}
            }
        }
        resume
    }

    /// The connection is gone. What is in hand goes on.
    pub(super) fn lose(&mut self) {
        if planted!(InHandForgotten) {
            self.in_hand.clear();
        }
        self.renew(Stage::Idle);
    }

    /// A view's connection is live, after `resume`.
    pub(super) fn subscribe(&mut self, resume: &Resume, else_expecting: Expecting) {
        self.renew(Stage::Started { lease: 0 });
        self.cursor = Cursor::new(resume.id(), else_expecting);
    }

    /// The server offers the lane.
    pub(super) fn offer(&mut self, offer: Offer) {
        self.renew(Stage::Offered(offer));
    }

    /// The lease to ask the application about, if it is to be asked for its own position now: not before its handler is
    /// idle, because that may be about to move it.
    pub(super) fn try_ask(&mut self) -> Option<u64> {
        let (Stage::Offered(offer), true, false) =
            (&self.stage, self.in_hand.is_empty() || planted!(TakenWhileBusy), self.is_asked)
        else {
            return None;
        };
        let lease = offer.lease;
        self.stage = Stage::Asking(offer.clone());
        self.is_asked = true;
        Some(lease)
    }

    /// The application's own position, if it has one. Returns whether the lane is taken with it: an answer to a question
    /// about an earlier ownership may be out of date and is not used.
    pub(super) fn answer(
        &mut self,
        position: Option<String>,
        expecting: impl Fn(&Resume) -> Expecting,
    ) -> bool {
        self.is_asked = false;
        let Stage::Asking(offer) = &mut self.stage else { return false };
        let lease = offer.lease;
        self.may_repeat = position.is_none();
        self.floor = Resume::from_id(position.or_else(|| offer.id.take()));
        self.cursor = Cursor::new(self.floor.id(), expecting(&self.floor));
        self.stage = Stage::Started { lease };
        true
    }

    /// The first acknowledgement of a lane: where to start.
    pub(super) fn first_ack(&mut self, now: Duration) -> Ack {
        self.acks.repeat(now, self.number, Some(self.floor.id().map(str::to_owned)))
    }

    /// The server wants the lane back. Nothing more of it is handed over. One that was not taken yet is given back at
    /// once: what may be in hand belongs to an earlier ownership.
    pub(super) fn revoke(&mut self) -> Option<Ack> {
        match &self.stage {
            Stage::Started { .. } => {
                self.queue.clear();
                self.stage = Stage::Revoked;
                None
            }
            Stage::Offered(_) | Stage::Asking(_) => {
                self.renew(Stage::Idle);
                Some(Ack { lane: self.number, id: None, release: true })
            }
            Stage::Idle | Stage::Revoked => None,
        }
    }

    /// The last acknowledgement of a lane that was wanted back, once nothing of it is in hand.
    pub(super) fn try_release(&mut self, now: Duration) -> Option<Ack> {
        if self.stage != Stage::Revoked || !(self.in_hand.is_empty() || planted!(ReleasedInHand)) {
            return None;
        }
        let id = self.flush(now).and_then(|ack| ack.id);
        self.renew(Stage::Idle);
        Some(Ack { lane: self.number, id, release: true })
    }

    /// An item has arrived; `check` compares it with what may come next.
    pub(super) fn receive<E>(&mut self, check: impl FnOnce(&mut Cursor) -> Result<Item, E>) -> Result<(), E> {
        let item = check(&mut self.cursor)?;
        if matches!(item, Item::Gap(_)) {
            // Acknowledgements of what came before it would mean something else after it.
            self.generation += 1;
            self.acks.reset();
            if planted!(GapMovesFloor) {
                self.floor = Resume::State;
            }
            if planted!(GapSwallowed) {
                return Ok(());
            }
        }
        self.enqueue(item);
        Ok(())
    }

    fn enqueue(&mut self, item: Item) {
        let is_done = match &item {
            Item::Event(event) => self.may_repeat && self.done.contains(event.seq, &event.id),
            Item::Snapshot(_) | Item::Gap(_) | Item::Bookmark(_) => false,
        };
        // A position that nobody has taken yet is replaced by a later one: a quiet stream does not fill a slow
        // application's queue. One with a signed head stays until there is a newer head.
        if let (Item::Bookmark(next), Some(Queued { item: Item::Bookmark(last), .. })) =
            (&item, self.queue.back_mut())
            && (next.head.is_some() || last.head.is_none())
        {
            last.clone_from(next);
            return;
        }
        self.queue.push_back(Queued { generation: self.generation, is_done, item });
    }

    /// Whether [`hand_over`](Self::hand_over) would.
    pub(super) fn has_next(&self, in_hand_max: usize) -> bool {
        self.in_hand.len() < in_hand_max && self.queue.front().is_some_and(|queued| !queued.is_done)
    }

    /// The next item, if the application may have another one of this lane in hand.
    pub(super) fn hand_over(&mut self, now: Duration, in_hand_max: usize, number: u64) -> Option<InHand> {
        if !self.has_next(in_hand_max) {
            return None;
        }
        let Queued { generation, item, .. } = self.queue.pop_front()?;
        let lease = match self.stage {
            Stage::Started { lease } => lease,
            Stage::Idle | Stage::Offered(_) | Stage::Asking(_) | Stage::Revoked => 0,
        };
        if self.in_hand.is_empty() {
            self.acks.work_begins(now);
        }
        self.in_hand.push_back(Held { number, generation, is_settled: false, step: Step::of(&item) });
        Some(InHand { token: Token { lane: self.number, number }, lane: self.number, lease, item })
    }

    /// The position store has no answer. Returns whether one was needed.
    pub(super) fn has_no_answer(&mut self) -> bool {
        self.is_asked = false;
        matches!(self.stage, Stage::Asking(_))
    }

    /// The application has handled an item, or has not. Returns whether that outcome was still of interest.
    ///
    /// With a failed item, what was handed over after it fails too: an outcome counts in the order of the log only.
    pub(super) fn settle(&mut self, now: Duration, token: Token, is_handled: bool, capacity: usize) -> bool {
        let Some(index) = self.in_hand.iter().position(|held| held.number == token.number) else {
            return false;
        };
        if !is_handled {
            self.in_hand.truncate(index);
            self.queue.clear();
        } else if let Some(held) = self.in_hand.get_mut(index) {
            held.is_settled = true;
        }
        while self.in_hand.front().is_some_and(|held| held.is_settled)
            && let Some(held) = self.in_hand.pop_front()
        {
            self.complete(now, held.generation, held.step, capacity);
        }
        true
    }

    /// Passes what this process has handled before.
    pub(super) fn pass_done(&mut self, now: Duration) {
        while self.in_hand.is_empty()
            && self.queue.front().is_some_and(|queued| queued.is_done)
            && let Some(Queued { generation, item, .. }) = self.queue.pop_front()
        {
            self.complete(now, generation, Step::of(&item), 0);
        }
    }

    fn complete(&mut self, now: Duration, generation: u64, step: Step, capacity: usize) {
        let is_current = (generation == self.generation || planted!(GenerationIgnored)) && self.is_ours();
        match step {
            Step::To { id, seq, counts } => {
                if let (Some(seq), true) = (seq, capacity > 0) {
                    self.done.remember(seq, &id, capacity);
                }
                self.floor = Resume::After(id);
                if is_current {
                    self.acks.settled(now, None, counts);
                }
            }
            Step::Page { receipt } => {
                self.floor = Resume::State;
                if is_current {
                    self.acks.settled(now, Some(receipt), true);
                }
            }
            Step::State => self.floor = Resume::State,
            Step::Stay => {}
        }
    }

    /// The acknowledgement of what is settled and not acknowledged.
    pub(super) fn flush(&mut self, now: Duration) -> Option<Ack> {
        let reached = if planted!(AckPassesUnsettled) { self.cursor.held() } else { self.floor.id() };
        let id = self.acks.take(reached)?;
        Some(self.acks.repeat(now, self.number, Some(Some(id))))
    }

    /// "Still working": what is due, or the last acknowledgement once more.
    pub(super) fn still_working(&mut self, now: Duration) -> Ack {
        self.flush(now).unwrap_or_else(|| self.acks.repeat(now, self.number, None))
    }

    fn renew(&mut self, stage: Stage) {
        self.stage = stage;
        self.generation += 1;
        if !planted!(QueueKept) {
            self.queue.clear();
        }
        self.acks.reset();
    }
}

impl Step {
    fn of(item: &Item) -> Self {
        match item {
            Item::Event(event) => Self::To { id: event.id.clone(), seq: Some(event.seq), counts: true },
            Item::Snapshot(page) if page.last || planted!(PageIsPosition) => {
                Self::To { id: page.id.clone(), seq: None, counts: true }
            }
            Item::Snapshot(page) => Self::Page { receipt: page.id.clone() },
            Item::Bookmark(bookmark) => Self::To { id: bookmark.id.clone(), seq: None, counts: false },
            Item::Gap(gap) => match (gap.next, &gap.oldest) {
                (GapNext::Snapshot, _) => Self::State,
                // Acknowledged, so that the server knows that the application has heard of it.
                (GapNext::Oldest, Some(oldest)) => Self::To { id: oldest.clone(), seq: None, counts: true },
                (GapNext::Oldest | GapNext::Other, _) => Self::Stay,
            },
        }
    }
}
