//! One entry of a log, with the frames that readers get, encoded once however many read them.

use std::{borrow::Cow, fmt::Write, sync::OnceLock};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::{ChainHash, Epoch, EventID},
    protocol::{AccountID, UnixMillis, event::EventKind},
};
use serde::Deserialize;

use super::Place;

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
    shared: OnceLock<(EventID, Option<u32>, Utf8Bytes)>,
    share: OnceLock<u8>,
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
            share: OnceLock::new(),
        }
    }

    /// Its position.
    pub const fn place(&self) -> Place {
        Place { id: self.id, hash: self.hash }
    }

    /// Which of this many lanes carries it: entries of one account are always in one lane.
    pub fn lane(&self, lanes: u32) -> u32 {
        if lanes <= 1 {
            return 0;
        }
        let share = self.share.get_or_init(|| self.account_id().map_or(0, share_of));
        u32::from(*share) % lanes
    }

    /// The account that it is about.
    pub fn account_id(&self) -> Option<AccountID> {
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "accountID")]
            account_id: Option<AccountID>,
        }
        serde_json::from_str::<Data>(&self.data).ok()?.account_id
    }

    /// Whether an account has come, gone, or has other passkeys since.
    pub fn is_about_passkeys(&self) -> bool {
        matches!(&*self.name, "registered" | "passkeyAdded" | "passkeyRemoved" | "accountErased")
    }

    /// The frame for a reader whose last position is `prev`. Readers that agree on it, which is nearly all, share one.
    /// `lane` is said only where there are several.
    pub fn frame(&self, prev: EventID, lane: Option<u32>) -> Utf8Bytes {
        let (shared_prev, shared_lane, frame) =
            self.shared.get_or_init(|| (prev, lane, self.encode(prev, lane)));
        if *shared_prev == prev && *shared_lane == lane { frame.clone() } else { self.encode(prev, lane) }
    }

    /// The frame for the shortest client, if this entry is an account edge: first session in, last session out.
    pub fn shortest_frame(&self) -> Option<Utf8Bytes> {
        self.shortest.get_or_init(|| self.encode_shortest()).clone()
    }

    fn encode(&self, prev: EventID, lane: Option<u32>) -> Utf8Bytes {
        let mut frame = String::with_capacity(self.data.len() + 176);
        let Self { name, data, id, seq, time, .. } = self;
        write!(
            frame,
            r#"{{"type":"{name}","data":{data},"id":"{id}","prev":"{prev}","seq":{seq},"time":"{time}""#
        )
        .expect("a String takes everything");
        if let Some(lane) = lane {
            write!(frame, r#","lane":{lane}"#).expect("a String takes everything");
        }
        frame.push('}');
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

/// An account's share of a log: lane `share mod lanes` carries it.
pub fn share_of(account_id: AccountID) -> u8 {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, account_id.to_string().as_bytes());
    hash.as_ref().first().copied().unwrap_or(0)
}
