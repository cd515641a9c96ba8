//! The promises of the stream, checked at every step against every history there was.

use std::collections::{BTreeMap, HashSet};

use passkey_accounts::{
    log::EventID,
    protocol::{SessionID, stream::GapNext},
    stream::{Item, Token},
};

use super::{
    history::{History, Wanted},
    store::LaneName,
};

/// A promise of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// 1, 2, 4, 6: what is handled follows what was handled, or a gap or the state stands between.
    Complete,
    /// 3: a kept position passes nothing that nobody completed.
    AtLeastOnce,
    /// 4: nothing is handed twice to one process.
    UniquePerProcess,
    /// 4: effects that are stored with the position happen once, in order.
    EffectsOnce,
    /// 5, 6: a gap is said if, and only if, a position cannot be continued.
    Honest,
    /// 7: a snapshot is the exact state as of its position.
    Exact,
    /// 8: what is unsettled or queued is bounded by the window.
    Bounded,
    /// 9: a lane has one owner, under a lease higher than any before, and is handed over with its position.
    SingleOwner,
    /// The shortest client gets every edge of its time, once.
    Edges,
    /// Neither side has reason to call the other broken.
    Courteous,
    /// Without faults everybody gets to the head.
    Alive,
    /// No part stops with a panic.
    Sound,
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
}

/// Fails with a broken promise.
pub(super) fn broken<T>(promise: Promise, what: impl Into<String>) -> Result<T, Violation> {
    Err(violation(promise, what))
}

pub(super) fn violation(promise: Promise, what: impl Into<String>) -> Violation {
    Violation { promise, what: what.into() }
}

/// Where an application is, by what it was handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// Anywhere: the server chooses.
    Anything,
    /// Nothing but the first page of the state will do.
    State,
    /// Within the state, with these sessions so far.
    Pages(Vec<SessionID>),
    /// A position.
    After(EventID),
}

impl At {
    pub(super) fn parse(id: &str) -> Result<Self, Violation> {
        match id.parse() {
            Ok(id) => Ok(Self::After(id)),
            Err(_) => broken(Promise::Honest, format!("{id:?} is no position")),
        }
    }

    /// Where it is after the item; fails if the item may not come here.
    pub(super) fn advance(
        &self,
        item: &Item,
        history: &History,
        wanted: &Wanted,
        is_passed: impl Fn(EventID) -> bool,
    ) -> Result<Self, Violation> {
        let complete = |what: String| Violation { promise: Promise::Complete, what };
        match item {
            Item::Event(event) => {
                let Self::After(id) = Self::parse(&event.id)? else { return Ok(self.clone()) };
                let node = history.node(id).ok_or_else(|| complete(format!("{id} was never appended")))?;
                let entry = node.entry.as_ref().ok_or_else(|| complete(format!("{id} is no event")))?;
                if !node.is_wanted(wanted) || entry.data != event.data || entry.name != event.name {
                    return Err(complete(format!("{id} was not asked for or is not what was appended")));
                }
                self.reach(id, history, wanted, is_passed)
            }
            Item::Bookmark(bookmark) => {
                let Self::After(id) = Self::parse(&bookmark.id)? else { return Ok(self.clone()) };
                let node = history.node(id).ok_or_else(|| complete(format!("{id} never existed")))?;
                match self {
                    Self::Anything => Ok(Self::After(id)),
                    Self::After(at) if *at == id => Ok(self.clone()),
                    _ if node.is_wanted(wanted) && !is_passed(id) => {
                        Err(complete(format!("a bookmark passed {id}, which was not delivered")))
                    }
                    _ => self.reach(id, history, wanted, is_passed),
                }
            }
            Item::Gap(gap) => match gap.next {
                GapNext::Snapshot => Ok(Self::State),
                GapNext::Oldest | GapNext::Other => Self::parse(gap.oldest.as_deref().unwrap_or_default()),
            },
            Item::Snapshot(page) => {
                let mut sessions = match self {
                    _ if page.first && !matches!(self, Self::After(_)) => Vec::new(),
                    Self::Pages(sessions) if !page.first => sessions.clone(),
                    _ => {
                        return Err(complete(format!("{} is no page that may come after {self:?}", page.id)));
                    }
                };
                sessions.extend(page.sessions.iter().map(|session| session.session_id));
                if !page.last {
                    return Ok(Self::Pages(sessions));
                }
                let Self::After(id) = Self::parse(&page.id)? else { return Ok(self.clone()) };
                if history.sessions(id, wanted).as_ref() != Some(&sessions) {
                    let what = format!("the snapshot at {id} has {sessions:?}, which is not the state there");
                    return broken(Promise::Exact, what);
                }
                Ok(Self::After(id))
            }
        }
    }

