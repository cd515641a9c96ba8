//! One run: a seeded world in virtual time, in which everything goes wrong that can, one thing after the other.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::OnceLock,
};

use passkey_accounts::{
    log::{Epoch, EventID},
    planted,
    protocol::UnixMillis,
};
use passkey_accounts_server::keys::{ApiKey, KeyEnvironment};

use super::{
    client::{Client, OwnRow},
    history::History,
    node::{Conn, Node},
    oracle::{Consumers, Promise, Violation, broken},
    plan::{Plan, Role},
    seen::Seen,
    store::{Disk, LaneName},
    wire::{Frame, LinkID, Wire},
};

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) random: fastrand::Rng,
    /// Milliseconds since the beginning.
    pub(super) now: u64,
    /// Nothing goes wrong any more.
    pub(super) is_calm: bool,
    pub(super) disk: Disk,
    backup: Option<Disk>,
    epochs: u32,
    /// The heads that restored backups undid.
    pub(super) undone: Vec<EventID>,
    pub(super) history: History,
    pub(super) consumers: Consumers,
    pub(super) node: Node,
    starts_at: u64,
    /// What the next start of the server comes up with.
    restores: Option<bool>,
    pub(super) wires: BTreeMap<LinkID, Wire>,
    next_link: LinkID,
    pub(super) clients: Vec<Client>,
    pub(super) own_rows: BTreeMap<LaneName, OwnRow>,
    pub(super) keys: &'static [String; KEYS],
    next_thing: u64,
    pub(super) seen: Seen,
    hasher: DefaultHasher,
    pub(super) trace: Option<Vec<String>>,
}

/// API keys that clients take turns with.
pub(super) const KEYS: usize = 3;

/// When worlds begin, in Unix time.
const START: u64 = 1_795_370_400_000;

/// How long it may take until everybody is at the head once nothing goes wrong any more.
const RECOVERY_MS: u64 = 400_000;

/// Entries in a rush: more than anybody may acknowledge one by one if each counted as a message out of turn.
const RUSH: u32 = 400;

/// More steps than any sound run takes.
const MAX_STEPS: u64 = 400_000;

