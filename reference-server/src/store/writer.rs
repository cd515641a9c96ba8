//! The one writer: it takes every action that waits, runs them in one transaction, commits once, then answers all.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::BoxFuture;
use passkey_accounts::{
    log::{ChainHash, Epoch},
    protocol::{AccountID, AppID, SessionID, UnixMillis, event::EventKind},
};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Roll, StoreError, Suspect, events, roll::add, seals, seals::Loaded, sessions};
use crate::{
    clock::{Clock, Uptime},
    crypto::{Keyring, RootKeys},
    log::{Entry, LogState, Logs, Place},
    recovery::Running,
    sessions::Session,
};

/// Actions that wait for the writer; more wait at the door.
const QUEUE_ACTIONS: usize = 1_024;

/// Actions of one commit.
const BATCH_ACTIONS: usize = 256;

/// What an action sees: the state of every log, and the rows it adds.
///
/// Session and event rows are gathered and inserted together when the batch ends.
#[derive(Debug)]
pub struct Write {
    connection: SqliteConnection,
    keyring: Arc<Keyring>,
    now: UnixMillis,
    uptime: Uptime,
    has_written: bool,
    logs: HashMap<AppID, LogState>,
    /// The state before this batch of each log that it touched.
    before: HashMap<AppID, LogState>,
    /// Apps that this batch made.
    made: Vec<AppID>,
    /// The roll of the whole database as of the last commit.
    total: [u8; 32],
    must_sign: bool,
    /// What was found tampered with and is not in a log yet.
    suspects: Vec<(AppID, Suspect)>,
    /// API keys that this batch made.
    keys: Vec<(String, AppID)>,
    entries: Vec<(AppID, Arc<Entry>)>,
    opened: Vec<Arc<Session>>,
    ended: Vec<Arc<Session>>,
}

impl Write {
    /// The time of the batch.
    pub const fn now(&self) -> UnixMillis {
        self.now
    }

    /// How long this process had run when the batch began.
    pub const fn uptime(&self) -> Uptime {
        self.uptime
    }

    /// The keys of the database.
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// An app's roll, to change it with its rows.
    pub(super) fn roll(&mut self, app_id: AppID) -> Result<&mut Roll, StoreError> {
        Ok(self.log(app_id)?.roll_mut())
    }

    /// Notes that rows are not those that this server stored last. It is in the log when the action is answered, whatever
    /// else comes of it.
    pub(super) fn alarm(&mut self, app_id: AppID, suspect: Suspect) {
        self.suspects.push((app_id, suspect));
    }

    /// Nothing that was noted since the last commit is suspect after all.
    pub(super) fn acquit(&mut self) {
        self.suspects.clear();
    }

    /// Has the roll signed again although nothing on it has changed.
    pub(super) const fn sign_again(&mut self) {
        self.must_sign = true;
        self.has_written = true;
    }

    /// Makes an API key known.
    pub(super) fn key_is_of(&mut self, key_id: String, app_id: AppID) {
        self.keys.push((key_id, app_id));
    }

    /// The connection, to look something up.
    pub(super) fn reading(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The connection, to change rows. From here on the action must not fail for reasons of its own.
    pub(super) fn writing(&mut self) -> &mut SqliteConnection {
        self.has_written = true;
        &mut self.connection
    }

    /// Appends an event to an app's log.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such app.
    pub fn append(&mut self, app_id: AppID, kind: &EventKind) -> Result<(), StoreError> {
        let now = self.now;
        let entry = self.log(app_id)?.append(now, kind);
        self.entries.push((app_id, Arc::new(entry)));
        Ok(())
    }

    /// Adds a session's row and says how many its account has now. The caller appends `loggedIn`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such app.
    pub fn open_session(&mut self, session: Arc<Session>) -> Result<u64, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        let log = self.log(session.app_id)?;
        log.roll_mut().toggle_session(&keyring, &session);
        let count = log.open_session(Arc::clone(&session));
        self.opened.push(session);
        Ok(count)
    }

    /// Removes a session's row and says how many its account has left; `None` if it has ended already.
    /// The caller appends `loggedOut`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there is no such app.
    pub fn end_session(&mut self, session: &Session) -> Result<Option<u64>, StoreError> {
        let keyring = Arc::clone(&self.keyring);
        let log = self.log(session.app_id)?;
        let Some((session, left)) = log.end_session(session.session_id) else { return Ok(None) };
        log.roll_mut().toggle_session(&keyring, &session);
        self.ended.push(session);
        Ok(Some(left))
    }

