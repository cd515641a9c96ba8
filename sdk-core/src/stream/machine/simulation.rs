//! A seeded random walk: a server with restarts, cuts, restored backups and bugs of its own against the machine, and
//! the promises of the stream checked at every item that reaches the application.

use std::{collections::HashMap, time::Duration};

use super::{Machine, Output};
use crate::{
    protocol::stream::GapNext,
    stream::{InHand, Item, Lost, Subscription},
};

const SEEDS: u64 = 400;
const STEPS: u32 = 600;

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
    }
    // A walk that meets nothing proves nothing.
    assert!(
        seen.events > 5_000 && seen.snapshots > 1_000 && seen.gaps > 1_000 && seen.mismatches > 200,
        "{seen:?}"
    );
}

#[derive(Debug, Default)]
struct Seen {
    events: u64,
    gaps: u64,
    snapshots: u64,
    mismatches: u64,
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

/// Checks what it is handed.
#[derive(Default)]
struct Application {
    position: Option<String>,
    /// The attempt whose pages are being collected.
    collecting: Option<u64>,
    /// The position is void and anything may follow.
    adrift: bool,
    events: u64,
    gaps: u64,
    snapshots: u64,
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
    mismatches: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let log = Log { lineage: 0, kept: vec!["0-start".into()], parents: HashMap::new() };
        Self {
            machine: Machine::new(Subscription::default(), seed, Duration::ZERO),
            now: Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
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
        match self.random.u32(0..100) {
            0..40 => self.serve(),
            40..60 => self.log.append(self.random.bool()),
            60..70 => self.tick(),
            70..80 => self.open(),
            80..84 => self.lose(),
            84..87 => self.say_wrong(),
            87..89 => self.say(r#"{"type":"drain","data":{"reason":"restart","withinMs":5000}}"#),
            89..91 => self.say(r#"{"type":"news","data":{}}"#),
            91..93 => self.say("noise"),
            93..96 => self.cut(),
            96 => self.restore(),
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
        for _ in 0..4 * STEPS {
            if self.application.position.as_ref() == Some(&head) && !self.application.adrift {
                return;
            }
            match (&self.server, self.connecting) {
                (Some(_), _) => self.serve(),
                (None, true) => self.open(),
                (None, false) => self.tick(),
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
            self.machine.handle_opened(self.now);
        }
    }

    fn lose(&mut self) {
        if self.server.take().is_some() || std::mem::take(&mut self.connecting) {
            let code = [1006, 1012, 4000, 4002][self.random.usize(0..4)];
            self.machine.handle_lost(self.now, Lost::Closed { code, reason: String::new() });
        }
    }

    fn carry_out(&mut self) {
        self.handle_items();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Key => self.machine.handle_key(self.now, "k".into()),
                Output::Connect { .. } => {
                    assert!(self.server.is_none() && !self.connecting, "two connections");
                    self.connecting = true;
                }
                Output::Send(text) => self.greet(&text),
                Output::Close { code, .. } => {
                    self.mismatches += u64::from(code == 4009);
                    (self.server, self.connecting) = (None, false);
                }
                Output::Start { .. } => panic!("a view is offered no lane"),
                Output::Status(_) => {}
                Output::End(error) => panic!("nothing here is final: {error}"),
            }
            self.handle_items();
        }
    }

    fn handle_items(&mut self) {
        while let Some(InHand { token, item, .. }) = self.machine.poll_item(self.now) {
            self.application.handle(item, &self.log);
            self.machine.handle_settled(self.now, token, true);
        }
    }

    fn say(&mut self, text: &str) {
        if matches!(self.server, Some(Server::Pages { .. } | Server::Tail { .. })) {
            self.machine.handle_message(self.now, text);
        }
    }

    fn greet(&mut self, first: &str) {
        let first: serde_json::Value = serde_json::from_str(first).unwrap();
        assert!(matches!(self.server, Some(Server::AwaitsFirst)), "a first message out of turn");
        self.machine.handle_message(self.now, super::world::READY);
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

    /// The server sends the next thing it has.
    fn serve(&mut self) {
        let (next, text) = match self.server.take() {
            Some(Server::Pages { attempt, first, left, at }) => {
                let id = if left == 1 { self.log.kept[at].clone() } else { format!("r-{attempt}-{left}") };
                let text = page(attempt, first, left == 1, &id);
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
        let head = self.log.kept.len() - 1;
        if self.random.bool() {
            let other = self.log.kept[self.random.usize(0..=head)].clone();
            // A server that says "this follows what you hold" when it does not cannot be found out.
            if self.application.position.as_ref() != Some(&other) && !self.application.adrift {
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
