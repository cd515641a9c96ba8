//! One lane of a connection: how far it was read, what was told, and what awaits acknowledgement. Pure.

use std::{collections::VecDeque, fmt::Write, ops::Bound, sync::Arc};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::{ChainHash, Epoch, EventID},
    planted,
    protocol::{
        SessionID, UnixMillis,
        base64url::Base64Url,
        stream::{BookmarkData, GapData, SignedHead, SnapshotPage},
    },
};

use super::first::Begin;
use crate::{
    log::{Entry, LogState, Place, share_of},
    sessions::Session,
};

/// A cursor on the log, for one share of the accounts.
#[derive(Debug)]
pub(super) struct Lane {
    number: u32,
    /// How many lanes share the log.
    lanes: u32,
    /// The number of this ownership; 0 for a view.
    pub(super) lease: u64,
    pub(super) phase: Phase,
    pub(super) begin: Begin,
    /// Entries up to it were looked at.
    scanned: Place,
    /// The position that the back end holds, if it follows what it was told.
    told: Option<EventID>,
    /// What awaits acknowledgement, oldest first.
    sent: VecDeque<Sent>,
    /// Whether anything is acknowledged at all.
    is_acknowledged: bool,
    /// Everything up to it is handled, by the back end's own word.
    settled: Option<EventID>,
    /// A gap that goes on at the oldest entry awaits acknowledgement, by the position that it goes on after. It does not
    /// count against the window. Until it is acknowledged, or something after it is, the settled position stays before
    /// it: a back end that dies before it has heard of the gap would never learn that events are missing.
    gap: Option<EventID>,
    /// The last id that was taken in an acknowledgement. To repeat it says that work goes on, whatever it is worth by now.
    heard: Option<String>,
    /// When the oldest unsettled item was sent, or an ack last said that work goes on.
    pub(super) working_since: UnixMillis,
    /// Reads in a row that found nothing although the log should go on there.
    losses: u32,
    /// It is wanted back by then.
    pub(super) revoked_until: Option<UnixMillis>,
}

/// What a lane is doing.
#[derive(Debug)]
pub(super) enum Phase {
    /// Offered to a worker, which has not said yet where to start.
    Offered,
    /// To be found in the log; `asked` once the driver was told to look.
    Locating { asked: bool },
    /// State is being sent: what is left of it comes after `from`.
    Snapshot { state: Box<LogState>, from: Option<SessionID> },
    /// Events are being sent.
    Tail,
}

/// An item that was sent.
#[derive(Debug)]
struct Sent {
    key: Key,
    /// Its number in the log; for a page of state that of the state's position.
    seq: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    Position(EventID),
    /// A page of state that is not the last.
    Receipt(String),
}

/// An acknowledgement of something that was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NeverSent;

impl Lane {
    pub(super) fn new(
        (number, lanes): (u32, u32),
        epoch: Epoch,
        begin: Begin,
        is_acknowledged: bool,
        now: UnixMillis,
    ) -> Self {
        Self {
            number,
            lanes,
            is_acknowledged,
            lease: 0,
            phase: Phase::Locating { asked: false },
            begin,
            scanned: Place::new(epoch, 0, ChainHash::GENESIS),
            told: None,
            sent: VecDeque::new(),
            settled: None,
            gap: None,
            heard: None,
            working_since: now,
            losses: 0,
            revoked_until: None,
        }
    }

    pub(super) const fn scanned(&self) -> Place {
        self.scanned
    }

    pub(super) const fn settled(&self) -> Option<EventID> {
        self.settled
    }

    pub(super) fn unsettled(&self) -> usize {
        self.sent.len()
    }

    /// The tail begins here.
    pub(super) fn follow(&mut self, place: Place) {
        (self.scanned, self.told, self.phase) = (place, Some(place.id), Phase::Tail);
    }

    /// The tail begins here, as if what is missing before it had been told.
    pub(super) fn skip_silently(&mut self, place: Place, told: EventID) {
        self.follow(place);
        self.told = Some(told);
    }