    /// An app's log as of this action: what earlier actions of the same commit did is in it.
    pub fn state(&self, app_id: AppID) -> Option<&LogState> {
        self.logs.get(&app_id)
    }

    /// Whether a session is open as of this action.
    pub fn has_session(&self, app_id: AppID, session_id: SessionID) -> bool {
        self.state(app_id).is_some_and(|state| state.sessions().contains_key(&session_id))
    }

    /// Notes which recovery of an account runs. The caller changes its row.
    pub(super) fn set_running(
        &mut self,
        app_id: AppID,
        account_id: AccountID,
        running: Option<Running>,
    ) -> Result<(), StoreError> {
        self.log(app_id)?.set_running(account_id, running);
        Ok(())
    }

    /// Notes that entries up to `seq` are no longer kept. The caller deletes their rows.
    pub(super) fn cut_log(&mut self, app_id: AppID, seq: u64, hash: ChainHash) -> Result<(), StoreError> {
        let log = self.log(app_id)?;
        log.cut(Place::new(log.epoch(), seq, hash));
        Ok(())
    }

    /// Lets a log go on in a new lineage and says where. The caller changes the rows.
    pub(super) fn begin_epoch(&mut self, app_id: AppID, epoch: Epoch) -> Result<Place, StoreError> {
        let log = self.log(app_id)?;
        log.begin_epoch(epoch);
        Ok(log.head())
    }

    /// Adds the log of a new app.
    pub(super) fn add_log(&mut self, app_id: AppID, state: LogState) {
        self.logs.insert(app_id, state);
        self.made.push(app_id);
    }

    fn log(&mut self, app_id: AppID) -> Result<&mut LogState, StoreError> {
        let log = self.logs.get_mut(&app_id).ok_or(StoreError::Corrupt("app id"))?;
        self.before.entry(app_id).or_insert_with(|| log.clone());
        self.has_written = true;
        Ok(log)
    }

    async fn begin(&mut self, clock: &Clock) -> Result<(), StoreError> {
        (self.now, self.uptime) = (clock.now(), clock.uptime());
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        sessions::insert(&mut self.connection, &self.opened).await?;
        events::insert(&mut self.connection, &self.entries).await?;
        sessions::delete(&mut self.connection, &self.ended).await?;
        let total = self.new_total();
        if total != self.total || self.must_sign {
            seals::sign_roll(&mut self.connection, &self.keyring, &total).await?;
        }
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        (self.total, self.must_sign) = (total, false);
        Ok(())
    }

    /// Each suspect is told once, by an event: whoever tries again and again must not fill the log.
    fn append_suspects(&mut self) -> Result<(), StoreError> {
        for (app_id, suspect) in std::mem::take(&mut self.suspects) {
            if self.logs.contains_key(&app_id) && self.roll(app_id)?.suspect(suspect.clone()) {
                suspect.log(app_id);
                self.append(app_id, &suspect.event())?;
            }
        }
        Ok(())
    }

    /// Commits what is suspect apart from what people did: where an app's own row is gone its events cannot be stored,
    /// and nobody else is to suffer from that.
    async fn commit_suspects(&mut self, clock: &Clock) -> Result<(), StoreError> {
        self.begin(clock).await?;
        self.append_suspects()?;
        self.commit().await
    }

    /// The roll of the whole database as of this batch: what the apps that it touched were is taken out, what they are now
    /// is put in.
    fn new_total(&self) -> [u8; 32] {
        let mut total = self.total;
        let tag = |log: &LogState| log.roll().tag(&self.keyring, log.start(), log.head());
        for (app_id, before) in &self.before {
            if !self.made.contains(app_id) {
                add(&mut total, tag(before));
            }
        }
        for app_id in self.before.keys().filter(|id| !self.made.contains(id)).chain(&self.made) {
            if let Some(log) = self.logs.get(app_id) {
                add(&mut total, tag(log));
            }
        }
        total
    }

    async fn roll_back(&mut self) {
        // After some errors (disk full) SQLite has rolled back by itself, and says so with an error here.
        let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
        self.logs.extend(self.before.drain());
        for app_id in self.made.drain(..) {
            self.logs.remove(&app_id);
        }
        self.keys.clear();
        self.entries.clear();
        self.opened.clear();
        self.ended.clear();
    }

