//! A seeded random walk: a server with restarts, cuts, restored backups and bugs of its own against the machine of a
//! view, with an application that is slow and fails, and the promises of the stream checked at every item it handles.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{Machine, Output, world::ORIGIN};
use crate::{
    protocol::stream::{GapNext, Reply},
    stream::{InHand, Item, Lost, Subscription},
};

const SEEDS: u64 = 400;
const STEPS: u32 = 1_000;

#[test]
fn whatever_the_server_does_nothing_is_missed_repeated_or_mixed() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        seen.events += world.application.events;
        seen.gaps += world.application.gaps;
        seen.snapshots += world.application.snapshots;
        seen.mismatches += world.mismatches;
        seen.failures += world.application.failures;
        seen.acks += world.acks;
    }
    // A walk that meets nothing proves nothing.
    assert!(seen.events > 4_000 && seen.snapshots > 1_000 && seen.gaps > 1_000, "{seen:?}");
    assert!(seen.mismatches > 200 && seen.failures > 300 && seen.acks > 3_000, "{seen:?}");
}

#[derive(Debug, Default)]
struct Seen {
    events: u64,
    gaps: u64,
    snapshots: u64,
    mismatches: u64,
    failures: u64,
    acks: u64,
}

/// The log as the server has it. `parents` remembers every history there ever was.
struct Log {
    lineage: u32,
    /// Ids from the oldest kept on; the first is the position before the oldest event.
    kept: Vec<String>,
    /// What each id follows, and whether the subscription wants it.
    parents: HashMap<String, (String, bool)>,
}

impl Log {
    fn append(&mut self, wanted: bool) {
        let head = self.kept.last().unwrap().clone();
        let id = format!("{}-{}", self.lineage, self.parents.len());
        self.parents.insert(id.clone(), (head, wanted));
        self.kept.push(id);
    }

    /// Whether `to` follows `from` with nothing wanted in between.
    fn follows_directly(&self, from: &str, to: &str) -> bool {
        let mut at = &self.parents[to].0;
        while at != from {
            match self.parents.get(at) {
                Some((_, true)) | None => return false,
                Some((parent, false)) => at = parent,
            }
        }
        true
    }
}

/// The server's side of one connection.
enum Server {
    AwaitsFirst,
    Pages { attempt: u64, first: bool, left: u32, at: usize },
    Tail { told: String, at: usize },
}

/// Checks what it handles.
#[derive(Default)]
struct Application {
    /// What it is at.
    in_hand: Option<InHand>,
    position: Option<String>,
    /// The attempt whose pages are being collected.
    collecting: Option<u64>,
    /// The position is void and anything may follow.
    adrift: bool,
    events: u64,
    gaps: u64,
    snapshots: u64,
    failures: u64,
}

impl Application {
    fn handle(&mut self, item: Item, log: &Log) {
        match item {
            Item::Event(event) => {
                self.events += 1;
                assert!(log.parents[&event.id].1, "an event that nobody asked for");
                self.follow(event.id, log);
            }
            // While nothing happens at all, a bookmark repeats the position.
            Item::Bookmark(bookmark) if !self.adrift && self.position.as_ref() == Some(&bookmark.id) => {}
            Item::Bookmark(bookmark) => self.follow(bookmark.id, log),
            Item::Gap(gap) => {
                self.gaps += 1;
                self.collecting = None;
                match gap.next {
                    GapNext::Snapshot => (self.position, self.adrift) = (None, false),
                    GapNext::Oldest | GapNext::Other => self.adrift = true,
                }
            }
            Item::Snapshot(page) => {
                let attempt = page.sessions[0].since.0;
                match self.collecting {
                    Some(_) if page.first => self.collecting = Some(attempt),
                    Some(collecting) => assert_eq!(collecting, attempt, "two states are mixed"),
                    None => {
                        assert!(page.first, "a snapshot without its beginning");
                        self.collecting = Some(attempt);
                    }
                }
                if page.last {
                    self.snapshots += 1;
                    (self.position, self.collecting, self.adrift) = (Some(page.id), None, false);
                }
            }
        }
    }

    fn follow(&mut self, id: String, log: &Log) {
        assert_eq!(self.collecting, None, "an event inside a snapshot");
        if !self.adrift {
            let position = self.position.as_ref().expect("state comes before events");
            assert!(log.follows_directly(position, &id), "{position} -> {id}");
        }
        (self.position, self.adrift) = (Some(id), false);
    }
}

