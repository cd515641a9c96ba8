//! The first message of a back end: whose log, from where, and which events.

use std::{collections::HashSet, sync::Arc};

use passkey_accounts::{
    key_pair::KeyPair,
    protocol::{
        Code, Scope, UnixMillis,
        event::EventKind,
        gateway::Failure,
        stream::{
            DEFAULT_ACK_TIMEOUT_MS, DEFAULT_TYPES, DEFAULT_WINDOW, FirstMessage, MAX_ACK_TIMEOUT_MS,
            MAX_CONSUMER_CHARS, MAX_LANES, MAX_TYPES, MAX_WINDOW, PROTOCOL, Start,
        },
    },
};

use crate::{
    keys::ApiKey,
    store::{KeyRow, KeyState, Store},
};

/// What a back end asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Account edges from now on, in the shortest shape.
    Shortest,
    /// A view of the log, or a worker.
    Full(Wish),
}

/// What a back end that speaks the protocol asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Where to begin: a view at once, a worker where it has no position of its own.
    pub begin: Begin,
    /// Whether it wants to be sent state.
    pub snapshot: bool,
    /// Whether it would rather go on after a gap than end.
    pub skip: bool,
    /// Which events.
    pub types: Types,
    /// Items that may await acknowledgement; 0: none are acknowledged.
    pub window: u32,
    /// How long one item may stay unsettled while others wait for its lane, in milliseconds.
    pub ack_timeout_ms: u64,
    /// Whether one frame may hold several messages.
    pub is_ndjson: bool,
    /// The consumer that it works for; `None` for a view.
    pub worker: Option<Worker>,
    /// What it calls itself, cut to [`MAX_CLIENT_CHARS`] visible characters: the log is for people.
    pub client: String,
}

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Strictly after this id.
    After(String),
    /// Without a position.
    Start(Start),
}

/// A worker's consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its name.
    pub consumer: String,
    /// How many lanes it gets if it is made now.
    pub lanes: u32,
}

/// Which events a subscription gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Types {
    /// All, also future ones.
    All,
    /// All but those for auditors.
    Unaudited,
    /// These.
    Only(HashSet<String>),
}

impl Types {
    /// Reads the names that a back end sent; `None` when there are more than [`MAX_TYPES`].
    pub fn read(names: Option<impl IntoIterator<Item = String>>) -> Option<Self> {
        let Some(names) = names else { return Some(Self::Only(DEFAULT_TYPES.map(str::to_owned).into())) };
        let names: Vec<String> = names.into_iter().take(MAX_TYPES + 1).collect();
        if names.len() > MAX_TYPES {
            return None;
        }
        let is_all = names.iter().any(|name| name == "*");
        Some(if is_all { Self::All } else { Self::Only(names.into_iter().collect()) })
    }

    /// What a key with these scopes may read of it; `None` when it asks for more by name.
    pub fn readable_with(self, scopes: &[Scope]) -> Option<Self> {
        match self {
            wanted if scopes.contains(&Scope::AuditRead) => Some(wanted),
            Self::All => Some(Self::Unaudited),
            Self::Only(names) if EventKind::AUDIT_NAMES.iter().any(|name| names.contains(*name)) => None,
            wanted => Some(wanted),
        }
    }

    /// Whether events of that type are wanted.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Unaudited => !EventKind::AUDIT_NAMES.contains(&name),
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Why a back end is refused, with a sentence for the developer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The word of the table.
    pub code: Code,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// A refusal with a sentence of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn failure(&self) -> Failure {
        Failure { message: self.message.clone(), ..Failure::from(self.code) }
    }
}

/// What a key without that scope is told.
pub(super) fn missing(scope: Scope) -> Refusal {
    let message = format!("this API key lacks the scope {scope}; use one that has it");
    Refusal::new(Code::Forbidden, message)
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, code.message())
    }
}

/// What a back end showed of its key.
#[derive(Debug, Clone)]
pub enum Shown {
    /// An API key.
    Key(ApiKey),
    /// The name of a key pair, which is still to sign.
    Pair(String),
}

impl Shown {
    /// The key's public name.
    pub fn key_id(&self) -> &str {
        match self {
            Self::Key(key) => key.id(),
            Self::Pair(key_id) => key_id,
        }
    }
}