    /// Shows readers what was committed.
    fn publish(&mut self, logs: &Logs) {
        self.opened.clear();
        self.ended.clear();
        self.made.clear();
        for (key_id, app_id) in self.keys.drain(..) {
            logs.key_is_of(key_id, app_id);
        }
        for app_id in self.before.drain().map(|(app_id, _)| app_id) {
            let (Some(tail), Some(state)) = (logs.tail(app_id), self.logs.get(&app_id)) else { continue };
            let entries =
                self.entries.iter().filter(|(of, _)| *of == app_id).map(|(_, entry)| Arc::clone(entry));
            tail.publish(state.clone(), entries);
        }
        self.entries.clear();
    }
}

/// Called with the outcome of the commit.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs an action, or answers it with why its batch is lost already; `true` if the batch can go on.
type Job = Box<dyn for<'a> FnOnce(Result<&'a mut Write, StoreError>) -> BoxFuture<'a, (bool, Answer)> + Send>;

/// The writer's task, before it starts.
pub(super) struct Writer {
    write: Write,
    logs: Arc<Logs>,
    clock: Clock,
}

impl Writer {
    /// The writer of what earlier runs left.
    pub(super) fn new(
        connection: SqliteConnection,
        logs: Arc<Logs>,
        clock: Clock,
        keyring: Arc<Keyring>,
        loaded: Loaded,
    ) -> Self {
        let Loaded { logs: states, suspects, total } = loaded;
        for (app_id, state) in &states {
            for key in state.roll().keys() {
                logs.key_is_of(key.key_id.clone(), *app_id);
            }
            logs.insert(*app_id, state.clone());
        }
        let write = Write {
            connection,
            keyring,
            now: clock.now(),
            uptime: clock.uptime(),
            has_written: false,
            logs: states,
            before: HashMap::new(),
            made: Vec::new(),
            total,
            must_sign: false,
            suspects,
            keys: Vec::new(),
            entries: Vec::new(),
            opened: Vec::new(),
            ended: Vec::new(),
        };
        Self { write, logs, clock }
    }

    /// Takes all rows for right as they are: of a database from before rows were sealed, or one that was changed and that
    /// an operator has looked at.
    pub(super) async fn accept(&mut self, adopted: Option<&RootKeys>) -> Result<(), StoreError> {
        self.write.begin(&self.clock).await?;
        if let Some(root_keys) = adopted {
            seals::adopt_index(self.write.writing(), root_keys).await?;
        }
        let apps: Vec<AppID> = self.write.logs.keys().copied().collect();
        for app_id in apps {
            if adopted.is_none() {
                self.write.alarm(app_id, Suspect::Database);
                continue;
            }
            let accounts: Vec<_> =
                self.write.state(app_id).into_iter().flat_map(|state| state.roll().accounts()).collect();
            for account_id in accounts {
                self.write.adopt_account(app_id, account_id).await?;
            }
            self.write.adopt_keys(app_id).await?;
        }
        self.write.append_suspects()?;
        self.write.sign_again();
        self.write.commit().await?;
        self.write.publish(&self.logs);
        Ok(())
    }

    /// Starts the task. It ends when the last handle is gone.
    pub(super) fn start(self) -> WriterHandle {
        let (jobs, queue) = mpsc::channel(QUEUE_ACTIONS);
        let stats = Arc::new(Counters::default());
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(self.run(queue, Arc::clone(&stats), stop.clone(), stopped.clone()));
        WriterHandle { jobs, stats, stop, stopped }
    }