    /// The tail begins here, after a gap. What was sent before is of no interest any more, and its acks must not count.
    pub(super) fn begin_tail(&mut self, place: Place) {
        self.sent.clear();
        self.follow(place);
        self.gap = (self.is_acknowledged && !planted!(GapUnheard)).then_some(place.id);
    }

    /// State comes first. What was sent before is of no interest any more, and its acks must not count.
    pub(super) fn begin_snapshot(&mut self, state: LogState) {
        self.sent.clear();
        (self.told, self.gap) = (None, None);
        self.phase = Phase::Snapshot { state: Box::new(state), from: None };
    }

    /// The next entry is no longer kept; the lane is looked for anew. `false` when that has not helped before.
    pub(super) fn lose_place(&mut self) -> bool {
        let after = self.told.unwrap_or(self.scanned.id);
        self.begin = Begin::After(after.to_string());
        self.phase = Phase::Locating { asked: false };
        self.losses += 1;
        self.losses < MAX_LOSSES
    }

    /// Moves past an entry. Returns its frame, if it is wanted and of this lane.
    pub(super) fn pass(&mut self, entry: &Entry, is_wanted: bool, now: UnixMillis) -> Option<Utf8Bytes> {
        (self.scanned, self.losses) = (entry.place(), 0);
        if !is_wanted || entry.lane(self.lanes) != self.number {
            return None;
        }
        let told = self.told.replace(entry.id)?;
        if planted!(SettledWhenSent) {
            self.settled = Some(entry.id);
        }
        self.remember(Key::Position(entry.id), entry.seq, now);
        Some(entry.frame(told, self.lane_member()))
    }

    /// Notes an item that awaits acknowledgement.
    fn remember(&mut self, key: Key, seq: u64, now: UnixMillis) {
        if self.sent.is_empty() {
            self.working_since = now;
        }
        if self.is_acknowledged {
            self.sent.push_back(Sent { key, seq });
        }
    }

    pub(super) const fn is_at_first_page(&self) -> bool {
        matches!(self.phase, Phase::Snapshot { from: None, .. })
    }

