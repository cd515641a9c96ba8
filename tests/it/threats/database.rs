//! Somebody has a copy of the database, or writes into it.

use std::{fs, path::Path};

use passkey_accounts::protocol::{
    SessionID,
    gateway::{self, ClientMessage, ServerMessage},
};
use passkey_accounts_server::{
    clock::make_random,
    sessions::{Opening, Session},
};
use passkey_accounts_tests::{
    PageKey, TestServer,
    shop::{Carried, Person, Shop, is_password},
};
use serde_json::json;
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{ADA, THEFT, acted, attack, fell, held, is_ours};

#[tokio::test]
async fn a_copy_of_the_database_is_searched_for_addresses() {
    attack("readAddresses", async |build| {
        let shop = Shop::open(build).await;
        Person::sign_up(&shop, ADA).await;
        let copy = bytes_of(folder(&shop));
        assert!(find(&copy, b"SQLite format 3"), "the copy is one");
        if find(&copy, ADA.as_bytes()) { fell("it stands there") } else { held("it is nowhere in the files") }
    })
    .await;
}

#[tokio::test]
async fn a_copy_of_the_database_is_searched_for_passwords() {
    attack("readPasswords", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let copy = bytes_of(folder(&shop));
        if find(&copy, ada.password.as_bytes()) {
            fell("it stands there")
        } else {
            held(if build.has_passkeys() { "there is none" } else { "a slow hash stands there" })
        }
    })
    .await;
}

#[tokio::test]
async fn passwords_are_guessed_at_home() {
    attack("guessAtHome", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let Some(database) = shop.database.as_ref().filter(|_| !build.has_passkeys()) else {
            return held("there is nothing to guess");
        };
        let row = sqlx::query("SELECT password FROM people").fetch_one(database.pool()).await.unwrap();
        let kept: String = row.get("password");
        // The first of any list of what people choose.
        let list = ["123456", "password", "sunshine", "qwerty"];
        let Some(guessed) = list.into_iter().find(|guess| is_password(&kept, guess)) else {
            return held("no guess fits");
        };
        let answer = shop.post("/sign-in", &json!({ "email": ADA, "password": guessed })).await;
        shop.send(&shop.carrying(&shop.carried(&answer), "/act", THEFT)).await;
        acted(
            &shop,
            &ada.name(),
            "a common password, with its hash as slow as one may be",
            answer.status.to_string(),
        )
    })
    .await;
}

