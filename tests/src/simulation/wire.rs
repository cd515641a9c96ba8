//! A connection: two ordered channels with delays of their own, which break in the ways that networks do.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;

/// What travels.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Text(Utf8Bytes),
    Ping,
    Pong,
    Close(u16, String),
    /// The peer's end, without a word.
    Reset,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Channel {
    frames: VecDeque<(u64, Frame)>,
    /// What is sent is lost, and nobody says so.
    pub(super) is_black: bool,
}

impl Channel {
    /// Sends a frame that arrives at that time, or after those before it.
    pub(super) fn send(&mut self, at: u64, frame: Frame) {
        if !self.is_black {
            let at = self.frames.back().map_or(at, |(last, _)| at.max(*last));
            self.frames.push_back((at, frame));
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.frames.front().map(|(at, _)| *at)
    }

    pub(super) fn take(&mut self, now: u64) -> Option<Frame> {
        self.frames.pop_front_if(|(at, _)| *at <= now).map(|(_, frame)| frame)
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// What is under way is lost.
    pub(super) fn lose_all(&mut self) {
        self.frames.clear();
    }
}

/// Names a connection.
pub(super) type LinkID = u64;

/// Both directions, and who still listens.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: usize,
    pub(super) up: Channel,
    pub(super) down: Channel,
    pub(super) has_server: bool,
    pub(super) has_client: bool,
    /// The longest delay of a frame, in milliseconds.
    pub(super) delay: u64,
}

impl Wire {
    pub(super) fn new(client: usize, delay: u64) -> Self {
        let (up, down) = (Channel::default(), Channel::default());
        Self { client, up, down, has_server: true, has_client: true, delay }
    }
}
