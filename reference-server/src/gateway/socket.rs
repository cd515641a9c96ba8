//! The loop of one browser socket: requests, heartbeats, the session's own timers, and its end.

use std::sync::Arc;

use passkey_accounts::{
    defended,
    protocol::{
        Code, ConnectionID, DecodeError, RequestID,
        base64url::Base64Url,
        gateway::{
            AppName, ClientMessage, Drain, EndReason, Failure, Hello, MAX_CLIENT_FRAME_BYTES,
            MAX_FIRST_FRAME_BYTES, ServerMessage, SessionExpiring, SignedOut,
        },
    },
};

use super::{conversation::Conversation, recovery, release::Release, requests};
use crate::{
    apps::{App, Origin},
    bucket::Bucket,
    clock::{Uptime, make_random},
    context::{Context, stopped},
    limits::{ANONYMOUS_MS, DEAD_PEER_MS, DRAIN_MS, EXPIRING_MS, IDLE_MS, OVER_CAPACITY_MS, RATE_LIMITED_MS},
    rates::Counted,
    sessions::{self, Carried, Loss, Session, Told, next_end},
    socket::{Heard, Socket, WriteError},
};

/// A page on the other end of a browser socket.
#[derive(Debug)]
pub struct Page {
    /// What all handlers share.
    pub context: Arc<Context>,
    /// The app that the page belongs to.
    pub app: Arc<App>,
    /// The page's origin, from the `Origin` header.
    pub origin: Origin,
    /// What the browser calls itself, at most [`MAX_USER_AGENT_BYTES`](crate::limits::MAX_USER_AGENT_BYTES).
    pub user_agent: String,
    /// Names the socket.
    pub connection_id: ConnectionID,
    /// Random bytes of this socket alone.
    pub nonce: [u8; 32],
    /// Where it comes from, and that it is counted.
    pub open: Counted,
}

impl Page {
    /// A page that has just connected.
    pub fn new(
        context: Arc<Context>,
        app: Arc<App>,
        origin: Origin,
        user_agent: String,
        open: Counted,
    ) -> Self {
        let connection_id = ConnectionID::from_bytes(make_random());
        Self { context, app, origin, user_agent, connection_id, nonce: make_random(), open }
    }

    fn hello(&self) -> ServerMessage {
        ServerMessage::Hello(Hello {
            connection_id: self.connection_id,
            nonce: Base64Url(self.nonce.to_vec()),
            heartbeat_ms: IDLE_MS,
            rp_id: self.app.rp_id.clone(),
            app: AppName { name: self.app.name.clone() },
            policy: self.app.policy,
            recovery: self.app.recovery(),
            time: self.context.clock.now(),
        })
    }
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The page closed the socket itself.
    PageClosed,
    /// The connection broke.
    Lost,
    /// We close it, for this reason.
    Refused(Code),
    /// The session on it was ended from elsewhere, and the page has been told.
    SessionEnded(EndReason),
    /// The session on it was resumed on another socket.
    SessionMoved,
    /// The server stops.
    Restart,
}

impl From<WriteError> for End {
    fn from(_: WriteError) -> Self {
        Self::Lost
    }
}

/// Serves one browser socket until it ends.
pub async fn converse(page: Page, mut socket: Socket) {
    let mut conversation = Conversation::default();
    let end = match exchange(&page, &mut socket, &mut conversation).await {
        Err(end) => end,
        Ok(never) => match never {},
    };
    tracing::debug!(connection.id = %page.connection_id, ?end, "browser socket ended");
    if let Some(carried) = conversation.take_session() {
        leave(&page.context, carried, end).await;
    }
    match end {
        End::Refused(code) => {
            page.context.refusals.count(code);
            socket.close(code, retry_after_ms(code)).await;
        }
        End::SessionEnded(reason) => socket.close_after_end(reason).await,
        End::SessionMoved => socket.close_after_move().await,
        End::Restart => socket.close_for_restart().await,
        End::PageClosed | End::Lost => {}
    }
}

enum Never {}

/// Close code of a page that takes the connection for lost and is about to come back for its session. Without it, a network
/// that was only slow would deliver the page's farewell in the end, and with it the end of the session.
const PAGE_LOST: u16 = Code::ConnectionLost.close_code();

