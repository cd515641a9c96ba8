//! Ten thousand random writes to a database by somebody without the root key. Each is noticed, or changes nothing.
//!
//! *Changes nothing*: whatever the server tells of its rows is what it told before, letter by letter. *Noticed*: the
//! database does not open; or what is told of a row is an error and `tamperingDetected` is in the log; or an API key is
//! refused and its `tamperingDetected` is in the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use fastrand::Rng;
use passkey_accounts::{
    log::Epoch,
    protocol::{
        AccountID, AppID, PasskeyID, Scope,
        event::EventKind,
        gateway::{EndReason, Policy},
    },
};
use passkey_accounts_server::{
    accounts::{Passkey, erase, register, remove_passkey},
    apps::App,
    clock::Clock,
    crypto::Email,
    keys::{ApiKey, KeyEnvironment},
    sessions::{self, Session},
    store::{NewKeyRow, NewPasskeyRow, Store, StoreError, Wanted},
};
use passkey_accounts_tests::{
    START,
    made_up::{passkey, registration},
    root_keys,
};
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

use super::open;

/// How many writes the issue asks for.
const TAMPERINGS: u64 = 10_000;

/// Tables that are sealed. The log itself is a witness's business, but for where it ends; the positions of consumers
/// carry the log's hash.
const TABLES: [&str; 7] = ["apps", "api_keys", "accounts", "account_keys", "passkeys", "sessions", "seals"];

/// A database, copies of it from three earlier moments and one of a server that has another root key, and all names that
/// were ever in it.
struct Template {
    folder: TempDir,
    emails: Vec<(AppID, Email)>,
    accounts: Vec<(AppID, AccountID)>,
    keys: Vec<String>,
}

/// What a server tells of its rows: by their names, in words, or that it refuses.
type Told = BTreeMap<String, Result<String, Noticed>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noticed;

#[derive(Debug, Default)]
struct Counts {
    refused_to_open: AtomicU64,
    refused_a_row: AtomicU64,
    changed_nothing: AtomicU64,
}

#[test]
fn ten_thousand_random_writes_are_noticed_or_change_nothing() {
    let template = block_on(Template::new());
    let honest = block_on(async {
        let folder = template.copy();
        let store = open_store(folder.path()).await.unwrap();
        let told = template.tell(&store).await;
        store.close().await;
        told
    });
    assert!(honest.values().all(Result::is_ok) && honest.len() > 30, "{honest:?}");
    let (counts, next) = (Counts::default(), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                block_on(async {
                    loop {
                        // Fifty on one running server, then fifty of which each meets a stopped one.
                        let round = next.fetch_add(1, Ordering::Relaxed);
                        if round * 100 >= TAMPERINGS {
                            break;
                        }
                        tamper_while_running(&template, &honest, &counts, round * 100..round * 100 + 50)
                            .await;
                        for seed in round * 100 + 50..round * 100 + 100 {
                            tamper_while_stopped(&template, &honest, &counts, seed).await;
                        }
                    }
                });
            });
        }
    });
    println!("{counts:?}");
    let [opened, rows, nothing] = [&counts.refused_to_open, &counts.refused_a_row, &counts.changed_nothing]
        .map(|count| count.load(Ordering::Relaxed));
    assert_eq!(opened + rows + nothing, TAMPERINGS);
    // If nearly all of them changed nothing, the attacker is a poor one.
    assert!(opened > TAMPERINGS / 5 && rows > TAMPERINGS / 5, "{counts:?}");
}

async fn tamper_while_stopped(template: &Template, honest: &Told, counts: &Counts, seed: u64) {
    let folder = template.copy();
    let what = tamper(folder.path(), template, seed).await;
    match open_store(folder.path()).await {
        Err(_) => drop(counts.refused_to_open.fetch_add(1, Ordering::Relaxed)),
        Ok(store) => {
            judge(template, &store, folder.path(), honest, counts, &format!("{seed}, stopped: {what}")).await;
            store.close().await;
        }
    }
}

