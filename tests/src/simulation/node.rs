//! The server's process: the shipped machines, driven as stream/full.rs and stream/shortest.rs drive them.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::EventID,
    planted,
    protocol::{
        Code, ConnectionID, UnixMillis,
        base64url::Base64Url,
        stream::{GapData, Reply, SignedHead},
    },
};
use passkey_accounts_server::{
    limits::{DEAD_PEER_MS, DRAIN_MS, FIRST_MESSAGE_MS, IDLE_MS, SETTLE_MS, WRITE_MS},
    log::{Entry, LogState},
    stream::{Begin, Change, Edges, Ending, Greeting, Group, Machine, Member, Output, Request, Wish, read},
};

use super::{
    history::Wanted,
    oracle::{Promise, Violation, broken, violation},
    store::LaneName,
    wire::{Frame, LinkID},
    world::World,
};

/// The one process that has the store, while it runs.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) is_up: bool,
    pub(super) stops_at: Option<u64>,
    pub(super) paused_until: u64,
    /// What readers are shown, if that is behind the disk: a cut that is not published yet.
    pub(super) unpublished: Option<(u64, LogState)>,
    pub(super) ring: VecDeque<Arc<Entry>>,
    groups: BTreeMap<usize, Group>,
    /// Which connection was last offered each lane and has it still.
    pub(super) holders: BTreeMap<LaneName, LinkID>,
    pub(super) conns: BTreeMap<LinkID, Conn>,
}

/// The server's side of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    kind: Kind,
    heard: u64,
    pinged: u64,
    seen_head: u64,
    /// When it looks at what has grown or changed.
    pub(super) wakes_at: Option<u64>,
    /// Since when the peer has not taken what was written.
    stalled_since: Option<u64>,
    is_new: bool,
}

#[derive(Debug)]
enum Kind {
    Hello { until: u64 },
    Shortest { edges: Edges, expires_at: u64 },
    Full { machine: Box<Machine>, job: Option<Job>, wish: Box<Wish>, outstanding: Outstanding },
}

/// Items that were sent and not acknowledged.
#[derive(Debug, Default)]
struct Outstanding {
    items: VecDeque<(u32, String)>,
    /// Every receipt of the connection so far.
    receipts: HashSet<String>,
}

/// What a worker has besides the socket.
#[derive(Debug)]
struct Job {
    consumer: usize,
    lanes: u32,
    member: Member,
    settled: BTreeMap<u32, (u64, EventID)>,
    settle_at: Option<u64>,
    /// What was acknowledged of each lane.
    acknowledged: BTreeMap<u32, EventID>,
}

/// Why a connection ends.
enum End {
    Gone,
    Code(Code, String),
    Restart,
    Broken(Violation),
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

enum Wake {
    Begin,
    Time,
    Message(Utf8Bytes),
    Stopping,
}

/// The largest number of frames that a peer may leave unread before writing to it stalls.
const UNREAD: usize = 96;

impl Conn {
    pub(super) fn new(now: u64, head: u64) -> Self {
        Self {
            kind: Kind::Hello { until: now + FIRST_MESSAGE_MS },
            heard: now,
            pinged: now,
            seen_head: head,
            wakes_at: None,
            stalled_since: None,
            is_new: true,
        }
    }

    /// When it has something to do.
    pub(super) fn due(&self, unix: impl Fn(UnixMillis) -> u64) -> u64 {
        let own = match &self.kind {
            Kind::Hello { until } => return *until,
            Kind::Shortest { expires_at, .. } => *expires_at,
            Kind::Full { machine, job, .. } => {
                let settle_at = job.as_ref().and_then(|job| job.settle_at);
                unix(machine.poll_timeout()).min(settle_at.unwrap_or(u64::MAX))
            }
        };
        let ping = self.heard.max(self.pinged) + IDLE_MS;
        let stalled = self.stalled_since.map(|since| since + WRITE_MS);
        match stalled {
            // Nothing else is done while a write waits.
            Some(until) => until.min(self.wakes_at.unwrap_or(u64::MAX)),
            None => own.min(ping).min(self.heard + DEAD_PEER_MS).min(self.wakes_at.unwrap_or(u64::MAX)),
        }
    }
}

impl World {
    /// The state as readers are shown it.
    fn shown(&self) -> LogState {
        match &self.node.unpublished {
            Some((until, state)) if *until > self.now => state.clone(),
            _ => self.disk.log.clone(),
        }
    }

