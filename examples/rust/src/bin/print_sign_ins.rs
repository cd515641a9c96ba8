//! Prints who signs in and out, for as long as it runs.

use std::{env, process::ExitCode};

use passkey_accounts::{Events, Item, protocol::event::EventKind};

#[tokio::main]
async fn main() -> ExitCode {
    let url = env::var("PASSKEY_ACCOUNTS_URL").unwrap_or_else(|_| "ws://localhost:8080/".into());
    let key = env::var("PASSKEY_ACCOUNTS_API_KEY").unwrap_or_default();
    let mut events = Events::builder(url, key).open();
    while let Some(delivery) = events.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        match &delivery.item {
            Item::Event(event) => match &event.kind {
                Some(EventKind::LoggedIn(login)) => println!("signed in: {}", login.account_id),
                Some(EventKind::LoggedOut(logout)) => println!("signed out: {}", logout.account_id),
                Some(_) | None => {}
            },
            Item::Snapshot(_) | Item::Gap(_) | Item::Bookmark(_) => {}
        }
        delivery.ack();
    }
    ExitCode::SUCCESS
}
