//! The position received on one connection, and the one rule that keeps it honest: an event must follow the one before it.

use crate::{
    planted,
    protocol::stream::{GapNext, Snapshot},
};

/// Where a subscription goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resume {
    /// Where the subscription says; nothing was held yet.
    Beginning,
    /// With the open sessions: nothing less will do.
    State,
    /// Strictly after this position.
    After(String),
}

impl Resume {
    pub(super) fn from_id(id: Option<String>) -> Self {
        id.map_or(Self::Beginning, Self::After)
    }

    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::After(id) => Some(id),
            Self::Beginning | Self::State => None,
        }
    }
}

/// What was received up to, and what may come next on this connection.
#[derive(Debug)]
pub(super) struct Cursor {
    held: Option<String>,
    expecting: Expecting,
}

/// What may come next on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expecting {
    /// What follows the position held.
    Following,
    /// The first page of a snapshot.
    FirstPage,
    /// Another page of the snapshot that has begun.
    NextPage,
    /// Anything: where it goes on is the server's choice.
    Anything,
}

/// What came does not follow what is held. The connection is of no use any more; the position is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

impl Cursor {
    /// A cursor after this position; without one, what may come first is given.
    pub(super) fn new(after: Option<&str>, else_expecting: Expecting) -> Self {
        let expecting = if after.is_some() { Expecting::Following } else { else_expecting };
        Self { held: after.map(str::to_owned), expecting }
    }

    /// What was received up to.
    pub(super) fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Moves from `prev` to `id`.
    pub(super) fn advance(&mut self, prev: &str, id: &str) -> Result<(), Mismatch> {
        let follows = match self.expecting {
            Expecting::Following => self.held.as_deref() == Some(prev) || planted!(PrevNotChecked),
            Expecting::Anything => true,
            Expecting::FirstPage | Expecting::NextPage => false,
        };
        if !follows {
            return Err(Mismatch);
        }
        self.hold(id);
        Ok(())
    }

    /// Takes a page. Only the last page's id is a position: resuming inside a snapshot would mix two states.
    pub(super) fn take_page(&mut self, page: &Snapshot) -> Result<(), Mismatch> {
        // A first page is welcome at any time: it says to forget everything before it.
        if !page.first && self.expecting != Expecting::NextPage {
            return Err(Mismatch);
        }
        if page.last {
            self.hold(&page.id);
        } else {
            self.expecting = Expecting::NextPage;
        }
        Ok(())
    }

    /// The position held cannot be continued. If the present state was announced, nothing less will do.
    pub(super) fn skip(&mut self, next: GapNext) {
        self.expecting = match next {
            GapNext::Snapshot => Expecting::FirstPage,
            GapNext::Oldest | GapNext::Other => Expecting::Anything,
        };
    }

    fn hold(&mut self, id: &str) {
        self.expecting = Expecting::Following;
        let held = self.held.get_or_insert_default();
        held.clear();
        held.push_str(id);
    }
}
