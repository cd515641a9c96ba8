//! What must hold of a server's database, whatever has happened to the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use passkey_accounts::{
    log::{ChainHash, Entry, Epoch, EventID},
    protocol::{AccountID, AppID, SessionID, UnixMillis, event::EventKind},
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::crowd::Told;

/// A log as the database holds it, with everything in it that is not as it must be.
#[derive(Debug, Default)]
pub struct Audit {
    /// The id of each event, from the first.
    pub ids: Vec<String>,
    /// When each session was opened and ended: numbers of the entries.
    pub sessions: BTreeMap<SessionID, (Vec<u64>, Vec<u64>)>,
    /// Entries by type.
    pub counts: BTreeMap<String, u64>,
    /// Ends of sessions by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Sentences, one for each thing that must not be.
    pub violations: Vec<String>,
}

type EventRow = (i64, i64, String, String, Vec<u8>);

impl Audit {
    /// Reads a copy of the database in `directory`, so that whoever opens the database next finds it as it was left.
    pub async fn read(directory: &Path, app_id: AppID) -> Self {
        let copy = tempfile::tempdir().expect("a temporary folder can be made");
        for name in ["accounts.sqlite", "accounts.sqlite-wal"] {
            let from = directory.join(name);
            if from.exists() {
                fs::copy(from, copy.path().join(name)).expect("the database can be copied");
            }
        }
        let options = SqliteConnectOptions::new().filename(copy.path().join("accounts.sqlite"));
        let mut database = SqliteConnection::connect_with(&options).await.expect("the database opens");
        let mut audit = Self::default();
        audit.check_log(&mut database, app_id).await;
        audit.check_rows(&mut database).await;
        audit
    }

