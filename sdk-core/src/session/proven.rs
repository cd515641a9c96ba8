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
            let id = reached.to_string();
            let page = Snapshot { sessions: pinned(), first: true, last: true, id, hash: None, lane: 0 };
            replica.apply(&Item::Snapshot(page), begun);
        }
        self.0 = Phase::Following;
    }
}
