//! The server's code, replaying what clients and the world do in a transcript: an in-memory log, and a driver that does
//! for each connection what `reference-server/src/stream/full.rs` does.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use aws_lc_rs::signature::Ed25519KeyPair;
use passkey_accounts::{
    log::{ChainHash, EventID, head},
    protocol::{Code, ConnectionID, UnixMillis, gateway::Failure, gateway::ServerMessage},
};
use passkey_accounts_server::{
    limits::READ_ENTRIES,
    log::Entry,
    stream::{
        Change, Edges, Ending, Greeting, Group, Machine, Member, Output, Refusal, Request, Shown, read,
    },
};
use serde_json::json;

use super::{
    log::Log,
    transcript::{Difference, Header, Kind, Line, Role, Said, Transcript},
};

/// A server in virtual time, with what it has said and nobody has looked at yet.
pub struct Server {
    now: UnixMillis,
    key_expires_at: Option<UnixMillis>,
    log: Log,
    connections: BTreeMap<String, Connection>,
    opened: u8,
    groups: BTreeMap<String, Group>,
    /// The newest lease and the stored position of each lane of each consumer.
    kept: BTreeMap<(String, u32), (u64, Option<EventID>)>,
    said: BTreeMap<String, VecDeque<(u64, Said)>>,
}

struct Connection {
    id: ConnectionID,
    reader: Reader,
    member: Option<(String, Member)>,
    is_stalled: bool,
}

enum Reader {
    New,
    Shortest(Edges),
    Full(Box<Machine>),
}

/// Replays a transcript, or says where it goes off.
pub fn replay(transcript: &Transcript) -> Result<(), Difference> {
    let mut server = Server::new(&transcript.header);
    for line in transcript.lines.iter().filter(|line| is_about_the_server(line)) {
        let fail = |what: String| line.difference(&transcript.file, what);
        server.advance(line.t);
        if !is_expected_of_the_server(line) {
            if let Some((at, said)) = server.unseen().filter(|(at, _)| *at < line.t) {
                return Err(fail(format!("before it, at {at} ms, the server said {said}")));
            }
            server.feed(line).map_err(fail)?;
            continue;
        }
        let Some((at, said)) = server.said.get_mut(&line.on).and_then(VecDeque::pop_front) else {
            return Err(fail(format!("expected {}, was nothing", line.text)));
        };
        if let Some(what) = line.compare(&said) {
            return Err(fail(what));
        }
        if at != line.t {
            return Err(fail(format!("expected at {} ms, was at {at} ms: {said}", line.t)));
        }
    }
    match (server.unseen(), transcript.lines.last()) {
        (Some((_, said)), Some(line)) => {
            Err(line.difference(&transcript.file, format!("after it the server said {said}")))
        }
        _ => Ok(()),
    }
}

pub fn is_about_the_server(line: &Line) -> bool {
    let word = line.word().0;
    match line.kind {
        Kind::ClientSends | Kind::ServerSends => true,
        Kind::World => !matches!(
            word,
            "heard" | "key" | "keyFailed" | "position" | "positionFailed" | "handled" | "failed" | "stop"
        ),
        Kind::Application => matches!(word, "settled" | "released"),
    }
}

/// Whether a line says what a server must do, instead of what happens to it.
pub fn is_expected_of_the_server(line: &Line) -> bool {
    match line.kind {
        Kind::ServerSends | Kind::Application => true,
        Kind::ClientSends => false,
        Kind::World => line.word().0 == "serverCloses",
    }
}

