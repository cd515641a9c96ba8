//! One entry of a log, with the frames that readers get, encoded once however many read them.

use std::{borrow::Cow, fmt::Write, sync::OnceLock};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::{ChainHash, Epoch, EventID},
    protocol::{UnixMillis, event::EventKind},
};

/// A committed (or about to be committed) event.
#[derive(Debug)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was appended.
    pub time: UnixMillis,
    /// The event's type.
    pub name: Cow<'static, str>,
    /// The event's data, the bytes that the chain covers.
    pub data: String,
    /// The chain up to and including it.
    pub hash: ChainHash,
    /// Its id on the wire.
    pub id: EventID,
    shortest: OnceLock<Option<Utf8Bytes>>,
    shared: OnceLock<(EventID, Utf8Bytes)>,
}

impl Entry {
    /// An entry from its stored parts.
    pub fn new(
        epoch: Epoch,
        seq: u64,
        time: UnixMillis,
        name: impl Into<Cow<'static, str>>,
        data: String,
        hash: ChainHash,
    ) -> Self {
        let id = EventID::new(epoch, seq, &hash);
        Self {
            seq,
            time,
            name: name.into(),
            data,
            hash,
            id,
            shortest: OnceLock::new(),
            shared: OnceLock::new(),
        }
    }

    /// The frame for a view whose last position is `prev`. Views that agree on it, which is nearly all, share one.
    pub fn frame(&self, prev: EventID) -> Utf8Bytes {
        let (shared_prev, frame) = self.shared.get_or_init(|| (prev, self.encode(prev)));
        if *shared_prev == prev { frame.clone() } else { self.encode(prev) }
    }

    /// The frame for the shortest client, if this entry is an account edge: first session in, last session out.
    pub fn shortest_frame(&self) -> Option<Utf8Bytes> {
        self.shortest.get_or_init(|| self.encode_shortest()).clone()
    }

    fn encode(&self, prev: EventID) -> Utf8Bytes {
        let mut frame = String::with_capacity(self.data.len() + 160);
        let Self { name, data, id, seq, time, .. } = self;
        write!(
            frame,
            r#"{{"type":"{name}","data":{data},"id":"{id}","prev":"{prev}","seq":{seq},"time":"{time}"}}"#
        )
        .expect("a String takes everything");
        frame.into()
    }

    fn encode_shortest(&self) -> Option<Utf8Bytes> {
        let edge = match EventKind::from_parts(&self.name, &self.data) {
            Ok(Some(EventKind::LoggedIn(data))) if data.account_sessions == 1 => data.account_id,
            Ok(Some(EventKind::LoggedOut(data))) if data.account_sessions == 0 => data.account_id,
            _ => return None,
        };
        Some(format!(r#"{{"type":"{}","data":{{"accountID":"{edge}"}}}}"#, self.name).into())
    }
}