    fn reach(
        &self,
        id: EventID,
        history: &History,
        wanted: &Wanted,
        is_passed: impl Fn(EventID) -> bool,
    ) -> Result<Self, Violation> {
        let Self::After(at) = self else {
            return broken(Promise::Complete, format!("{id} came where {self:?} was due"));
        };
        match history.follows(*at, id, wanted, is_passed) {
            Ok(()) => Ok(Self::After(id)),
            Err(what) => broken(Promise::Complete, what),
        }
    }
}

/// What one process was handed of one lane, and what it has completed of it.
#[derive(Debug)]
pub(super) struct Flow {
    /// The ownership that it belongs to.
    pub(super) lease: u64,
    base: At,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    token: Token,
    at: At,
    item: Item,
    is_settled: bool,
}

impl Flow {
    pub(super) fn new(lease: u64, base: At) -> Self {
        Self { lease, base, held: Vec::new() }
    }

    /// Where it is with everything that was handed over.
    pub(super) fn at(&self) -> &At {
        self.held.last().map_or(&self.base, |held| &held.at)
    }

    /// Where it is with what was completed.
    pub(super) const fn base(&self) -> &At {
        &self.base
    }

    pub(super) fn has_nothing_in_hand(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn take(&mut self, token: Token, item: Item, at: At) {
        self.held.push(Held { token, at, item, is_settled: false });
    }

    /// The outcome of an item; returns what is completed by it, in order.
    pub(super) fn settle(&mut self, token: Token, is_handled: bool) -> Vec<Item> {
        let Some(index) = self.held.iter().position(|held| held.token == token) else { return Vec::new() };
        if !is_handled {
            self.held.truncate(index);
        } else if let Some(held) = self.held.get_mut(index) {
            held.is_settled = true;
        }
        let count = self.held.iter().take_while(|held| held.is_settled).count();
        let completed: Vec<Held> = self.held.drain(..count).collect();
        if let Some(last) = completed.last() {
            self.base = last.at.clone();
        }
        completed.into_iter().map(|held| held.item).collect()
    }
}

/// What all processes of a consumer have done in one lane.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) completed: HashSet<EventID>,
    /// Positions up to which a snapshot or a gap stands for everything.
    covered: HashSet<EventID>,
    /// Positions of which nothing before them is missing.
    justified: HashSet<EventID>,
    highest_lease: u64,
    /// What the last owner had acknowledged when it let go of the lane in an orderly way.
    handed_over: Option<EventID>,
}

/// Every lane of every consumer.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    lanes: BTreeMap<LaneName, Work>,
}

impl Consumers {
    pub(super) fn lane(&mut self, name: LaneName) -> &mut Work {
        self.lanes.entry(name).or_default()
    }

    /// The server is gone: what was only in its memory may be lost.
    pub(super) fn forget_hand_overs(&mut self) {
        self.lanes.values_mut().for_each(|lane| lane.handed_over = None);
    }
}

impl Work {
    /// Somebody completed an item.
    pub(super) fn complete(&mut self, item: &Item) {
        let id = match item {
            Item::Event(event) => {
                self.completed.extend(event.id.parse::<EventID>());
                return;
            }
            Item::Snapshot(page) if page.last => Some(page.id.as_str()),
            Item::Gap(gap) if gap.next != GapNext::Snapshot => gap.oldest.as_deref(),
            Item::Snapshot(_) | Item::Gap(_) | Item::Bookmark(_) => None,
        };
        self.covered.extend(id.and_then(|id| id.parse::<EventID>().ok()));
    }

    /// The server was told to begin there.
    pub(super) fn cover(&mut self, id: EventID) {
        self.covered.insert(id);
    }

    /// The server keeps that position.
    pub(super) fn keep(&mut self, id: EventID, history: &History, wanted: &Wanted) -> Result<(), Violation> {
        for (at, node) in history.back_from(id) {
            if self.covered.contains(&at) || self.justified.contains(&at) {
                break;
            }
            if node.is_wanted(wanted) && !self.completed.contains(&at) {
                let what = format!("{id} is kept as the position, and nobody completed {at}");
                return broken(Promise::AtLeastOnce, what);
            }
        }
        self.justified.insert(id);
        Ok(())
    }

    /// A new ownership begins, with that position.
    pub(super) fn lease(&mut self, lease: u64, position: Option<EventID>) -> Result<(), Violation> {
        if lease <= self.highest_lease {
            let what = format!("lease {lease} after {}", self.highest_lease);
            return broken(Promise::SingleOwner, what);
        }
        self.highest_lease = lease;
        match self.handed_over.take() {
            Some(known) if position != Some(known) => {
                let what = format!("a lane was handed over at {known} and goes on at {position:?}");
                broken(Promise::SingleOwner, what)
            }
            _ => Ok(()),
        }
    }

    /// Its owner has let go of it, with that position acknowledged.
    pub(super) fn release(&mut self, settled: Option<EventID>) {
        self.handed_over = settled;
    }
}