impl Server {
    pub fn new(header: &Header) -> Self {
        assert!(header.role != Role::Client, "{} is the client's", header.name);
        Self {
            now: START,
            key_expires_at: header.key_expires_at.map(|at| START.plus(at)),
            log: Log::new(),
            connections: BTreeMap::new(),
            opened: 0,
            groups: BTreeMap::new(),
            kept: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// The first thing that was said and that nobody has looked at.
    pub fn unseen(&self) -> Option<(u64, Said)> {
        self.said.values().filter_map(|said| said.front()).min_by_key(|(at, _)| *at).cloned()
    }

    /// When it wants to be woken, in milliseconds since the start.
    fn deadline(&self) -> Option<u64> {
        let running = self.connections.values().filter(|connection| !connection.is_stalled);
        let deadlines = running.filter_map(|connection| match &connection.reader {
            Reader::Full(machine) => Some(machine.poll_timeout().since(START)),
            Reader::New | Reader::Shortest(_) => None,
        });
        deadlines.min()
    }

    /// Lets time pass.
    pub fn advance(&mut self, to: u64) {
        for _ in 0..100_000 {
            self.drive();
            let Some(deadline) = self.deadline().filter(|deadline| *deadline <= to) else {
                self.now = self.now.max(START.plus(to));
                return;
            };
            self.now = self.now.max(START.plus(deadline));
            let now = self.now;
            for connection in self.connections.values_mut().filter(|connection| !connection.is_stalled) {
                if let Reader::Full(machine) = &mut connection.reader
                    && machine.poll_timeout() <= now
                {
                    machine.handle_tick(now);
                }
            }
        }
        panic!("the server wants to be woken again and again at {:?}", self.now);
    }

    /// Something happens to it.
    pub fn feed(&mut self, line: &Line) -> Result<(), String> {
        let (on, now) = (line.on.as_str(), self.now);
        if line.kind == Kind::ClientSends {
            self.hear(on, line.frame());
            self.drive();
            return Ok(());
        }
        let (word, value) = line.word();
        let number = |name: &str| value[name].as_u64().unwrap_or(0);
        let byte = |name: &str| u8::try_from(number(name)).unwrap_or(0);
        match word {
            "open" => {
                self.opened += 1;
                let id = ConnectionID::from_bytes([self.opened; 16]);
                let fresh = Connection { id, reader: Reader::New, member: None, is_stalled: false };
                self.connections.insert(on.to_owned(), fresh);
            }
            "lost" | "clientCloses" => self.leave(on),
            "register" => self.log.register(byte("account"), now),
            "login" => self.log.login(byte("account"), byte("session"), now),
            "logins" => {
                let count = u8::try_from(value.as_u64().unwrap_or(0)).unwrap_or(0);
                (1..=count).for_each(|number| self.log.login(number, number, now));
            }
            "logout" => {
                let reason = value["reason"].as_str().unwrap_or("user");
                self.log.logout(byte("session"), reason, now).ok_or("no such session is open")?;
            }
            "cut" => self.log.cut(value.as_u64().unwrap_or(0)).ok_or("no such entry is kept")?,
            "restore" => {
                let connections: Vec<_> = self.connections.keys().cloned().collect();
                connections.iter().for_each(|on| self.leave(on));
                self.log.restore(number("to"), value["epoch"].as_str()).ok_or("no such entry is kept")?;
            }
            "drain" => {
                for connection in self.connections.values_mut() {
                    if let Reader::Full(machine) = &mut connection.reader {
                        machine.handle_drain("restart", number("withinMs"), Ending::Restart, now);
                    }
                }
            }
            "stalls" => {
                let connection = self.connections.get_mut(on).ok_or("no such connection")?;
                connection.is_stalled = value.as_bool().unwrap_or(false);
            }
            "wait" => {}
            _ => return Err(format!("no such word: {}", line.text)),
        }
        self.drive();
        Ok(())
    }

    fn hear(&mut self, on: &str, text: &str) {
        let (now, seq) = (self.now, self.log.state().seq());
        let Some(connection) = self.connections.get_mut(on) else { return };
        match &mut connection.reader {
            Reader::Shortest(_) => {}
            Reader::Full(machine) => machine.handle_message(text, now),
            Reader::New => match read(text).and_then(|(key, request)| is_known(&key).map(|()| request)) {
                Err(refusal) => self.refuse(on, &refusal),
                Ok(Request::Shortest) => connection.reader = Reader::Shortest(Edges::after(seq)),
                Ok(Request::Full(wish)) => {
                    let mut lanes = 1;
                    if let Some(worker) = &wish.worker {
                        let group = self.groups.entry(worker.consumer.clone());
                        let group = group.or_insert_with(|| Group::new(worker.lanes));
                        lanes = group.lanes();
                        connection.member = Some((worker.consumer.clone(), group.join()));
                    }
                    let (connection_id, key_expires_at) = (connection.id, self.key_expires_at);
                    let app_id = self.log.state().app_id();
                    let page_sessions = passkey_accounts_server::limits::SNAPSHOT_PAGE_SESSIONS;
                    let greeting = Greeting { connection_id, app_id, lanes, key_expires_at, page_sessions };
                    let machine = Machine::new(wish, greeting, self.log.state(), now);
                    connection.reader = Reader::Full(Box::new(machine));
                }
            },
        }
    }

    /// Does for all connections what there is to do.
    fn drive(&mut self) {
        loop {
            let mut is_quiet = true;
            let connections: Vec<_> = self.connections.keys().cloned().collect();
            for on in connections {
                self.follow_changes(&on);
                while self.connections.get(&on).is_some_and(|connection| !connection.is_stalled)
                    && self.step(&on)
                {
                    is_quiet = false;
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    /// One thing that a connection wants. `false` if it wants none.
    fn step(&mut self, on: &str) -> bool {
        let (now, head) = (self.now, self.log.state().seq());
        let Some(connection) = self.connections.get_mut(on) else { return false };
        let machine = match &mut connection.reader {
            Reader::New => return false,
            Reader::Shortest(edges) => {
                if edges.scanned() >= head {
                    return false;
                }
                match edges.pass(self.log.entries_after(edges.scanned(), READ_ENTRIES).as_deref()) {
                    Ok(frames) => {
                        frames.into_iter().for_each(|frame| self.say(on, Said::Frame(frame.to_string())));
                    }
                    Err(code) => self.close(on, code.close_code(), code.as_str()),
                }
                return true;
            }
            Reader::Full(machine) => machine,
        };
        machine.handle_grown(head);
        let Some(output) = machine.poll_output(now) else { return false };
        match output {
            Output::Send(frame) => self.say(on, Said::Frame(frame.to_string())),
            Output::Locate { lane, seq } => {
                let stored = seq.and_then(|seq| self.log.hash(seq));
                machine.handle_located(lane, self.log.state(), stored, now);
            }
            Output::Read { lane, after } => {
                let entries: Option<Vec<Arc<Entry>>> = self.log.entries_after(after, READ_ENTRIES);
                machine.handle_entries(lane, entries.as_deref(), now);
            }
            Output::SignHead => {
                let state = self.log.state();
                let (id, ChainHash(hash)) = (state.head().id, state.head().hash);
                let head = head::Head { epoch: id.epoch, seq: id.seq, hash: ChainHash(hash), time: now };
                let signer = Ed25519KeyPair::from_seed_unchecked(&SIGNER_SEED).expect("32 bytes");
                machine.handle_signed(head::sign(state.app_id(), &head, &signer), now);
            }
            Output::Settle { lane, lease, position } => {
                if let Some((consumer, _)) = &connection.member {
                    let kept = self.kept.entry((consumer.clone(), lane)).or_default();
                    if kept.0 == lease {
                        kept.1 = Some(position);
                    }
                }
                let said = json!({"settled": {"lane": lane, "lease": lease, "id": position.to_string()}});
                self.say(on, Said::Word(said));
            }
            Output::Release { lane } => {
                if let Some((consumer, member)) = &connection.member
                    && let Some(group) = self.groups.get_mut(consumer)
                {
                    group.release(*member, lane);
                }
                self.say(on, Said::Word(json!({"released": {"lane": lane}})));
            }
            Output::End(Ending::Refused(refusal)) => self.refuse(on, &refusal),
            Output::End(Ending::Restart) => self.close(on, 1012, "restart"),
        }
        true
    }

    fn follow_changes(&mut self, on: &str) {
        let (now, epoch) = (self.now, self.log.state().epoch());
        let Some(connection) = self.connections.get_mut(on) else { return };
        let (Reader::Full(machine), Some((consumer, member))) = (&mut connection.reader, &connection.member)
        else {
            return;
        };
        let Some(group) = self.groups.get_mut(consumer) else { return };
        let changes = group.take_changes(*member);
        machine.handle_contested(group.is_contested(), now);
        for change in changes {
            match change {
                Change::Offer(lane) => {
                    let kept = self.kept.entry((consumer.clone(), lane)).or_default();
                    kept.0 = (kept.0 + 1).max(now.0);
                    machine.handle_offered(lane, kept.0, kept.1, epoch, now);
                }
                Change::Revoke(lane) => machine.handle_revoked(lane, now),
            }
        }
    }

    fn refuse(&mut self, on: &str, refusal: &Refusal) {
        let failure = Failure { message: refusal.message.clone(), ..Failure::from(refusal.code) };
        self.say(on, Said::Frame(ServerMessage::Error(failure).encode(None)));
        self.close(on, refusal.code.close_code(), refusal.code.as_str());
    }

    fn close(&mut self, on: &str, code: u16, word: &str) {
        let reason = format!(r#"{{"error":"{word}"}}"#);
        self.say(on, Said::Word(json!({"serverCloses": {"code": code, "reason": reason}})));
        self.leave(on);
    }

    fn leave(&mut self, on: &str) {
        let member = self.connections.remove(on).and_then(|connection| connection.member);
        if let Some((consumer, member)) = member
            && let Some(group) = self.groups.get_mut(&consumer)
        {
            group.leave(member);
        }
    }

    fn say(&mut self, on: &str, said: Said) {
        self.said.entry(on.to_owned()).or_default().push_back((self.now.since(START), said));
    }
}

fn is_known(shown: &Shown) -> Result<(), Refusal> {
    match shown {
        Shown::Key(key) if key.reveal() == KEY => Ok(()),
        // Key pairs are asked above the machine, by the driver.
        Shown::Key(_) | Shown::Pair(_) => Err(Code::BadKey.into()),
    }
}

/// 2026-11-22T18:00:00.000Z, the beginning of every transcript.
pub const START: UnixMillis = UnixMillis(1_795_370_400_000);

/// The one key that the server knows.
pub const KEY: &str = "pa_dev_040g2081040g2081_040g2081040g2081040g2081040g2081040g2081040g2081040g_8a296a36";

/// Of the Ed25519 key that signs heads.
pub const SIGNER_SEED: [u8; 32] = [7; 32];
