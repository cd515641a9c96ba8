//! Live sessions each of which a passkey was seen to open.

use super::{Moment, Replica};
use crate::{
    log::EventID,
    protocol::{
        Code,
        stream::{OpenSession, Snapshot},
    },
    stream::{Item, StreamError},
};

/// Between a stream that is held against pins and the replica. Snapshots hold no evidence, so the log is read instead, out
/// of sight until it has come to where the state is; then what the pins say is open is shown, and followed from there.
///
/// Where the state is, a second stream says, without pins, which is not needed any more after that.
#[derive(Debug, Default)]
pub struct Proven(Phase);

#[derive(Debug, Default)]
enum Phase {
    /// It is not known where the state is.
    #[default]
    Asking,
    /// The state's first page came at this moment.
    Looking {
        begun: Moment,
    },
    /// The log is to be read up to here.
    CatchingUp {
        reached: EventID,
        begun: Moment,
    },
    Following,
}

impl Proven {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is known where the state is: from then on, and not before, items are [applied](Self::apply).
    pub const fn has_looked(&self) -> bool {
        matches!(self.0, Phase::CatchingUp { .. } | Phase::Following)
    }

    /// Whether the replica shows what the pins say.
    pub const fn is_following(&self) -> bool {
        matches!(self.0, Phase::Following)
    }

    /// Takes what the stream without pins has delivered.
    ///
    /// # Errors
    /// `badMessage`: a position that this version cannot compare.
    pub fn handle_state(&mut self, item: &Item, now: Moment) -> Result<(), StreamError> {
        let Item::Snapshot(page) = item else { return Ok(()) };
        let begun = match self.0 {
            Phase::Looking { begun } if !page.first => begun,
            Phase::Asking | Phase::Looking { .. } => now,
            Phase::CatchingUp { .. } | Phase::Following => return Ok(()),
        };
        self.0 = if page.last {
            let reached = page.id.parse().map_err(|_| {
                let why = "the server writes positions that this version cannot compare".to_owned();
                StreamError::refused(Code::BadMessage, Some(why))
            })?;
            Phase::CatchingUp { reached, begun }
        } else {
            Phase::Looking { begun }
        };
        Ok(())
    }

    /// Takes what the stream with pins has delivered, once the pins have it; `pinned` are the sessions that they then say
    /// are open.
    pub fn apply(
        &mut self,
        replica: &mut Replica,
        item: &Item,
        pinned: impl FnOnce() -> Vec<OpenSession>,
        now: Moment,
    ) {
        let Phase::CatchingUp { reached, begun } = self.0 else {
            return replica.apply(item, now);
        };
        // A page is shown as it is: it is a state already, and the pins have taken out what is not proven.
        let is_page = matches!(item, Item::Snapshot(_));
        if is_page {
            replica.apply(item, now);
        }
        let position = item.position().and_then(|id| id.parse::<EventID>().ok());
        // Another lineage has begun since: the position there says nothing about this one, but it comes with a state.
        let has_reached =
            position.is_some_and(|position| position.epoch != reached.epoch || position.seq >= reached.seq);
        if !has_reached {
            return;
        }
        if !is_page {
            show(replica, reached, pinned(), begun);
        }
        self.0 = Phase::Following;
    }

    /// Takes the position at which the stream with pins begins. Where the state is there too, a quiet log has no more to
    /// say: the position holds the hash of all before it.
    pub fn begin_at(
        &mut self,
        replica: &mut Replica,
        position: Option<&str>,
        pinned: impl FnOnce() -> Vec<OpenSession>,
    ) {
        if let Phase::CatchingUp { reached, begun } = self.0
            && position.is_some_and(|position| position == reached.to_string())
        {
            show(replica, reached, pinned(), begun);
            self.0 = Phase::Following;
        }
    }
}

fn show(replica: &mut Replica, reached: EventID, sessions: Vec<OpenSession>, begun: Moment) {
    let id = reached.to_string();
    let page = Snapshot { sessions, first: true, last: true, id, hash: None, lane: 0 };
    replica.apply(&Item::Snapshot(page), begun);
}

#[cfg(test)]
mod tests {
    use super::Proven;
    use crate::{
        protocol::{Code, stream::OpenSession},
        session::{
            Moment, Replica, View,
            replica::tests::{at, open, session_id},
        },
        stream::{Bookmark, Item},
    };

    fn page(id: &str, sessions: Vec<OpenSession>, first: bool, last: bool) -> Item {
        let id = id.to_owned();
        Item::Snapshot(super::Snapshot { sessions, first, last, id, hash: None, lane: 0 })
    }

    fn bookmark(id: &str) -> Item {
        let time = at(0).wall;
        Item::Bookmark(Bookmark { id: id.to_owned(), time, hash: None, head: None })
    }

    /// That the state is at this position, told at this moment.
    fn looked(id: &str, now: Moment) -> (Proven, Replica, View) {
        let mut proven = Proven::new();
        proven.handle_state(&page(id, vec![open(9, 9)], true, true), now).unwrap();
        assert!(proven.has_looked());
        let replica = Replica::new();
        let view = replica.view();
        (proven, replica, view)
    }

    fn shown(view: &View) -> Vec<u64> {
        (0..10).filter(|number| view.get(session_id(*number), at(1)).is_some()).collect()
    }

    #[test]
    fn what_the_pins_say_is_shown_once_the_log_is_read_up_to_the_state_and_not_before() {
        let (mut proven, mut replica, view) = looked("0001-7-AAAAAAAA", at(0));
        proven.apply(&mut replica, &bookmark("0001-6-AAAAAAAA"), || vec![open(1, 1)], at(1));
        assert!(!proven.is_following() && shown(&view).is_empty());
        proven.apply(&mut replica, &bookmark("0001-7-AAAAAAAA"), || vec![open(1, 1), open(2, 1)], at(1));
        assert!(proven.is_following());
        // Of what the state says itself, nothing.
        assert_eq!(shown(&view), [1, 2]);
    }

    #[test]
    fn knowledge_is_as_old_as_the_first_page_of_the_state() {
        let mut proven = Proven::new();
        proven.handle_state(&bookmark("0001-7-AAAAAAAA"), at(0)).unwrap();
        proven.handle_state(&page("0001-7-AAAAAAAA", Vec::new(), true, false), at(1)).unwrap();
        assert!(!proven.has_looked());
        proven.handle_state(&page("0001-7-AAAAAAAA", Vec::new(), false, true), at(5)).unwrap();
        assert!(proven.has_looked());
        let mut replica = Replica::new();
        let view = replica.view();
        proven.apply(&mut replica, &bookmark("0001-7-AAAAAAAA"), Vec::new, at(6));
        let age = |seconds| std::time::Duration::from_secs(seconds);
        assert!(view.fresh_within(age(4), at(6)).is_err());
        assert!(view.fresh_within(age(5), at(6)).is_ok());
    }

    #[test]
    fn a_page_of_another_lineage_is_shown_as_the_pins_have_left_it() {
        let (mut proven, mut replica, view) = looked("0001-7-AAAAAAAA", at(0));
        let rewound = page("0002-3-AAAAAAAA", vec![open(3, 1)], true, true);
        proven.apply(&mut replica, &rewound, || vec![open(1, 1)], at(1));
        assert!(proven.is_following());
        assert_eq!(shown(&view), [3]);
    }

    #[test]
    fn a_position_that_cannot_be_compared_is_an_error() {
        let refused = Proven::new().handle_state(&page("p-1", Vec::new(), true, true), at(0)).unwrap_err();
        assert_eq!(refused.code(), Code::BadMessage);
    }
}