#[tokio::test]
async fn what_stands_in_the_table_of_sessions_is_used() {
    attack("readSessions", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let Some(database) = &shop.database else {
            let mut table = open(shop.auth()).await;
            let row = sqlx::query("SELECT session_id FROM sessions").fetch_one(&mut table).await.unwrap();
            let session_id: Vec<u8> = row.get(0);
            let session_id = SessionID::from_bytes(session_id.try_into().unwrap());
            let mut thief = shop.connect_page().await;
            return match thief.resume(session_id, &PageKey::make()).await {
                ServerMessage::SignedIn(_) => fell("the thief's connection carries the session"),
                ServerMessage::Error(failure) => held(failure.code),
                other => panic!("{other:?}"),
            };
        };
        let row = sqlx::query("SELECT token FROM sessions").fetch_one(database.pool()).await.unwrap();
        let stolen = Carried::Token(row.get("token"));
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        acted(&shop, &ada.name(), "the token stands there", answer.status.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_session_is_written_into_the_table() {
    attack("writeSession", async |build| {
        let mut shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        if let Some(database) = &shop.database {
            database.write_session(ADA, "mallory").await;
            let forged = Carried::Token("mallory".into());
            let answer = shop.send(&shop.carrying(&forged, "/act", THEFT)).await;
            return acted(&shop, &name, "a row is a session", answer.status.to_string());
        }
        let Carried::Page(_page, session) = ada.carried else { panic!("she is signed in") };
        let public = PageKey::make().public();
        let forged = SessionID::from_bytes(make_random());
        let auth = shop.auth.as_mut().unwrap();
        auth.stop().await;
        let mut table = open(auth).await;
        let columns = "app_id, account_id, passkey_id, origin, started_ms, expires_ms, idle_ms, grace_ms";
        let copied = sqlx::query(sqlx::AssertSqlSafe(format!(
            "INSERT INTO sessions (session_id, session_key, {columns}) SELECT ?, ?, {columns} FROM sessions WHERE session_id = ?"
        )))
        .bind(forged.as_bytes().as_slice())
        .bind([public.x.0, public.y.0].concat())
        .bind(session.session_id.as_bytes().as_slice())
        .execute(&mut table)
        .await
        .unwrap();
        assert_eq!(copied.rows_affected(), 1);
        table.close().await.unwrap();
        if auth.try_start_again().await.is_err() {
            return held("the server does not start on it");
        }
        // A back end that was there before follows the log, which says nothing of it. One that begins now is told.
        let live = shop.begin_anew().await;
        if live.get(forged).is_some() { fell("a row is a session") } else { held("no passkey has signed it") }
    })
    .await;
}

#[tokio::test]
async fn the_attackers_own_credential_is_written_into_somebodys_row() {
    attack("writeCredential", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        let mut mallory = Person::sign_up(&shop, "mallory@evil.example").await;
        // Who the passkey was made for is not said.
        mallory.authenticator.sends_user_handle = false;
        match &shop.database {
            Some(database) => {
                // What Mallory's own row says, in Ada's.
                sqlx::query(
                    "UPDATE people SET (password, credential_id, public_key, user_handle) =
                     (SELECT password, credential_id, public_key, user_handle FROM people WHERE email = 'mallory@evil.example')
                     WHERE email = ?",
                )
                .bind(ADA)
                .execute(database.pool())
                .await
                .unwrap();
            }
            None => {
                let mut table = open(shop.auth()).await;
                let row = sqlx::query("SELECT account_id, app_id, sealed, credential_index, passkey_id FROM passkeys ORDER BY created_ms")
                    .fetch_all(&mut table)
                    .await
                    .unwrap();
                let [adas, mallorys] = &row[..] else { panic!("two passkeys") };
                let (sealed, index): (Vec<u8>, Vec<u8>) = (mallorys.get("sealed"), mallorys.get("credential_index"));
                // An index is there once only.
                sqlx::query("UPDATE passkeys SET credential_index = x'00' WHERE passkey_id = ?")
                    .bind(mallorys.get::<Vec<u8>, _>("passkey_id"))
                    .execute(&mut table)
                    .await
                    .unwrap();
                sqlx::query("UPDATE passkeys SET sealed = ?, credential_index = ? WHERE passkey_id = ?")
                    .bind(sealed)
                    .bind(index)
                    .bind(adas.get::<Vec<u8>, _>("passkey_id"))
                    .execute(&mut table)
                    .await
                    .unwrap();
                // Nothing of hers opens by his key but what is his.
                sqlx::query("UPDATE account_keys SET wrapped = (SELECT wrapped FROM account_keys WHERE account_id = ?) WHERE account_id = ?")
                    .bind(mallorys.get::<Vec<u8>, _>("account_id"))
                    .bind(adas.get::<Vec<u8>, _>("account_id"))
                    .execute(&mut table)
                    .await
                    .unwrap();
                table.close().await.unwrap();
            }
        }
        ADA.clone_into(&mut mallory.email);
        if is_ours(build) {
            let mut page = shop.connect_page().await;
            return match page.ask(ClientMessage::SignInBegin(page.begin(ADA))).await {
                ServerMessage::Error(failure) => held(failure.code),
                ServerMessage::CeremonyGet(ceremony) => {
                    match mallory.authenticator.sign_in(&ceremony.public_key.0, &shop.origin) {
                        Err(refused) => held(refused.to_string()),
                        Ok(credential) => match page.finish(&ceremony, credential).await {
                            ServerMessage::SignedIn(signed_in) => {
                                let stolen = Carried::Page(Box::new(page), signed_in.session);
                                let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
                                acted(&shop, &name, "signed in as somebody else", answer.outcome())
                            }
                            ServerMessage::Error(failure) => held(failure.code),
                            other => panic!("{other:?}"),
                        },
                    }
                }
                other => panic!("{other:?}"),
            };
        }
        mallory.sign_in().await;
        let answer = mallory.act(THEFT).await;
        acted(&shop, &name, "signed in as somebody else", answer.status.to_string())
    })
    .await;
}

#[tokio::test]
async fn whoever_runs_the_server_opens_a_session_for_somebody() {
    attack("insider", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        if let Some(database) = &shop.database {
            database.write_session(ADA, "mallory").await;
            let forged = Carried::Token("mallory".into());
            let answer = shop.send(&shop.carrying(&forged, "/act", THEFT)).await;
            return acted(&shop, &name, "the server's word is all there is", answer.status.to_string());
        }
        let Carried::Page(_, session) = &ada.carried else { panic!("she is signed in") };
        let auth = shop.auth();
        let real = auth.context().store.logs().tail(auth.app_id).unwrap().state();
        let real = real.sessions().get(&session.session_id).unwrap().clone();
        let thief = shop.connect_page().await;
        let forged = Session {
            session_id: SessionID::from_bytes(make_random()),
            session_key: thief.key.public(),
            ..Session::clone(&real)
        };
        let session = gateway::Session { session_id: forged.session_id, ..session.clone() };
        let opening = Opening { session: forged, user_verified: true, backed_up: false, evidence: None };
        let written = auth.context().store.write(move |write| {
            Box::pin(async move { passkey_accounts_server::sessions::open(write, opening) })
        });
        written.await.unwrap();
        let stolen = Carried::Page(Box::new(thief), session);
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        acted(&shop, &name, "the server's word is all there is", answer.outcome())
    })
    .await;
}

/// The folder of what a shop keeps.
fn folder(shop: &Shop) -> &Path {
    shop.database.as_ref().map_or_else(|| shop.auth().directory(), |database| database.folder())
}

/// All bytes of a folder's files: the database, its write-ahead log, and whatever else lies beside them.
fn bytes_of(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.flat_map(|file| fs::read(file).unwrap()).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The server's database, as whoever has the machine's disk opens it.
async fn open(auth: &TestServer) -> SqliteConnection {
    let file = auth.directory().join("accounts.sqlite");
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap()
}
