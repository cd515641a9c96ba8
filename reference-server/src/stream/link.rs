//! One back-end socket: its first message, and what every kind of reader shares.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    defended,
    log::Epoch,
    protocol::{
        AppID, Code, ConnectionID, Scope, UnixMillis,
        base64url::encode,
        stream::{Proven, Reply},
    },
};
use tokio::sync::watch;

use super::{
    first::{self, Refusal, Request, Shown, missing},
    full,
    machine::{challenge_message, error_message},
    shortest,
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
            context.refusals.count(refusal.code);
            // A stalled reader gets no more frames, only the close.
            let retry_after_ms = (refusal.code == Code::TooManyConnections).then_some(60_000);
            if refusal.code == Code::SlowConsumer || socket.send(error_message(&refusal)).await.is_ok() {
                socket.close(refusal.code, retry_after_ms).await;
            }
        }
    }
}

async fn subscribe(context: &Arc<Context>, socket: &mut Socket) -> Result<(), End> {
    let deadline = context.clock.now().plus(FIRST_MESSAGE_MS);
    let text = message(context, socket, deadline).await?;
    let (key, mut request) = first::read(&text).map_err(End::Refused)?;
    if let Shown::Pair(key_id) = &key {
        prove(context, socket, key_id, deadline).await?;
    }
    let row = first::authenticate(&context.store, &key, context.clock.now()).map_err(End::Refused)?;
    if !row.scopes.contains(&Scope::EventsRead) {
        return Err(End::Refused(missing(Scope::EventsRead)));
    }
    if let Request::Full(wish) = &mut request {
        let types = wish.types.clone().readable_with(&row.scopes);
        wish.types = types.ok_or_else(|| End::Refused(missing(Scope::AuditRead)))?;
    }
    let (app_id, expires_at) = (row.app_id, row.expires_at);
    let connection_id = ConnectionID::from_bytes(make_random());
    let back_end =
        BackEnds::enter(context, app_id, connection_id, key.key_id()).ok_or(Code::TooManyConnections)?;
    // Once more, now that a revocation finds this socket: one between the two would have found none.
    first::authenticate(&context.store, &key, context.clock.now()).map_err(End::Refused)?;
    let tail = context.store.logs().tail(app_id).ok_or(Code::Internal)?;
    tracing::info!(connection.id = %connection_id, app.id = %app_id, ?request, "back end connected");
    let link = Link::new(context, app_id, tail, connection_id);
    let serving = async {
        match request {
            Request::Shortest => shortest::serve(link, expires_at, socket).await,
            Request::Full(wish) => full::serve(link, wish, expires_at, socket).await,
        }
    };
    tokio::select! {
        ended = serving => ended,
        code = back_end.revoked() => Err(code.into()),
    }
}

/// Has a key pair sign a nonce of this connection. Who names a key that does not exist is asked all the same.
async fn prove(
    context: &Context,
    socket: &mut Socket,
    key_id: &str,
    deadline: UnixMillis,
) -> Result<(), End> {
    let nonce = encode(make_random::<32>());
    socket.send(challenge_message(&nonce)).await?;
    let text = message(context, socket, deadline).await?;
    let Ok(Reply::Signature(Proven { signature })) = Reply::decode(&text) else {
        return Err(End::Refused(Refusal::new(
            Code::BadMessage,
            "a challenge is answered with \"signature\"",
        )));
    };
    let row = context.store.key(key_id);
    let key = row.as_ref().and_then(|row| row.check.public_key()).ok_or(Code::BadKey)?;
    let has_signed = |origin: &str| key.check_answer(origin, &nonce, &signature.0).is_ok();
    if context.site.origins.iter().any(has_signed) || !defended!(KeyPairOrigin) {
        return Ok(());
    }
    let origins: Vec<_> = context.site.origins.iter().collect();
    let message = format!(
        "the key pair has not signed this nonce for this server, which is {}; connect to that address, or name yours in internal_urls",
        origins.join(" or "),
    );
    Err(End::Refused(Refusal::new(Code::BadKey, message)))
}

