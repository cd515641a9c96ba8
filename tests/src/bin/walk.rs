//! `walk URL`: signs up, out and in on a dev server with a software authenticator, confirms an action, ends the session from
//! the back end, and prints what that back end saw meanwhile: events, the action, live sessions, the signed log.
#![allow(clippy::indexing_slicing, reason = "it stops where something is off")]

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use passkey_accounts::{
    Accounts, Item,
    log::head::{HeadKey, verify},
    protocol::{event::EventKind, gateway::ServerMessage},
};
use passkey_accounts_server::clock::make_random;
use passkey_accounts_tests::{Page, SoftwareAuthenticator};
use serde_json::Value;

/// What a whole walk writes into the log.
const EXPECTED: [&str; 7] =
    ["registered", "passkeyAdded", "loggedIn", "loggedOut", "loggedIn", "confirmed", "loggedOut"];
/// What is confirmed.
const ACTION: &str = r#"{"amount":10,"to":"grace","type":"pay"}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("usage: walk http://localhost:8080")?;
    let site: Value = read_json(&format!("{url}/site.json"))?;
    let text = |member: &str| {
        site[member].as_str().with_context(|| format!("{url} is not a dev server")).map(str::to_owned)
    };
    let app_id = text("appID")?.parse()?;

    let accounts = Accounts::connect(&url, text("apiKey")?)?;
    let live = accounts.live_sessions();
    live.in_sync().await?;
    let mut events = accounts.events().types(["*"]).open();
    loop {
        let (item, receipt) = events.next().await.context("the stream ended")??.into_parts();
        receipt.ack();
        match item {
            Item::Snapshot(page) if page.last => break,
            _ => {}
        }
    }

    let email = format!("walker-{:08x}@example.org", u32::from_be_bytes(make_random()));
    let mut authenticator = SoftwareAuthenticator::new(make_random());
    let mut page = Page::connect_from(&text("gatewayURL")?, app_id, &text("origin")?).await?;
    let outbox = format!("{url}/dev/outbox");
    let mailed_code = || {
        let outbox = read_json(&outbox).ok()?;
        let mails = outbox["mails"].as_array()?;
        let mail = mails.iter().find(|mail| mail["to"] == email.as_str())?;
        Some(mail["code"].as_str()?.to_owned())
    };
    page.sign_up_with(&email, &mut authenticator, mailed_code).await;
    page.sign_out().await;
    let session = page.sign_in(&email, &mut authenticator).await;
    page.confirm(ACTION, &mut authenticator).await;

    let held = live.wait_for(session.session_id, Duration::from_secs(2)).await?;
    let api = accounts.api().await?;
    let ended = api.end_session(session.session_id).await;
    ended.context("a dev folder of an earlier version has a key that may not do this; delete the folder")?;
    let told = match page.hear().await {
        Ok((_, ServerMessage::SignedOut(signed_out))) => signed_out.reason,
        other => bail!("the page was told {other:?}"),
    };
    let end = held.ended().await;

    println!("{:>5}  {:<13} {:<34} chain (48 bits of SHA-256)", "seq", "event", "account");
    for expected in EXPECTED {
        let (item, receipt) = events.next().await.context("the stream ended")??.into_parts();
        receipt.ack();
        let Item::Event(event) = item else { continue };
        ensure!(event.name == expected, "expected {expected}, got {}", event.name);
        let account = event.kind.as_ref().and_then(EventKind::account_id);
        let account = account.map_or_else(String::new, |id| id.to_string());
        let chain = event.id.splitn(3, '-').nth(2).unwrap_or_default();
        println!("{:>5}  {expected:<13} {account:<34} {chain}", event.seq);
        if let Some(EventKind::Confirmed(confirmed)) = event.kind {
            ensure!(confirmed.action.0 == ACTION, "another action was confirmed: {}", confirmed.action.0);
            println!("       {:<13} {}", "  signed:", confirmed.action.0);
        }
    }
    let keys: Value = read_json(&format!("{url}/.well-known/jwks.json"))?;
    let key = HeadKey::from_jwk_x(keys["keys"][0]["x"].as_str().context("a key without x")?)?;
    let checkpoint = api.checkpoint().await?;
    let head = verify(checkpoint.app_id, &checkpoint.head, std::slice::from_ref(&key))?;
    println!();
    println!("live sessions: {} was open, then {end:?}; the page was told {told:?}", held.session_id);
    println!("log: {} entries, head signed by {} and verified", head.seq, key.id());
    Ok(())
}

fn read_json(url: &str) -> anyhow::Result<Value> {
    let text = ureq::get(url).call()?.body_mut().read_to_string()?;
    Ok(serde_json::from_str(&text)?)
}