/// Reads the first message. Pure.
///
/// # Errors
/// The refusal to send back.
pub fn read(text: &str) -> Result<(Shown, Request), Refusal> {
    let first = FirstMessage::decode(text)
        .map_err(|error| bad(format!("the first message cannot be read: {error}")))?;
    let key = match (first.api_key.as_deref(), first.key_id.as_deref()) {
        (Some(_), Some(_)) => return Err(bad("\"apiKey\" and \"keyID\" exclude each other")),
        (Some(key), None) if KeyPair::is_one(key) => return Err(Refusal::new(Code::BadKey, PAIR_SENT)),
        (Some(key), None) => ApiKey::parse(key).map(Shown::Key).ok_or(Code::BadKey)?,
        (None, Some(key_id)) => Shown::Pair(key_id.to_owned()),
        (None, None) => return Err(Code::BadKey.into()),
    };
    let Some(version) = first.protocol else { return Ok((key, Request::Shortest)) };
    if version < PROTOCOL {
        let message = format!("this server speaks protocol {PROTOCOL}, not {version}");
        return Err(Refusal::new(Code::UnsupportedProtocol, message));
    }
    Ok((key, Request::Full(wish(first)?)))
}

fn wish(first: FirstMessage) -> Result<Wish, Refusal> {
    let types = Types::read(first.types)
        .ok_or_else(|| bad(format!("\"types\" names more than {MAX_TYPES} types")))?;
    let snapshot = first.snapshot.unwrap_or(true);
    let begin = match (first.after, first.start) {
        (Some(after), _) => Begin::After(after),
        (None, Some(Start::State)) if !snapshot => {
            return Err(bad("\"start\":\"state\" asks for what \"snapshot\":false forbids"));
        }
        (None, None) if !snapshot => Begin::Start(Start::Earliest),
        (None, start) => Begin::Start(start.unwrap_or_default()),
    };
    let skip = first.skip.unwrap_or(true);
    if !skip && snapshot {
        return Err(bad("\"skip\":false goes with \"snapshot\":false: state would skip events"));
    }
    let window = first.window.unwrap_or(DEFAULT_WINDOW);
    if window > MAX_WINDOW {
        return Err(bad(format!("\"window\" is at most {MAX_WINDOW}")));
    }
    let ack_timeout_ms = first.ack_timeout_ms.unwrap_or(DEFAULT_ACK_TIMEOUT_MS);
    if !(MIN_ACK_TIMEOUT_MS..=MAX_ACK_TIMEOUT_MS).contains(&ack_timeout_ms) {
        return Err(bad(format!("\"ackTimeoutMs\" is {MIN_ACK_TIMEOUT_MS} to {MAX_ACK_TIMEOUT_MS}")));
    }
    let worker = match first.consumer {
        None => None,
        Some(_) if window == 0 => return Err(bad("a consumer acknowledges: its \"window\" is 1 or more")),
        Some(_) if matches!(begin, Begin::After(_)) => {
            return Err(bad(
                "a consumer says in the first ack of each lane where to start; \"after\" is for views",
            ));
        }
        Some(consumer) => Some(worker(consumer, first.lanes.unwrap_or(1))?),
    };
    let client = first.client.unwrap_or_default();
    let client =
        client.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_CLIENT_CHARS).collect();
    let is_ndjson = first.ndjson.unwrap_or(false);
    Ok(Wish { begin, snapshot, skip, types, window, ack_timeout_ms, is_ndjson, worker, client })
}

fn worker(consumer: String, lanes: u32) -> Result<Worker, Refusal> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=MAX_CONSUMER_CHARS).contains(&consumer.len()) || !consumer.bytes().all(is_allowed) {
        return Err(bad(format!("\"consumer\" is 1 to {MAX_CONSUMER_CHARS} of A-Z a-z 0-9 . _ -")));
    }
    if !(1..=MAX_LANES).contains(&lanes) {
        return Err(bad(format!("\"lanes\" is 1 to {MAX_LANES}")));
    }
    Ok(Worker { consumer, lanes })
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadMessage, message)
}

/// Characters of a client's name that are kept.
const MAX_CLIENT_CHARS: usize = 64;

/// Less would only mean trouble: a hand-over costs a round trip and a commit.
const MIN_ACK_TIMEOUT_MS: u64 = 1_000;

