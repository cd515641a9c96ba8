//! The witness against a real server: an honest one, one whose database somebody has edited, and one that was set back.

use std::{path::PathBuf, sync::Arc, time::Duration};

use passkey_accounts::{
    Events, EventsBuilder, Start,
    log::{CheckpointStore, MemoryCheckpoints},
};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};
use sqlx::{Connection, SqliteConnection};

/// A server with one account that has signed up and out: four entries.
async fn server_with_a_log() -> (TestServer, SoftwareAuthenticator) {
    let server = TestServer::start_in_real_time().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    (server, authenticator)
}

/// A stream of everything with a witness that begins where the checkpoint ends.
fn witnessed(server: &TestServer, store: &Arc<MemoryCheckpoints>) -> EventsBuilder {
    let builder = Events::builder(server.events_url(), server.api_key.clone()).types(["*"]);
    let builder = match store.load().unwrap() {
        Some(checkpoint) => builder.after(checkpoint.position.to_string()),
        None => builder.start(Start::Earliest),
    };
    builder.witness([server.context().keyring.head_signer().public().clone()], Arc::clone(store))
}

/// Handles items until the store remembers the entry with this number.
async fn read_to(events: &mut Events, store: &MemoryCheckpoints, seq: u64) {
    while store.load().unwrap().is_none_or(|checkpoint| checkpoint.position.seq < seq) {
        let next = tokio::time::timeout(Duration::from_millis(5), events.next());
        if let Ok(delivery) = next.await {
            delivery.expect("it goes on").expect("nothing is wrong").ack();
        }
    }
}

/// How the stream ends, whatever comes before.
async fn ending(events: &mut Events) -> String {
    while let Some(next) = events.next().await {
        match next {
            Ok(delivery) => delivery.ack(),
            Err(error) => {
                assert_eq!(error.code().as_str(), "logRewritten");
                assert!(events.next().await.is_none(), "it is the last thing");
                return error.reason().to_owned();
            }
        }
    }
    panic!("it ended without a word");
}

async fn edit(server: &TestServer, sql: &'static str) {
    let path = server.directory().join("accounts.sqlite");
    let mut database = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let changed = sqlx::query(sql).execute(&mut database).await.unwrap();
    assert!(changed.rows_affected() > 0);
    database.close().await.unwrap();
}

/// The database and what belongs to it.
fn database_files(server: &TestServer) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(server.directory()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("accounts.sqlite"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_is_read_and_remembered_over_restarts() {
    let (mut server, mut authenticator) = server_with_a_log().await;
    let store = Arc::new(MemoryCheckpoints::default());
    read_to(&mut witnessed(&server, &store).open(), &store, 4).await;
    let checkpoint = store.load().unwrap().unwrap();
    assert_eq!(checkpoint.app_id, Some(server.app_id));
    assert!(checkpoint.hash.is_some(), "the chain is whole");
    server.restart().await;
    let mut page = Page::connect(&server).await;
    page.sign_in("ada@shop.example", &mut authenticator).await;
    read_to(&mut witnessed(&server, &store).open(), &store, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_was_not_handled_comes_again_and_is_no_rewrite() {
    let (server, _) = server_with_a_log().await;
    let store = Arc::new(MemoryCheckpoints::default());
    let mut events = witnessed(&server, &store).open();
    let mut refused = 0;
    while refused < 3 {
        let delivery = events.next().await.unwrap().expect("nothing is wrong");
        let is_event = delivery.position().is_some_and(|position| !position.id.contains("-0-"));
        if is_event && refused < 3 {
            refused += 1;
            delivery.fail();
        } else {
            delivery.ack();
        }
    }
    read_to(&mut events, &store, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_edited_in_the_database_is_named() {
    let (mut server, _) = server_with_a_log().await;
    server.stop().await;
    edit(&server, "UPDATE events SET data = replace(data, 'user', 'idle') WHERE seq = 4").await;
    server.start_again().await;
    let store = Arc::new(MemoryCheckpoints::default());
    let reason = ending(&mut witnessed(&server, &store).open()).await;
    assert!(reason.starts_with("the log was rewritten at entry 4"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_in_silence_is_noticed() {
    let (mut server, mut authenticator) = server_with_a_log().await;
    server.stop().await;
    let backup = database_files(&server).map(|path| (std::fs::read(&path).unwrap(), path));
    let backup: Vec<_> = backup.collect();
    server.start_again().await;
    let mut page = Page::connect(&server).await;
    page.sign_in("ada@shop.example", &mut authenticator).await;
    page.sign_out().await;
    let store = Arc::new(MemoryCheckpoints::default());
    read_to(&mut witnessed(&server, &store).open(), &store, 6).await;
    server.stop().await;
    for path in database_files(&server) {
        std::fs::remove_file(path).unwrap();
    }
    for (bytes, path) in backup {
        std::fs::write(path, bytes).unwrap();
    }
    server.start_again().await;
    let reason = ending(&mut witnessed(&server, &store).open()).await;
    assert!(reason.contains("it no longer has the entry"), "{reason}");
}
