//! One WebSocket, as both kinds of conversation use it: bounded writes, deadlines, close codes with a reason.

use std::{io, time::Duration};

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
};
use futures_util::{SinkExt, StreamExt, stream};
use passkey_accounts::protocol::{Code, gateway::EndReason};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use crate::{
    bucket::Bucket,
    clock::Clock,
    limits::{
        FAREWELL_BYTES, FAREWELL_MS, FRAMING_SHARE, MAX_WRITE_BUFFER_BYTES, READ_BUFFER_BYTES,
        WRITE_BUFFER_BYTES, WRITE_MS,
    },
    unheard::{TooMuch, Unheard},
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

/// Close codes of RFC 6455 section 7.4.1: of a conversation that has come to its end,
const NORMAL: u16 = 1000;
/// of frames that break its rules,
const PROTOCOL_ERROR: u16 = 1002;
/// and of text that is not UTF-8.
const INVALID_PAYLOAD: u16 = 1007;

/// A connected peer.
#[derive(Debug)]
pub struct Socket {
    sink: stream::SplitSink<WebSocket, Message>,
    stream: stream::SplitStream<WebSocket>,
    unflushed_bytes: usize,
    lines: Lines,
    unheard: Unheard,
    /// Pings and pongs that may come.
    control: Bucket,
    /// The peer has closed, with this code if it gave one.
    closed: Option<Option<u16>>,
    /// The number to close with where RFC 6455 has one.
    breach: Option<u16>,
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
    /// Takes over an upgraded connection, whose bytes are counted by `unheard`.
    pub fn new(socket: WebSocket, unheard: Unheard, clock: Clock) -> Self {
        let (sink, stream) = socket.split();
        let control = Bucket::new(clock.now());
        Self {
            sink,
            stream,
            unflushed_bytes: 0,
            lines: Lines::default(),
            unheard,
            control,
            closed: None,
            breach: None,
            clock,
        }
    }

    /// From here on no message is larger than that, nor what carries it much larger.
    pub fn expect_at_most(&self, max_message_bytes: usize) {
        let framing = max_message_bytes / FRAMING_SHARE;
        self.unheard.limit(max_message_bytes + framing + READ_BUFFER_BYTES);
    }

    /// Waits for the peer.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn hear(&mut self) -> Heard {
        match self.next().await {
            Ok(Message::Text(text)) => Heard::Text(text),
            Ok(_) => Heard::Broken(Code::BadMessage),
            Err(heard) => heard,
        }
    }

    /// The next message, or what came instead of one.
    async fn next(&mut self) -> Result<Message, Heard> {
        if self.closed.is_none() {
            let next = self.stream.next().await.ok_or(Heard::Lost)?;
            self.unheard.clear();
            match next {
                Ok(Message::Ping(_) | Message::Pong(_)) if self.control.take(self.clock.now()) => {
                    return Err(Heard::Alive);
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => return Err(Heard::Broken(Code::RateLimited)),
                Ok(Message::Close(frame)) => self.closed = Some(frame.map(|frame| frame.code)),
                Ok(message) => return Ok(message),
                Err(error) => return Err(self.failed(error)),
            }
        }
        // The answer to its close waits to be written. What was heard is kept meanwhile: this may be dropped.
        let _ = self.flush().await;
        Err(Heard::Closed(self.closed.flatten()))
    }

    fn failed(&mut self, error: Error) -> Heard {
        let error = error.into_inner();
        match error.downcast_ref() {
            Some(tungstenite::Error::Capacity(_)) => Heard::Broken(Code::TooLarge),
            Some(tungstenite::Error::Io(error)) if is_too_much(error) => Heard::Broken(Code::TooLarge),
            Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Heard::Lost,
            Some(tungstenite::Error::Protocol(_)) => {
                self.breach = Some(PROTOCOL_ERROR);
                Heard::Broken(Code::BadMessage)
            }
            Some(tungstenite::Error::Utf8(_)) => {
                self.breach = Some(INVALID_PAYLOAD);
                Heard::Broken(Code::BadMessage)
            }
            _ => Heard::Lost,
        }
    }

    /// Sends back every message until the peer closes or breaks a rule: for tests of the transport alone.
    #[cfg(feature = "planted")]
    pub async fn echo(mut self) {
        loop {
            match self.next().await {
                Ok(message) => {
                    if within(&self.clock, self.sink.send(message)).await.is_err() {
                        return;
                    }
                }
                Err(Heard::Broken(code)) => return self.close(code, None).await,
                Err(Heard::Closed(_) | Heard::Lost) => return,
                Err(_) => {}
            }
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
        self.feed_lines().await?;
        self.write(text.into()).await
    }

    /// As [`feed`](Self::feed), for a peer that reads several messages from one frame, one a line: what comes before the
    /// next [`flush`](Self::flush) shares as few frames as may be.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn feed_line(&mut self, line: Utf8Bytes) -> Result<(), WriteError> {
        if !self.lines.has_room_for(&line) {
            self.feed_lines().await?;
        }
        self.lines.push(line);
        Ok(())
    }

    async fn feed_lines(&mut self) -> Result<(), WriteError> {
        match self.lines.take() {
            Some(frame) => self.write(frame).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, text: Utf8Bytes) -> Result<(), WriteError> {
        self.unflushed_bytes += text.len();
        within(&self.clock, self.sink.feed(Message::Text(text))).await?;
        if self.unflushed_bytes >= WRITE_BUFFER_BYTES { self.see_off().await } else { Ok(()) }
    }

    /// Sees everything off.
    ///
    /// # Errors
    /// [`WriteError`] when the peer is gone or does not read.
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        self.feed_lines().await?;
        self.see_off().await
    }

    async fn see_off(&mut self) -> Result<(), WriteError> {
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

    /// Closes with the code's number, or RFC 6455's where it has one, and `{"error":"<code>"}`.
    pub async fn close(self, code: Code, retry_after_ms: Option<u64>) {
        let retry = retry_after_ms.map_or_else(String::new, |ms| format!(r#","retryAfterMs":{ms}"#));
        let reason = format!(r#"{{"error":"{code}"{retry}}}"#);
        let number = self.breach.unwrap_or(code.close_code());
        self.close_with(number, reason.into()).await;
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
        // A pong that still waits would be written after the close, where nothing may be.
        if self.flush().await.is_err() {
            return;
        }
        if within(&self.clock, self.sink.send(Message::Close(Some(CloseFrame { code, reason }))))
            .await
            .is_err()
        {
            return;
        }
        // Reading until the peer answers: it may still have much to say, and hears nothing before it has said it.
        self.unheard.limit(FAREWELL_BYTES);
        let answer = async { while let Some(Ok(_)) = self.stream.next().await {} };
        let _ = tokio::time::timeout(Duration::from_millis(FAREWELL_MS), answer).await;
    }
}

/// Messages that are to share a frame.
#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<Utf8Bytes>,
    bytes: usize,
}

impl Lines {
    fn has_room_for(&self, line: &str) -> bool {
        self.bytes + line.len() < WRITE_BUFFER_BYTES
    }

    fn push(&mut self, line: Utf8Bytes) {
        // With its line break.
        self.bytes += line.len() + 1;
        self.waiting.push(line);
    }

    /// One alone is not copied.
    fn take(&mut self) -> Option<Utf8Bytes> {
        let Self { mut waiting, bytes } = std::mem::take(self);
        if waiting.len() < 2 {
            return waiting.pop();
        }
        let mut frame = String::with_capacity(bytes);
        for line in waiting {
            if !frame.is_empty() {
                frame.push('\n');
            }
            frame.push_str(&line);
        }
        Some(frame.into())
    }
}

fn is_too_much(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooMuch>())
}

async fn within<E>(clock: &Clock, write: impl Future<Output = Result<(), E>>) -> Result<(), WriteError> {
    tokio::select! {
        biased;
        written = write => written.map_err(|_| WriteError::Lost),
        () = clock.sleep_until(clock.now().plus(WRITE_MS)) => Err(WriteError::Stalled),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Utf8Bytes, WRITE_BUFFER_BYTES};

    #[test]
    fn lines_share_a_frame_up_to_its_limit_and_a_larger_one_has_a_frame_of_its_own() {
        let long = |bytes: usize| Utf8Bytes::from("x".repeat(bytes));
        let mut lines = Lines::default();
        assert!(lines.take().is_none());
        for half in [long(WRITE_BUFFER_BYTES / 2), long(WRITE_BUFFER_BYTES / 2 - 2)] {
            assert!(lines.has_room_for(&half));
            lines.push(half);
        }
        assert!(!lines.has_room_for("x"));
        let frame = lines.take().unwrap();
        assert_eq!(frame.len(), WRITE_BUFFER_BYTES - 1);
        assert_eq!(frame.lines().count(), 2);
        let larger = long(2 * WRITE_BUFFER_BYTES);
        lines.push(larger.clone());
        assert!(!lines.has_room_for("x"));
        assert_eq!(lines.take(), Some(larger));
    }
}