    /// A frame of a client has arrived.
    pub(super) fn hear(&mut self, link: LinkID, frame: Frame) -> Result<(), Violation> {
        let Some(mut conn) = self.node.conns.remove(&link) else { return Ok(()) };
        conn.heard = self.now;
        let outcome = match frame {
            Frame::Ping | Frame::Pong => Ok(()),
            Frame::Close(..) | Frame::Reset => Err(End::Gone),
            Frame::Text(text) => match conn.kind {
                Kind::Hello { .. } => self.greet(link, &mut conn, &text),
                Kind::Shortest { .. } => Ok(()),
                Kind::Full { .. } => self.turn(link, &mut conn, Wake::Message(text)),
            },
        };
        self.put_back(link, conn, outcome)
    }

    /// A connection has something to do.
    pub(super) fn attend(&mut self, link: LinkID) -> Result<(), Violation> {
        let Some(mut conn) = self.node.conns.remove(&link) else { return Ok(()) };
        let outcome = self.attend_to(link, &mut conn);
        self.put_back(link, conn, outcome)
    }

    fn attend_to(&mut self, link: LinkID, conn: &mut Conn) -> Result<(), End> {
        let now = self.now;
        if conn.wakes_at.is_some_and(|at| at <= now) {
            conn.wakes_at = None;
        }
        if conn.stalled_since.is_some_and(|since| since + WRITE_MS <= now) {
            return Err(End::Code(Code::SlowConsumer, String::new()));
        }
        if matches!(conn.kind, Kind::Hello { until } if until <= now) {
            return Err(End::Code(Code::HelloTimeout, String::new()));
        }
        if matches!(conn.kind, Kind::Hello { .. }) {
            return Ok(());
        }
        if conn.heard + DEAD_PEER_MS <= now {
            self.seen.found_dead += 1;
            return Err(End::Code(Code::Idle, String::new()));
        }
        if conn.heard.max(conn.pinged) + IDLE_MS <= now {
            conn.pinged = now;
            self.send_down(link, Frame::Ping);
        }
        conn.seen_head = self.shown().seq();
        self.turn(link, conn, Wake::Time)
    }

    /// The first message.
    fn greet(&mut self, link: LinkID, conn: &mut Conn, text: &str) -> Result<(), End> {
        let (_, request) = match read(text) {
            Ok(read) => read,
            Err(refusal) => {
                return Err(End::Broken(violation(Promise::Courteous, format!("refused: {refusal:?}"))));
            }
        };
        let lifetime = if self.random.u32(..6) == 0 && !self.is_calm {
            self.random.u64(5_000..150_000)
        } else {
            10_000_000
        };
        let expires_at = self.now + lifetime;
        conn.seen_head = self.shown().seq();
        conn.pinged = self.now;
        match request {
            Request::Shortest => {
                let client = self.wires[&link].client;
                let from = self.shown().head().id;
                self.clients[client].expect_edges(link, from);
                conn.kind = Kind::Shortest { edges: Edges::after(from.seq), expires_at };
            }
            Request::Full(wish) => {
                let job = wish.worker.as_ref().map(|worker| {
                    let consumer = self.consumer_named(&worker.consumer);
                    let lanes = self.plan.consumers[consumer].lanes;
                    let group = self.node.groups.entry(consumer).or_insert_with(|| Group::new(lanes));
                    let member = group.join();
                    Job {
                        consumer,
                        lanes,
                        member,
                        settled: BTreeMap::new(),
                        settle_at: None,
                        acknowledged: BTreeMap::new(),
                    }
                });
                if let Some(job) = &job {
                    self.wake_group(job.consumer);
                    conn.wakes_at = Some(self.now);
                }
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&link.to_be_bytes());
                let greeting = Greeting {
                    connection_id: ConnectionID::from_bytes(bytes),
                    app_id: self.disk.log.app_id(),
                    lanes: job.as_ref().map_or(1, |job| job.lanes),
                    key_expires_at: Some(self.unix_at(expires_at)),
                    page_sessions: self.plan.page_sessions,
                };
                let machine = Machine::new(wish.clone(), greeting, &self.shown(), self.unix());
                let (machine, wish) = (Box::new(machine), Box::new(wish));
                conn.kind = Kind::Full { machine, job, wish, outstanding: Outstanding::default() };
            }
        }
        self.seen.connections += 1;
        self.turn(link, conn, Wake::Begin)
    }

