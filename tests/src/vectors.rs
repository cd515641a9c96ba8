//! How many vectors there are for a back end's client, and how many each language has replayed: `cargo xtask test` shows it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::build::{target, workspace};

/// Numbers of vectors under `tests/vectors`, as far as they are about a back end's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Transcripts of the event stream in which a client can be checked, but for those of `evidence`.
    pub stream: usize,
    /// Those in which it checks evidence.
    pub evidence: usize,
    /// Requests and tokens with what becomes of them.
    pub proof: usize,
}

impl Count {
    /// What there is.
    pub fn expected() -> Self {
        let folder = workspace().join("tests/vectors");
        let files = fs::read_dir(folder.join("stream")).expect("the folder is there");
        let texts: Vec<_> = files
            .filter_map(|file| {
                let path = file.expect("the folder can be read").path();
                let is_one = path.extension().is_some_and(|extension| extension == "jsonl");
                is_one.then(|| fs::read_to_string(path).expect("the file can be read"))
            })
            .collect();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty());
        let values = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        let headers = values.filter(|value| value.get("name").is_some() && value["role"] != "server");
        let (evidence, stream): (Vec<_>, Vec<_>) = headers.partition(|header| header["evidence"] == true);
        let cases = |name: &str| {
            let text = fs::read_to_string(folder.join("proof").join(name)).expect("the file can be read");
            let file: Value = serde_json::from_str(&text).expect("the file is JSON");
            file["cases"].as_array().expect("it has cases").len()
        };
        let proof = cases("requests.json") + cases("sockets.json");
        Self { stream: stream.len(), evidence: evidence.len(), proof }
    }
}

/// Keeps how many a language has replayed, for the closing table. `said` is what its replayers printed: among it the lines
/// `replayed stream 203`, `replayed evidence 36` and `replayed proof 123`.
///
/// # Panics
/// When that is another number than there are: a replayer that passes over some is red, not quiet.
pub fn record(language: &str, said: &str) {
    record_browser(language, said);
    keep_evidence(language, number(said, "evidence"));
}

/// As [`record`], of a browser: there nobody checks evidence.
///
/// # Panics
/// As [`record`].
pub fn record_browser(browser: &str, said: &str) {
    keep_stream(browser, number(said, "stream"));
    keep_proof(browser, number(said, "proof"));
}

fn number(said: &str, kind: &str) -> usize {
    let prefix = format!("replayed {kind} ");
    let mut numbers = said.lines().filter_map(|line| line.split(&prefix).nth(1)?.trim().parse().ok());
    numbers.next_back().unwrap_or(0)
}

/// Keeps how many transcripts a language has replayed.
///
/// # Panics
/// When that is another number than there are.
pub fn keep_stream(language: &str, replayed: usize) {
    assert_eq!(replayed, Count::expected().stream, "{language} has not replayed all transcripts");
    keep(language, "stream", replayed);
}

/// Keeps how many transcripts with evidence a language has replayed.
///
/// # Panics
/// When that is another number than there are.
pub fn keep_evidence(language: &str, replayed: usize) {
    assert_eq!(
        replayed,
        Count::expected().evidence,
        "{language} has not replayed all transcripts with evidence"
    );
    keep(language, "evidence", replayed);
}

/// Keeps how many cases of proofs a language has replayed.
///
/// # Panics
/// When that is another number than there are.
pub fn keep_proof(language: &str, replayed: usize) {
    assert_eq!(replayed, Count::expected().proof, "{language} has not replayed all proofs");
    keep(language, "proof", replayed);
}

fn keep(language: &str, kind: &str, replayed: usize) {
    let folder = records().join(language);
    fs::create_dir_all(&folder).expect("target can be written to");
    fs::write(folder.join(kind), replayed.to_string()).expect("target can be written to");
}

/// A folder for each language, read by xtask.
fn records() -> PathBuf {
    target().join("vectors")
}