    async fn check_log(&mut self, database: &mut SqliteConnection, app_id: AppID) {
        let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&mut *database)
            .await
            .expect("SQLite answers");
        self.must(integrity == "ok", || format!("the database is damaged: {integrity}"));
        let epoch: String = sqlx::query_scalar("SELECT epoch FROM apps WHERE app_id = ?")
            .bind(app_id.as_bytes().as_slice())
            .fetch_one(&mut *database)
            .await
            .expect("there is an app");
        let epoch: Epoch = epoch.parse().expect("an epoch");
        let rows: Vec<EventRow> =
            sqlx::query_as("SELECT seq, time_ms, type, data, hash FROM events WHERE app_id = ? ORDER BY seq")
                .bind(app_id.as_bytes().as_slice())
                .fetch_all(&mut *database)
                .await
                .expect("the log can be read");
        let mut chain = ChainHash::GENESIS;
        let mut open: BTreeMap<AccountID, u64> = BTreeMap::new();
        for (expected, (seq, time_ms, name, data, hash)) in (1_u64..).zip(&rows) {
            self.must(*seq == i64::try_from(expected).unwrap_or(-1), || {
                format!("entry {expected} is missing")
            });
            let time = UnixMillis(u64::try_from(*time_ms).unwrap_or_default());
            chain = chain.followed_by(&Entry { app_id, epoch, seq: expected, time, name, data });
            self.must(chain.0.as_slice() == hash.as_slice(), || {
                format!("the chain breaks at entry {expected}")
            });
            self.ids.push(EventID::new(epoch, expected, &chain).to_string());
            *self.counts.entry(name.clone()).or_default() += 1;
            match EventKind::from_parts(name, data) {
                Ok(Some(EventKind::LoggedIn(login))) => {
                    self.sessions.entry(login.session_id).or_default().0.push(expected);
                    let count = open.entry(login.account_id).or_default();
                    *count += 1;
                    let is_right = *count == login.account_sessions;
                    self.must(is_right, || format!("entry {expected} counts the account's sessions wrongly"));
                }
                Ok(Some(EventKind::LoggedOut(logout))) => {
                    self.sessions.entry(logout.session_id).or_default().1.push(expected);
                    let reason = serde_json::to_value(logout.reason).expect("a word");
                    *self.reasons.entry(reason.as_str().unwrap_or_default().to_owned()).or_default() += 1;
                    let count = open.entry(logout.account_id).or_default();
                    *count = count.saturating_sub(1);
                    let is_right = *count == logout.account_sessions;
                    self.must(is_right, || format!("entry {expected} counts the account's sessions wrongly"));
                }
                Ok(_) => {}
                Err(error) => self.violations.push(format!("entry {expected} cannot be read: {error}")),
            }
        }
        for (session_id, (opened, ended)) in self.sessions.clone() {
            self.must(opened.len() == 1, || format!("{session_id} was opened {} times", opened.len()));
            self.must(ended.len() <= 1, || format!("{session_id} ended {} times", ended.len()));
            self.must(opened.first() < ended.first() || ended.is_empty(), || {
                format!("{session_id} ended before it was opened")
            });
        }
    }

    /// A row without its event, or the reverse, is impossible.
    async fn check_rows(&mut self, database: &mut SqliteConnection) {
        let ids = async |database: &mut SqliteConnection, query: &'static str| {
            let rows: Vec<Vec<u8>> = sqlx::query_scalar(query).fetch_all(database).await.expect("rows");
            rows.into_iter().map(|row| <[u8; 16]>::try_from(row).expect("16 bytes")).collect::<BTreeSet<_>>()
        };
        let rows = ids(database, "SELECT session_id FROM sessions").await;
        let open: BTreeSet<_> = self.open().map(|session_id| *session_id.as_bytes()).collect();
        self.must(rows == open, || {
            let without_event: Vec<_> = rows.difference(&open).copied().map(SessionID::from_bytes).collect();
            let without_row: Vec<_> = open.difference(&rows).copied().map(SessionID::from_bytes).collect();
            format!("session rows without an event: {without_event:?}; open sessions without a row: {without_row:?}")
        });
        for (table, query, came, went) in [
            ("accounts", "SELECT account_id FROM accounts", "registered", "accountErased"),
            ("passkeys", "SELECT passkey_id FROM passkeys", "passkeyAdded", "passkeyRemoved"),
        ] {
            let rows = ids(database, query).await.len() as u64;
            let count = |name: &str| self.counts.get(name).copied().unwrap_or_default();
            // A recovery gives a passkey too.
            let recovered = if table == "passkeys" { count("recoveryCompleted") } else { 0 };
            let (came_count, went_count) = (count(came) + recovered, count(went));
            self.must(rows + went_count == came_count, || {
                format!("{rows} rows of {table}, {came_count} events {came}, {went_count} events {went}")
            });
        }
    }

    /// Sessions that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &SessionID> {
        self.sessions.iter().filter(|(_, (_, ended))| ended.is_empty()).map(|(session_id, _)| session_id)
    }

    /// Checks what pages were told: nothing that was promised is missing.
    pub fn check_told(&mut self, told: &Told) {
        for session_id in &told.signed_in {
            let is_there = self.sessions.contains_key(session_id);
            self.must(is_there, || format!("{session_id} was told to its page and is not in the log"));
        }
        for session_id in &told.signed_out {
            let is_over = self.sessions.get(session_id).is_some_and(|(_, ended)| ended.len() == 1);
            self.must(is_over, || {
                format!("the end of {session_id} was told to its page and is not in the log")
            });
        }
    }

    /// Checks that nobody is signed in any more.
    pub fn check_all_closed(&mut self) {
        let open: Vec<_> = self.open().copied().collect();
        self.must(open.is_empty(), || format!("still signed in: {open:?}"));
    }

    /// Checks what a consumer handled: every event exactly once and in order.
    pub fn check_handled(&mut self, handled: &[String]) {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for id in handled {
            *times.entry(id).or_default() += 1;
        }
        for (seq, id) in (1..).zip(&self.ids) {
            match times.remove(id.as_str()).unwrap_or(0) {
                1 => {}
                0 => self.violations.push(format!("event {seq} was never handled")),
                times => self.violations.push(format!("event {seq} was handled {times} times")),
            }
        }
        for id in times.keys() {
            self.violations.push(format!("{id} was handled and is not in the log"));
        }
        if self.violations.is_empty() {
            self.must(handled == self.ids, || "events were handled out of order".to_owned());
        }
    }

    /// # Panics
    /// When something is not as it must be.
    pub fn assert_holds(&self) {
        let first: Vec<_> = self.violations.iter().take(10).collect();
        assert!(first.is_empty(), "{} violations, first: {first:#?}", self.violations.len());
    }

    fn must(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(sentence());
        }
    }
}