    fn turn(&mut self, link: LinkID, conn: &mut Conn, wake: Wake) -> Result<(), End> {
        let now = self.unix();
        let (seen_head, shown) = (conn.seen_head, self.shown());
        match &mut conn.kind {
            Kind::Hello { .. } => Ok(()),
            Kind::Shortest { edges, expires_at } => {
                if *expires_at <= self.now {
                    return Err(End::Code(Code::KeyExpired, String::new()));
                }
                if matches!(wake, Wake::Stopping) {
                    return Err(End::Restart);
                }
                while edges.scanned() < seen_head {
                    if self.is_stalled(link, &mut conn.stalled_since) {
                        return Ok(());
                    }
                    let limit = self.plan.read_entries;
                    let entries = self.ring_after(edges.scanned(), limit);
                    let frames = match edges.pass(entries.as_deref()) {
                        Ok(frames) => frames,
                        Err(code) => {
                            self.seen.fell_behind += 1;
                            return Err(End::Code(code, String::new()));
                        }
                    };
                    for frame in frames {
                        self.send_down(link, Frame::Text(frame));
                    }
                }
                Ok(())
            }
            Kind::Full { machine, job, wish, outstanding } => {
                match wake {
                    Wake::Begin => {}
                    Wake::Time => machine.handle_tick(now),
                    Wake::Message(text) => {
                        acknowledge(outstanding, &text);
                        machine.handle_message(&text, now);
                    }
                    Wake::Stopping => machine.handle_drain("restart", DRAIN_MS, Ending::Restart, now),
                }
                if let Some(job) = job {
                    if !conn.is_new {
                        self.follow_changes(job, machine, link)?;
                    }
                    if job.settle_at.is_some_and(|at| at <= self.now) {
                        self.flush(job)?;
                    }
                }
                conn.is_new = false;
                machine.handle_grown(seen_head);
                loop {
                    if self.is_stalled(link, &mut conn.stalled_since) {
                        return Ok(());
                    }
                    let Some(output) = machine.poll_output(now) else { return Ok(()) };
                    match output {
                        Output::Send(frame) => {
                            self.inspect(&frame, wish, outstanding)?;
                            self.send_down(link, Frame::Text(frame));
                        }
                        Output::Locate { lane, seq } => {
                            let stored = seq.and_then(|seq| self.disk.hash(seq));
                            if let (None, Some(job), Begin::Start(_)) = (seq, &job, &wish.begin)
                                && !wish.snapshot
                            {
                                self.consumers.lane((job.consumer, lane)).cover(shown.start().id);
                            }
                            let state =
                                if planted!(FuzzySnapshot) { self.fuzzy(&shown) } else { shown.clone() };
                            machine.handle_located(lane, &state, stored, now);
                        }
                        Output::Read { lane, after } => {
                            let limit = self.plan.read_entries;
                            let entries = match self.ring_after(after, limit) {
                                Some(entries) => Some(entries),
                                None => self.disk.entries_after(after, limit),
                            };
                            machine.handle_entries(lane, entries.as_deref(), now);
                            if entries.is_none() && self.node.unpublished.is_some() {
                                // Whoever has cut the log still has to say so.
                                conn.wakes_at = Some(self.now + 1);
                                return Ok(());
                            }
                        }
                        Output::SignHead => machine.handle_signed(self.signed_head(&shown), now),
                        Output::Settle { lane, lease, position } => {
                            if let Some(job) = job {
                                self.note(|| format!("{link} settles lane {lane} at {position}"));
                                job.settled.insert(lane, (lease, position));
                                job.acknowledged.insert(lane, position);
                                job.settle_at.get_or_insert(self.now + SETTLE_MS);
                            }
                        }
                        Output::Release { lane } => {
                            if let Some(job) = job {
                                self.seen.releases += 1;
                                let name = (job.consumer, lane);
                                self.check_release(link, name)?;
                                outstanding.items.retain(|(of, _)| *of != lane);
                                self.consumers.lane(name).release(job.acknowledged.remove(&lane));
                                if !planted!(ReleasedBeforeKept) {
                                    self.flush(job)?;
                                }
                                if let Some(group) = self.node.groups.get_mut(&job.consumer) {
                                    group.release(job.member, lane);
                                }
                                self.node.holders.remove(&name);
                                self.wake_group(job.consumer);
                                conn.wakes_at = Some(self.now);
                            }
                        }
                        Output::End(Ending::Refused(refusal)) => {
                            return Err(End::Code(refusal.code, refusal.message));
                        }
                        Output::End(Ending::Restart) => return Err(End::Restart),
                    }
                }
            }
        }
    }