/// What somebody is told who sent what must never be sent.
const PAIR_SENT: &str = "this is the private half of a key pair, which must never be sent: revoke it, make another one, and \
                         let an SDK sign with it, or sign as docs/protocol.md says";

/// The row of a key that may be used now. Of a key pair it says nothing yet: `prove` does.
pub(super) fn authenticate(store: &Store, shown: &Shown, now: UnixMillis) -> Result<Arc<KeyRow>, Refusal> {
    let fits = |row: &Arc<KeyRow>| match shown {
        Shown::Key(key) => row.check.is(key),
        Shown::Pair(_) => row.check.public_key().is_some(),
    };
    let Some(row) = store.key(shown.key_id()).filter(fits) else { return Err(Code::BadKey.into()) };
    match row.state(now) {
        KeyState::Live => Ok(row),
        KeyState::Expired => Err(Code::KeyExpired.into()),
        KeyState::Revoked => Err(Code::KeyRevoked.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Begin, Code, Request, Start, Types, Worker, read};
    use crate::keys::{ApiKey, KeyEnvironment};

    fn first(rest: &str) -> Result<Request, Code> {
        let key = ApiKey::new(KeyEnvironment::Dev, &[1; 42]);
        let text = format!(r#"{{"apiKey":"{}"{rest}}}"#, key.reveal());
        read(&text).map(|(_, request)| request).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_key_alone_asks_for_the_shortest_shape() {
        assert_eq!(first(""), Ok(Request::Shortest));
        assert_eq!(first(r#","future":{"a":1}"#), Ok(Request::Shortest));
    }

    #[test]
    fn a_protocol_asks_for_a_view() {
        let Ok(Request::Full(view)) = first(r#","protocol":1"#) else { panic!("not a view") };
        assert_eq!((view.begin, view.window, view.worker), (Begin::Start(Start::State), 256, None));
        assert!(view.types.contains("loggedIn") && !view.types.contains("registered"));
        let Ok(Request::Full(view)) = first(r#","protocol":7,"types":["*"],"start":"now""#) else {
            panic!("not a view")
        };
        assert_eq!((view.types, view.begin), (Types::All, Begin::Start(Start::Now)));
        let Ok(Request::Full(shipper)) = first(r#","protocol":1,"snapshot":false"#) else {
            panic!("not a view")
        };
        assert_eq!(shipper.begin, Begin::Start(Start::Earliest));
    }

    #[test]
    fn a_consumer_makes_a_worker() {
        let Ok(Request::Full(wish)) = first(r#","protocol":1,"consumer":"billing","lanes":4"#) else {
            panic!("not a worker")
        };
        assert_eq!(wish.worker, Some(Worker { consumer: "billing".into(), lanes: 4 }));
    }

    #[test]
    fn wishes_that_contradict_themselves_are_refused() {
        for wish in [
            r#""consumer":"""#,
            r#""consumer":"a b""#,
            r#""consumer":"billing","lanes":0"#,
            r#""consumer":"billing","lanes":65"#,
            r#""consumer":"billing","window":0"#,
            r#""consumer":"billing","after":"e-1-a""#,
            r#""window":4097"#,
            r#""ackTimeoutMs":0"#,
            r#""ackTimeoutMs":900001"#,
            r#""snapshot":false,"start":"state""#,
            r#""skip":false"#,
        ] {
            assert_eq!(first(&format!(r#","protocol":1,{wish}"#)), Err(Code::BadMessage), "{wish}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_first_message_has_a_code() {
        for (text, code) in [
            ("", Code::BadMessage),
            ("[]", Code::BadMessage),
            ("hello", Code::BadMessage),
            (r#"{"apiKey":5}"#, Code::BadMessage),
            ("{}", Code::BadKey),
            (r#"{"apiKey":""}"#, Code::BadKey),
            (r#"{"apiKey":"pa_dev_nonsense"}"#, Code::BadKey),
            (r#"{"apiKey":"pa_pair_nonsense"}"#, Code::BadKey),
            (r#"{"apiKey":"","keyID":""}"#, Code::BadMessage),
        ] {
            assert_eq!(read(text).unwrap_err().code, code, "{text}");
        }
        assert_eq!(first(r#","protocol":0"#), Err(Code::UnsupportedProtocol));
        let many = vec![r#""x""#; 65].join(",");
        assert_eq!(first(&format!(r#","protocol":1,"types":[{many}]"#)), Err(Code::BadMessage));
    }
}
