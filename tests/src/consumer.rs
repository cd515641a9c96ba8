//! A worker by hand that keeps effect and position in one SQLite transaction, and dies wherever its seed wants it to.

use std::{path::PathBuf, sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use passkey_accounts::protocol::stream::{Ack, Message, RawEvent, Reply};
use serde_json::json;
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{net::TcpStream, sync::watch, task::JoinSet, time::sleep};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite};

/// What is done with an event's effect and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One transaction. The only right way.
    Together,
    /// The position first, and acknowledged: a death in between loses the effect.
    PositionFirst,
    /// The effect first: a death in between repeats it.
    EffectFirst,
}

/// Where a worker can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeEffect,
    InsideTransaction,
    BeforeAck,
    AfterAck,
    /// It does not die: it loses its connection with an event in hand, and goes on when another has taken over.
    Undead,
}

const MOMENTS: [Moment; 5] =
    [Moment::BeforeEffect, Moment::InsideTransaction, Moment::BeforeAck, Moment::AfterAck, Moment::Undead];

/// Acknowledgements are gathered this long, as the SDKs do.
const ACK_MS: u64 = 100;

/// The database of a consumer: its effects, and how far it is. Several workers share it.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    /// The newest lease that a worker has claimed.
    claimed: watch::Sender<u64>,
    /// The number of the last event that is done with.
    handled: watch::Sender<u64>,
}

/// The lease is no longer the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced;

impl Ledger {
    /// An empty one in this file.
    pub async fn create(path: PathBuf) -> Arc<Self> {
        let ledger = Self { path, claimed: watch::Sender::new(0), handled: watch::Sender::new(0) };
        let tables = "CREATE TABLE effects (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL) STRICT;
                      CREATE TABLE position (lane INTEGER PRIMARY KEY, id TEXT, lease INTEGER NOT NULL) STRICT;";
        sqlx::raw_sql(tables).execute(&mut ledger.open().await).await.expect("tables can be made");
        Arc::new(ledger)
    }

    async fn open(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Only workers die here, never the machine.
            .synchronous(SqliteSynchronous::Off);
        SqliteConnection::connect_with(&options).await.expect("the ledger opens")
    }

    /// The ids of the handled events, in the order in which they were handled.
    pub async fn handled(&self) -> Vec<String> {
        let query = sqlx::query_scalar("SELECT id FROM effects ORDER BY number");
        query.fetch_all(&mut self.open().await).await.expect("the ledger can be read")
    }

    /// Waits until the event with that number is handled.
    pub async fn wait_for(&self, seq: u64) {
        let _ = self.handled.subscribe().wait_for(|handled| *handled >= seq).await;
    }

    fn note_handled(&self, seq: u64) {
        self.handled.send_modify(|handled| *handled = seq.max(*handled));
    }

    /// Takes the lane over: whoever holds an older lease can write no more from here on. Returns the position.
    async fn claim(&self, database: &mut SqliteConnection, lease: u64) -> Result<Option<String>, Fenced> {
        let row: Option<Option<String>> = sqlx::query_scalar(
            "INSERT INTO position (lane, id, lease) VALUES (0, NULL, ?)
             ON CONFLICT DO UPDATE SET lease = excluded.lease WHERE lease < excluded.lease RETURNING id",
        )
        .bind(lease.cast_signed())
        .fetch_optional(database)
        .await
        .expect("the ledger can be written");
        let position = row.ok_or(Fenced)?;
        self.claimed.send_modify(|newest| *newest = lease.max(*newest));
        Ok(position)
    }
}

/// Writes the position, if the lease is still the newest.
async fn move_position(database: &mut SqliteConnection, id: &str, lease: u64) -> Result<(), Fenced> {
    let moved = sqlx::query("UPDATE position SET id = ? WHERE lane = 0 AND lease = ?")
        .bind(id)
        .bind(lease.cast_signed())
        .execute(database)
        .await
        .expect("the ledger can be written");
    if moved.rows_affected() == 1 { Ok(()) } else { Err(Fenced) }
}

async fn write_effect(database: &mut SqliteConnection, id: &str) {
    let written = sqlx::query("INSERT INTO effects (id) VALUES (?)").bind(id).execute(database).await;
    written.expect("the ledger can be written");
}