    /// The position of now with the sessions of a moment ago.
    fn fuzzy(&self, shown: &LogState) -> LogState {
        let mut state = LogState::new(shown.app_id(), shown.start(), shown.head());
        for session in self.history.sessions_before(shown.head().id) {
            state.open_session(session);
        }
        state
    }

    /// Whether the peer reads too little for anything to be written now.
    fn is_stalled(&self, link: LinkID, since: &mut Option<u64>) -> bool {
        let unread = self.wires.get(&link).map_or(0, |wire| wire.down.len());
        if unread < UNREAD {
            *since = None;
            return false;
        }
        since.get_or_insert(self.now);
        true
    }

    fn ring_after(&self, after: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let shown = self.shown();
        if after >= shown.seq() {
            return Some(Vec::new());
        }
        if after < shown.start().id.seq {
            return None;
        }
        let first = self.node.ring.front()?.seq;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        Some(self.node.ring.iter().skip(skip).take(limit).cloned().collect())
    }

    fn signed_head(&self, state: &LogState) -> SignedHead {
        let head = state.head();
        SignedHead {
            epoch: head.id.epoch.as_str().to_owned(),
            seq: head.id.seq,
            hash: Base64Url(head.hash.0.to_vec()),
            time: self.unix(),
            key_id: "simulated".into(),
            sig: Base64Url(vec![0; 64]),
        }
    }

