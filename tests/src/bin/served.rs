//! `served FOLDER [PORT APP_ID API_KEY]`: a server for tests in a process of its own, so that it can be killed. It says where
//! it is, does what lines of its input say, and ends with its input.
#![allow(clippy::indexing_slicing, reason = "it stops where something is off")]

use std::{io::stdin, path::PathBuf};

use anyhow::Context;
use passkey_accounts::protocol::{
    AccountID, SessionID,
    event::{EventKind, LoggedOut},
    gateway::EndReason,
};
use passkey_accounts_server::{
    clock::make_random,
    sessions::{Opening, Session, open},
    store::StoreError,
};
use passkey_accounts_tests::{PageKey, TestServer};
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (folder, known) = match arguments.as_slice() {
        [folder] => (folder, None),
        [folder, port, app_id, api_key] => (folder, Some((port.parse()?, app_id.parse()?, api_key.clone()))),
        _ => anyhow::bail!("usage: served FOLDER [PORT APP_ID API_KEY]"),
    };
    std::fs::create_dir_all(folder)?;
    let mut server = TestServer::start_in_folder(PathBuf::from(folder), known).await;
    let port = server.address().port();
    println!("{}", json!({ "port": port, "appID": server.app_id, "apiKey": server.api_key }));

    let (lines, mut commands) = mpsc::unbounded_channel();
    // On a thread of its own: the runtime could not end while one of its threads reads.
    std::thread::spawn(move || stdin().lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    while let Some(line) = commands.recv().await {
        let command: Value = serde_json::from_str(&line)?;
        match command["do"].as_str().context("a command")? {
            "makeKey" => println!("{}", json!({ "key": server.make_key(None).await.reveal() })),
            "append" => {
                append(&server, command["events"].as_u64().context("a number of events")?).await?;
                println!("{{}}");
            }
            "forge" => {
                let session_id = command["sessionID"].as_str().context("a session")?.parse()?;
                println!("{}", json!({ "sessionID": forge(&server, session_id).await? }));
            }
            other => anyhow::bail!("there is no command {other}"),
        }
    }
    server.stop().await;
    Ok(())
}

/// Opens a session like this one for a key of the server's own: no passkey has signed that.
async fn forge(server: &TestServer, session_id: SessionID) -> anyhow::Result<SessionID> {
    let store = &server.context().store;
    let state = store.logs().tail(server.app_id).context("the app has a log")?.state();
    let real = state.sessions().get(&session_id).context("it is open")?;
    let forged = SessionID::from_bytes(make_random());
    let session =
        Session { session_id: forged, session_key: PageKey::make().public(), ..Session::clone(real) };
    let opening = Opening { session, user_verified: true, backed_up: false, evidence: None };
    store.write(move |write| Box::pin(async move { open(write, opening) })).await?;
    Ok(forged)
}

/// Appends so many `loggedOut` to the log.
async fn append(server: &TestServer, events: u64) -> anyhow::Result<()> {
    let app_id = server.app_id;
    let end = EventKind::LoggedOut(LoggedOut {
        account_id: AccountID::from_bytes([1; 16]),
        session_id: SessionID::from_bytes([2; 16]),
        reason: EndReason::User,
        account_sessions: 0,
    });
    let written = server.context().store.write(move |write| {
        Box::pin(async move {
            for _ in 0..events {
                write.append(app_id, &end)?;
            }
            Ok::<_, StoreError>(())
        })
    });
    Ok(written.await?)
}
