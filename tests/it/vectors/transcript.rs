//! Reading transcripts: one JSON object a line, and what it means for a line to match (tests/vectors/stream/README.md).

use std::{fmt, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// One conversation.
#[derive(Debug, Clone)]
pub struct Transcript {
    pub file: String,
    pub header: Header,
    pub lines: Vec<Line>,
}

/// The first line of a transcript.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Header {
    /// A sentence.
    pub name: String,
    pub role: Role,
    /// What the application asks the client for.
    #[serde(default)]
    pub subscription: Value,
    /// What the key provider gives, one after the other; the last for ever. None: by hand.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
    #[serde(default)]
    pub keys_by_hand: bool,
    /// Items are settled by `handled` and `failed`. Otherwise they are handled as soon as they are handed over.
    #[serde(default)]
    pub handles_by_hand: bool,
    /// A witness with the known public key reads along.
    #[serde(default)]
    pub witness: bool,
    /// Pins of the app's passkeys read along.
    #[serde(default)]
    pub evidence: bool,
    /// When the key that the server knows expires, in virtual milliseconds.
    #[serde(default)]
    pub key_expires_at: Option<u64>,
}

/// Whose code a transcript is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Client,
    Server,
    Both,
}

/// One line after the first.
#[derive(Debug, Clone)]
pub struct Line {
    pub number: usize,
    pub t: u64,
    pub kind: Kind,
    /// The value as it stands in the file: the bytes of a frame.
    pub text: String,
    pub value: Value,
    pub is_exact: bool,
    pub within: Option<(u64, u64)>,
    /// Which connection of the server.
    pub on: String,
}

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `>`
    ClientSends,
    /// `<`
    ServerSends,
    /// `!`
    World,
    /// `=`
    Application,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    t: u64,
    #[serde(rename = ">")]
    client: Option<Box<RawValue>>,
    #[serde(rename = "<")]
    server: Option<Box<RawValue>>,
    #[serde(rename = "!")]
    world: Option<Box<RawValue>>,
    #[serde(rename = "=")]
    application: Option<Box<RawValue>>,
    #[serde(default)]
    exact: bool,
    within: Option<(u64, u64)>,
    #[serde(default = "first_connection")]
    on: String,
}

fn first_connection() -> String {
    "a".into()
}

/// Where a replay went off.
#[derive(Debug, Clone)]
pub struct Difference {
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests/vectors/stream/{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Every transcript of every file.
pub fn all() -> Vec<Transcript> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/stream"));
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            parse(&name, &fs::read_to_string(file).unwrap())
        })
        .collect()
}

/// The transcripts of one file: each begins with the line that has its name.
pub fn parse(file: &str, text: &str) -> Vec<Transcript> {
    let mut transcripts: Vec<Transcript> = Vec::new();
    for (number, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let place = || format!("tests/vectors/stream/{file}:{number}");
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{}: {error}", place()));
        if value.get("name").is_some() {
            let header = serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", place()));
            transcripts.push(Transcript { file: file.into(), header, lines: Vec::new() });
        } else {
            let line = Line::read(number, text).unwrap_or_else(|error| panic!("{}: {error}", place()));
            transcripts
                .last_mut()
                .unwrap_or_else(|| panic!("{}: no name before it", place()))
                .lines
                .push(line);
        }
    }
    transcripts
}

impl Line {
    pub fn read(number: usize, text: &str) -> Result<Self, String> {
        let raw: RawLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let kinds = [
            (Kind::ClientSends, raw.client),
            (Kind::ServerSends, raw.server),
            (Kind::World, raw.world),
            (Kind::Application, raw.application),
        ];
        let mut said = kinds.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let (Some((kind, text)), None) = (said.next(), said.next()) else {
            return Err("a line has one of > < ! =".into());
        };
        let value = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
        let (t, is_exact, within, on) = (raw.t, raw.exact, raw.within, raw.on);
        Ok(Self { number, t, kind, text: text.get().into(), value, is_exact, within, on })
    }

    /// The frame that a `>` or `<` line stands for: the value's own text, or what a string says.
    pub fn frame(&self) -> &str {
        self.value.as_str().unwrap_or(&self.text)
    }

    /// The word of a `!` or `=` line, which is its value or the value's one member, and what the member holds.
    pub fn word(&self) -> (&str, &Value) {
        match &self.value {
            Value::String(word) => (word, &Value::Null),
            Value::Object(members) => {
                members.iter().next().map_or(("", &Value::Null), |(word, value)| (word.as_str(), value))
            }
            _ => ("", &Value::Null),
        }
    }

    /// How what was said differs from this line.
    pub fn compare(&self, said: &Said) -> Option<String> {
        match said {
            Said::Frame(frame) if self.is_exact || self.value.is_string() => {
                (frame != self.frame()).then(|| format!("expected exactly {}, was {frame}", self.frame()))
            }
            Said::Frame(frame) => match serde_json::from_str(frame) {
                Ok(actual) => compare(&self.value, &actual, ""),
                Err(_) => Some(format!("expected {}, was {frame}", self.text)),
            },
            Said::Word(actual) => match (self.value["waiting"].as_array(), actual["waiting"].as_u64()) {
                (Some(bounds), Some(wait)) => {
                    let bound = |index| bounds.get(index).and_then(Value::as_u64).unwrap_or(u64::MAX);
                    let is_within = (bound(0)..=bound(1)).contains(&wait);
                    (!is_within).then(|| format!("expected {}, was {wait}", self.text))
                }
                _ => compare(&self.value, actual, ""),
            },
        }
    }

    pub fn difference(&self, file: &str, what: impl Into<String>) -> Difference {
        Difference { file: file.to_owned(), line: self.number, what: what.into() }
    }
}

/// Something that the code under test has said.
#[derive(Debug, Clone)]
pub enum Said {
    Frame(String),
    /// The value of a `!` or `=` line.
    Word(Value),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => f.write_str(frame),
            Self::Word(value) => write!(f, "{value}"),
        }
    }
}

/// `"…"` matches anything; an object may have more members than were expected.
fn compare(expected: &Value, actual: &Value, path: &str) -> Option<String> {
    match (expected, actual) {
        (Value::String(text), _) if text == "…" => None,
        (Value::Object(expected), Value::Object(actual)) => expected.iter().find_map(|(name, expected)| {
            let path = format!("{path}.{name}");
            match actual.get(name) {
                Some(actual) => compare(expected, actual, &path),
                None => Some(format!("{path}: expected {expected}, was absent")),
            }
        }),
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let mut pairs = (0..).zip(expected.iter().zip(actual));
            pairs.find_map(|(index, (expected, actual))| {
                compare(expected, actual, &format!("{path}[{index}]"))
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{path}: expected {expected}, was {actual}").trim_start_matches(": ").into()),
    }
}