async fn tamper_while_running(
    template: &Template,
    honest: &Told,
    counts: &Counts,
    seeds: std::ops::Range<u64>,
) {
    let folder = template.copy();
    let store = open_store(folder.path()).await.unwrap();
    for seed in seeds {
        let what = tamper(folder.path(), template, seed).await;
        judge(template, &store, folder.path(), honest, counts, &format!("{seed}, running: {what}")).await;
        // What the server has written meanwhile, its log and the signature of its roll, stays.
        let mut database = open(&folder.path().join("accounts.sqlite")).await;
        let mut undo = format!(
            "PRAGMA synchronous = OFF; ATTACH '{}' AS template; BEGIN;",
            template.at("present").display()
        );
        for table in TABLES.iter().filter(|table| **table != "seals") {
            undo.push_str(&format!(
                "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM template.{table};"
            ));
        }
        undo.push_str("DELETE FROM seals WHERE name <> 'roll'; INSERT OR IGNORE INTO seals SELECT * FROM template.seals; COMMIT");
        run(&mut database, &undo).await;
        database.close().await.unwrap();
        assert_eq!(&template.tell(&store).await, honest, "{seed}: what is put right is right");
    }
    store.close().await;
}

/// Compares what the server tells with what it told before.
async fn judge(
    template: &Template,
    store: &Store,
    folder: &Path,
    honest: &Told,
    counts: &Counts,
    what: &str,
) {
    let told = template.tell(store).await;
    if &told == honest {
        counts.changed_nothing.fetch_add(1, Ordering::Relaxed);
        return;
    }
    counts.refused_a_row.fetch_add(1, Ordering::Relaxed);
    let suspects = suspects(store).await;
    let mut database = open(&folder.join("accounts.sqlite")).await;
    let apps: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT app_id FROM apps").fetch_all(&mut database).await.unwrap();
    database.close().await.unwrap();
    for (name, words) in honest {
        match told.get(name) {
            Some(now) if now == words => {}
            Some(Err(Noticed)) => {
                let (app_id, account) = template.account_of(name);
                let is_told = suspects.contains(&account)
                    || (name.starts_with("email") && suspects.contains("address"))
                    // Where the app's own row is gone nothing is stored for it any more, and so no event either.
                    || !apps.contains(&app_id.as_bytes().to_vec());
                assert!(is_told, "{what}: {name} is refused without a word: {suspects:?}");
            }
            Some(Ok(now)) => panic!("{what}: {name} was {words:?} and is {now:?}"),
            None => {
                let key = name.strip_prefix("key ").unwrap_or_else(|| panic!("{what}: {name} is gone"));
                assert!(suspects.contains(key), "{what}: {key} is gone without a word");
            }
        }
    }
    let new: Vec<_> = told.keys().filter(|name| !honest.contains_key(*name)).collect();
    assert!(new.is_empty(), "{what}: {new:?} came from nowhere");
}

/// The accounts and API keys that the logs say were tampered with.
async fn suspects(store: &Store) -> BTreeSet<String> {
    let mut suspects = BTreeSet::new();
    for app in store.apps() {
        let state = store.logs().tail(app.app_id).unwrap().state();
        let entries = store.entries_after(app.app_id, state.epoch(), 0, 1_000).await.unwrap().unwrap();
        for entry in entries {
            if let Ok(Some(EventKind::TamperingDetected(event))) =
                EventKind::from_parts(&entry.name, &entry.data)
            {
                suspects.insert(
                    event.account_id.map_or("address".to_owned(), |account_id| account_id.to_string()),
                );
                suspects.extend(event.key_id);
            }
        }
    }
    suspects
}

/// Writes something at random into the database in `folder`, and says what.
async fn tamper(folder: &Path, template: &Template, seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut database = open(&folder.join("accounts.sqlite")).await;
    let mut attach = String::new();
    for name in ["early", "middle", "late", "stranger"] {
        attach.push_str(&format!("ATTACH '{}' AS {name};", template.at(name).display()));
    }
    run(&mut database, &format!("PRAGMA synchronous = OFF; {attach}")).await;
    let mut what = Vec::new();
    for _ in 0..[1, 1, 1, 2, 3][random.usize(..5)] {
        let sql = write(&mut database, &mut random).await;
        // What the tables themselves refuse was no write.
        if sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut database).await.is_ok() {
            what.push(sql);
        }
    }
    database.close().await.unwrap();
    what.join("; ")
}

