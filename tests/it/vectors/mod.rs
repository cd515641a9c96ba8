//! The transcripts in tests/vectors/stream/, replayed by the client's machine and by the server's code.

mod chain;
mod client;
mod log;
mod mutations;
mod server;
pub(crate) mod transcript;

use std::collections::BTreeSet;

use passkey_accounts_tests::vectors::{keep_evidence, keep_stream};
use transcript::{Difference, Role, Transcript};

/// Jitter is drawn anew with each: every wait must be within the transcript's bounds.
const SEEDS: u64 = 20;

fn replay_client(transcripts: &[Transcript]) -> Vec<Difference> {
    let clients = transcripts.iter().filter(|transcript| transcript.header.role != Role::Server);
    clients
        .filter_map(|transcript| (0..SEEDS).find_map(|seed| client::replay(transcript, seed).err()))
        .collect()
}

fn replay_server(transcripts: &[Transcript]) -> Vec<Difference> {
    let servers = transcripts.iter().filter(|transcript| transcript.header.role != Role::Client);
    servers.filter_map(|transcript| server::replay(transcript).err()).collect()
}

fn print(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n{difference}")).collect()
}

#[test]
fn the_client_says_and_shows_what_the_transcripts_say() {
    let transcripts = transcript::all();
    let differences = replay_client(&transcripts);
    assert!(differences.is_empty(), "{}", print(&differences));
    let clients = transcripts.iter().filter(|transcript| transcript.header.role != Role::Server);
    let (evidence, stream): (Vec<_>, Vec<_>) = clients.partition(|transcript| transcript.header.evidence);
    keep_stream("Rust", stream.len());
    keep_evidence("Rust", evidence.len());
}

#[test]
fn the_server_says_what_the_transcripts_say() {
    let differences = replay_server(&transcript::all());
    assert!(differences.is_empty(), "{}", print(&differences));
}

#[test]
fn every_transcript_has_a_name_of_its_own() {
    let transcripts = transcript::all();
    let names: BTreeSet<_> = transcripts.iter().map(|transcript| transcript.header.name.as_str()).collect();
    assert_eq!(names.len(), transcripts.len());
    assert!(transcripts.len() >= 60, "{} transcripts", transcripts.len());
    assert!(transcripts.iter().all(|transcript| !transcript.lines.is_empty()));
}
