//! The client's machine, replaying what its server and its application do in a transcript.

use std::{collections::VecDeque, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use passkey_accounts::{
    evidence::{Expected, Guard},
    log::{Sees, Witness, head::HeadKey},
    protocol::{AppID, Code},
    stream::{InHand, Item, Lost, Machine, Output, Status, Subscription},
    transport::elsewhere,
};
use serde_json::{Value, json};

use super::{
    server::{KEY, SIGNER_SEED},
    transcript::{Difference, Header, Kind, Line, Role, Said, Transcript},
};

/// A client in virtual time, with what it has said and nobody has looked at yet.
pub struct Client {
    machine: Machine,
    now: Duration,
    keys: VecDeque<String>,
    keys_by_hand: bool,
    handles_by_hand: bool,
    handed_over: Vec<InHand>,
    witness: Option<Witness>,
    guard: Option<Guard>,
    /// What goes out on the wire, and what the application sees: each in its own order.
    wire: VecDeque<(Duration, Said)>,
    seen: VecDeque<(Duration, Said)>,
}

/// Replays a transcript, or says where it goes off.
pub fn replay(transcript: &Transcript, seed: u64) -> Result<(), Difference> {
    let mut client = Client::new(&transcript.header, seed);
    // What the machine's clock is ahead of the transcript's, in nanoseconds.
    let mut ahead: i128 = 0;
    let moment = |t: u64, ahead: i128| {
        Duration::from_nanos(u64::try_from(i128::from(t) * 1_000_000 + ahead).expect("time does not go back"))
    };
    let lines = transcript.lines.iter().filter(|line| is_about_the_client(transcript.header.role, line));
    for line in lines {
        let fail = |what: String| line.difference(&transcript.file, what);
        if !is_expected_of_the_client(line) {
            client.advance(moment(line.t, ahead), |_| false);
            if let Some((at, said)) = client.unseen().filter(|(at, _)| *at < moment(line.t, ahead)) {
                return Err(fail(format!("before it, after {at:?}, the client said {said}")));
            }
            client.feed(line).map_err(fail)?;
            continue;
        }
        let (from, to) = line.within.unwrap_or((line.t, line.t));
        let (from, to) = (moment(from, ahead), moment(to, ahead));
        client.advance(to, |client| !client.queue(line).is_empty());
        let Some((at, said)) = client.queue(line).pop_front() else {
            return Err(fail(format!("expected {}, was nothing", line.text)));
        };
        if let Some(what) = line.compare(&said) {
            return Err(fail(what));
        }
        if !(from..=to).contains(&at) {
            return Err(fail(format!("expected between {from:?} and {to:?}, was after {at:?}: {said}")));
        }
        if line.within.is_some() {
            // However long it took: from here on it is the transcript's time.
            ahead = i128::try_from(at.as_nanos()).expect("a short time") - i128::from(line.t) * 1_000_000;
        }
    }
    match (client.unseen(), transcript.lines.last()) {
        (Some((_, said)), Some(line)) => {
            Err(line.difference(&transcript.file, format!("after it the client said {said}")))
        }
        _ => Ok(()),
    }
}

fn is_about_the_client(role: Role, line: &Line) -> bool {
    let is_the_servers = match line.kind {
        Kind::ClientSends | Kind::ServerSends => false,
        Kind::World | Kind::Application => SERVERS_WORDS.contains(&line.word().0),
    };
    role != Role::Both || line.on == "a" && !is_the_servers
}

/// Whether a line says what a client must do, instead of what happens to it.
pub fn is_expected_of_the_client(line: &Line) -> bool {
    match line.kind {
        Kind::ClientSends | Kind::Application => true,
        Kind::ServerSends => false,
        Kind::World => line.word().0 == "clientCloses",
    }
}

impl Client {
    pub fn new(header: &Header, seed: u64) -> Self {
        let keys = header.keys.clone().unwrap_or_else(|| vec![KEY.to_owned()]);
        let now = Duration::ZERO;
        let mut subscription = subscription(&header.subscription);
        let guard = header
            .evidence
            .then(|| Guard::new(expected(), None, &mut subscription).expect("pins can read it"));
        Self {
            machine: Machine::new(subscription, seed, now),
            now,
            keys: keys.into(),
            keys_by_hand: header.keys_by_hand,
            handles_by_hand: header.handles_by_hand,
            handed_over: Vec::new(),
            witness: header.witness.then(|| witness(&header.subscription)),
            guard,
            wire: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    /// Lets time pass until `to`, or until that is so.
    pub fn advance(&mut self, to: Duration, is_enough: impl Fn(&mut Self) -> bool) {
        for _ in 0..100_000 {
            self.collect();
            if is_enough(self) {
                return;
            }
            let Some(deadline) = self.machine.poll_timeout().filter(|deadline| *deadline <= to) else {
                self.now = self.now.max(to);
                return;
            };
            self.now = self.now.max(deadline);
            self.machine.handle_tick(self.now);
        }
        panic!("the client wants to be woken again and again at {:?}", self.now);
    }

    /// The queue in which what a line expects will be found.
    fn queue(&mut self, line: &Line) -> &mut VecDeque<(Duration, Said)> {
        match line.kind {
            Kind::Application => &mut self.seen,
            Kind::ClientSends | Kind::ServerSends | Kind::World => &mut self.wire,
        }
    }

    /// The first thing that was said and that nobody has looked at.
    pub fn unseen(&self) -> Option<(Duration, Said)> {
        self.wire.front().into_iter().chain(self.seen.front()).min_by_key(|(at, _)| *at).cloned()
    }

    /// Something happens to it.
    pub fn feed(&mut self, line: &Line) -> Result<(), String> {
        let (machine, now) = (&mut self.machine, self.now);
        if line.kind == Kind::ServerSends {
            machine.handle_message(now, line.frame());
            self.collect();
            return Ok(());
        }
        let (word, value) = line.word();
        let number = |name: &str| value[name].as_u64().unwrap_or(0);
        let lane = u32::try_from(number("lane")).unwrap_or(0);
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        match word {
            "open" => machine.handle_opened(now, "https://auth.example"),
            "lost" => machine.handle_lost(now, Lost::Broken { why: "connection reset".into() }),
            "refused" => {
                let retry_after = value["retryAfterMs"].as_u64().map(Duration::from_millis);
                let status = u16::try_from(number("status")).unwrap_or(0);
                machine.handle_lost(now, Lost::Refused { status, retry_after });
            }
            "serverCloses" => {
                let code = u16::try_from(number("code")).unwrap_or(0);
                machine.handle_lost(now, Lost::Closed { code, reason: text("reason").unwrap_or_default() });
            }
            "heard" => machine.handle_heard(now),
            "key" => machine.handle_key(now, value.as_str().unwrap_or_default().to_owned()),
            "keyFailed" => machine.handle_key_failed(now, "the vault is closed"),
            "position" => machine.handle_position(now, lane, text("id")),
            "positionFailed" => machine.handle_position_failed(now, lane, "the database is locked"),
            "handled" | "failed" => {
                let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
                let in_hand = number.checked_sub(1).and_then(|index| self.handed_over.get(index));
                let in_hand = in_hand.ok_or("no such item was handed over")?;
                if let Some(guard) = &mut self.guard {
                    guard.settle(word == "handled");
                }
                machine.handle_settled(now, in_hand.token, word == "handled");
            }
            "stop" => machine.handle_stopped(now),
            "wait" => {}
            _ => return Err(format!("no such word: {}", line.text)),
        }
        self.collect();
        Ok(())
    }

    /// What the witness and the pins, if there are some, say of an item.
    fn check(&mut self, item: Item) -> Result<Item, Code> {
        let app_id = self.machine.greeting().and_then(|greeting| greeting.app_id);
        if let Some(witness) = &mut self.witness {
            let known = app_id.map_or(Ok(()), |app_id| witness.handle_app(app_id));
            known.and_then(|()| witness.check(&item)).map_err(|found| found.code())?;
        }
        match &mut self.guard {
            Some(guard) => guard.check(item).map(|(item, _)| item).map_err(|found| found.code()),
            None => Ok(item),
        }
    }

    fn collect(&mut self) {
        loop {
            while let Some(InHand { token, lane, lease, item: unchecked }) = self.machine.poll_item(self.now)
            {
                let checked = match self.check(unchecked) {
                    Ok(checked) => checked,
                    Err(code) => {
                        self.seen.push_back((self.now, Said::Word(json!({"ends": code.as_str()}))));
                        self.machine.handle_stopped(self.now);
                        break;
                    }
                };
                let in_hand = InHand { token, lane, lease, item: checked };
                self.seen.push_back((self.now, Said::Word(item(&in_hand))));
                if !self.handles_by_hand {
                    if let Some(guard) = &mut self.guard {
                        guard.settle(true);
                    }
                    self.machine.handle_settled(self.now, in_hand.token, true);
                }
                self.handed_over.push(in_hand);
            }
            let Some(output) = self.machine.poll_output() else { return };
            let seen = match output {
                Output::Key if self.keys_by_hand => json!("asksForKey"),
                Output::Key => {
                    let key =
                        if self.keys.len() > 1 { self.keys.pop_front() } else { self.keys.front().cloned() };
                    self.machine.handle_key(self.now, key.unwrap_or_default());
                    continue;
                }
                Output::Connect { url } => {
                    let address = url.and_then(|url| elsewhere(ADDRESS, &url));
                    json!({"connects": address.unwrap_or_else(|| ADDRESS.into())})
                }
                Output::Send(frame) => {
                    self.wire.push_back((self.now, Said::Frame(frame)));
                    continue;
                }
                Output::Close { code, reason } => {
                    let close = json!({"clientCloses": {"code": code, "reason": reason}});
                    self.wire.push_back((self.now, Said::Word(close)));
                    continue;
                }
                Output::Start { lane, lease } => json!({"asksForPosition": {"lane": lane, "lease": lease}}),
                Output::Status(status) => self::status(&status),
                Output::End(error) => json!({"ends": error.code().as_str()}),
            };
            self.seen.push_back((self.now, Said::Word(seen)));
        }
    }
}

fn subscription(wish: &Value) -> Subscription {
    let text = |name: &str| wish[name].as_str().map(str::to_owned);
    let number = |name: &str| wish[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let types = wish["types"].as_array();
    Subscription {
        types: types.map(|types| types.iter().map(|name| name.as_str().unwrap_or_default().into()).collect()),
        after: text("after"),
        start: wish.get("start").map(|start| serde_json::from_value(start.clone()).expect("a start")),
        snapshot: wish["snapshot"].as_bool(),
        skip: wish["skip"].as_bool(),
        consumer: text("consumer"),
        lanes: number("lanes"),
        window: number("window"),
        ack_timeout_ms: wish["ackTimeoutMs"].as_u64(),
        in_hand: number("inHand").unwrap_or(0),
    }
}

/// The app of the transcripts.
fn expected() -> Expected {
    Expected {
        app_id: AppID::from_bytes([1; 16]),
        rp_id: "shop.example".into(),
        origins: vec!["https://shop.example".into()],
    }
}

fn witness(wish: &Value) -> Witness {
    let signer = Ed25519KeyPair::from_seed_unchecked(&SIGNER_SEED).expect("any 32 bytes are a seed");
    let x = signer.public_key().as_ref().try_into().expect("32 bytes");
    let key = HeadKey::from_bytes(x).expect("a key made from a seed is sound");
    let sees_all = wish["types"].as_array().is_some_and(|types| types.contains(&json!("*")));
    Witness::new(if sees_all { Sees::Everything } else { Sees::Some }, vec![key], None)
}

fn status(status: &Status) -> Value {
    let name = match status {
        Status::Connecting => "connecting",
        Status::Live => "live",
        Status::Standby => "standby",
        Status::Waiting { retry_in, why: _ } => {
            return json!({"waiting": u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX)});
        }
        Status::Closed => "closed",
    };
    json!({"status": name})
}

fn item(in_hand: &InHand) -> Value {
    let InHand { lane, lease, item, .. } = in_hand;
    let position = item.position();
    let (name, mut said) = match item {
        Item::Event(event) => {
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            ("event", json!({"type": event.name, "seq": event.seq, "time": event.time, "data": data}))
        }
        Item::Snapshot(page) => {
            let sessions = serde_json::to_value(&page.sessions).unwrap_or_default();
            ("snapshot", json!({"first": page.first, "last": page.last, "sessions": sessions}))
        }
        Item::Gap(gap) => ("gap", json!({"reason": gap.reason, "after": gap.after, "next": gap.next})),
        Item::Bookmark(_) => ("bookmark", json!({})),
    };
    said["position"] = position.into();
    said["lane"] = (*lane).into();
    said["lease"] = (*lease).into();
    json!({name: said})
}

/// Words of `!` and `=` lines that are about the server alone.
pub const SERVERS_WORDS: [&str; 10] =
    ["login", "logins", "logout", "register", "cut", "restore", "drain", "stalls", "settled", "released"];

/// Where the clients of the transcripts connect to.
pub const ADDRESS: &str = "wss://auth.example/v1/events";
