//! Opening the database: settings, migrations, and the state that earlier runs left.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use sqlx::{
    Connection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    StoreError, Write, WriteStats,
    writer::{Writer, WriterHandle},
};
use crate::{clock::Clock, log::Logs};

/// Connections that read while the one writer writes.
const READ_CONNECTIONS: u32 = 4;

/// Statements that each connection keeps prepared.
const STATEMENT_CACHE: usize = 64;

/// The database of one server process.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) reads: SqlitePool,
    writer: WriterHandle,
    logs: Arc<Logs>,
    _lock: Arc<File>,
}

impl Store {
    /// Opens the database in `directory`, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do.
    pub async fn open(directory: &Path, clock: Clock) -> Result<Self, OpenError> {
        std::fs::create_dir_all(directory)
            .map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
        let lock = lock(directory)?;
        let path = directory.join("accounts.sqlite");
        let mut connection = sqlx::SqliteConnection::connect_with(&options(&path)).await?;
        sqlx::migrate!("migrations/sqlite").run(&mut connection).await?;
        let reads = SqlitePoolOptions::new()
            .max_connections(READ_CONNECTIONS)
            .connect_with(options(&path).read_only(true))
            .await?;
        let logs = Arc::new(Logs::default());
        let writer = Writer::load(connection, Arc::clone(&logs), clock).await?.start();
        Ok(Self { reads, writer, logs, _lock: Arc::new(lock) })
    }

    /// Runs one user action: all of it, with its events, is in the database when this returns `Ok`.
    ///
    /// The action checks first and writes then: an error after its first write gives up the whole commit.
    ///
    /// # Errors
    /// The action's own; or [`StoreError::Database`], [`StoreError::BatchLost`] and [`StoreError::Closed`], after
    /// which nothing of it is stored.
    ///
    /// # Cancel safety
    /// The action may still be carried out when the future is dropped.
    pub async fn write<T, E, F>(&self, action: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Write) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        self.writer.run(action).await
    }

    /// The logs of all apps.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Carries out what waits and closes the database: its files are still from here on. What comes later is refused
    /// ([`StoreError::Closed`]).
    pub async fn close(&self) {
        self.reads.close().await;
        self.writer.close().await;
    }

    /// How many actions were committed, and in how many commits.
    pub fn write_stats(&self) -> WriteStats {
        self.writer.stats()
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit that was reported is on the disk, also after a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENT_CACHE)
}

/// Two servers on one database would each number events on their own.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("server.lock");
    let file = File::create(&path).map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::Directory(directory.to_owned(), error)),
    }
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written to.
    #[error("the data folder {} cannot be used: {}", .0.display(), .1)]
    Directory(PathBuf, #[source] io::Error),
    /// Another process has it.
    #[error("another server is running on the data folder {}; stop it, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// SQLite says no.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is another version's.
    #[error("the database's schema does not fit this version of the server: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// What it holds cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