/// How a worker's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There was nobody to connect to.
    Unreachable,
    /// The connection was lost.
    Lost,
    /// It died where its seed wanted.
    Died,
    /// Another worker had taken over.
    Fenced,
}

impl From<Fenced> for Ended {
    fn from(_: Fenced) -> Self {
        Self::Fenced
    }
}

/// One worker of the consumer `ledger`, through all its lives.
#[derive(Debug)]
pub struct Consumer {
    ledger: Arc<Ledger>,
    order: Order,
    random: Rng,
    /// It dies at one in so many events; 0: never.
    dies_at_one_in: u32,
    patience_ms: u64,
    undead: JoinSet<Result<(), Fenced>>,
    /// How its lives ended so far.
    pub ends: Vec<Ended>,
    /// How often a worker that had lost its lease tried to write all the same, and could not.
    pub fenced: usize,
}

impl Consumer {
    /// A worker that dies at one in so many events (0: never).
    pub fn new(ledger: &Arc<Ledger>, order: Order, dies_at_one_in: u32, seed: u64) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            order,
            random: Rng::with_seed(seed),
            dies_at_one_in,
            patience_ms: 30_000,
            undead: JoinSet::new(),
            ends: Vec::new(),
            fenced: 0,
        }
    }

    /// Takes a connection for lost after so many milliseconds of silence. Default 30,000, as the SDKs do.
    #[must_use]
    pub fn with_patience(self, patience_ms: u64) -> Self {
        Self { patience_ms, ..self }
    }

    /// Lives again and again, at whatever address there is, until there will be no more: the sender is gone.
    ///
    /// # Panics
    /// When a worker that had lost its lease could still write.
    pub async fn work(mut self, mut address: watch::Receiver<Option<String>>, api_key: String) -> Self {
        loop {
            let Some(url) = address.borrow_and_update().clone() else {
                if address.changed().await.is_err() {
                    break;
                }
                continue;
            };
            let ended = self.live(&url, &api_key).await;
            self.ends.push(ended);
            if address.has_changed().is_err() {
                break;
            }
            if matches!(ended, Ended::Unreachable | Ended::Lost) {
                // Another address will come; if not, this one may be there again.
                let _ = tokio::time::timeout(Duration::from_millis(10), address.changed()).await;
            }
        }
        // Those that nobody has taken over from may wait for ever.
        while let Some(ended) = self.undead.try_join_next() {
            assert_eq!(ended.expect("it does not panic"), Err(Fenced), "an old lease could still write");
            self.fenced += 1;
        }
        self.undead.abort_all();
        self
    }

    /// One connection, from its first message to its end.
    pub async fn live(&mut self, url: &str, api_key: &str) -> Ended {
        let patience = Duration::from_millis(self.patience_ms);
        let Ok(Ok((socket, _))) = tokio::time::timeout(patience, connect_async(url)).await else {
            return Ended::Unreachable;
        };
        let mut life = Life { socket, handled: None, unacknowledged: None };
        match self.handle_all(&mut life, api_key).await {
            Err(ended) => ended,
            Ok(never) => match never {},
        }
    }

    async fn handle_all(&mut self, life: &mut Life, api_key: &str) -> Result<Never, Ended> {
        let first = json!({
            "apiKey": api_key, "protocol": 1, "consumer": "ledger", "types": ["*"], "start": "earliest", "window": 64,
        });
        life.send(first.to_string()).await?;
        let mut database = self.ledger.open().await;
        let (mut lease, mut held): (u64, Option<String>) = (0, None);
        loop {
            match life.hear(self.patience_ms).await? {
                Message::Assigned(assigned) => {
                    lease = assigned.lease;
                    held = self.ledger.claim(&mut database, lease).await?;
                    // Its own word counts, not what the server remembers.
                    life.send(Reply::Ack(Ack { id: held.clone(), ..Ack::default() }).encode()).await?;
                }
                Message::Bookmark(bookmark) => {
                    assert_eq!(*held.get_or_insert(bookmark.prev.clone()), bookmark.prev, "a hole");
                    held = Some(bookmark.id);
                }
                Message::Event(event) => {
                    assert_eq!(held.as_ref(), Some(&event.prev), "a hole");
                    held = Some(event.id.clone());
                    self.handle(life, &mut database, &event, lease).await?;
                    life.unacknowledged.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(ACK_MS))));
                    life.handled.clone_from(&held);
                }
                Message::Ready(_) => {}
                Message::Error(_) | Message::Drain(_) | Message::Revoked(_) => {}
                other => panic!("a worker that starts at the beginning hears {other:?}"),
            }
        }
    }

    /// Handles one event, or dies of it.
    async fn handle(
        &mut self,
        life: &mut Life,
        database: &mut SqliteConnection,
        event: &RawEvent,
        lease: u64,
    ) -> Result<(), Ended> {
        let dies = self.dies_at_one_in > 0 && self.random.u32(0..self.dies_at_one_in) == 0;
        let moment = dies.then(|| self.random.choice(MOMENTS)).flatten();
        match self.order {
            Order::Together => self.handle_together(database, event, lease, moment).await?,
            Order::PositionFirst => {
                move_position(database, &event.id, lease).await?;
                life.ack(&event.id).await?;
                if dies {
                    // It counts as handled, and never was.
                    self.ledger.note_handled(event.seq);
                    return Err(Ended::Died);
                }
                write_effect(database, &event.id).await;
            }
            Order::EffectFirst => {
                write_effect(database, &event.id).await;
                if dies {
                    return Err(Ended::Died);
                }
                move_position(database, &event.id, lease).await?;
            }
        }
        self.ledger.note_handled(event.seq);
        if moment == Some(Moment::AfterAck) {
            life.ack(&event.id).await?;
        }
        if moment.is_some() { Err(Ended::Died) } else { Ok(()) }
    }

    async fn handle_together(
        &mut self,
        database: &mut SqliteConnection,
        event: &RawEvent,
        lease: u64,
        moment: Option<Moment>,
    ) -> Result<(), Ended> {
        match moment {
            Some(Moment::BeforeEffect) => return Err(Ended::Died),
            Some(Moment::Undead) => {
                let (ledger, id) = (Arc::clone(&self.ledger), event.id.clone());
                self.undead.spawn(async move {
                    let _ = ledger.claimed.subscribe().wait_for(|newest| *newest > lease).await;
                    let mut database = ledger.open().await;
                    apply(&mut database, &id, lease, true).await
                });
                return Err(Ended::Died);
            }
            Some(Moment::InsideTransaction) => {
                apply(database, &event.id, lease, false).await?;
                return Err(Ended::Died);
            }
            Some(Moment::BeforeAck | Moment::AfterAck) | None => {}
        }
        Ok(apply(database, &event.id, lease, true).await?)
    }
}

