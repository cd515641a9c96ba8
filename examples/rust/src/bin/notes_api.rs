//! A back end that knows who asks: everybody sees and writes their own notes. No cookie, no token, no session table.
//!
//! `APP_ORIGIN` is where pages reach it (default `http://app.localhost:3000`), `PORT` where it listens (default 3000).

use std::{
    collections::HashMap,
    env,
    error::Error,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Json, Router, extract::State, routing::get};
use passkey_accounts::{Account, Accounts, protocol::AccountID, tower::ProofLayer};
use tokio::net::TcpListener;

type Notes = Arc<Mutex<HashMap<AccountID, Vec<String>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let or = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let url = or("PASSKEY_ACCOUNTS_URL", "ws://localhost:8080/");
    let origin = or("APP_ORIGIN", "http://app.localhost:3000");
    let port: u16 = or("PORT", "3000").parse()?;

    let live = Accounts::connect(url, or("PASSKEY_ACCOUNTS_API_KEY", ""))?.live_sessions();
    live.in_sync().await?;
    let proofs = live.proofs().origin(origin).build()?;

    let app = Router::new()
        .route("/notes", get(read).post(write))
        .layer(ProofLayer::new(proofs))
        .with_state(Notes::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn read(State(notes): State<Notes>, account: Account) -> Json<Vec<String>> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(notes.get(&account.account_id).cloned().unwrap_or_default())
}

async fn write(State(notes): State<Notes>, account: Account, note: String) {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.entry(account.account_id).or_default().push(note);
}