struct World {
    machine: Machine,
    now: Duration,
    random: fastrand::Rng,
    log: Log,
    server: Option<Server>,
    connecting: bool,
    attempts: u64,
    faults: bool,
    application: Application,
    /// What may await acknowledgement; 0: nothing is acknowledged.
    window: u32,
    /// What was sent on this connection and is not settled, and whether it counts.
    unsettled: VecDeque<(String, bool)>,
    /// The server has said that anything may follow, and nothing has yet.
    is_adrift: bool,
    mismatches: u64,
    acks: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let log = Log { lineage: 0, kept: vec!["0-start".into()], parents: HashMap::new() };
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            machine: Machine::new(Subscription::default(), seed, Duration::ZERO),
            now: Duration::ZERO,
            window: [0, 1, 2, 8][random.usize(0..4)],
            random,
            unsettled: VecDeque::new(),
            is_adrift: false,
            acks: 0,
            log,
            server: None,
            connecting: false,
            attempts: 0,
            faults: true,
            application: Application::default(),
            mismatches: 0,
        }
    }

    fn step(&mut self) {
        match self.random.u32(0..200) {
            0..60 => self.serve(),
            60..85 => self.log.append(self.random.bool()),
            85..150 => self.handle(),
            150..162 => self.tick(),
            162..180 => self.open(),
            180..183 => self.lose(),
            183..187 => self.say_wrong(),
            187 => self.say(r#"{"type":"drain","data":{"reason":"restart","withinMs":5000}}"#),
            188 => self.say(r#"{"type":"news","data":{}}"#),
            189 => self.say("noise"),
            190..193 => self.cut(),
            193 => self.restore(),
            _ => {
                self.now += Duration::from_millis(self.random.u64(0..5_000));
                self.machine.handle_tick(self.now);
            }
        }
        self.carry_out();
    }

    /// No more faults: the application gets to the head of the log.
    fn settle(&mut self) {
        self.faults = false;
        self.log.append(true);
        let head = self.log.kept.last().unwrap().clone();
        for _ in 0..8 * STEPS {
            if self.application.position.as_ref() == Some(&head) && !self.application.adrift {
                return;
            }
            self.handle();
            match (&self.server, self.connecting) {
                (Some(_), _) if self.may_send() => self.serve(),
                (Some(_), _) | (None, false) => self.tick(),
                (None, true) => self.open(),
            }
            self.carry_out();
        }
        panic!("{:?} never got to {head}", self.application.position);
    }

    fn tick(&mut self) {
        self.now = self.now.max(self.machine.poll_timeout().expect("nothing here is final"));
        self.machine.handle_tick(self.now);
    }

    fn open(&mut self) {
        if std::mem::take(&mut self.connecting) {
            self.server = Some(Server::AwaitsFirst);
            self.unsettled.clear();
            self.machine.handle_opened(self.now, ORIGIN);
        }
    }

    fn lose(&mut self) {
        if self.server.take().is_some() || std::mem::take(&mut self.connecting) {
            let code = [1006, 1012, 4000, 4002][self.random.usize(0..4)];
            self.machine.handle_lost(self.now, Lost::Closed { code, reason: String::new() });
        }
    }

    /// The application fetches an item or is done with the one it has, well or not.
    fn handle(&mut self) {
        match self.application.in_hand.take() {
            Some(InHand { token, item, .. }) => {
                let fails = self.faults && self.random.u32(0..20) == 0;
                if fails {
                    self.application.failures += 1;
                } else {
                    self.application.handle(item, &self.log);
                }
                self.machine.handle_settled(self.now, token, !fails);
            }
            None => self.application.in_hand = self.machine.poll_item(self.now),
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Key => self.machine.handle_key(self.now, "k".into()),
                Output::Connect { .. } => {
                    assert!(self.server.is_none() && !self.connecting, "two connections");
                    self.connecting = true;
                }
                Output::Send(text) if matches!(self.server, Some(Server::AwaitsFirst)) => self.greet(&text),
                Output::Send(text) => self.acknowledge(&text),
                Output::Close { code, .. } => {
                    self.mismatches += u64::from(code == 4009);
                    (self.server, self.connecting) = (None, false);
                }
                Output::Start { .. } => panic!("a view is offered no lane"),
                Output::Status(_) => {}
                Output::End(error) => panic!("nothing here is final: {error}"),
            }
        }
        let waits = self.machine.queued_items();
        assert!(self.window == 0 || waits <= 2 * self.window as usize + 1, "{waits} wait");
    }

    fn acknowledge(&mut self, text: &str) {
        let Ok(Reply::Ack(ack)) = Reply::decode(text) else { panic!("no ack: {text}") };
        let id = ack.id.expect("a position");
        self.acks += 1;
        let index = self.unsettled.iter().position(|(sent, _)| *sent == id);
        let index = index.unwrap_or_else(|| panic!("{id} was not sent on this connection, or is settled"));
        self.unsettled.drain(..=index);
    }

    fn may_send(&self) -> bool {
        let unsettled = self.unsettled.iter().filter(|(_, counts)| *counts).count();
        !self.machine.is_full() && (self.window == 0 || unsettled < self.window as usize)
    }

    fn say(&mut self, text: &str) {
        if matches!(self.server, Some(Server::Pages { .. } | Server::Tail { .. })) {
            self.machine.handle_message(self.now, text);
        }
    }

    fn greet(&mut self, first: &str) {
        let first: serde_json::Value = serde_json::from_str(first).unwrap();
        assert!(matches!(self.server, Some(Server::AwaitsFirst)), "a first message out of turn");
        let window = format!(r#""window":{}"#, self.window);
        let ready = super::world::READY.replace(r#""window":0"#, &window);
        self.machine.handle_message(self.now, &ready);
        self.is_adrift = false;
        let after = first.get("after").map(|after| after.as_str().unwrap().to_owned());
        let Some(after) = after else {
            self.server = Some(self.snapshot());
            return;
        };
        if let Some(at) = self.log.kept.iter().position(|id| *id == after) {
            self.server = Some(Server::Tail { told: after, at });
            return;
        }
        let next = if self.random.bool() { "snapshot" } else { "oldest" };
        self.is_adrift = next == "oldest";
        self.server = Some(match next {
            "snapshot" => self.snapshot(),
            _ => Server::Tail { told: self.log.kept[0].clone(), at: 0 },
        });
        self.say(&format!(
            r#"{{"type":"gap","data":{{"reason":"diverged","after":"{after}","next":"{next}"}}}}"#
        ));
    }

    /// The state, or what a server with bugs takes for it: a snapshot without its beginning, the tail without state.
    fn snapshot(&mut self) -> Server {
        self.attempts += 1;
        let at = self.log.kept.len() - 1;
        let bug = if self.faults { self.random.u32(0..10) } else { 9 };
        if bug == 0 {
            let at = self.random.usize(0..=at);
            return Server::Tail { told: self.log.kept[at].clone(), at };
        }
        Server::Pages { attempt: self.attempts, first: bug != 1, left: self.random.u32(1..4), at }
    }

    /// The server sends the next thing it has, if the window allows.
    fn serve(&mut self) {
        if !self.may_send() {
            return;
        }
        let (next, text) = match self.server.take() {
            Some(Server::Pages { attempt, first, left, at }) => {
                let id = if left == 1 { self.log.kept[at].clone() } else { format!("r-{attempt}-{left}") };
                let text = page(attempt, first, left == 1, &id);
                self.unsettled.push_back((id.clone(), true));
                let next = match left {
                    1 => Server::Tail { told: id, at },
                    _ => Server::Pages { attempt, first: false, left: left - 1, at },
                };
                (next, text)
            }
            Some(Server::Tail { told, at }) => {
                let head = self.log.kept.len() - 1;
                let wanted = (at + 1..=head).find(|index| self.log.parents[&self.log.kept[*index]].1);
                let to = wanted.unwrap_or(head);
                let id = self.log.kept[to].clone();
                let text = match wanted {
                    Some(_) => event(&id, &told),
                    None => bookmark(&id, &told),
                };
                self.unsettled.push_back((id.clone(), wanted.is_some()));
                self.is_adrift = false;
                (Server::Tail { told: id, at: to }, text)
            }
            other => {
                self.server = other;
                return;
            }
        };
        self.server = Some(next);
        self.say(&text);
    }

    /// A bug in the server: an event left out, told twice, or out of order.
    fn say_wrong(&mut self) {
        let Some(Server::Tail { told, at }) = &mut self.server else { return };
        if self.machine.is_full() {
            return;
        }
        let head = self.log.kept.len() - 1;
        if self.random.bool() {
            let other = self.log.kept[self.random.usize(0..=head)].clone();
            // A server that says "this follows what you hold" when it does not cannot be found out.
            if *told != other && !self.is_adrift {
                let text = event(told, &other);
                self.say(&text);
            }
        } else if *at < head {
            *at += 1;
            told.clone_from(&self.log.kept[*at]);
        }
    }

    /// Old events are no longer kept.
    fn cut(&mut self) {
        let keep = self.random.usize(1..=self.log.kept.len());
        self.restart_server();
        self.log.kept.drain(..self.log.kept.len() - keep);
    }

    /// A backup is restored: what came after it happens anew, under other ids.
    fn restore(&mut self) {
        self.restart_server();
        let keep = self.random.usize(1..=self.log.kept.len());
        self.log.kept.truncate(keep);
        self.log.lineage += 1;
    }

    fn restart_server(&mut self) {
        self.lose();
        self.carry_out();
    }
}

fn event(id: &str, prev: &str) -> String {
    format!(
        r#"{{"type":"anything","data":{{}},"id":"{id}","prev":"{prev}","seq":1,"time":"2026-11-22T18:00:00.000Z"}}"#
    )
}

fn bookmark(id: &str, prev: &str) -> String {
    format!(
        r#"{{"type":"bookmark","data":{{"time":"2026-11-22T18:00:00.000Z"}},"id":"{id}","prev":"{prev}"}}"#
    )
}

fn page(attempt: u64, first: bool, last: bool, id: &str) -> String {
    let since = crate::protocol::UnixMillis(attempt);
    format!(
        r#"{{"type":"snapshot","data":{{"first":{first},"last":{last},"sessions":[{{
            "accountID":"acct_00000000000000000000000000","sessionID":"ses_00000000000000000000000000",
            "passkeyID":"pk_00000000000000000000000000","since":"{since}","expiresAt":"{since}",
            "sessionKey":{{"kty":"EC","crv":"P-256","x":"","y":""}}}}]}},"id":"{id}"}}"#
    )
}
