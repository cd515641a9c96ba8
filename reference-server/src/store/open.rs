//! Opening the database: settings, migrations, and the state that earlier runs left.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    StoreError, Write, WriteStats, events, seals,
    writer::{Writer, WriterHandle},
};
use crate::{
    clock::Clock,
    crypto::{Keyring, RootKeyError, RootKeyID, RootKeys},
    log::Logs,
};

/// Connections that read while the one writer writes.
const READ_CONNECTIONS: u32 = 4;

/// Statements that each connection keeps prepared.
const STATEMENT_CACHE: usize = 64;

/// The database of one server process.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) reads: SqlitePool,
    pub(super) keyring: Arc<Keyring>,
    writer: WriterHandle,
    logs: Arc<Logs>,
    lock: Arc<File>,
}

impl Store {
    /// Opens the database in `directory`, makes it if there is none, brings its schema up to date, and checks that which
    /// rows it has is what was committed last.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do.
    pub async fn open(directory: &Path, clock: Clock, root_keys: &RootKeys) -> Result<Self, OpenError> {
        let (lock, path, mut connection) = connect(directory).await?;
        let mut transaction = connection.begin().await?;
        let keyring = seals::load_keyring(&mut transaction, root_keys).await?;
        transaction.commit().await?;
        let heads = events::load_heads(&mut connection).await?;
        let mut loaded = seals::load_roll(&mut connection, &keyring, heads, &clock).await?;
        seals::check_roll(&mut connection, &keyring, &loaded.total).await?;
        seals::load_recoveries(&mut connection, &keyring, &mut loaded, clock.uptime()).await?;
        let (keyring, logs) = (Arc::new(keyring), Arc::new(Logs::default()));
        let has_suspects = !loaded.suspects.is_empty();
        let writer = Writer::new(connection, Arc::clone(&logs), clock, Arc::clone(&keyring), loaded);
        let store = Self::start(writer, &path, keyring, logs, lock).await?;
        if has_suspects {
            // An empty action: its commit takes them into the logs.
            store.write(|_| Box::pin(async { Ok::<_, StoreError>(()) })).await?;
        }
        Ok(store)
    }

    /// Opens the database in `directory` and takes all its rows for right as they are: of a database from before rows were
    /// sealed, or of one that was changed and that somebody has looked at. The latter is in every log then.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn accept(directory: &Path, clock: Clock, root_keys: &RootKeys) -> Result<Self, OpenError> {
        let (lock, path, mut connection) = connect(directory).await?;
        let is_sealed = seals::is_sealed(&mut connection).await?;
        let keyring = if is_sealed {
            seals::load_keyring(&mut connection, root_keys).await?
        } else {
            // Nothing is written before the one transaction of `Writer::accept`.
            seals::adopt_keyring(root_keys)
        };
        let heads = events::load_heads(&mut connection).await?;
        let loaded = seals::load_roll(&mut connection, &keyring, heads, &clock).await?;
        let (keyring, logs) = (Arc::new(keyring), Arc::new(Logs::default()));
        let mut writer = Writer::new(connection, Arc::clone(&logs), clock, Arc::clone(&keyring), loaded);
        let adopted = (!is_sealed).then_some(root_keys);
        writer.accept(adopted).await.map_err(|error| match error {
            StoreError::Tampered => OpenError::WrongRootKey,
            error => error.into(),
        })?;
        Self::start(writer, &path, keyring, logs, lock).await
    }

    async fn start(
        writer: Writer,
        path: &Path,
        keyring: Arc<Keyring>,
        logs: Arc<Logs>,
        lock: File,
    ) -> Result<Self, OpenError> {
        let reads = SqlitePoolOptions::new()
            .max_connections(READ_CONNECTIONS)
            .connect_with(options(path).read_only(true))
            .await?;
        Ok(Self { reads, keyring, writer: writer.start(), logs, lock: Arc::new(lock) })
    }

    /// The keys of the database.
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
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
        // Not by dropping it: a process that is being started just now holds a copy until it has begun.
        let _ = self.lock.unlock();
    }

    /// How many actions were committed, and in how many commits.
    pub fn write_stats(&self) -> WriteStats {
        self.writer.stats()
    }
}

pub(super) async fn connect(directory: &Path) -> Result<(File, PathBuf, SqliteConnection), OpenError> {
    std::fs::create_dir_all(directory).map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
    let lock = lock(directory)?;
    let path = directory.join("accounts.sqlite");
    let mut connection = SqliteConnection::connect_with(&options(&path)).await?;
    sqlx::migrate!("migrations/sqlite").run(&mut connection).await?;
    Ok((lock, path, connection))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit that was reported is on the disk, also after a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is overwritten: an erased account's key must not be found in a free page.
        .pragma("secure_delete", "ON")
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
    /// There are no root keys.
    #[error(transparent)]
    RootKeys(#[from] RootKeyError),
    /// Rows were sealed under a root key that is not there.
    #[error(
        "the database was sealed by the root key {0}, which is not among those given; add it behind the others"
    )]
    RootKeyMissing(RootKeyID),
    /// It is from before rows were sealed, and another root key was in use.
    #[error("an account's row does not open by this root key; give the one that the server has always used")]
    WrongRootKey,
    /// It is from before rows were sealed; nobody but the operator knows whether its rows are right.
    #[error(
        "the database is from a version that did not seal its rows; run once: passkey-accounts data accept"
    )]
    Unsealed,
    /// It is not as the last commit left it.
    #[error(
        "the database is not as this server left it: rows were changed, removed, added or put back by somebody else. Restore a backup, or look with passkey-accounts data check; see \"Tampering\" in docs/operating.md"
    )]
    Tampered,
    /// What it holds cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
