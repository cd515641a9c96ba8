//! Somebody who writes into the database puts back what it said on an earlier day.

use std::{fs, path::PathBuf};

use passkey_accounts::protocol::gateway::{ClientMessage, ServerMessage};
use passkey_accounts_tests::{
    SoftwareAuthenticator,
    shop::{Carried, Person, Shop},
};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{ADA, Outcome, THEFT, acted, attack, fell, held, is_ours};

#[tokio::test]
async fn what_was_taken_away_is_put_back_with_its_row() {
    attack("rowBack", async |build| {
        let shop = Shop::open(build).await;
        let mut database = open(&file(&shop)).await;
        let (table, put_back) =
            if is_ours(build) { ("passkeys", "INSERT OR IGNORE") } else { ("people", "REPLACE") };
        let thief = lose(&shop, async || {
            run(&mut database, &format!("CREATE TEMP TABLE older AS SELECT * FROM {table}")).await;
        })
        .await;
        run(&mut database, &format!("{put_back} INTO {table} SELECT * FROM older")).await;
        thief.acts(&shop).await
    })
    .await;
}

#[tokio::test]
async fn the_whole_database_is_put_back() {
    attack("databaseBack", async |build| {
        let mut shop = Shop::open(build).await;
        let file = file(&shop);
        let older = file.with_extension("older");
        let thief = lose(&shop, async || {
            let mut database = open(&file).await;
            run(&mut database, &format!("VACUUM INTO '{}'", older.display())).await;
            database.close().await.unwrap();
        })
        .await;
        if let Some(auth) = &mut shop.auth {
            auth.stop().await;
            fs::copy(&older, &file).unwrap();
            auth.start_again().await;
        } else {
            let mut database = open(&file).await;
            run(&mut database, &format!("ATTACH '{}' AS older", older.display())).await;
            run(&mut database, "REPLACE INTO people SELECT * FROM older.people").await;
        }
        thief.acts(&shop).await
    })
    .await;
}

#[tokio::test]
async fn a_counter_is_set_back_for_a_copied_passkey() {
    attack("counterBack", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let (name, copied) = (ada.name(), ada.authenticator.passkeys[0].sign_count);
        let table = if is_ours(build) { "passkeys" } else { "people" };
        let mut database = open(&file(&shop)).await;
        run(&mut database, &format!("CREATE TEMP TABLE older AS SELECT * FROM {table}")).await;
        ada.sign_in().await;
        ada.sign_in().await;
        run(&mut database, &format!("REPLACE INTO {table} SELECT * FROM older")).await;
        let mut copy = std::mem::take(&mut ada.authenticator);
        copy.passkeys[0].sign_count = copied;
        let thief = Thief { name, password: String::new(), authenticator: copy };
        match thief.acts(&shop).await {
            Outcome::Fell(_) if is_told(&shop) => held("counterRegressed"),
            Outcome::Fell(_) => fell("the copy signs in, and nothing says so"),
            held => held,
        }
    })
    .await;
}

/// Whoever has what was somebody's, and is not any more.
struct Thief {
    name: String,
    password: String,
    authenticator: SoftwareAuthenticator,
}

/// Somebody signs up, loses what they sign in with, and sees to it that it is good for nothing any more; `before` that, a
/// copy is made.
async fn lose(shop: &Shop, before: impl AsyncFnOnce()) -> Thief {
    let mut ada = Person::sign_up(shop, ADA).await;
    let name = ada.name();
    let mut lost = std::mem::take(&mut ada.authenticator);
    match &mut ada.carried {
        Carried::Page(page, session) => {
            let mut kept = SoftwareAuthenticator::new([2; 32]);
            page.add_passkey(&mut kept, &mut lost).await;
            before().await;
            let ceremony = page.begin_remove_passkey(session.passkey_id).await;
            let removed = page.answer(&ceremony, &mut kept).await;
            assert!(matches!(removed, ServerMessage::PasskeyRemoved(_)), "{removed:?}");
        }
        _ if shop.build.has_passkeys() => {
            before().await;
            let code = shop.mailed_code(ADA).await;
            let made = shop.register(ADA, &code, &mut SoftwareAuthenticator::new([2; 32])).await;
            assert_eq!(made.status, 200);
        }
        _ => {
            before().await;
            let code = shop.mailed_code(ADA).await;
            let reset = json!({ "email": ADA, "password": "moonlight", "code": code });
            assert_eq!(shop.post("/reset", &reset).await.status, 200);
        }
    }
    let mut thief = Thief { name, password: ada.password, authenticator: lost };
    let found = thief.sign_in(shop).await;
    assert!(found.is_err(), "it is good for nothing any more");
    thief
}

impl Thief {
    async fn acts(mut self, shop: &Shop) -> Outcome {
        match self.sign_in(shop).await {
            Ok(carried) => {
                let answer = shop.send(&shop.carrying(&carried, "/act", THEFT)).await;
                acted(shop, &self.name, "signed in with what was taken away", answer.outcome())
            }
            Err(stopped_by) => held(stopped_by),
        }
    }

    async fn sign_in(&mut self, shop: &Shop) -> Result<Carried, String> {
        if !shop.build.has_passkeys() {
            let given = json!({ "email": ADA, "password": self.password });
            let answer = shop.post("/sign-in", &given).await;
            return if answer.status == 200 {
                Ok(shop.carried(&answer))
            } else {
                Err(answer.status.to_string())
            };
        }
        let mut answer = |options: &str| {
            self.authenticator.sign_in(options, &shop.origin).map_err(|refused| refused.to_string())
        };
        if !is_ours(shop.build) {
            let asked = shop.begin(ADA).await;
            let credential: serde_json::Value =
                serde_json::from_str(&answer(&asked["publicKey"].to_string())?).unwrap();
            let given = json!({ "email": ADA, "ceremony": asked["ceremony"], "credential": credential });
            let answer = shop.post("/passkey/get", &given).await;
            return if answer.status == 200 {
                Ok(shop.carried(&answer))
            } else {
                Err(answer.status.to_string())
            };
        }
        let mut page = shop.connect_page().await;
        let said = match page.ask(ClientMessage::SignInBegin(page.begin(ADA))).await {
            ServerMessage::CeremonyGet(ceremony) => {
                page.finish(&ceremony, answer(&ceremony.public_key.0)?).await
            }
            other => other,
        };
        match said {
            ServerMessage::SignedIn(signed_in) => Ok(Carried::Page(Box::new(page), signed_in.session)),
            ServerMessage::Error(failure) => Err(failure.code),
            other => panic!("{other:?}"),
        }
    }
}

/// Whether the log says that a counter went back.
fn is_told(shop: &Shop) -> bool {
    shop.auth.as_ref().is_some_and(|auth| {
        let log = auth.context().store.logs().tail(auth.app_id).unwrap();
        log.entries_after(0, 100).unwrap().iter().any(|entry| entry.name == "counterRegressed")
    })
}

fn file(shop: &Shop) -> PathBuf {
    match &shop.database {
        Some(database) => database.file(),
        None => shop.auth().directory().join("accounts.sqlite"),
    }
}

async fn open(file: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn run(database: &mut SqliteConnection, sql: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(database).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
