//! The shortest client: sends its key, reads edges, comes back when it is cut off.

use passkey_accounts::log::EventID;

use super::{
    oracle::{Promise, Violation, broken},
    wire::{Frame, LinkID},
    world::World,
};

/// A client that knows nothing but its key.
#[derive(Debug, Default)]
pub(super) struct Shortest {
    pub(super) link: Option<LinkID>,
    pub(super) comes_back_at: u64,
    /// It does not read until then.
    pub(super) busy_until: u64,
    heard: u64,
    /// The last edge's position, once the server has begun to serve.
    at: Option<EventID>,
}

impl Shortest {
    pub(super) fn due(&self) -> u64 {
        if self.link.is_some() { self.heard + PATIENCE } else { self.comes_back_at }
    }
}

impl super::client::Client {
    /// The server has taken the key: edges after this position are due.
    pub(super) fn expect_edges(&mut self, link: LinkID, from: EventID) {
        if self.shortest.link == Some(link) {
            self.shortest.at = Some(from);
        }
    }
}

impl World {
    pub(super) fn act_shortest(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        if let Some(link) = self.clients[client].shortest.link {
            if self.clients[client].shortest.heard + PATIENCE <= now {
                self.seen.found_dead += 1;
                self.send_up(link, Frame::Close(1000, String::new()));
                self.leave_shortest(client, link);
            }
            return Ok(());
        }
        let link = self.open_wire(client);
        let back_at = now + self.random.u64(100..2_000);
        let shortest = &mut self.clients[client].shortest;
        (shortest.link, shortest.heard, shortest.comes_back_at) = (link, now, back_at);
        shortest.at = None;
        if let Some(link) = link {
            let key = self.keys[0].clone();
            self.send_up(link, Frame::Text(format!(r#"{{"apiKey":"{key}"}}"#).into()));
        }
        Ok(())
    }

    fn leave_shortest(&mut self, client: usize, link: LinkID) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.has_client = false;
        }
        let back_at = self.now + self.random.u64(100..2_000);
        let shortest = &mut self.clients[client].shortest;
        (shortest.link, shortest.comes_back_at) = (None, back_at);
    }

    pub(super) fn receive_shortest(&mut self, link: LinkID, client: usize, frame: Frame) -> Result<(), Violation> {
        self.clients[client].shortest.heard = self.now;
        match frame {
            Frame::Ping => self.send_up(link, Frame::Pong),
            Frame::Pong => {}
            Frame::Close(..) | Frame::Reset => {
                self.send_up(link, Frame::Reset);
                self.leave_shortest(client, link);
            }
            Frame::Text(text) => self.take_edge(client, &text)?,
        }
        Ok(())
    }

    fn take_edge(&mut self, client: usize, text: &str) -> Result<(), Violation> {
        self.seen.edges += 1;
        let Some(at) = self.clients[client].shortest.at else {
            return broken(Promise::Edges, format!("{text} came before the key was taken"));
        };
        // A restored backup makes two histories of one: what was under way then is of the older.
        let heads = std::iter::once(self.disk.log.head().id).chain(self.undone.iter().rev().copied());
        let next = heads.filter_map(|head| self.edges_between(at, head).into_iter().next());
        let Some((id, _)) = next.into_iter().find(|(_, frame)| frame == text) else {
            return broken(Promise::Edges, format!("{text} came, which is not the edge after {at}"));
        };
        self.clients[client].shortest.at = Some(id);
        Ok(())
    }

    /// The edges after a position, if it is in the history of that head.
    fn edges_between(&self, at: EventID, head: EventID) -> Vec<(EventID, String)> {
        if !self.history.is_in(at, head) {
            return Vec::new();
        }
        let after = self.history.back_from(head).take_while(|(id, _)| *id != at);
        let mut edges: Vec<_> = after
            .filter_map(|(id, node)| Some((id, node.entry.as_ref()?.shortest_frame()?.to_string())))
            .collect();
        edges.reverse();
        edges
    }

    pub(super) fn has_every_edge(&self, client: usize) -> bool {
        let Shortest { link: Some(_), at: Some(at), .. } = &self.clients[client].shortest else { return false };
        let head = self.disk.log.head().id;
        self.history.is_in(*at, head) && self.edges_between(*at, head).is_empty()
    }
}

/// What a WebSocket library with pings of its own would grant.
const PATIENCE: u64 = 40_000;
