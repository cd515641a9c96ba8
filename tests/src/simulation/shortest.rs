//! The shortest client: sends its key, reads edges, comes back when it is cut off.

use axum::extract::ws::Utf8Bytes;
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
    /// The last edge's position, once the server has begun to serve. Where a restored backup has made two histories of
    /// one, it may be in either.
    at: Vec<EventID>,
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
            self.shortest.at = vec![from];
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
        shortest.at.clear();
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

    pub(super) fn receive_shortest(
        &mut self,
        link: LinkID,
        client: usize,
        frame: Frame,
    ) -> Result<(), Violation> {
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
        let places = std::mem::take(&mut self.clients[client].shortest.at);
        let heads = || std::iter::once(self.disk.log.head().id).chain(self.undone.iter().copied());
        let next = places.iter().flat_map(|at| heads().filter_map(|head| self.next_edge(*at, head)));
        let mut next: Vec<EventID> =
            next.filter(|(_, frame)| frame.as_str() == text).map(|(id, _)| id).collect();
        next.dedup();
        if next.is_empty() {
            return broken(Promise::Edges, format!("{text} came, which is not the edge after {places:?}"));
        }
        self.clients[client].shortest.at = next;
        Ok(())
    }

    /// The edge after a position, in the history of that head.
    fn next_edge(&self, at: EventID, head: EventID) -> Option<(EventID, Utf8Bytes)> {
        let mut next = None;
        for (id, node) in self.history.back_from(head) {
            if id == at {
                return next;
            }
            let frame = node.entry.as_ref().and_then(|entry| entry.shortest_frame());
            next = frame.map(|frame| (id, frame)).or(next);
        }
        None
    }

    pub(super) fn has_every_edge(&self, client: usize) -> bool {
        let Shortest { link: Some(_), at, .. } = &self.clients[client].shortest else { return false };
        let head = self.disk.log.head().id;
        at.iter().any(|at| self.history.is_in(*at, head) && self.next_edge(*at, head).is_none())
    }
}

/// What a WebSocket library with pings of its own would grant.
const PATIENCE: u64 = 40_000;
