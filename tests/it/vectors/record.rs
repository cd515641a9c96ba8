//! Writes transcripts: whoever adds one says what happens, and this adds what client and server make of it.
//!
//! `TRANSCRIPT_SCRIPT=steps.jsonl cargo test ... --test it vectors::record -- --ignored --nocapture` prints the
//! transcripts of a file of steps (tests/vectors/stream/README.md, "Adding one"). Read what it prints before you keep it:
//! it says what the code does, not what it should do.

use std::{collections::VecDeque, fs, time::Duration};

use serde_json::{Value, json};

use super::{
    client::Client,
    server::Server,
    transcript::{Header, Kind, Line, Role, Said},
};

#[test]
#[ignore = "prints transcripts, for whoever writes one"]
fn record() {
    let script = std::env::var("TRANSCRIPT_SCRIPT").expect("TRANSCRIPT_SCRIPT names a file of steps");
    let script = fs::read_to_string(script).unwrap();
    let mut steps: Vec<(Value, Vec<Value>)> = Vec::new();
    for line in script.lines().filter(|line| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match value.get("name") {
            Some(_) => steps.push((value, Vec::new())),
            None => steps.last_mut().expect("a name first").1.push(value),
        }
    }
    for (header, steps) in steps {
        println!("{header}");
        for line in Recorder::new(&header).record(&steps) {
            println!("{line}");
        }
    }
}

struct Recorder {
    client: Option<Client>,
    server: Option<Server>,
    /// What the client's clock is ahead of the transcript's.
    ahead: i128,
    t: u64,
    lines: Vec<String>,
    /// The status whose wait is not over: its line, and when it began.
    waiting: Option<(usize, u64)>,
}

impl Recorder {
    fn new(header: &Value) -> Self {
        let header: Header = serde_json::from_value(header.clone()).unwrap();
        let client = (header.role != Role::Server).then(|| Client::new(&header, 3));
        let server = (header.role != Role::Client).then(|| Server::new(&header));
        Self { client, server, ahead: 0, t: 0, lines: Vec::new(), waiting: None }
    }

    fn record(mut self, steps: &[Value]) -> Vec<String> {
        for step in steps {
            if let Some(bounds) = step["await"].as_array() {
                let bound = |index: usize| bounds[index].as_u64().unwrap();
                self.wait_for_something(bound(0), bound(1));
                continue;
            }
            if step["first"] != true {
                let to = self.t + step["dt"].as_u64().unwrap_or(0);
                self.run(to);
            }
            let (sign, value) =
                [">", "<", "!"].iter().find_map(|sign| Some((*sign, step.get(sign)?))).unwrap();
            let on = step["on"].as_str().unwrap_or("a").to_owned();
            let text = self.with_ids(value.to_string());
            let line = self.write(sign, &text, &on, "");
            let is_the_clients = !matches!(sign, "!") || is_about_the_client(&line);
            if let Some(client) = self.client.as_mut().filter(|_| is_the_clients) {
                client.feed(&line).unwrap_or_else(|what| panic!("{step}: {what}"));
            }
            if let Some(server) = self.server.as_mut().filter(|_| is_about_the_server(&line)) {
                server.feed(&line).unwrap_or_else(|what| panic!("{step}: {what}"));
            }
            self.exchange(None);
        }
        self.lines
    }

    /// `REF7` in a step is the id of the seventh entry.
    fn with_ids(&self, mut text: String) -> String {
        while let (Some(server), Some(at)) = (&self.server, text.find("REF")) {
            let digits: String = text[at + 3..].chars().take_while(char::is_ascii_digit).collect();
            let id = server.id_of(digits.parse().unwrap()).expect("such an entry");
            text.replace_range(at..at + 3 + digits.len(), &id);
        }
        text
    }

    fn moment(&self, t: u64) -> Duration {
        Duration::from_nanos(u64::try_from(i128::from(t) * 1_000_000 + self.ahead).unwrap())
    }