/// Effect and position in one transaction, with the lease as its fencing token.
async fn apply(database: &mut SqliteConnection, id: &str, lease: u64, commits: bool) -> Result<(), Fenced> {
    let mut transaction = database.begin_with("BEGIN IMMEDIATE").await.expect("a transaction begins");
    move_position(&mut transaction, id, lease).await?;
    write_effect(&mut transaction, id).await;
    if commits {
        transaction.commit().await.expect("the ledger can be written");
    }
    Ok(())
}

enum Never {}

struct Life {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    handled: Option<String>,
    /// Runs out when what was handled is to be acknowledged.
    unacknowledged: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Life {
    async fn send(&mut self, text: String) -> Result<(), Ended> {
        self.socket.send(tungstenite::Message::text(text)).await.map_err(|_| Ended::Lost)
    }

    async fn ack(&mut self, id: &str) -> Result<(), Ended> {
        self.send(Reply::Ack(Ack { id: Some(id.to_owned()), ..Ack::default() }).encode()).await
    }

    async fn hear(&mut self, patience_ms: u64) -> Result<Message, Ended> {
        let silence = sleep(Duration::from_millis(patience_ms));
        tokio::pin!(silence);
        loop {
            let frame = tokio::select! {
                frame = self.socket.next() => frame,
                () = async { self.unacknowledged.as_mut().expect("looked at before").await },
                    if self.unacknowledged.is_some() =>
                {
                    self.unacknowledged = None;
                    if let Some(id) = self.handled.clone() {
                        self.ack(&id).await?;
                    }
                    continue;
                }
                () = &mut silence => return Err(Ended::Lost),
            };
            match frame {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    let message = Message::decode(&text).expect("the server speaks the protocol");
                    return Ok(message.expect("the server sends known types only"));
                }
                Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_))) => {}
                _ => return Err(Ended::Lost),
            }
        }
    }
}
