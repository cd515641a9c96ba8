//! The example that keeps notes, as a process of its own.

use std::net::SocketAddr;

use passkey_accounts_tests::{
    Example, TestServer,
    proof::{ProofDraft, WireRequest},
};

use super::back_end::{LONG, signed_in};

const ORIGIN: &str = "http://app.localhost:3000";

#[tokio::test(flavor = "multi_thread")]
async fn the_example_gives_everybody_their_own_notes() {
    let server = TestServer::start_in_real_time().await;
    let mut example = Example::start_notes_api(&server.events_url(), &server.api_key, ORIGIN);
    let line = example.line(LONG).await.expect("it says where it listens");
    let address: SocketAddr = line.trim_start_matches("listening on ").parse().unwrap();
    let (ada, adas) = signed_in(&server, "ada@shop.example", 1).await;
    let (bob, bobs) = signed_in(&server, "bob@shop.example", 2).await;
    let draft = |session: &passkey_accounts::protocol::gateway::Session| {
        ProofDraft::get(session.session_id, ORIGIN, "/notes", session.started_at)
    };
    let written = draft(&adas).post("milk").sign(&ada.key).send(address).await;
    assert_eq!(written.outcome(), "accepted", "{}", written.body);
    assert_eq!(draft(&adas).sign(&ada.key).send(address).await.body, r#"["milk"]"#);
    assert_eq!(draft(&bobs).sign(&bob.key).send(address).await.body, "[]");
    let of_nobody: WireRequest = draft(&adas).sign(&ada.key).without("Signature").without("Signature-Input");
    assert_eq!(of_nobody.send(address).await.outcome(), "proofMissing");
}