async fn exchange(page: &Page, socket: &mut Socket, conversation: &mut Conversation) -> Result<Never, End> {
    let clock = &page.context.clock;
    let mut stopping = page.context.stopping.clone();
    let mut timers = Timers::new(clock.uptime());
    let mut max_frame_bytes = MAX_FIRST_FRAME_BYTES;
    let mut messages = Bucket::new(clock.now());
    socket.expect_at_most(MAX_FIRST_FRAME_BYTES);
    let mut recoveries = page.context.recoveries.subscribe();
    socket.send(page.hello().encode(None)).await?;
    loop {
        let next = timers.next(conversation.session());
        tokio::select! {
            heard = socket.hear() => {
                let now = clock.uptime();
                timers.heard = now;
                match heard {
                    Heard::Text(text) if text.len() > max_frame_bytes => return Err(End::Refused(Code::TooLarge)),
                    Heard::Text(_) if !messages.take(clock.now()) => return Err(End::Refused(Code::RateLimited)),
                    Heard::Text(text) => {
                        let (id, message) = ClientMessage::decode(&text);
                        if message.is_ok() {
                            max_frame_bytes = MAX_CLIENT_FRAME_BYTES;
                            socket.expect_at_most(MAX_CLIENT_FRAME_BYTES);
                            timers.requested = now;
                        }
                        answer(page, socket, conversation, id, message).await?;
                        timers.said = clock.uptime();
                    }
                    Heard::Alive => {}
                    Heard::Broken(code) => return Err(End::Refused(code)),
                    Heard::Closed(Some(PAGE_LOST)) | Heard::Lost => return Err(End::Lost),
                    Heard::Closed(_) => return Err(End::PageClosed),
                }
            }
            told = conversation.told() => match told {
                Told::Lost(loss) => {
                    conversation.take_session();
                    let Loss::Ended(reason) = loss else { return Err(End::SessionMoved) };
                    socket.send(ServerMessage::SignedOut(SignedOut { reason }).encode(None)).await?;
                    return Err(End::SessionEnded(reason));
                }
                Told::News(news) => {
                    for message in news {
                        socket.send(message.encode(None)).await?;
                    }
                    timers.said = clock.uptime();
                }
            },
            Ok(()) = recoveries.changed(), if conversation.session().is_some() => {
                if let Some(news) = recovery::news(page, conversation) {
                    let news = news.map_or(ServerMessage::RecoveryCancelled {}, ServerMessage::RecoveryHeld);
                    socket.send(news.encode(None)).await?;
                    timers.said = clock.uptime();
                }
            }
            () = clock.sleep_until_uptime(next) => {
                on_time(page, socket, conversation, &mut timers).await?;
            }
            () = stopped(&mut stopping) => {
                socket.send(ServerMessage::Drain(Drain { reconnect_after_ms: DRAIN_MS }).encode(None)).await?;
                return Err(End::Restart);
            }
        }
    }
}

async fn answer(
    page: &Page,
    socket: &mut Socket,
    conversation: &mut Conversation,
    id: Option<RequestID>,
    message: Result<ClientMessage, DecodeError>,
) -> Result<(), End> {
    let clock = &page.context.clock;
    let release = Release::new(message.as_ref().ok(), clock);
    let failure = match message {
        Ok(message) => match requests::handle(page, conversation, message).await {
            Ok(reply) => return Ok(socket.send(release.hold(reply.encode(id), false, clock).await).await?),
            Err(code) => (code, Failure { retry_after_ms: retry_after_ms(code), ..Failure::from(code) }),
        },
        Err(error) => (error.code(), Failure { message: error.to_string(), ..Failure::from(error.code()) }),
    };
    let (code, failure) = failure;
    socket.send(release.hold(ServerMessage::Error(failure).encode(id), true, clock).await).await?;
    if conversation.count_unexpected(code) {
        return Err(End::Refused(code));
    }
    page.context.refusals.count(code);
    Ok(())
}

/// When to come again, where that is known.
const fn retry_after_ms(code: Code) -> Option<u64> {
    match code {
        Code::RateLimited => Some(RATE_LIMITED_MS),
        Code::OverCapacity => Some(OVER_CAPACITY_MS),
        _ => None,
    }
}

