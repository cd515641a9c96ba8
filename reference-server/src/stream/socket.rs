//! One back-end socket: its first message, and what every subscription shares.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, Code, ConnectionID, UnixMillis, gateway::ServerMessage},
};
use tokio::sync::watch;

use super::{
    first::{self, Refusal, Request},
    shortest, view,
};
use crate::{
    clock::make_random,
    context::{BackEnds, Context, stopped},
    limits::{DEAD_PEER_MS, FIRST_MESSAGE_MS, IDLE_MS, READ_ENTRIES},
    log::{Entry, Tail},
    socket::{Heard, Socket, WriteError},
    store::StoreError,
};

/// Why a subscription ended.
#[derive(Debug)]
pub(super) enum End {
    /// The back end is gone.
    Gone,
    /// We close it, for this reason.
    Refused(Refusal),
    /// The server stops.
    Restart,
}

impl From<Code> for End {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl From<WriteError> for End {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Lost => Self::Gone,
            WriteError::Stalled => Code::SlowConsumer.into(),
        }
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a log could not be read");
        Code::Internal.into()
    }
}

/// Serves one back-end socket until it ends.
pub(super) async fn serve(context: Arc<Context>, mut socket: Socket) {
    let end = match subscribe(&context, &mut socket).await {
        Err(end) => end,
        Ok(()) => End::Gone,
    };
    match end {
        End::Gone => {}
        End::Restart => socket.close_for_restart().await,
        End::Refused(refusal) => {
            tracing::debug!(code = %refusal.code, "back-end socket refused");
            // A stalled reader gets no more frames, only the close.
            let retry_after_ms = (refusal.code == Code::TooManyConnections).then_some(60_000);
            let error = ServerMessage::Error(refusal.failure()).encode(None);
            if refusal.code == Code::SlowConsumer || socket.send(error).await.is_ok() {
                socket.close(refusal.code, retry_after_ms).await;
            }
        }
    }
}

async fn subscribe(context: &Arc<Context>, socket: &mut Socket) -> Result<(), End> {
    let text = first_message(context, socket).await?;
    let (key, request) = first::read(&text).map_err(End::Refused)?;
    let app_id =
        first::authenticate(&context.store, &key, context.clock.now()).await.map_err(End::Refused)?;
    let connection_id = ConnectionID::from_bytes(make_random());
    let back_end =
        BackEnds::enter(context, app_id, connection_id, key.id()).ok_or(Code::TooManyConnections)?;
    // Once more, now that a revocation finds this socket: one between the two would have found none.
    first::authenticate(&context.store, &key, context.clock.now()).await.map_err(End::Refused)?;
    let tail = context.store.logs().tail(app_id).ok_or(Code::Internal)?;
    tracing::info!(connection.id = %connection_id, app.id = %app_id, ?request, "back end connected");
    let subscription = Subscription::new(context, app_id, tail, connection_id);
    let serving = async {
        match request {
            Request::Shortest => shortest::serve(subscription, socket).await,
            Request::View(request) => view::serve(subscription, request, socket).await,
        }
    };
    tokio::select! {
        ended = serving => ended,
        code = back_end.revoked() => Err(code.into()),
    }
}

async fn first_message(context: &Context, socket: &mut Socket) -> Result<Utf8Bytes, End> {
    let deadline = context.clock.now().plus(FIRST_MESSAGE_MS);
    loop {
        tokio::select! {
            heard = socket.hear() => match heard {
                Heard::Text(text) => return Ok(text),
                Heard::Alive => {}
                Heard::Broken(code) => return Err(code.into()),
                Heard::Closed | Heard::Lost => return Err(End::Gone),
            },
            () = context.clock.sleep_until(deadline) => return Err(Code::HelloTimeout.into()),
        }
    }
}

/// A reader of one app's log. It is a cursor: what it has not read waits in the log, not in a queue.
pub(super) struct Subscription<'a> {
    pub(super) context: &'a Context,
    pub(super) app_id: AppID,
    pub(super) tail: Arc<Tail>,
    pub(super) connection_id: ConnectionID,
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    heard: UnixMillis,
    pinged: UnixMillis,
    said: UnixMillis,
}

/// What a subscription waited for.
pub(super) enum Wake {
    /// The log has grown.
    Grown,
    /// Nothing was said for [`IDLE_MS`].
    Idle,
    /// The back end sent a message.
    Message(Utf8Bytes),
}

impl<'a> Subscription<'a> {
    fn new(context: &'a Context, app_id: AppID, tail: Arc<Tail>, connection_id: ConnectionID) -> Self {
        let (head, stopping, now) = (tail.subscribe(), context.stopping.clone(), context.clock.now());
        Self { context, app_id, tail, connection_id, head, stopping, heard: now, pinged: now, said: now }
    }

    /// Notes that something was said.
    pub(super) fn said(&mut self) {
        self.said = self.context.clock.now();
    }

    /// The next entries after `seq`, from memory or from the database.
    pub(super) async fn read(&self, epoch: Epoch, seq: u64) -> Result<Vec<Arc<Entry>>, StoreError> {
        match self.tail.entries_after(seq, READ_ENTRIES) {
            Some(entries) => Ok(entries),
            None => self.context.store.entries_after(self.app_id, epoch, seq, READ_ENTRIES).await,
        }
    }

    /// Waits for the log, the back end or the clock.
    pub(super) async fn wait(&mut self, socket: &mut Socket) -> Result<Wake, End> {
        let clock = &self.context.clock;
        loop {
            // A reader that only reads says nothing by itself: it is asked, however much is said to it.
            let ping = self.heard.max(self.pinged).plus(IDLE_MS);
            let (idle, dead) = (self.said.plus(IDLE_MS), self.heard.plus(DEAD_PEER_MS));
            tokio::select! {
                // The tail lives as long as the store, which the context holds.
                grown = self.head.changed() => return grown.map(|()| Wake::Grown).map_err(|_| End::Restart),
                heard = socket.hear() => {
                    self.heard = clock.now();
                    match heard {
                        Heard::Text(text) => return Ok(Wake::Message(text)),
                        Heard::Alive => {}
                        Heard::Broken(code) => return Err(code.into()),
                        Heard::Closed | Heard::Lost => return Err(End::Gone),
                    }
                }
                () = clock.sleep_until(ping.min(idle).min(dead)) => {
                    let now = clock.now();
                    if dead <= now {
                        return Err(Code::Idle.into());
                    }
                    if ping <= now {
                        self.pinged = now;
                        socket.ping().await?;
                    }
                    if idle <= now {
                        self.said = now;
                        return Ok(Wake::Idle);
                    }
                }
                () = stopped(&mut self.stopping) => return Err(End::Restart),
            }
        }
    }
}