    fn follow_changes(
        &mut self,
        job: &mut Job,
        machine: &mut Machine,
        link: LinkID,
    ) -> Result<(), Violation> {
        let now = self.unix();
        let Some(group) = self.node.groups.get_mut(&job.consumer) else { return Ok(()) };
        let changes = group.take_changes(job.member);
        machine.handle_contested(group.is_contested(), now);
        for change in changes {
            match change {
                Change::Offer(lane) => {
                    let name = (job.consumer, lane);
                    if let Some(holder) = self.node.holders.insert(name, link)
                        && holder != link
                    {
                        let what = format!("lane {lane} is offered to {link} while {holder} has it");
                        return broken(Promise::SingleOwner, what);
                    }
                    let row = self.disk.lease(name, now);
                    self.seen.leases += 1;
                    self.note(|| format!("{link} is offered {name:?}: {row:?}"));
                    self.consumers.lane(name).lease(row.lease, row.position)?;
                    let client = self.wires[&link].client;
                    self.clients[client].offered.insert((lane, row.lease), row.position);
                    machine.handle_offered(lane, row.lease, row.position, self.shown().epoch(), now);
                }
                Change::Revoke(lane) => {
                    self.seen.revokes += 1;
                    machine.handle_revoked(lane, now);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, job: &mut Job) -> Result<(), End> {
        job.settle_at = None;
        let mut is_owner = true;
        for (lane, (lease, position)) in std::mem::take(&mut job.settled) {
            let name = (job.consumer, lane);
            if self.disk.settle(name, lease, position) {
                let wanted = self.wanted_by(job.consumer, lane);
                self.consumers.lane(name).keep(position, &self.history, &wanted)?;
                if self.disk.lanes.get(&name).is_none_or(|row| row.lease != lease) {
                    return Err(End::Broken(violation(Promise::SingleOwner, "a former owner moved a lane")));
                }
            } else {
                is_owner = false;
            }
        }
        if is_owner { Ok(()) } else { Err(End::Code(Code::LeaseLost, String::new())) }
    }

    /// Everything that is checked of what the server says.
    fn inspect(&mut self, frame: &str, wish: &Wish, outstanding: &mut Outstanding) -> Result<(), Violation> {
        let kind =
            frame.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        match kind {
            "drain" => self.seen.keys_expiring += u64::from(frame.contains("keyExpiring")),
            "ready" | "assigned" | "revoked" | "error" | "bookmark" => {}
            "gap" => {
                let value: serde_json::Value = serde_json::from_str(frame).expect("the server writes JSON");
                let lane = value["lane"].as_u64().unwrap_or(0);
                outstanding.items.retain(|(of, _)| u64::from(*of) != lane);
                let data: GapData =
                    serde_json::from_value(value["data"].clone()).expect("a gap has its data");
                let shown = self.shown();
                if let Ok(after) = data.after.parse::<EventID>()
                    && after.seq >= shown.start().id.seq.max(self.disk.log.start().id.seq)
                    && self.history.is_in(after, shown.head().id)
                {
                    return broken(Promise::Honest, format!("a gap at {after}, where the log goes on"));
                }
            }
            _ => {
                let after_id = frame.rsplit_once(r#","id":""#).map_or("", |(_, rest)| rest);
                let id = after_id.split('"').next().unwrap_or_default();
                let lane = after_id
                    .rsplit_once(r#""lane":"#)
                    .map_or(0, |(_, lane)| lane.trim_end_matches('}').parse().unwrap_or(0));
                if id.starts_with("receipt-") && !outstanding.receipts.insert(id.to_owned()) {
                    return broken(Promise::Exact, format!("the receipt {id} was used before"));
                }
                outstanding.items.push_back((lane, id.to_owned()));
                if wish.window > 0 && outstanding.items.len() > wish.window as usize {
                    let what = format!(
                        "{} items are unsettled, the window is {}",
                        outstanding.items.len(),
                        wish.window
                    );
                    return broken(Promise::Bounded, what);
                }
                if wish.window == 0 {
                    outstanding.items.clear();
                }
            }
        }
        Ok(())
    }

    fn put_back(&mut self, link: LinkID, mut conn: Conn, outcome: Result<(), End>) -> Result<(), Violation> {
        let end = match outcome {
            Ok(()) => {
                self.node.conns.insert(link, conn);
                return Ok(());
            }
            Err(End::Broken(violation)) => return Err(violation),
            Err(end) => end,
        };
        let end = match self.part(&mut conn) {
            Err(End::Broken(violation)) => return Err(violation),
            Err(end) if !matches!(end, End::Gone) => end,
            _ => end,
        };
        let frame = match end {
            End::Gone | End::Broken(_) => None,
            End::Restart => Some(Frame::Close(1012, r#"{"error":"restart"}"#.into())),
            End::Code(code, why) => {
                match code {
                    Code::BadMessage | Code::RateLimited | Code::Internal | Code::Gone => {
                        return broken(Promise::Courteous, format!("{link} is closed with {code}: {why}"));
                    }
                    Code::AckTimeout => self.seen.ack_timeouts += 1,
                    _ => {}
                }
                Some(Frame::Close(code.close_code(), format!(r#"{{"error":"{code}"}}"#)))
            }
        };
        self.note(|| format!("{link} is ended: {frame:?}"));
        self.send_down(link, frame.unwrap_or(Frame::Reset));
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.has_server = false;
        }
        Ok(())
    }

    /// What full.rs does when a connection has ended: positions are kept, then the lanes are free.
    fn part(&mut self, conn: &mut Conn) -> Result<(), End> {
        let Kind::Full { job: Some(job), .. } = &mut conn.kind else { return Ok(()) };
        let flushed = if planted!(SettledForgottenAtEnd) { Ok(()) } else { self.flush(job) };
        for (lane, acknowledged) in &job.acknowledged {
            self.consumers.lane((job.consumer, *lane)).release(Some(*acknowledged));
        }
        self.node.holders.retain(|_, holder| self.node.conns.contains_key(holder));
        if let Some(group) = self.node.groups.get_mut(&job.consumer) {
            group.leave(job.member);
            if group.is_empty() {
                self.node.groups.remove(&job.consumer);
            }
        }
        self.wake_group(job.consumer);
        flushed
    }

    fn wake_group(&mut self, consumer: usize) {
        let now = self.now;
        for conn in self.node.conns.values_mut() {
            if matches!(&conn.kind, Kind::Full { job: Some(job), .. } if job.consumer == consumer) {
                let at = now + self.random.u64(..2);
                conn.wakes_at = Some(conn.wakes_at.map_or(at, |before| before.min(at)));
            }
        }
    }

    /// Whoever lets go of a lane is through with it.
    fn check_release(&self, link: LinkID, (consumer, lane): LaneName) -> Result<(), Violation> {
        let lease = self.disk.lanes.get(&(consumer, lane)).map_or(0, |row| row.lease);
        let client = self.wires.get(&link).and_then(|wire| self.clients.get(wire.client));
        match client.and_then(|client| client.process.as_ref()?.flows.get(&lane)) {
            Some(flow) if flow.lease == lease && !flow.has_nothing_in_hand() => {
                broken(Promise::SingleOwner, format!("{link} gave lane {lane} back while it worked there"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wanted_by(&self, consumer: usize, lane: u32) -> Wanted {
        let consumer = &self.plan.consumers[consumer];
        Wanted { all_types: consumer.all_types, lanes: consumer.lanes, lane }
    }

    /// The server stops in an orderly way.
    pub(super) fn begin_drain(&mut self) -> Result<(), Violation> {
        self.seen.drains += 1;
        self.node.stops_at = Some(self.now + DRAIN_MS + 100);
        let links: Vec<LinkID> = self.node.conns.keys().copied().collect();
        for link in links {
            let Some(mut conn) = self.node.conns.remove(&link) else { continue };
            conn.seen_head = self.shown().seq();
            let outcome = self.turn(link, &mut conn, Wake::Stopping);
            self.put_back(link, conn, outcome)?;
        }
        Ok(())
    }

    /// The process is gone, and everything that was only in its memory. `says_so`: the machine it ran on is still there
    /// and resets the connections.
    pub(super) fn stop(&mut self, says_so: bool) {
        let links: Vec<LinkID> = self.node.conns.keys().copied().collect();
        for link in links {
            if says_so {
                self.send_down(link, Frame::Reset);
            }
            if let Some(wire) = self.wires.get_mut(&link) {
                wire.has_server = false;
                wire.down.is_black |= !says_so;
            }
        }
        self.consumers.forget_hand_overs();
        self.node = Node::default();
    }

    /// A process takes over the store.
    pub(super) fn start(&mut self) {
        self.node = Node { is_up: true, ..Node::default() };
    }
}

/// Takes what an acknowledgement is good for out of what is outstanding.
fn acknowledge(Outstanding { items: outstanding, .. }: &mut Outstanding, text: &str) {
    let Ok(Reply::Ack(ack)) = Reply::decode(text) else { return };
    let Some(id) = ack.id else { return };
    if let Some(index) = outstanding.iter().position(|(lane, sent)| *lane == ack.lane && *sent == id) {
        let mut number = 0;
        outstanding.retain(|(lane, _)| {
            number += 1;
            number > index + 1 || *lane != ack.lane
        });
    }
}
