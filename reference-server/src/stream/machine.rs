//! The server's side of one connection that speaks the protocol. Pure: the driver reads the log and owns the socket.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::{ChainHash, EventID},
    planted,
    protocol::{
        AppID, Code, ConnectionID, DecodeError, UnixMillis,
        gateway::ServerMessage,
        stream::{
            Ack, Drain, GapData, GapNext, GapReason, Lease, MAX_CLIENT_MESSAGE_BYTES, PROTOCOL, Ready, Reply,
            RevokedData, SignedHead, Start,
        },
    },
};

use super::{
    first::{Begin, Refusal, Wish},
    lane::{Lane, Phase, RECEIPT_PREFIX},
};
use crate::{
    bucket::Bucket,
    limits::{HAND_OVER_MS, HEAD_ENTRIES, HEAD_MS, IDLE_MS, KEY_EXPIRING_MS},
    log::{Entry, LogState},
};

/// Who the connection is.
#[derive(Debug, Clone)]
pub struct Greeting {
    /// Names the socket.
    pub connection_id: ConnectionID,
    /// Whose log.
    pub app_id: AppID,
    /// Lanes of the consumer; 1 for a view.
    pub lanes: u32,
    /// When the key that it came with expires.
    pub key_expires_at: Option<UnixMillis>,
    /// Sessions in one page of a snapshot, 1 or more.
    pub page_sessions: usize,
}

/// What the driver is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a text frame.
    Send(Utf8Bytes),
    /// Find out the present state and the hash of that entry, then [`Machine::handle_located`].
    Locate {
        /// For which lane.
        lane: u32,
        /// Which entry's hash; `None`: none is needed.
        seq: Option<u64>,
    },
    /// Read the log, then [`Machine::handle_entries`].
    Read {
        /// For which lane.
        lane: u32,
        /// After this number.
        after: u64,
    },
    /// Have the head signed, then [`Machine::handle_signed`].
    SignHead,
    /// Keep the worker's position, if the lease is still the newest.
    Settle {
        /// Which lane.
        lane: u32,
        /// Under which ownership.
        lease: u64,
        /// Everything up to it is handled.
        position: EventID,
    },
    /// The lane is free, once its position is kept.
    Release {
        /// Which lane.
        lane: u32,
    },
    /// The connection is over. The machine does nothing from here on.
    End(Ending),
}

/// How a connection is ended from this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// For this reason.
    Refused(Refusal),
    /// The server stops.
    Restart,
}

/// One connection, as the server sees it.
#[derive(Debug)]
pub struct Machine {
    wish: Wish,
    greeting: Greeting,
    lanes: BTreeMap<u32, Lane>,
    /// The lane that was served last: the others come first next time.
    served: u32,
    /// The newest entry known.
    head: u64,
    /// Others work for the same consumer: whoever is stuck must let go.
    is_contested: bool,
    receipts: u64,
    said: UnixMillis,
    signing: Signing,
    messages: Bucket,
    drain: Option<(UnixMillis, Ending)>,
    is_over: bool,
    outputs: VecDeque<Output>,
}

/// When a signed head was last told.
#[derive(Debug)]
struct Signing {
    is_asked: bool,
    is_told: bool,
    /// Or, if none was told yet, when the connection began.
    since: UnixMillis,
    entries: u64,
}

impl Machine {
    /// A connection whose first message was taken. A view begins at once; a worker waits for lanes.
    pub fn new(wish: Wish, greeting: Greeting, state: &LogState, now: UnixMillis) -> Self {
        let ready = Ready {
            protocol: PROTOCOL,
            connection: greeting.connection_id,
            idle_ms: IDLE_MS,
            window: wish.window,
            lanes: greeting.lanes,
            max_message_bytes: u32::try_from(MAX_CLIENT_MESSAGE_BYTES).unwrap_or(u32::MAX),
            app_id: Some(greeting.app_id),
            epoch: Some(state.epoch().as_str().to_owned()),
            ndjson: wish.is_ndjson,
            time: now,
        };
        let mut lanes = BTreeMap::new();
        if wish.worker.is_none() {
            lanes.insert(0, Lane::new((0, 1), state.epoch(), wish.begin.clone(), wish.window > 0, now));
        }
        let mut machine = Self {
            wish,
            greeting,
            lanes,
            served: 0,
            head: state.seq(),
            is_contested: false,
            receipts: 0,
            said: now,
            signing: Signing { is_asked: false, is_told: false, since: now, entries: 0 },
            messages: Bucket::new(now),
            drain: None,
            is_over: false,
            outputs: VecDeque::new(),
        };
        machine.say("ready", &ready, "");
        machine
    }