    /// The transcript's time of the client's.
    fn nominal(&self, at: Duration) -> u64 {
        let nanos = i128::try_from(at.as_nanos()).unwrap() - self.ahead;
        assert!(nanos % 1_000_000 == 0, "a random moment: await it (after line {:?})", self.lines.last());
        u64::try_from(nanos / 1_000_000).unwrap()
    }

    /// Lets time pass until `to`.
    fn run(&mut self, to: u64) {
        loop {
            self.exchange(None);
            let client = self.client.as_ref().and_then(Client::deadline).map(|at| {
                u64::try_from((i128::try_from(at.as_nanos()).unwrap() - self.ahead + 999_999) / 1_000_000)
                    .unwrap()
            });
            let server = self.server.as_ref().and_then(Server::deadline);
            let next = client.into_iter().chain(server).min().unwrap_or(u64::MAX).max(self.t).min(to);
            let moment = self.moment(next);
            if let Some(client) = &mut self.client {
                client.advance(moment, |_| false);
            }
            if let Some(server) = &mut self.server {
                server.advance(next);
            }
            self.t = next;
            self.exchange(None);
            if next == to {
                return;
            }
        }
    }

    /// Something random is due between `from` and `to` milliseconds from now.
    fn wait_for_something(&mut self, from: u64, to: u64) {
        self.exchange(None);
        let began = self.waiting.map_or(self.t, |(_, began)| began);
        let latest = self.moment(began + to);
        let client = self.client.as_mut().unwrap();
        client.advance(latest, |client| client.unseen().is_some());
        let (at, _) = client.unseen().expect("something happens");
        if let Some((line, _)) = self.waiting.take() {
            self.lines[line] = self.lines[line].replace("WAITS", &format!("[{from},{to}]"));
        }
        let within = format!(r#","within":[{},{}]"#, began + from, began + to);
        self.t = began + to;
        self.ahead = i128::try_from(at.as_nanos()).unwrap() - i128::from(self.t) * 1_000_000;
        if let Some(server) = &mut self.server {
            server.advance(self.t);
        }
        self.exchange(Some(within));
    }

    /// Writes what was said down and lets the other end hear it, until nobody says anything more.
    fn exchange(&mut self, mut within: Option<String>) {
        let mut heard = VecDeque::new();
        loop {
            let said = self.client.as_mut().map(Client::take_said).unwrap_or_default();
            heard.extend(self.server.as_mut().map(Server::take_said).unwrap_or_default());
            if said.is_empty() && heard.is_empty() {
                return;
            }
            let is_both = self.client.is_some() && self.server.is_some();
            for (at, said) in in_order(said) {
                self.t = self.nominal(at);
                let more = within.take().unwrap_or_default();
                match &said {
                    Said::Frame(frame) => {
                        let line = self.write(">", &without_version(frame), "a", &more);
                        if let Some(server) = &mut self.server {
                            server.feed(&line).unwrap();
                        }
                    }
                    Said::Word(word) => {
                        let sign = if word.get("clientCloses").is_some() { "!" } else { "=" };
                        let line = self.write(sign, &shortened(word), "a", &more);
                        if word.get("waiting").is_some() {
                            self.waiting = Some((self.lines.len() - 1, self.t));
                        }
                        if is_both && sign == "!" {
                            self.server.as_mut().unwrap().feed(&line).unwrap();
                        }
                        if is_both && word.get("connects").is_some() {
                            let line = self.write("!", r#""open""#, "a", "");
                            self.server.as_mut().unwrap().feed(&line).unwrap();
                            self.client.as_mut().unwrap().feed(&line).unwrap();
                        }
                    }
                }
            }
            // One at a time: what the client makes of it comes before the next.
            if let Some((at, on, said)) = heard.pop_front() {
                self.t = at;
                let line = match &said {
                    Said::Frame(frame) => {
                        let value: Value = serde_json::from_str(frame).unwrap();
                        let is_shortest = value.get("id").is_none()
                            && value["type"].as_str().is_some_and(|name| name.starts_with("logged"));
                        let more = if is_shortest { r#","exact":true"# } else { "" };
                        let is_page = value["data"]["sessions"].as_array().is_some_and(|page| page.len() > 8);
                        let frame = if is_page && !is_both {
                            let mut value = value;
                            value["data"]["sessions"] = json!("…");
                            value.to_string()
                        } else if value["type"] == "error" && !is_both {
                            json!({"type": "error", "data": {"code": value["data"]["code"]}}).to_string()
                        } else {
                            frame.clone()
                        };
                        self.write("<", &frame, &on, more)
                    }
                    Said::Word(word) => {
                        let sign = if word.get("serverCloses").is_some() { "!" } else { "=" };
                        self.write(sign, &word.to_string(), &on, "")
                    }
                };
                let is_heard = line.kind == Kind::ServerSends || line.word().0 == "serverCloses";
                if let Some(client) = self.client.as_mut().filter(|_| on == "a" && is_heard) {
                    client.feed(&line).unwrap();
                }
            }
        }
    }

    fn write(&mut self, sign: &str, text: &str, on: &str, more: &str) -> Line {
        let on = if on == "a" { String::new() } else { format!(r#","on":"{on}""#) };
        let line = format!(r#"{{"t":{},"{sign}":{text}{more}{on}}}"#, self.t);
        self.lines.push(line.clone());
        let line = line.replace("WAITS", "[0,1]");
        Line::read(self.lines.len(), &line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

fn is_about_the_client(line: &Line) -> bool {
    line.on == "a" && !super::client::SERVERS_WORDS.contains(&line.word().0)
}

fn is_about_the_server(line: &Line) -> bool {
    super::server::is_about_the_server(line)
}

/// Items, then what is said because of them, then how the stream is doing; each kind in its own order.
fn in_order(said: Vec<(Duration, bool, Said)>) -> Vec<(Duration, Said)> {
    let mut wire: VecDeque<_> = said.iter().filter(|(_, is_wire, _)| *is_wire).cloned().collect();
    let mut seen: VecDeque<_> = said.into_iter().filter(|(_, is_wire, _)| !*is_wire).collect();
    let mut order = Vec::new();
    loop {
        let is_late = |said: &Said| matches!(said, Said::Word(word) if word.get("waiting").is_some() || word.get("ends").is_some() || word.get("status").is_some());
        let wire_is_next = match (wire.front(), seen.front()) {
            (None, None) => return order,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((sent, ..)), Some((shown, _, said))) => sent < shown || sent == shown && is_late(said),
        };
        let next = if wire_is_next { wire.pop_front() } else { seen.pop_front() };
        order.extend(next.map(|(at, _, said)| (at, said)));
    }
}

/// What a client calls itself says nothing about the protocol.
fn without_version(frame: &str) -> String {
    match frame.split_once(r#","client":""#) {
        Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
        None => frame.to_owned(),
    }
}

/// What matters of an item.
fn shortened(word: &Value) -> String {
    let mut word = word.clone();
    if word.get("waiting").is_some() {
        return r#"{"waiting":WAITS}"#.into();
    }
    for name in ["event", "snapshot", "gap", "bookmark"] {
        let Some(item) = word.get_mut(name).and_then(Value::as_object_mut) else { continue };
        if item["lease"] == 0 {
            item.remove("lane");
            item.remove("lease");
        }
        item.remove("time");
        item.remove("data");
        if name == "gap" {
            item.remove("position");
        }
        if let Some(sessions) = item.get_mut("sessions").and_then(Value::as_array_mut) {
            for session in sessions {
                *session = json!({"sessionID": session["sessionID"]});
            }
        }
    }
    word.to_string()
}