fn keys() -> &'static [String; KEYS] {
    static ALL: OnceLock<[String; KEYS]> = OnceLock::new();
    ALL.get_or_init(|| {
        std::array::from_fn(|index| {
            let byte = u8::try_from(index).unwrap_or(0) + 1;
            ApiKey::new(KeyEnvironment::Dev, &[byte; 42]).reveal().to_owned()
        })
    })
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let plan = Plan::draw(&mut random);
        let disk = Disk::new(Epoch::from_random(1));
        let mut history = History::default();
        history.begin(&disk.log);
        let clients =
            plan.clients.iter().map(|client| Client::new(client.clone(), random.u64(..3_000))).collect();
        let mut world = Self {
            plan,
            random,
            now: 0,
            is_calm: false,
            disk,
            backup: None,
            epochs: 1,
            undone: Vec::new(),
            history,
            consumers: Consumers::default(),
            node: Node::default(),
            starts_at: 0,
            restores: None,
            wires: BTreeMap::new(),
            next_link: 1,
            clients,
            own_rows: BTreeMap::new(),
            keys: keys(),
            next_thing: 0,
            seen: Seen::default(),
            hasher: DefaultHasher::new(),
            trace: is_traced.then(Vec::new),
        };
        for client in &mut world.clients {
            client.shortest.comes_back_at = client.restarts_at;
        }
        world.note(|| format!("seed {seed}"));
        world
    }

    /// The fingerprint of everything that has happened.
    pub(super) fn fingerprint(&self) -> u64 {
        self.hasher.finish()
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let what = what();
        (self.now, &what).hash(&mut self.hasher);
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} {what}", self.now));
        }
    }

    pub(super) fn unix(&self) -> UnixMillis {
        self.unix_at(self.now)
    }

    pub(super) const fn unix_at(&self, at: u64) -> UnixMillis {
        UnixMillis(START + at)
    }

    pub(super) fn consumer_named(&self, name: &str) -> usize {
        self.plan
            .consumers
            .iter()
            .position(|consumer| consumer.name == name)
            .expect("clients name planned ones")
    }

    /// The longest delay of an application's store.
    pub(super) fn latency(&self) -> u64 {
        if self.is_calm { 5 } else { 60 }
    }

    /// Runs to the end.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let busy_until = self.plan.busy_ms;
        self.run_until(busy_until)?;
        self.calm_down();
        let deadline = self.now + RECOVERY_MS;
        while self.now < deadline {
            self.run_until(self.now + 1_000)?;
            if self.is_everybody_there() {
                return Ok(());
            }
        }
        broken(
            Promise::Alive,
            format!("not everybody got to {}: {}", self.disk.log.head().id, self.stragglers()),
        )
    }

    fn run_until(&mut self, until: u64) -> Result<(), Violation> {
        loop {
            let next = self.next_time();
            if next > until {
                self.now = until;
                return Ok(());
            }
            self.now = self.now.max(next);
            self.seen.steps += 1;
            if self.seen.steps > MAX_STEPS {
                return broken(Promise::Alive, "it goes round in circles");
            }
            self.step_world()?;
        }
    }

    fn next_time(&self) -> u64 {
        let server = if self.node.is_up { self.node.stops_at.unwrap_or(u64::MAX) } else { self.starts_at };
        let paused = self.node.paused_until;
        let unix = |at: UnixMillis| at.0.saturating_sub(START);
        let conns = self.node.conns.values().map(|conn| conn.due(unix).max(paused));
        let wires = self.wires.values().flat_map(|wire| {
            let up = if self.node.is_up { wire.up.due().map(|at| at.max(paused)) } else { wire.up.due() };
            [up, self.down_due(wire)]
        });
        let clients = self.clients.iter().map(Client::due);
        let next_thing = if self.is_calm { u64::MAX } else { self.next_thing };
        conns.chain(wires.flatten()).chain(clients).fold(next_thing.min(server), u64::min)
    }

    /// When the client reads the next frame.
    fn down_due(&self, wire: &Wire) -> Option<u64> {
        let client = self.clients.get(wire.client)?;
        if !wire.has_client {
            return wire.down.due();
        }
        let paused = client.process.as_ref().map_or(0, |process| process.paused_until());
        let busy = client.shortest.busy_until;
        client.is_reading().then(|| wire.down.due().map(|at| at.max(paused).max(busy))).flatten()
    }

    fn step_world(&mut self) -> Result<(), Violation> {
        let now = self.now;
        if !self.is_calm && self.next_thing <= now {
            self.next_thing = now + self.random.u64(1..=2 * self.plan.pause_ms);
            self.something_happens()?;
        }
        if self.node.stops_at.is_some_and(|at| at <= now) {
            self.stop(true);
            self.starts_at = now + self.random.u64(100..8_000);
        }
        if !self.node.is_up && self.starts_at <= now {
            self.come_up();
        }
        let links: Vec<LinkID> = self.wires.keys().copied().collect();
        for link in links {
            self.deliver(link)?;
        }
        let unix = |at: UnixMillis| at.0.saturating_sub(START);
        let paused = self.node.paused_until > now;
        let due = self.node.conns.iter().filter(|(_, conn)| !paused && conn.due(unix) <= now);
        for link in due.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.attend(link)?;
        }
        for client in 0..self.clients.len() {
            if self.clients[client].due() <= now {
                self.act(client)?;
            }
        }
        Ok(())
    }

    /// What has arrived at either end of a connection by now.
    fn deliver(&mut self, link: LinkID) -> Result<(), Violation> {
        let now = self.now;
        while !(self.node.is_up && self.node.paused_until > now)
            && let Some(frame) = self.wires.get_mut(&link).and_then(|wire| wire.up.take(now))
        {
            if self.node.conns.contains_key(&link) {
                self.hear(link, frame)?;
            }
        }
        while let Some(wire) = self.wires.get(&link)
            && self.down_due(wire).is_some_and(|at| at <= now)
        {
            let (client, has_client) = (wire.client, wire.has_client);
            let frame = self.wires.get_mut(&link).and_then(|wire| wire.down.take(now));
            if let (Some(frame), true) = (frame, has_client) {
                self.receive(link, client, frame)?;
            }
        }
        if self.wires.get(&link).is_some_and(|wire| !wire.has_client && !wire.has_server) {
            self.wires.remove(&link);
        }
        Ok(())
    }

    pub(super) fn send_down(&mut self, link: LinkID, frame: Frame) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let at = now + self.random.u64(..=wire.delay);
        if let (Frame::Text(text), Some(trace)) = (&frame, &mut self.trace) {
            let text: String = text.chars().take(260).collect();
            trace.push(format!("{now:>8} {link} is told {text}"));
        }
        let is_event = matches!(&frame, Frame::Text(text) if text.starts_with(r#"{"type":"log"#));
        if planted!(PrevNotChecked) && is_event && self.random.u32(..50) == 0 {
            return;
        }
        wire.down.send(at, frame);
    }

    pub(super) fn send_up(&mut self, link: LinkID, frame: Frame) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let at = now + self.random.u64(..=wire.delay);
        wire.up.send(at, frame);
    }

    /// A new connection, unless the server refuses.
    pub(super) fn open_wire(&mut self, client: usize) -> Option<LinkID> {
        if !self.node.is_up || self.node.stops_at.is_some() || self.node.paused_until > self.now {
            return None;
        }
        let link = self.next_link;
        self.next_link += 1;
        let delay = match self.random.u32(..8) {
            0 if !self.is_calm => self.random.u64(100..1_500),
            1..4 => 2,
            _ => 30,
        };
        self.wires.insert(link, Wire::new(client, delay));
        self.node.conns.insert(link, Conn::new(self.now, self.disk.log.seq()));
        self.note(|| format!("client {client} is connected by {link}"));
        Some(link)
    }

    fn come_up(&mut self) {
        if let Some(is_announced) = self.restores.take()
            && let Some(backup) = self.backup.clone()
        {
            self.undone.push(self.disk.log.head().id);
            self.disk = backup;
            if is_announced {
                self.epochs += 1;
                self.disk = self.disk.in_epoch(Epoch::from_random(self.epochs));
                self.history.begin(&self.disk.log);
                self.seen.announced += 1;
            } else {
                self.seen.restores += 1;
            }
            self.note(|| format!("a backup is restored, announced: {is_announced}"));
        }
        self.start();
        self.note(|| "the server comes up".into());
    }

    pub(super) fn append(&mut self) {
        let (parent, now) = (self.disk.log.head().id, self.unix());
        let entry = self.disk.append(&mut self.random, self.plan.accounts, now);
        self.history.append(parent, &entry, &self.disk.log);
        self.seen.entries += 1;
        self.note(|| format!("{} {} is appended", entry.name, entry.id));
        self.node.ring.push_back(entry);
        while self.node.ring.len() > self.plan.ring {
            self.node.ring.pop_front();
        }
        if let Some((_, shown)) = &mut self.node.unpublished {
            *shown = self.disk.log.clone();
            self.node.unpublished = None;
        }
        for conn in self.node.conns.values_mut() {
            // Most are woken soon, some late, some not at all.
            let late = match self.random.u32(..40) {
                0 => continue,
                1 => self.random.u64(100..3_000),
                _ => self.random.u64(..4),
            };
            let at = self.now + late;
            conn.wakes_at = Some(conn.wakes_at.map_or(at, |before| before.min(at)));
        }
    }

    fn something_happens(&mut self) -> Result<(), Violation> {
        if self.random.u32(..100) < 78 {
            if self.node.is_up && self.node.paused_until <= self.now {
                for _ in 0..1 + self.random.u32(..2) * self.random.u32(..8) {
                    self.append();
                }
            }
            return Ok(());
        }
        let client = self.random.usize(..self.clients.len());
        match self.random.u32(..100) {
            0..14 => self.break_wire(client, false),
            14..28 => self.break_wire(client, true),
            28..38 => self.blacken_wire(client),
            38..46 => {
                let (back_at, says_so) = (self.now + self.random.u64(50..6_000), self.random.bool());
                self.crash_process(client, back_at, says_so);
            }
            46..53 => {
                let long = if self.random.bool() { 3_000 } else { 50_000 };
                let until = self.now + self.random.u64(100..long);
                self.pause_process(client, until);
                self.clients[client].shortest.busy_until = until;
                self.seen.pauses += 1;
            }
            53..58 => self.crash_server(),
            58..63 => {
                if self.node.is_up && self.node.stops_at.is_none() && self.node.paused_until <= self.now {
                    self.note(|| "the server stops".into());
                    self.begin_drain()?;
                }
            }
            63..68 => {
                let long = if self.random.bool() { 2_000 } else { 45_000 };
                self.node.paused_until = self.now + self.random.u64(50..long);
                self.seen.pauses += 1;
                self.note(|| "the server stands still".into());
            }
            68..80 => {
                self.backup = Some(self.disk.clone());
                self.note(|| "a backup is made".into());
            }
            80..86 => {
                if self.backup.is_some() {
                    self.restores = Some(self.random.u32(..3) == 0);
                    self.crash_server();
                }
            }
            _ => self.cut_log(),
        }
        Ok(())
    }

    fn crash_server(&mut self) {
        if self.node.is_up {
            let says_so = self.random.u32(..3) > 0;
            self.note(|| format!("the server crashes, {says_so}"));
            self.stop(says_so);
            self.seen.crashes += 1;
            self.starts_at = self.now + self.random.u64(50..8_000);
        }
    }

    fn cut_log(&mut self) {
        if !self.node.is_up || self.node.paused_until > self.now {
            return;
        }
        let before = self.disk.log.clone();
        let keep = if self.random.u32(..4) == 0 { self.random.usize(..3) } else { self.plan.keep };
        let Some(start) = self.disk.cut(keep) else { return };
        self.node.unpublished = Some((self.now + self.random.u64(..4), before));
        self.seen.cuts += 1;
        self.note(|| format!("the log is cut up to {}", start.id));
    }

    fn break_wire(&mut self, client: usize, loses_all: bool) {
        let Some(link) = self.clients[client].link() else { return };
        let Some(wire) = self.wires.get_mut(&link) else { return };
        if loses_all {
            wire.up.lose_all();
            wire.down.lose_all();
        }
        self.seen.resets += 1;
        self.send_up(link, Frame::Reset);
        self.send_down(link, Frame::Reset);
        self.note(|| format!("{link} is reset, {loses_all}"));
    }

    fn blacken_wire(&mut self, client: usize) {
        let Some(link) = self.clients[client].link() else { return };
        let which = self.random.u32(..3);
        let Some(wire) = self.wires.get_mut(&link) else { return };
        wire.up.is_black |= which != 0;
        wire.down.is_black |= which != 1;
        self.seen.half_opens += 1;
        self.note(|| format!("{link} goes silent, {which}"));
    }

    fn calm_down(&mut self) {
        self.note(|| "nothing goes wrong any more".into());
        self.is_calm = true;
        self.restores = None;
        self.node.paused_until = self.node.paused_until.min(self.now);
        if self.plan.has_rush && self.node.is_up {
            (0..RUSH).for_each(|_| self.append());
        }
        for client in &mut self.clients {
            client.shortest.busy_until = 0;
            if let Some(process) = &mut client.process {
                process.resume(self.now);
            }
        }
    }

    fn is_everybody_there(&self) -> bool {
        self.node.is_up && self.stragglers().is_empty()
    }

    /// Who has not got everything.
    fn stragglers(&self) -> String {
        let head = self.disk.log.head().id;
        let mut late = Vec::new();
        for (number, client) in self.clients.iter().enumerate() {
            let is_there = match client.plan.role {
                Role::View { .. } => self.has_caught_up(number),
                Role::Shortest => self.has_every_edge(number),
                Role::Worker { .. } => true,
            };
            if !is_there {
                late.push(format!("client {number}"));
            }
        }
        for (number, consumer) in self.plan.consumers.iter().enumerate() {
            for lane in 0..consumer.lanes {
                let wanted = self.wanted_by(number, lane);
                let position = self.disk.lanes.get(&(number, lane)).and_then(|row| row.position);
                let is_there = position
                    .is_some_and(|at| self.history.is_in(at, head) && !self.misses(at, head, &wanted));
                if !is_there {
                    late.push(format!("lane {lane} of {}, which is at {position:?}", consumer.name));
                }
            }
        }
        late.join(", ")
    }
}
