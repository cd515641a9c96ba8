//! `walk URL`: signs up, out, in and out on a dev server with a software authenticator, and prints the events that a
//! back end saw meanwhile.
#![allow(clippy::indexing_slicing, reason = "it stops where something is off")]

use anyhow::{Context, ensure};
use passkey_accounts::{Events, Item};
use passkey_accounts_server::clock::make_random;
use passkey_accounts_tests::{Page, SoftwareAuthenticator};
use serde_json::Value;

/// What a whole walk writes into the log.
const EXPECTED: [&str; 6] = ["registered", "passkeyAdded", "loggedIn", "loggedOut", "loggedIn", "loggedOut"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("usage: walk http://localhost:8080")?;
    let site: Value = read_json(&format!("{url}/site.json"))?;
    let text = |member: &str| {
        site[member].as_str().with_context(|| format!("{url} is not a dev server")).map(str::to_owned)
    };
    let app_id = text("appID")?.parse()?;

    let mut events = Events::builder(text("eventsURL")?, text("apiKey")?).types(["*"]).open();
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
    page.sign_in(&email, &mut authenticator).await;
    page.sign_out().await;

    println!("{:>5}  {:<13} {:<34} chain (48 bits of SHA-256)", "seq", "event", "account");
    for expected in EXPECTED {
        let (item, receipt) = events.next().await.context("the stream ended")??.into_parts();
        receipt.ack();
        let Item::Event(event) = item else { continue };
        ensure!(event.name == expected, "expected {expected}, got {}", event.name);
        let account =
            event.kind.and_then(|kind| kind.account_id()).map_or_else(String::new, |id| id.to_string());
        let chain = event.id.splitn(3, '-').nth(2).unwrap_or_default();
        println!("{:>5}  {expected:<13} {account:<34} {chain}", event.seq);
    }
    Ok(())
}

fn read_json(url: &str) -> anyhow::Result<Value> {
    let text = ureq::get(url).call()?.body_mut().read_to_string()?;
    Ok(serde_json::from_str(&text)?)
}