/// When something was last said and heard.
struct Timers {
    heard: Uptime,
    requested: Uptime,
    said: Uptime,
    /// The end that the page was told is near.
    told_end: Option<Uptime>,
}

impl Timers {
    const fn new(now: Uptime) -> Self {
        Self { heard: now, requested: now, said: now, told_end: None }
    }

    fn dead(&self) -> Uptime {
        self.heard.plus(DEAD_PEER_MS)
    }

    fn heartbeat(&self) -> Uptime {
        self.said.plus(IDLE_MS)
    }

    /// When the session, or the wait for one, is over.
    fn end(&self, session: Option<&Arc<Session>>) -> (Uptime, Option<EndReason>) {
        session.map_or((self.requested.plus(ANONYMOUS_MS), None), |session| {
            let (time, reason) = next_end(session, self.requested);
            (time, Some(reason))
        })
    }

    /// When the page is to be told that its session ends soon, and when that is. Once for each end: what the page says
    /// after it may put off the end by idleness.
    fn expiring(&self, session: Option<&Arc<Session>>) -> Option<(Uptime, Uptime)> {
        let end = self.end(Some(session?)).0;
        (self.told_end != Some(end)).then(|| (Uptime(end.0.saturating_sub(EXPIRING_MS)), end))
    }

    fn next(&self, session: Option<&Arc<Session>>) -> Uptime {
        let next = self.dead().min(self.heartbeat()).min(self.end(session).0);
        self.expiring(session).map_or(next, |(time, _)| next.min(time))
    }
}

async fn on_time(
    page: &Page,
    socket: &mut Socket,
    conversation: &mut Conversation,
    timers: &mut Timers,
) -> Result<(), End> {
    let now = page.context.clock.uptime();
    match timers.end(conversation.session()) {
        (time, None) if time <= now => return Err(End::Refused(Code::Idle)),
        (time, Some(reason)) if time <= now => {
            if let Some(carried) = conversation.take_session() {
                let session = carried.release().ok_or(End::SessionMoved)?;
                end_or_retry(&page.context, session, reason).await;
                socket.send(ServerMessage::SignedOut(SignedOut { reason }).encode(None)).await?;
                timers.requested = now;
            }
        }
        _ => {}
    }
    if let Some((time, end)) = timers.expiring(conversation.session())
        && time <= now
    {
        timers.told_end = Some(end);
        let at = page.context.clock.now().plus(end.0.saturating_sub(now.0));
        socket.send(ServerMessage::SessionExpiring(SessionExpiring { at }).encode(None)).await?;
        timers.said = now;
    }
    if timers.dead() <= now {
        return Err(End::Refused(Code::Idle));
    }
    if timers.heartbeat() <= now {
        // The text is for the page, which cannot see pings; the ping is for us, because every browser answers it.
        socket.send(ServerMessage::Heartbeat.encode(None)).await?;
        socket.ping().await?;
        timers.said = now;
    }
    Ok(())
}

/// What becomes of a session when its socket ends.
async fn leave(context: &Context, carried: Carried, end: End) {
    match end {
        // The page closed or was left: its key is gone with it. Unless it has come back on another socket before.
        End::PageClosed if defended!(PageGone) => {
            if let Some(session) = carried.release() {
                end_or_retry(context, session, EndReason::PageGone).await;
            }
        }
        // `SessionEnded` takes the session off before; if a new one came since, it can be resumed.
        End::PageClosed | End::Lost | End::Refused(_) | End::SessionEnded(_) | End::SessionMoved => {
            carried.detach(&context.detached, context.clock.uptime(), EndReason::ConnectionLost);
        }
        // The row stays: the next server to open the database lets it wait for its key.
        End::Restart => {}
    }
}

async fn end_or_retry(context: &Context, session: Arc<Session>, reason: EndReason) {
    if let Err(error) = sessions::end(&context.store, &session, reason).await {
        tracing::error!(%error, session.id = %session.session_id, "a session could not be ended; retrying");
        context.detached.insert_ended(session, context.clock.uptime(), reason);
    }
}