    /// The next page of state. `receipt` names it, unless it is the last: then the position does.
    pub(super) fn next_page(&mut self, receipt: &str, sessions: usize, now: UnixMillis) -> Option<Utf8Bytes> {
        let Phase::Snapshot { state, from } = std::mem::replace(&mut self.phase, Phase::Tail) else {
            return None;
        };
        let after = from.map_or(Bound::Unbounded, Bound::Excluded);
        let (lanes, number) =
            (self.lanes, (self.number + u32::from(planted!(WrongLaneInSnapshot))) % self.lanes.max(1));
        let is_ours =
            |session: &&Arc<Session>| lanes <= 1 || u32::from(share_of(session.account_id)) % lanes == number;
        let rest = state.sessions().range((after, Bound::Unbounded)).map(|(_, session)| session);
        let page: Vec<&Arc<Session>> = rest.filter(is_ours).take(sessions).collect();
        let end = page.last().map(|session| session.session_id);
        let is_last = page.len() < sessions;
        let place = state.head();
        let data = SnapshotPage {
            sessions: page.iter().map(|session| session.for_snapshot()).collect(),
            first: from.is_none(),
            last: is_last,
            hash: is_last.then(|| Base64Url(place.hash.0.to_vec())),
        };
        if is_last {
            self.follow(place);
            if planted!(RepeatedAtSeam) {
                self.scanned.id.seq = self.scanned.id.seq.saturating_sub(1);
            }
            self.remember(Key::Position(place.id), place.id.seq, now);
            return Some(self.message("snapshot", &data, &format!(r#","id":"{}""#, place.id)));
        }
        self.phase = Phase::Snapshot { state, from: end };
        if !planted!(PagesNotCounted) {
            self.remember(Key::Receipt(receipt.to_owned()), place.id.seq, now);
        }
        Some(self.message("snapshot", &data, &format!(r#","id":"{receipt}""#)))
    }

    pub(super) fn gap(&self, data: &GapData) -> Utf8Bytes {
        self.message("gap", data, "")
    }

    /// Tells the position although nothing happened that is wanted.
    pub(super) fn bookmark(&mut self, now: UnixMillis, head: Option<SignedHead>) -> Utf8Bytes {
        let Place { mut id, hash } = self.scanned;
        if let (Some(head), true) = (&head, planted!(BookmarkAhead)) {
            id = head
                .hash
                .0
                .as_slice()
                .try_into()
                .map_or(id, |hash| EventID::new(id.epoch, head.seq, &ChainHash(hash)));
        }
        let prev = self.told.replace(id).unwrap_or(id);
        let data = BookmarkData { time: now, hash: Some(Base64Url(hash.0.to_vec())), head };
        self.message("bookmark", &data, &format!(r#","id":"{id}","prev":"{prev}""#))
    }

    fn lane_member(&self) -> Option<u32> {
        (self.lanes > 1).then_some(self.number)
    }

    fn message(&self, name: &str, data: &impl serde::Serialize, beside: &str) -> Utf8Bytes {
        let data = serde_json::to_string(data).expect("wire types hold nothing that JSON cannot");
        let mut frame = format!(r#"{{"type":"{name}","data":{data}{beside}"#);
        if let Some(lane) = self.lane_member() {
            write!(frame, r#","lane":{lane}"#).expect("a String takes everything");
        }
        frame.push('}');
        frame.into()
    }

    /// The worker's word for where to start.
    pub(super) fn start(&mut self, begin: Begin) {
        if let Begin::After(id) = &begin {
            self.heard = Some(id.clone());
        }
        (self.begin, self.phase) = (begin, Phase::Locating { asked: false });
    }

    /// Everything up to `id` is handled. Says whether the settled position moved.
    pub(super) fn settle(&mut self, id: &str, now: UnixMillis) -> Result<bool, NeverSent> {
        self.working_since = now;
        if self.heard.as_deref() == Some(id) {
            return Ok(false);
        }
        let Ok(position) = id.parse::<EventID>() else { return self.settle_receipt(id).map(|()| false) };
        if self.sent.iter().any(|sent| {
            sent.seq == position.seq && matches!(sent.key, Key::Position(sent) if sent != position)
        }) {
            return Err(NeverSent);
        }
        match self.told {
            // Inside a snapshot only receipts are new: this is a word on what came before it.
            None => return Ok(false),
            Some(told) if position.seq > told.seq || position.epoch != told.epoch => return Err(NeverSent),
            Some(_) => {}
        }
        self.heard = Some(id.to_owned());
        let mut has_moved = false;
        if let Some(gap) = self.gap.take_if(|gap| gap.seq <= position.seq) {
            (self.settled, has_moved) = (Some(gap), true);
        }
        while let Some(Sent { key, .. }) = self.sent.pop_front_if(|sent| sent.seq <= position.seq) {
            if let Key::Position(id) = key {
                (self.settled, has_moved) = (Some(id), true);
            }
        }
        Ok(has_moved)
    }

    fn settle_receipt(&mut self, receipt: &str) -> Result<(), NeverSent> {
        let is_it = |sent: &Sent| matches!(&sent.key, Key::Receipt(key) if key == receipt);
        match self.sent.iter().position(is_it) {
            Some(index) => drop(self.sent.drain(..=index)),
            // A receipt of an attempt that is over.
            None if receipt.starts_with(RECEIPT_PREFIX) => {}
            None => return Err(NeverSent),
        }
        Ok(())
    }

    /// With nothing outstanding everything that was looked at is settled. Says whether the settled position moved.
    pub(super) fn settle_scanned(&mut self) -> bool {
        let is_quiet = (self.sent.is_empty() || planted!(ScannedSettledTooEarly))
            && self.gap.is_none()
            && matches!(self.phase, Phase::Tail);
        is_quiet && self.settled.replace(self.scanned.id) != Some(self.scanned.id)
    }
}

/// A cut that is committed and not yet published takes a moment; more than that is a hole in the log.
const MAX_LOSSES: u32 = 1_000;

/// What receipts of snapshot pages begin with: no event id does.
pub(super) const RECEIPT_PREFIX: &str = "receipt-";