async fn message(context: &Context, socket: &mut Socket, deadline: UnixMillis) -> Result<Utf8Bytes, End> {
    loop {
        tokio::select! {
            heard = socket.hear() => match heard {
                Heard::Text(text) => return Ok(text),
                Heard::Alive => {}
                Heard::Broken(code) => return Err(code.into()),
                Heard::Closed(_) | Heard::Lost => return Err(End::Gone),
            },
            () = context.clock.sleep_until(deadline) => return Err(Code::HelloTimeout.into()),
        }
    }
}

/// A reader of one app's log. It is a cursor: what it has not read waits in the log, not in a queue.
pub(super) struct Link<'a> {
    pub(super) context: &'a Context,
    pub(super) app_id: AppID,
    pub(super) tail: Arc<Tail>,
    pub(super) connection_id: ConnectionID,
    epoch: Epoch,
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    is_stopping: bool,
    heard: UnixMillis,
    pinged: UnixMillis,
}

/// What a reader waited for.
pub(super) enum Wake {
    /// The log has grown.
    Grown,
    /// The deadline has come.
    Time,
    /// The back end sent a message.
    Message(Utf8Bytes),
    /// The server stops. Said once.
    Stopping,
}

impl<'a> Link<'a> {
    fn new(context: &'a Context, app_id: AppID, tail: Arc<Tail>, connection_id: ConnectionID) -> Self {
        let (head, stopping, now) = (tail.subscribe(), context.stopping.clone(), context.clock.now());
        let epoch = tail.state().epoch();
        Self {
            context,
            app_id,
            tail,
            connection_id,
            epoch,
            head,
            stopping,
            is_stopping: false,
            heard: now,
            pinged: now,
        }
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.context.clock.now()
    }

    /// The number of the last entry; growth after this wakes [`wait`](Self::wait).
    pub(super) fn seen_head(&mut self) -> u64 {
        *self.head.borrow_and_update()
    }

    /// The next entries after `seq`, from memory or from the database; `None` when they are no longer kept.
    pub(super) async fn read(&self, seq: u64) -> Result<Option<Vec<Arc<Entry>>>, StoreError> {
        match self.tail.entries_after(seq, READ_ENTRIES) {
            Some(entries) => Ok(Some(entries)),
            None => self.context.store.entries_after(self.app_id, self.epoch, seq, READ_ENTRIES).await,
        }
    }

    /// Waits for the log, the back end or the clock.
    pub(super) async fn wait(&mut self, socket: &mut Socket, deadline: UnixMillis) -> Result<Wake, End> {
        let clock = &self.context.clock;
        loop {
            // A reader that only reads says nothing by itself: it is asked, however much is said to it.
            let ping = self.heard.max(self.pinged).plus(IDLE_MS);
            let dead = self.heard.plus(DEAD_PEER_MS);
            tokio::select! {
                biased;
                // First, or a busy log could keep us from hearing that the back end lives. Messages are limited.
                heard = socket.hear() => {
                    self.heard = clock.now();
                    match heard {
                        Heard::Text(text) => return Ok(Wake::Message(text)),
                        Heard::Alive => {}
                        Heard::Broken(code) => return Err(code.into()),
                        Heard::Closed(_) | Heard::Lost => return Err(End::Gone),
                    }
                }
                () = clock.sleep_until(ping.min(deadline).min(dead)) => {
                    let now = clock.now();
                    if dead <= now {
                        return Err(Code::Idle.into());
                    }
                    if ping <= now {
                        self.pinged = now;
                        socket.ping().await?;
                    }
                    if deadline <= now {
                        return Ok(Wake::Time);
                    }
                }
                () = stopped(&mut self.stopping), if !self.is_stopping => {
                    self.is_stopping = true;
                    return Ok(Wake::Stopping);
                }
                // Last: a busy log never comes to rest. The tail lives as long as the store, which the context holds.
                grown = self.head.changed() => return grown.map(|()| Wake::Grown).map_err(|_| End::Restart),
            }
        }
    }
}