    /// The next thing to do; `None` when it is time to wait.
    pub fn poll_output(&mut self, now: UnixMillis) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(self.note(output, now));
        }
        if self.is_over {
            return None;
        }
        let after = self.served.saturating_add(1);
        let numbers: Vec<u32> =
            self.lanes.range(after..).chain(self.lanes.range(..after)).map(|(number, _)| *number).collect();
        for number in numbers {
            if let Some(output) = self.serve(number, now) {
                self.served = number;
                return Some(self.note(output, now));
            }
        }
        if self.head_is_due(now) {
            self.signing.is_asked = true;
            return Some(Output::SignHead);
        }
        None
    }

    /// When to call [`handle_tick`](Self::handle_tick) if nothing happens before.
    pub fn poll_timeout(&self) -> UnixMillis {
        let lanes = self.lanes.values().filter_map(|lane| self.lane_deadline(lane));
        let key = self.greeting.key_expires_at.map(|at| match self.drain {
            None => UnixMillis(at.0.saturating_sub(KEY_EXPIRING_MS)),
            Some(_) => at,
        });
        let drain = self.drain.as_ref().map(|(at, _)| *at);
        lanes.chain(key).chain(drain).fold(self.said.plus(IDLE_MS), UnixMillis::min)
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now: UnixMillis) {
        if let Some((_, ending)) = self.drain.take_if(|(at, _)| *at <= now) {
            return self.end(ending);
        }
        if let Some(at) = self.greeting.key_expires_at {
            if at <= now {
                return self.refuse(Code::KeyExpired);
            }
            let left = at.since(now);
            if left <= KEY_EXPIRING_MS && self.drain.is_none() {
                self.handle_drain("keyExpiring", left, Ending::Refused(Code::KeyExpired.into()), now);
            }
        }
        let late = self.lanes.values().find(|lane| self.lane_deadline(lane).is_some_and(|at| at <= now));
        if let Some(lane) = late {
            let is_hand_over = lane.revoked_until.is_some_and(|at| at <= now);
            return self.refuse(if is_hand_over { Code::LeaseLost } else { Code::AckTimeout });
        }
        if self.said.plus(IDLE_MS) <= now {
            self.said = now;
            if !self.signing.is_told || now.since(self.signing.since) >= HEAD_MS {
                self.signing.is_asked = true;
                self.outputs.push_back(Output::SignHead);
            } else {
                self.bookmark(now, None);
            }
        }
    }

    /// The log has grown.
    pub fn handle_grown(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// The back end sent a text frame.
    pub fn handle_message(&mut self, text: &str, now: UnixMillis) {
        if !self.messages.take(now) {
            return self.refuse(Code::RateLimited);
        }
        match Reply::decode(text) {
            Ok(Reply::Ack(ack)) => self.handle_ack(&ack, now),
            Ok(Reply::Signature(_)) => {
                let message = "nothing is to be signed: \"signature\" answers a challenge";
                self.end(Ending::Refused(Refusal::new(Code::Unexpected, message)));
            }
            Err(error @ DecodeError::UnknownType(_)) => {
                self.outputs
                    .push_back(Output::Send(error_message(&Refusal::new(error.code(), error.to_string()))));
            }
            Err(error) => self.end(Ending::Refused(Refusal::new(Code::BadMessage, error.to_string()))),
        }
    }

    /// A lane is offered to this worker, under a lease that is already stored.
    pub fn handle_offered(
        &mut self,
        number: u32,
        lease: u64,
        stored: Option<EventID>,
        epoch: passkey_accounts::log::Epoch,
        now: UnixMillis,
    ) {
        let mut lane = Lane::new((number, self.greeting.lanes), epoch, self.wish.begin.clone(), true, now);
        (lane.phase, lane.lease) = (Phase::Offered, lease);
        if let (Some(stored), true) = (stored, planted!(OwnWordIgnored)) {
            lane.begin = Begin::After(stored.to_string());
        }
        self.lanes.insert(number, lane);
        let id = stored.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
        self.say("assigned", &Lease { lease }, &format!(r#","lane":{number},"id":{id}"#));
    }

    /// A lane is wanted back.
    pub fn handle_revoked(&mut self, number: u32, now: UnixMillis) {
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        lane.revoked_until = Some(now.plus(HAND_OVER_MS));
        self.say("revoked", &RevokedData { within_ms: HAND_OVER_MS }, &format!(r#","lane":{number}"#));
    }

    /// Whether others work for the same consumer.
    pub fn handle_contested(&mut self, is_contested: bool, now: UnixMillis) {
        if is_contested && !self.is_contested {
            // Nobody waited until now: the time starts here.
            for lane in self.lanes.values_mut() {
                lane.working_since = now;
            }
        }
        self.is_contested = is_contested;
    }

    /// The back end is to leave within that time; then the connection ends like that.
    pub fn handle_drain(&mut self, reason: &str, within_ms: u64, ending: Ending, now: UnixMillis) {
        if self.is_over {
            return;
        }
        self.say("drain", &Drain { reason: reason.to_owned(), within_ms, url: None }, "");
        self.drain = Some((now.plus(within_ms), ending));
        if within_ms == 0 {
            self.handle_tick(now);
        }
    }

    /// The answer to [`Output::Locate`]: the present state, and the hash of the entry asked for, if it is kept.
    pub fn handle_located(
        &mut self,
        number: u32,
        state: &LogState,
        stored: Option<ChainHash>,
        now: UnixMillis,
    ) {
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        self.head = self.head.max(state.seq());
        let after = match &lane.begin {
            Begin::Start(Start::State) => return lane.begin_snapshot(state.clone()),
            Begin::Start(start) => {
                lane.follow(if *start == Start::Now { state.head() } else { state.start() });
                // Told at once: a connection that is lost before the first event can be resumed from here.
                let bookmark = lane.bookmark(now, None);
                self.outputs.push_back(Output::Send(bookmark));
                // And kept: a worker that comes back must not begin anew, past what happened meanwhile.
                if self.wish.worker.is_some() && lane.settle_scanned() {
                    self.settle(number);
                }
                return;
            }
            Begin::After(after) => after.clone(),
        };
        let Ok(position) = after.parse::<EventID>() else { return self.refuse_position() };
        match state.check(position, stored) {
            Ok(place) => {
                lane.follow(place);
                // The worker's own word counts: what it has handled elsewhere is handled.
                if lane.settle_scanned() {
                    self.settle(number);
                }
            }
            Err(GapReason::Truncated) if planted!(TruncatedInSilence) => {
                lane.skip_silently(state.start(), position);
            }
            Err(reason) => self.say_gap(number, reason, after, state),
        }
    }

    /// The answer to [`Output::Read`]: the next entries, or `None` when they are no longer kept.
    pub fn handle_entries(&mut self, number: u32, entries: Option<&[Arc<Entry>]>, now: UnixMillis) {
        let mut credit = self.credit();
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        let Some(entries) = entries else {
            if !lane.lose_place() {
                self.refuse(Code::Internal);
            }
            return;
        };
        for entry in entries {
            if credit == 0 && planted!(ScannedBeyondCredit) {
                lane.pass(entry, false, now);
                continue;
            }
            if credit == 0 {
                break;
            }
            if let Some(frame) = lane.pass(entry, self.wish.types.contains(&entry.name), now) {
                credit -= 1;
                self.messages.earn(self.wish.window);
                self.signing.entries += 1;
                self.outputs.push_back(Output::Send(frame));
            }
        }
        if self.wish.worker.is_some() && (lane.settle_scanned() || planted!(SettledWhenSent)) {
            self.settle(number);
        }
    }

    /// The answer to [`Output::SignHead`].
    pub fn handle_signed(&mut self, head: SignedHead, now: UnixMillis) {
        self.signing = Signing { is_asked: false, is_told: true, since: now, entries: 0 };
        self.bookmark(now, Some(head));
    }

    /// What one lane wants now.
    fn serve(&mut self, number: u32, now: UnixMillis) -> Option<Output> {
        let (credit, head) = (self.credit(), self.head);
        let lane = self.lanes.get_mut(&number)?;
        let scanned = lane.scanned().id.seq;
        if lane.revoked_until.is_some() {
            return None;
        }
        match &mut lane.phase {
            Phase::Offered | Phase::Locating { asked: true } => None,
            Phase::Locating { asked } => {
                *asked = true;
                let seq = match &lane.begin {
                    Begin::Start(_) => None,
                    Begin::After(after) => match after.parse::<EventID>() {
                        Ok(position) => Some(position.seq),
                        Err(_) => {
                            self.refuse_position();
                            return self.outputs.pop_front();
                        }
                    },
                };
                Some(Output::Locate { lane: number, seq })
            }
            Phase::Snapshot { .. } if credit > 0 => {
                if planted!(ReceiptsReused) && lane.is_at_first_page() {
                    self.receipts = 0;
                }
                self.receipts += 1;
                let receipt = format!("{RECEIPT_PREFIX}{}-{}", self.greeting.connection_id, self.receipts);
                self.messages.earn(self.wish.window);
                lane.next_page(&receipt, self.greeting.page_sessions, now).map(Output::Send)
            }
            Phase::Tail if credit > 0 && scanned < head => {
                Some(Output::Read { lane: number, after: scanned })
            }
            Phase::Snapshot { .. } | Phase::Tail => None,
        }
    }

    /// Items that may be sent before something is acknowledged.
    fn credit(&self) -> usize {
        if self.wish.window == 0 {
            return usize::MAX;
        }
        let unsettled: usize = self.lanes.values().map(Lane::unsettled).sum();
        (self.wish.window as usize).saturating_sub(unsettled)
    }

    fn handle_ack(&mut self, ack: &Ack, now: UnixMillis) {
        let Some(lane) = self.lanes.get_mut(&ack.lane) else {
            // A lane that was given up a moment ago; or one that there never was.
            if self.wish.worker.is_none() || ack.lane >= self.greeting.lanes {
                self.end(Ending::Refused(Refusal::new(Code::BadMessage, "this connection has no such lane")));
            }
            return;
        };
        let is_worker = self.wish.worker.is_some();
        if matches!(lane.phase, Phase::Offered) {
            lane.working_since = now;
            if !ack.release {
                if planted!(OwnWordIgnored) {
                    lane.phase = Phase::Locating { asked: false };
                    return;
                }
                lane.start(ack.id.clone().map_or_else(|| self.wish.begin.clone(), Begin::After));
                return;
            }
        } else if let Some(id) = &ack.id {
            match lane.settle(id, now) {
                Ok(has_moved) => {
                    if is_worker && (lane.settle_scanned() || has_moved) {
                        self.settle(ack.lane);
                    }
                }
                Err(_) => {
                    let message =
                        "that id was not sent on this connection; acknowledge ids as you receive them";
                    return self.end(Ending::Refused(Refusal::new(Code::BadMessage, message)));
                }
            }
        } else {
            // There is nothing to repeat yet, and work goes on.
            lane.working_since = now;
        }
        if ack.release && is_worker {
            self.lanes.remove(&ack.lane);
            self.outputs.push_back(Output::Release { lane: ack.lane });
        }
    }

    fn settle(&mut self, number: u32) {
        if let Some((lane, position)) = self.lanes.get(&number).and_then(|lane| Some((lane, lane.settled()?)))
            && self.wish.worker.is_some()
        {
            self.outputs.push_back(Output::Settle { lane: number, lease: lane.lease, position });
        }
    }

    fn say_gap(&mut self, number: u32, reason: GapReason, after: String, state: &LogState) {
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        let next = match (self.wish.snapshot, self.wish.skip) {
            (true, _) => GapNext::Snapshot,
            (false, true) => GapNext::Oldest,
            (false, false) => return self.refuse(Code::Gone),
        };
        let data = GapData { reason, after, next, oldest: Some(state.start().id.to_string()) };
        let frame = lane.gap(&data);
        match next {
            GapNext::Snapshot => lane.begin_snapshot(state.clone()),
            GapNext::Oldest | GapNext::Other => lane.begin_tail(state.start()),
        }
        self.outputs.push_back(Output::Send(frame));
    }

    /// Tells every lane that has nothing to hear where it stands.
    fn bookmark(&mut self, now: UnixMillis, mut head: Option<SignedHead>) {
        for lane in self.lanes.values_mut() {
            if matches!(lane.phase, Phase::Tail) && lane.revoked_until.is_none() {
                self.outputs.push_back(Output::Send(lane.bookmark(now, head.take())));
            }
        }
    }

    /// Whoever reads on gets a signed head now and then.
    fn head_is_due(&self, now: UnixMillis) -> bool {
        let has_tail = self.lanes.values().any(|lane| matches!(lane.phase, Phase::Tail));
        let Signing { is_asked, since, entries, .. } = self.signing;
        has_tail && !is_asked && entries > 0 && (now.since(since) >= HEAD_MS || entries >= HEAD_ENTRIES)
    }

    /// When a lane's owner must have done something.
    fn lane_deadline(&self, lane: &Lane) -> Option<UnixMillis> {
        let is_awaited = matches!(lane.phase, Phase::Offered) || lane.unsettled() > 0;
        let patience = (self.is_contested && is_awaited && self.wish.worker.is_some())
            .then(|| lane.working_since.plus(self.wish.ack_timeout_ms));
        match (lane.revoked_until, patience) {
            (Some(hand_over), Some(patience)) => Some(hand_over.min(patience)),
            (deadline, None) | (None, deadline) => deadline,
        }
    }

    fn refuse_position(&mut self) {
        let place = if self.wish.worker.is_none() { "\"after\"" } else { "the id in the lane's first ack" };
        let message = format!("{place} is not an id of this server; send one exactly as you received it");
        self.end(Ending::Refused(Refusal::new(Code::BadMessage, message)));
    }

    fn refuse(&mut self, code: Code) {
        self.end(Ending::Refused(code.into()));
    }

    /// What has been settled is kept: the outputs before this one stay.
    fn end(&mut self, ending: Ending) {
        if !self.is_over {
            self.is_over = true;
            self.outputs.push_back(Output::End(ending));
        }
    }

    fn note(&mut self, output: Output, now: UnixMillis) -> Output {
        if matches!(output, Output::Send(_)) {
            self.said = now;
        }
        output
    }

    fn say(&mut self, name: &str, data: &impl serde::Serialize, beside: &str) {
        let data = serde_json::to_string(data).expect("wire types hold nothing that JSON cannot");
        let frame = format!(r#"{{"type":"{name}","data":{data}{beside}}}"#);
        self.outputs.push_back(Output::Send(frame.into()));
    }
}

/// The `challenge` to a key pair.
pub(super) fn challenge_message(nonce: &str) -> Utf8Bytes {
    format!(r#"{{"type":"challenge","data":{{"nonce":"{nonce}"}}}}"#).into()
}

/// The `error` message for a refusal.
pub(super) fn error_message(refusal: &Refusal) -> Utf8Bytes {
    ServerMessage::Error(refusal.failure()).encode(None).into()
}
