//! Every history that there ever was, also those that a restored backup undid: what the promises are checked against.

use std::{collections::HashMap, sync::Arc};

use passkey_accounts::{log::EventID, protocol::SessionID};
use passkey_accounts_server::{
    log::{Entry, LogState, share_of},
    sessions::Session,
};

/// What a subscription asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) all_types: bool,
    pub(super) lanes: u32,
    pub(super) lane: u32,
}

/// One position.
#[derive(Debug)]
pub(super) struct Node {
    parent: Option<EventID>,
    pub(super) entry: Option<Arc<Entry>>,
    share: u32,
    is_default: bool,
    /// The state as of here.
    state: LogState,
}

impl Node {
    pub(super) fn is_wanted(&self, wanted: &Wanted) -> bool {
        self.entry.is_some()
            && (wanted.all_types || self.is_default)
            && (wanted.lanes <= 1 || self.share % wanted.lanes == wanted.lane)
    }
}

/// All positions, by id.
#[derive(Debug, Default)]
pub(super) struct History {
    nodes: HashMap<EventID, Node>,
}

impl History {
    /// The position before everything.
    pub(super) fn begin(&mut self, state: &LogState) {
        let id = state.start().id;
        let node = Node { parent: None, entry: None, share: 0, is_default: false, state: state.clone() };
        self.nodes.entry(id).or_insert(node);
    }

    /// An entry was appended, which led to that state.
    pub(super) fn append(&mut self, parent: EventID, entry: &Arc<Entry>, state: &LogState) {
        let is_default = matches!(entry.name.as_ref(), "loggedIn" | "loggedOut");
        // The share of an account is all that its 16 equal bytes say.
        let share = entry.lane(256);
        let node = Node {
            parent: Some(parent),
            entry: Some(Arc::clone(entry)),
            share,
            is_default,
            state: state.clone(),
        };
        self.nodes.insert(entry.id, node);
    }

    pub(super) fn node(&self, id: EventID) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The positions from `id` back to the first of its history, `id` included.
    pub(super) fn back_from(&self, id: EventID) -> impl Iterator<Item = (EventID, &Node)> {
        let mut next = Some(id);
        std::iter::from_fn(move || {
            let id = next?;
            let node = self.nodes.get(&id)?;
            next = node.parent;
            Some((id, node))
        })
    }

    /// Whether `to` follows `from` in one history with nothing in between that is wanted and not passed over.
    pub(super) fn follows(
        &self,
        from: EventID,
        to: EventID,
        wanted: &Wanted,
        is_passed: impl Fn(EventID) -> bool,
    ) -> Result<(), String> {
        for (at, _) in self.back_from(to).skip(1) {
            if at == from {
                return Ok(());
            }
            if self.nodes[&at].is_wanted(wanted) && !is_passed(at) {
                return Err(format!("{to} came after {from}, and {at} in between was skipped"));
            }
        }
        Err(format!("{to} came after {from}, which it does not follow in any history"))
    }

    pub(super) fn is_in(&self, id: EventID, head: EventID) -> bool {
        self.back_from(head).any(|(at, _)| at == id)
    }

    /// The sessions as of the position before that one.
    pub(super) fn sessions_before(&self, id: EventID) -> Vec<Arc<Session>> {
        let before = self.back_from(id).nth(1);
        before.map(|(_, node)| node.state.sessions().values().cloned().collect()).unwrap_or_default()
    }

    /// The sessions as of a position that a lane is about.
    pub(super) fn sessions(&self, id: EventID, wanted: &Wanted) -> Option<Vec<SessionID>> {
        let state = &self.nodes.get(&id)?.state;
        let ours = state.sessions().iter().filter(|(_, session)| {
            wanted.lanes <= 1 || u32::from(share_of(session.account_id)) % wanted.lanes == wanted.lane
        });
        Some(ours.map(|(id, _)| *id).collect())
    }
}