    async fn run(
        mut self,
        mut queue: mpsc::Receiver<Job>,
        stats: Arc<Counters>,
        stop: CancellationToken,
        stopped: CancellationToken,
    ) {
        // Also when this task panics: whoever closes the store must not wait for ever.
        let _stopped = stopped.drop_guard();
        let mut jobs = Vec::with_capacity(BATCH_ACTIONS);
        loop {
            let received = tokio::select! {
                // What waits is still carried out.
                biased;
                received = queue.recv_many(&mut jobs, BATCH_ACTIONS) => received,
                () = stop.cancelled() => 0,
            };
            if received == 0 {
                break;
            }
            let actions = jobs.len();
            let (outcome, answers) = self.run_batch(&mut jobs).await;
            match &outcome {
                Ok(()) => {
                    self.write.publish(&self.logs);
                    stats.commits.fetch_add(1, Ordering::Relaxed);
                    stats.actions.fetch_add(actions as u64, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::error!(%error, actions, "a commit failed; nothing of it is stored");
                    self.write.roll_back().await;
                }
            }
            // Before the answers: whoever is refused finds the event in the log.
            if !self.write.suspects.is_empty() {
                self.write_suspects().await;
            }
            for answer in answers {
                answer(outcome.clone());
            }
        }
        let _ = self.write.connection.close().await;
    }

    async fn write_suspects(&mut self) {
        match self.write.commit_suspects(&self.clock).await {
            Ok(()) => self.write.publish(&self.logs),
            Err(error) => {
                tracing::error!(%error, "that rows were tampered with could not be written into the log");
                self.write.roll_back().await;
            }
        }
    }

    async fn run_batch(&mut self, jobs: &mut Vec<Job>) -> (Result<(), StoreError>, Vec<Answer>) {
        let mut answers = Vec::with_capacity(jobs.len());
        let mut outcome = self.write.begin(&self.clock).await;
        for job in jobs.drain(..) {
            self.write.has_written = false;
            // A lost batch may have no transaction any more (on a full disk SQLite ends it by itself): what an action
            // writes then would be stored at once, and without its events.
            let write = outcome.clone().map(|()| &mut self.write);
            let (can_go_on, answer) = job(write).await;
            answers.push(answer);
            if !can_go_on && self.write.has_written && outcome.is_ok() {
                outcome = Err(StoreError::BatchLost);
            }
        }
        if outcome.is_ok() {
            outcome = self.write.commit().await;
        }
        (outcome, answers)
    }
}

/// Hands actions to the writer.
#[derive(Debug, Clone)]
pub(super) struct WriterHandle {
    jobs: mpsc::Sender<Job>,
    stats: Arc<Counters>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl WriterHandle {
    /// Carries out what waits and closes the connection.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }

    pub(super) async fn run<T, E, F>(&self, action: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Write) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |write| {
            Box::pin(async move {
                let result = match write {
                    Ok(write) => action(write).await,
                    Err(error) => Err(error.into()),
                };
                let can_go_on = result.is_ok();
                let reply: Answer = Box::new(move |committed| {
                    let result = match (result, committed) {
                        (Ok(value), Ok(())) => Ok(value),
                        (Ok(_), Err(error)) => Err(error.into()),
                        (Err(error), _) => Err(error),
                    };
                    // Nobody may be waiting any more: the socket is gone. What was committed stays.
                    let _ = answer.send(result);
                });
                (can_go_on, reply)
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn stats(&self) -> WriteStats {
        WriteStats {
            commits: self.stats.commits.load(Ordering::Relaxed),
            actions: self.stats.actions.load(Ordering::Relaxed),
        }
    }
}

/// What the writer has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Transactions committed; each is one fsync of the write-ahead log.
    pub commits: u64,
    /// Actions in them.
    pub actions: u64,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    actions: AtomicU64,
}

#[cfg(test)]
mod tests {
    use passkey_accounts::protocol::UnixMillis;

    use super::super::{Store, StoreError};
    use crate::{clock::Clock, crypto::RootKeys};

    /// On a full disk SQLite may end a transaction by itself, in the middle of a batch.
    #[tokio::test]
    async fn nothing_more_of_a_batch_is_stored_once_its_transaction_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(folder.path(), Clock::manual(UnixMillis(1)), &RootKeys::one(&[7; 32])).await.unwrap();
        let gives_up = store.write(|write| {
            Box::pin(async move {
                sqlx::query("ROLLBACK").execute(write.writing()).await?;
                Err::<(), _>(StoreError::Corrupt("row"))
            })
        });
        let goes_on = store.write(|write| {
            Box::pin(async move {
                let row = "INSERT INTO apps (app_id, name, rp_id, origins, policy, epoch, created_ms)
                           VALUES (x'00', '', '', '[]', 'strict', '0000', 0)";
                sqlx::query(row).execute(write.writing()).await?;
                Ok::<_, StoreError>(())
            })
        });
        // Both wait before the writer wakes, so they are one batch.
        let (first, second) = tokio::join!(gives_up, goes_on);
        assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM apps").fetch_one(&store.reads).await.unwrap();
        assert_eq!(rows, 0, "what was refused is stored");
    }
}
