//! A view of the log: the open sessions as of one position, then everything after it, each with its `prev`.

use std::{fmt::Write, sync::Arc};

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    log::{ChainHash, EventID},
    protocol::{
        Code, SessionID, UnixMillis,
        gateway::ServerMessage,
        stream::{
            BookmarkData, Drain, GapData, GapNext, GapReason, MAX_CLIENT_MESSAGE_BYTES, PROTOCOL, Ready,
            SnapshotPage, Start,
        },
    },
};

use super::{
    first::{Refusal, ViewRequest},
    socket::{End, Subscription, Wake},
};
use crate::{
    limits::{DRAIN_MS, IDLE_MS, SNAPSHOT_PAGE_SESSIONS},
    log::{Entry, LogState},
    sessions::Session,
    socket::Socket,
};

/// Where a view stands: how far it has read, and the last position that the back end was told.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    scanned: EventID,
    told: EventID,
}

impl Cursor {
    const fn at(position: EventID) -> Self {
        Self { scanned: position, told: position }
    }

    /// Moves past an entry and returns its frame, if the view wants it.
    fn pass(&mut self, entry: &Entry, is_wanted: bool) -> Option<Utf8Bytes> {
        self.scanned = entry.id;
        is_wanted.then(|| {
            let frame = entry.frame(self.told);
            self.told = entry.id;
            frame
        })
    }

    /// Tells the position although nothing happened that the view wants.
    fn bookmark(&mut self, time: UnixMillis) -> String {
        let (id, prev) = (self.scanned, self.told);
        self.told = self.scanned;
        let data = json(&BookmarkData { time, hash: None, head: None });
        format!(r#"{{"type":"bookmark","data":{data},"id":"{id}","prev":"{prev}"}}"#)
    }
}

pub(super) async fn serve(
    mut subscription: Subscription<'_>,
    request: ViewRequest,
    socket: &mut Socket,
) -> Result<(), End> {
    let ready = Ready {
        protocol: PROTOCOL,
        connection: subscription.connection_id,
        idle_ms: IDLE_MS,
        window: 0,
        lanes: 1,
        max_message_bytes: MAX_CLIENT_MESSAGE_BYTES as u32,
        app_id: Some(subscription.app_id),
        epoch: None,
        time: subscription.context.clock.now(),
    };
    socket.send(format!(r#"{{"type":"ready","data":{}}}"#, json(&ready))).await?;
    let mut cursor = begin(&subscription, &request, socket).await?;
    subscription.said();
    let ended = follow(&mut subscription, &request, &mut cursor, socket).await;
    if let Err(End::Restart) = ended {
        let drain = Drain { reason: "restart".to_owned(), within_ms: DRAIN_MS, url: None };
        socket.send(format!(r#"{{"type":"drain","data":{}}}"#, json(&drain))).await?;
    }
    ended
}

async fn follow(
    subscription: &mut Subscription<'_>,
    request: &ViewRequest,
    cursor: &mut Cursor,
    socket: &mut Socket,
) -> Result<(), End> {
    loop {
        loop {
            let entries = subscription.read(cursor.scanned.epoch, cursor.scanned.seq).await?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                if let Some(frame) = cursor.pass(entry, request.types.contains(&entry.name)) {
                    socket.feed(frame).await?;
                    subscription.said();
                }
            }
        }
        socket.flush().await?;
        match subscription.wait(socket).await? {
            Wake::Grown => {}
            Wake::Idle => socket.send(cursor.bookmark(subscription.context.clock.now())).await?,
            Wake::Message(text) => refuse(&text, socket).await?,
        }
    }
}

/// This version wants nothing from a view after its first message.
async fn refuse(text: &str, socket: &mut Socket) -> Result<(), End> {
    let code = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.get("type").is_some_and(serde_json::Value::is_string) => Code::UnknownType,
        _ => return Err(Code::BadMessage.into()),
    };
    Ok(socket.send(ServerMessage::Error(code.into()).encode(None)).await?)
}

/// Finds where the view begins, and says what must be said first: the state, or that there is a gap.
async fn begin(
    subscription: &Subscription<'_>,
    request: &ViewRequest,
    socket: &mut Socket,
) -> Result<Cursor, End> {
    let state = subscription.tail.state();
    let Some(after) = &request.after else {
        let position = match request.start {
            Start::State => return send_snapshot(&state, socket).await,
            Start::Now => state.head(),
            Start::Earliest => EventID::new(state.epoch(), 0, &ChainHash::GENESIS),
        };
        // Told at once: a connection that is lost before the first event can be resumed from here.
        let mut cursor = Cursor::at(position);
        socket.send(cursor.bookmark(subscription.context.clock.now())).await?;
        return Ok(cursor);
    };
    let position: EventID = after.parse().map_err(|_| {
        let message = "\"after\" is not an id of this server; send one exactly as you received it".to_owned();
        End::Refused(Refusal { code: Code::BadMessage, message })
    })?;
    let Some(reason) = check(subscription, &state, position).await? else { return Ok(Cursor::at(position)) };
    tracing::warn!(connection.id = %subscription.connection_id, ?reason, "a back end's position cannot be continued");
    let gap = GapData { reason, after: after.clone(), next: GapNext::Snapshot, oldest: None };
    socket.send(format!(r#"{{"type":"gap","data":{}}}"#, json(&gap))).await?;
    send_snapshot(&state, socket).await
}

/// Why a position cannot be continued, if it cannot.
async fn check(
    subscription: &Subscription<'_>,
    state: &LogState,
    position: EventID,
) -> Result<Option<GapReason>, End> {
    if position.epoch != state.epoch() {
        return Ok(Some(GapReason::Epoch));
    }
    if position.seq > state.seq() {
        return Ok(Some(GapReason::Ahead));
    }
    Ok(match subscription.context.store.chain_hash(subscription.app_id, position.seq).await? {
        None => Some(GapReason::Truncated),
        Some(hash) if !position.matches(&hash) => Some(GapReason::Diverged),
        Some(_) => None,
    })
}

/// Sends the open sessions as of the state's position. The state is a frozen copy: who signs in meanwhile comes after.
async fn send_snapshot(state: &LogState, socket: &mut Socket) -> Result<Cursor, End> {
    let id = state.head();
    let mut from: Option<SessionID> = None;
    loop {
        let page: Vec<Arc<Session>> = match from {
            None => state.sessions().values().take(SNAPSHOT_PAGE_SESSIONS).cloned().collect(),
            Some(last) => {
                let after = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
                state
                    .sessions()
                    .range(after)
                    .take(SNAPSHOT_PAGE_SESSIONS)
                    .map(|(_, session)| Arc::clone(session))
                    .collect()
            }
        };
        let is_last = page.len() < SNAPSHOT_PAGE_SESSIONS;
        let data = SnapshotPage {
            sessions: page.iter().map(|session| session.for_snapshot()).collect(),
            first: from.is_none(),
            last: is_last,
            hash: None,
        };
        let mut frame = String::new();
        write!(frame, r#"{{"type":"snapshot","data":{},"id":"{id}"}}"#, json(&data))
            .expect("a String takes everything");
        socket.send(frame).await?;
        match page.last() {
            Some(session) if !is_last => from = Some(session.session_id),
            _ => return Ok(Cursor::at(id)),
        }
    }
}

fn json(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).expect("wire types hold nothing that JSON cannot")
}
