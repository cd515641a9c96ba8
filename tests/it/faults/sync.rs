//! fsync precedes every answer: the system calls of the real server, in the order in which they are made.

use std::{fs, path::Path};

use passkey_accounts::protocol::gateway::ServerMessage;
use passkey_accounts_tests::{Page, SoftwareAuthenticator, installation::Installation};
use tempfile::TempDir;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;

use super::start_post;

/// What was done to the write-ahead log, and what was told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    /// Commits that a sync has brought to the disk.
    durable: usize,
    /// Answers to pages.
    answers: usize,
    /// Events to back ends.
    events: usize,
    violations: Vec<String>,
}

/// Reads what `trace_calls` wrote, of a server in which one action follows the other: the n-th answer and the n-th
/// event must come after the n-th commit is on the disk.
fn check(lines: &str) -> Trace {
    let mut trace = Trace::default();
    // Frames of the log: written, and of those how many the running sync covers.
    let (mut written, mut covered) = (0_usize, 0_usize);
    for line in lines.lines() {
        let (word, argument) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            // The log's head is not a commit.
            "write" if argument == "0" => {}
            "write" => written += 1,
            "sync" => covered = written,
            "synced" if argument == "0" && covered > 0 => {
                trace.durable += 1;
                (written, covered) = (written - covered, 0);
            }
            "synced" => {}
            "told" => {
                let told = match argument {
                    "signedIn" | "signedOut" => &mut trace.answers,
                    _ => &mut trace.events,
                };
                *told += 1;
                if *told > trace.durable {
                    let sentence =
                        format!("{argument} {told} was told with {} commits on the disk", trace.durable);
                    trace.violations.push(sentence);
                }
            }
            _ => trace.violations.push(format!("what is {line:?}?")),
        }
    }
    trace
}

#[test]
fn the_check_notices_answers_before_the_sync_syncs_that_failed_and_syncs_of_something_else() {
    let good = "write 0\nsync\nsynced 0\nwrite 32\nwrite 56\nsync\nsynced 0\ntold signedIn\ntold loggedIn\n";
    assert_eq!(check(good), Trace { durable: 1, answers: 1, events: 1, violations: Vec::new() });
    for bad in [
        "write 32\ntold signedIn\nsync\nsynced 0\n",
        "write 32\nsync\ntold loggedIn\nsynced 0\n",
        "write 32\nsync\nsynced -5\ntold signedIn\n",
        "sync\nwrite 32\nsynced 0\ntold signedIn\n",
        "write 0\nsync\nsynced 0\ntold signedIn\n",
        "write 32\nsync\nsynced 0\ntold signedIn\nwrite 64\ntold signedOut\n",
    ] {
        assert_eq!(check(bad).violations.len(), 1, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_pages_and_back_ends_are_told_is_on_the_disk() {
    const ROUNDS: usize = 10;
    let (mail_port, mailbox) = start_post();
    let installation = Installation::create(mail_port).await;
    let folder = TempDir::new().unwrap();
    let calls = folder.path().join("calls");
    let tracer = Path::new(env!("CARGO_BIN_EXE_trace_calls"));
    let server = installation.listening(installation.spawn_under(tracer, &[&calls], 1)).await;

    let (mut view, _) = connect_async(server.events_url()).await.unwrap();
    let first = json!({ "apiKey": installation.api_key, "protocol": 1, "window": 0 });
    view.send(Message::text(first.to_string())).await.unwrap();
    let entrance = server.entrance();
    let mut page =
        Page::connect_from(&entrance.gateway_url, entrance.app_id, &entrance.origin).await.unwrap();
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let email = "ada@example.org";
    page.sign_up_with(email, &mut authenticator, || mailbox(email)).await;
    for _ in 0..ROUNDS {
        assert!(matches!(page.sign_out().await, ServerMessage::SignedOut(_)));
        page.sign_in(email, &mut authenticator).await;
    }
    let expected = 2 * ROUNDS + 1;
    let mut seen = 0;
    while seen < expected {
        let message = view.next().await.unwrap().unwrap();
        seen += usize::from(message.to_text().unwrap().contains("\"seq\""));
    }
    let trace = check(&fs::read_to_string(&calls).unwrap());
    assert_eq!(
        trace,
        Trace { durable: expected, answers: expected, events: expected, violations: Vec::new() }
    );
    server.kill().await;
}
