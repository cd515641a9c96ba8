//! One WebSocket, as both kinds of conversation use it: bounded writes, deadlines, close codes with a reason.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt, StreamExt, stream};
use passkey_accounts::protocol::{Code, gateway::EndReason};
use tokio_tungstenite::tungstenite;

use crate::{
    clock::Clock,
    limits::{MAX_WRITE_BUFFER_BYTES, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES, WRITE_MS},
};

/// Close code of a server that restarts (RFC 6455 registry: Service Restart).
pub const SERVICE_RESTART: u16 = 1012;

/// Sets the sizes that make a socket safe for strangers.
pub fn tune(upgrade: WebSocketUpgrade, max_frame_bytes: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(max_frame_bytes)
        .max_frame_size(max_frame_bytes)
}

/// Close code of a conversation that has come to its end (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// A connected peer.
#[derive(Debug)]
pub struct Socket {
    sink: stream::SplitSink<WebSocket, Message>,
    stream: stream::SplitStream<WebSocket>,
    unflushed_bytes: usize,
    clock: Clock,
}

/// What a peer did.
#[derive(Debug)]
pub enum Heard {
    /// It sent a text frame.
    Text(Utf8Bytes),
    /// It answered a ping, or pinged.
    Alive,
    /// It broke a rule of the transport.
    Broken(Code),
    /// It closed in an orderly way, with this code if it gave one.
    Closed(Option<u16>),
    /// It is gone.
    Lost,
}

/// The peer is gone, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteError {
    /// It is gone.
    Lost,
    /// It did not take what was written within [`WRITE_MS`].
    Stalled,
}

impl Socket {
    /// Takes over an upgraded connection.
    pub fn new(socket: WebSocket, clock: Clock) -> Self {
        let (sink, stream) = socket.split();
        Self { sink, stream, unflushed_bytes: 0, clock }
    }

    /// Waits for the peer.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn hear(&mut self) -> Heard {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(Message::Binary(_))) => Heard::Broken(Code::BadMessage),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Alive,
            Some(Ok(Message::Close(frame))) => Heard::Closed(frame.map(|frame| frame.code)),
            Some(Err(error)) => match error.into_inner().downcast_ref::<tungstenite::Error>() {
                Some(tungstenite::Error::Capacity(_)) => Heard::Broken(Code::TooLarge),
                Some(tungstenite::Error::Utf8(_) | tungstenite::Error::Protocol(_)) => Heard::Lost,
                _ => Heard::Lost,
            },
            None => Heard::Lost,
        }
    }

    /// Writes a text frame and sees it off.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), WriteError> {
        self.feed(text).await?;
        self.flush().await
    }

    /// Writes a text frame into the buffer; a full buffer goes out. Several frames share one write.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), WriteError> {
        let text = text.into();
        self.unflushed_bytes += text.len();
        within(&self.clock, self.sink.feed(Message::Text(text))).await?;
        if self.unflushed_bytes >= WRITE_BUFFER_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sees everything off.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        self.unflushed_bytes = 0;
        within(&self.clock, self.sink.flush()).await
    }

    /// Asks whether the peer is still there.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn ping(&mut self) -> Result<(), WriteError> {
        within(&self.clock, self.sink.send(Message::Ping(axum::body::Bytes::new()))).await
    }

    /// Closes with the code's number and `{"error":"<code>"}`.
    pub async fn close(self, code: Code, retry_after_ms: Option<u64>) {
        let retry = retry_after_ms.map_or_else(String::new, |ms| format!(r#","retryAfterMs":{ms}"#));
        let reason = format!(r#"{{"error":"{code}"{retry}}}"#);
        self.close_with(code.close_code(), reason.into()).await;
    }

    /// Closes because the session on it was ended from elsewhere: the page may come back at once and sign in anew.
    pub async fn close_after_end(self, reason: EndReason) {
        let text = format!(r#"{{"ended":"{}"}}"#, reason.as_str());
        self.close_with(NORMAL, text.into()).await;
    }

    /// Closes because the session on it was resumed on another socket. Most often nobody is there any more to read this.
    pub async fn close_after_move(self) {
        self.close_with(NORMAL, Utf8Bytes::from_static(r#"{"resumed":"elsewhere"}"#)).await;
    }

    /// Closes because the server restarts.
    pub async fn close_for_restart(self) {
        self.close_with(SERVICE_RESTART, Utf8Bytes::from_static(r#"{"error":"restart"}"#)).await;
    }

    async fn close_with(mut self, code: u16, reason: Utf8Bytes) {
        if within(&self.clock, self.sink.send(Message::Close(Some(CloseFrame { code, reason }))))
            .await
            .is_err()
        {
            return;
        }
        // Reading until the peer answers: a close over unread bytes would reset the connection and lose the frame.
        let answer = async { while !matches!(self.hear().await, Heard::Lost | Heard::Closed(_)) {} };
        let _ = tokio::time::timeout(CLOSE_WAIT, answer).await;
    }
}

/// How long to wait for the other half of a closing handshake.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

async fn within<E>(clock: &Clock, write: impl Future<Output = Result<(), E>>) -> Result<(), WriteError> {
    tokio::select! {
        biased;
        written = write => written.map_err(|_| WriteError::Lost),
        () = clock.sleep_until(clock.now().plus(WRITE_MS)) => Err(WriteError::Stalled),
    }
}