/// A statement of an attacker: flips a bit, swaps, removes, makes up, or puts back.
async fn write(database: &mut SqliteConnection, random: &mut Rng) -> String {
    let table = TABLES[random.usize(..TABLES.len())];
    let old = ["early", "middle", "late", "stranger"][random.usize(..4)];
    let columns: Vec<(String, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT name, type FROM pragma_table_info('{table}')")))
            .fetch_all(&mut *database)
            .await
            .unwrap();
    let key = &columns[0].0;
    let count: i64 = scalar(database, &format!("SELECT count(*) FROM {table}")).await;
    if count == 0 {
        return format!("INSERT INTO {table} SELECT * FROM {old}.{table}");
    }
    let mut row =
        || format!("(SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {})", random.i64(..count));
    let (one, other) = (row(), row());
    let (column, kind) = &columns[random.usize(..columns.len())];
    match random.u32(..12) {
        0..=2 => flip(database, random, table, key, column, kind, &one).await,
        3 => format!("UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE {key} = {other}) WHERE {key} = {one}"),
        4 => format!(
            "CREATE TEMP TABLE one AS SELECT {column} AS v FROM {table} WHERE {key} = {one};
             CREATE TEMP TABLE other AS SELECT {column} AS v, {key} AS k FROM {table} WHERE {key} = {other};
             UPDATE {table} SET {column} = (SELECT v FROM other) WHERE {key} = {one};
             UPDATE {table} SET {column} = (SELECT v FROM one) WHERE {key} = (SELECT k FROM other);
             DROP TABLE one; DROP TABLE other"
        ),
        5 => format!("DELETE FROM {table} WHERE {key} = {one}"),
        6 => format!("INSERT OR IGNORE INTO {table} SELECT * FROM {old}.{table}"),
        7 => format!("REPLACE INTO {table} SELECT * FROM {old}.{table} o WHERE o.{key} = {one}"),
        8 => format!(
            "UPDATE {table} SET {column} = (SELECT o.{column} FROM {old}.{table} o WHERE o.{key} = {table}.{key})
             WHERE {key} IN (SELECT {key} FROM {old}.{table})"
        ),
        9 => {
            // All rows of one account, as they once were, also of one that was erased.
            let account = format!("(SELECT account_id FROM {old}.accounts ORDER BY account_id LIMIT 1 OFFSET {})", random.u32(..4));
            ["accounts", "account_keys", "passkeys"].map(|table| format!(
                "DELETE FROM {table} WHERE account_id = {account}; INSERT INTO {table} SELECT * FROM {old}.{table} WHERE account_id = {account}"
            )).join("; ")
        }
        10 => format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {old}.{table}"),
        _ => {
            // A copy under another name.
            let others: Vec<_> = columns[1..].iter().map(|(name, _)| name.as_str()).collect();
            let name = if columns[0].1 == "TEXT" { "'made-up'" } else { "randomblob(16)" };
            format!("INSERT INTO {table} ({key}, {others}) SELECT {name}, {others} FROM {table} WHERE {key} = {one}", others = others.join(", "))
        }
    }
}

/// Changes one bit, or the length.
async fn flip(
    database: &mut SqliteConnection,
    random: &mut Rng,
    table: &str,
    key: &str,
    column: &str,
    kind: &str,
    row: &str,
) -> String {
    let select = format!("SELECT {column} FROM {table} WHERE {key} = {row}");
    let found = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_one(&mut *database).await.unwrap();
    let value = match kind {
        "INTEGER" => match found.get::<Option<i64>, _>(0) {
            Some(number) => (number ^ (1 << random.u32(..62))).to_string(),
            None => random.i64(..).to_string(),
        },
        "TEXT" => {
            let mut text: Vec<char> = found.get::<Option<String>, _>(0).unwrap_or_default().chars().collect();
            let place = random.usize(..=text.len());
            match text.get_mut(place) {
                Some(letter) => {
                    *letter = char::from_u32(u32::from(*letter) ^ (1 << random.u32(..5))).unwrap_or('?');
                }
                None => text.push('x'),
            }
            format!("'{}'", text.into_iter().collect::<String>().replace('\'', "''"))
        }
        _ => {
            let mut bytes = found.get::<Option<Vec<u8>>, _>(0).unwrap_or_default();
            let place = random.usize(..=bytes.len());
            match bytes.get_mut(place) {
                Some(byte) => *byte ^= 1 << random.u32(..8),
                None if random.bool() => bytes.push(random.u8(..)),
                None => drop(bytes.pop()),
            }
            super::hex(&bytes)
        }
    };
    format!("UPDATE {table} SET {column} = {value} WHERE {key} = {row}")
}

impl Template {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut template = Self { folder, emails: Vec::new(), accounts: Vec::new(), keys: Vec::new() };
        let data = TempDir::new().unwrap();
        let store = open_store(data.path()).await.unwrap();
        let apps = [make_app(&store, 1).await, make_app(&store, 2).await];
        let (mut sessions, mut keys) = (Vec::new(), Vec::new());
        for number in 0..8 {
            let app_id = apps[usize::from(number % 3 == 2)];
            sessions.push(template.sign_up(&store, app_id, number).await);
        }
        for number in 0..6 {
            keys.push(template.make_key(&store, apps[usize::from(number % 2 == 1)], number).await);
        }
        add_passkey(&store, &sessions[0], 100).await;
        let removed = add_passkey(&store, &sessions[1], 101).await;
        template.keep(data.path(), "early").await;
        use_passkey(&store, &sessions[0]).await;
        remove_passkey(&store, sessions[1].app_id, sessions[1].account_id, removed).await.unwrap();
        sessions::end(&store, &sessions[3], EndReason::User).await.unwrap();
        store.revoke_key(keys[0].id()).await.unwrap();
        template.keep(data.path(), "middle").await;
        erase(&store, sessions[2].app_id, sessions[2].account_id).await.unwrap();
        store
            .rotate_key(apps[1], keys[1].id().to_owned(), ApiKey::new(KeyEnvironment::Live, &[77; 42]), 1_000)
            .await
            .unwrap();
        store.set_retention(apps[0], Some(5_000_000), None).await.unwrap();
        template.keep(data.path(), "late").await;
        use_passkey(&store, &sessions[1]).await;
        add_passkey(&store, &sessions[4], 102).await;
        store.close().await;
        template.keep(data.path(), "present").await;
        // Somebody who runs a server of their own has well-made rows, too: the same names, another root key.
        let foreign = TempDir::new().unwrap();
        let store = Store::open(
            foreign.path(),
            Clock::manual(START),
            &passkey_accounts_server::crypto::RootKeys::one(&[8; 32]),
        )
        .await
        .unwrap();
        let app = make_app(&store, 1).await;
        make_app(&store, 2).await;
        let mut other = Self {
            folder: TempDir::new().unwrap(),
            emails: Vec::new(),
            accounts: Vec::new(),
            keys: Vec::new(),
        };
        for number in 0..4 {
            other.sign_up(&store, app, number).await;
            other.make_key(&store, app, number).await;
        }
        store.close().await;
        template.keep(foreign.path(), "stranger").await;
        template
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.sqlite"))
    }

    async fn keep(&self, data: &Path, name: &str) {
        let mut database = open(&data.join("accounts.sqlite")).await;
        run(&mut database, &format!("VACUUM INTO '{}'", self.at(name).display())).await;
        database.close().await.unwrap();
    }

    /// The account that something told is about.
    fn account_of(&self, told: &str) -> (AppID, String) {
        let name = told.split(' ').nth(1).unwrap();
        let place = self.emails.iter().position(|(_, email)| email.as_typed() == name);
        let place = place.or_else(|| self.accounts.iter().position(|(_, id)| id.to_string() == name));
        let (app_id, account_id) = self.accounts[place.unwrap()];
        (app_id, account_id.to_string())
    }

    /// A folder with the present database.
    fn copy(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::copy(self.at("present"), folder.path().join("accounts.sqlite")).unwrap();
        folder
    }

    async fn sign_up(&mut self, store: &Store, app_id: AppID, number: u8) -> Session {
        let registration = registration(app_id, number.into());
        let (session, email) = (registration.opening.session.clone(), registration.email.clone());
        register(store, registration).await.unwrap();
        self.emails.push((app_id, email));
        self.accounts.push((app_id, session.account_id));
        session
    }

    async fn make_key(&mut self, store: &Store, app_id: AppID, number: u8) -> ApiKey {
        let key = ApiKey::new(KeyEnvironment::Live, &[number; 42]);
        let scopes = if number.is_multiple_of(2) { Scope::ALL.to_vec() } else { vec![Scope::EventsRead] };
        let expires_at = (number > 3).then(|| START.plus(1_000_000));
        let new = NewKeyRow::secret(app_id, &key, format!("key {number}"), scopes, expires_at);
        store.issue_key(new).await.unwrap();
        self.keys.push(key.id().to_owned());
        key
    }

    /// Everything that the server tells of its rows.
    async fn tell(&self, store: &Store) -> Told {
        let mut told = Told::new();
        for app in store.apps() {
            let retention = store.retention(app.app_id, passkey_accounts_server::log::Retention::default());
            told.insert(format!("app {}", app.app_id), Ok(format!("{app:?} {retention:?}")));
            let state = store.logs().tail(app.app_id).unwrap().state();
            for session in state.sessions().values() {
                told.insert(format!("session {}", session.session_id), Ok(format!("{session:?}")));
            }
            for key in store.keys_of(app.app_id) {
                let words = format!("{:?} {:?} {:?}", key.app_id, key.check, key.info());
                told.insert(format!("key {}", key.key_id), Ok(words));
            }
        }
        for (app_id, account_id) in &self.accounts {
            let account = store.account(*app_id, Wanted::Account(*account_id)).await;
            told.insert(format!("account {account_id}"), words(account));
        }
        for (app_id, email) in &self.emails {
            let index = store.keyring().derive_email_index(*app_id, email);
            let account = store.account(*app_id, Wanted::Email(index)).await;
            told.insert(format!("email {}", email.as_typed()), words(account));
            let taken = store.has_address(*app_id, &index);
            told.insert(format!("taken {}", email.as_typed()), Ok(taken.to_string()));
        }
        for key in &self.keys {
            if let Some(row) = store.key(key) {
                told.insert(
                    format!("key {key}"),
                    Ok(format!("{:?} {:?} {:?}", row.app_id, row.check, row.info())),
                );
            }
        }
        told
    }
}

