//! Prints who signs in and out, for as long as it runs.

use passkey_accounts::{Accounts, Item, StreamError, protocol::event::EventKind};

#[tokio::main]
async fn main() {
    if let Err(error) = print_sign_ins().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn print_sign_ins() -> Result<(), StreamError> {
    let url = std::env::var("PASSKEY_ACCOUNTS_URL").unwrap_or_else(|_| "ws://localhost:8080/".into());
    let api_key = std::env::var("PASSKEY_ACCOUNTS_API_KEY").unwrap_or_default();
    let accounts = Accounts::connect(url, api_key)?;
    let mut events = accounts.events().open();
    while let Some(delivery) = events.next().await {
        let delivery = delivery?;
        if let Item::Event(event) = &delivery.item {
            match &event.kind {
                Some(EventKind::LoggedIn(login)) => println!("signed in: {}", login.account_id),
                Some(EventKind::LoggedOut(logout)) => println!("signed out: {}", logout.account_id),
                Some(_) | None => {}
            }
        }
        delivery.ack();
    }
    Ok(())
}
