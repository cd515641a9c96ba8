//! The position held on the log, and the one rule that keeps it honest: an event must follow the one before it.

use crate::protocol::stream::{GapNext, Snapshot};

/// Where the client is. Survives connections; only what is between two positions of one snapshot does not.
#[derive(Debug)]
pub(super) struct Cursor {
    held: Option<String>,
    expecting: Expecting,
}

/// What may come next on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    /// What follows the position held.
    Following,
    /// The first page of a snapshot.
    FirstPage,
    /// Another page of the snapshot that has begun.
    NextPage,
    /// Anything: the server has said that the position held is void, and where it goes on is its choice.
    Anything,
}

/// What came does not follow what is held. The connection is of no use any more; the position is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

impl Cursor {
    /// A cursor after this event, or before everything.
    pub(super) fn new(after: Option<String>) -> Self {
        let mut cursor = Self { held: after, expecting: Expecting::Following };
        cursor.reconnect();
        cursor
    }

    /// The position to ask for on the next connection. A snapshot that was cut off starts again.
    pub(super) fn reconnect(&mut self) -> Option<&str> {
        self.expecting = if self.held.is_some() { Expecting::Following } else { Expecting::FirstPage };
        self.held.as_deref()
    }

    /// Moves from `prev` to `id`.
    pub(super) fn advance(&mut self, prev: &str, id: &str) -> Result<(), Mismatch> {
        let follows = match self.expecting {
            Expecting::Following => self.held.as_deref() == Some(prev),
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

    /// The position held cannot be continued. If the present state was announced, nothing less will do, also when this
    /// connection is lost before it has come.
    pub(super) fn skip(&mut self, next: GapNext) {
        match next {
            GapNext::Snapshot => (self.held, self.expecting) = (None, Expecting::FirstPage),
            GapNext::Oldest | GapNext::Other => self.expecting = Expecting::Anything,
        }
    }

    fn hold(&mut self, id: &str) {
        self.expecting = Expecting::Following;
        let held = self.held.get_or_insert_default();
        held.clear();
        held.push_str(id);
    }
}