fn words(
    account: Result<Option<passkey_accounts_server::store::AccountRow>, StoreError>,
) -> Result<String, Noticed> {
    match account {
        Ok(None) => Ok("none".to_owned()),
        Ok(Some(account)) => {
            let email = account.email().unwrap().as_typed().to_owned();
            let passkeys = account.passkeys.iter().map(|row| {
                format!("{} {:?} {}", row.passkey_id, row.created_at, String::from_utf8_lossy(&row.record))
            });
            let passkeys: Vec<_> = passkeys.collect();
            Ok(format!("{} {:?} {email} {passkeys:?}", account.account_id, account.created_at))
        }
        Err(StoreError::Tampered) => Err(Noticed),
        Err(error) => panic!("{error}"),
    }
}

async fn make_app(store: &Store, number: u8) -> AppID {
    let app_id = AppID::from_bytes([number; 16]);
    let origins = vec!["http://localhost".parse().unwrap()];
    let app =
        App::new(app_id, format!("Shop {number}"), "localhost".into(), origins, Policy::Strict).unwrap();
    store.create_app(app, Epoch::from_random(number.into())).await.unwrap();
    app_id
}

async fn add_passkey(store: &Store, of: &Session, number: u8) -> PasskeyID {
    let (app_id, account_id, passkey_id) = (of.app_id, of.account_id, PasskeyID::from_bytes([number; 16]));
    store
        .write::<_, StoreError, _>(move |write| {
            Box::pin(async move {
                let mut account = write.account(app_id, Wanted::Account(account_id)).await?.unwrap();
                let credential_index =
                    write.keyring().derive_credential_index(app_id, &passkey(number.into()).credential_id);
                let record = passkey(number.into()).to_record();
                write
                    .insert_passkey(&mut account, &NewPasskeyRow { passkey_id, credential_index, record })
                    .await
            })
        })
        .await
        .unwrap();
    passkey_id
}

/// The counter of its first passkey rises.
async fn use_passkey(store: &Store, of: &Session) {
    let (app_id, account_id) = (of.app_id, of.account_id);
    store
        .write::<_, StoreError, _>(move |write| {
            Box::pin(async move {
                let mut account = write.account(app_id, Wanted::Account(account_id)).await?.unwrap();
                let row = &account.passkeys[0];
                let (passkey_id, mut passkey) = (row.passkey_id, Passkey::from_record(&row.record)?);
                passkey.sign_count += 1;
                let record = passkey.to_record();
                write.update_passkey(&mut account, passkey_id, &passkey.credential_id, record).await
            })
        })
        .await
        .unwrap();
}

async fn open_store(folder: &Path) -> Result<Store, passkey_accounts_server::store::OpenError> {
    Store::open(folder, Clock::manual(START), &root_keys()).await
}

async fn run(database: &mut SqliteConnection, sql: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(database).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn scalar(database: &mut SqliteConnection, sql: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(database).await.unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
