//! For tests: a server that does what the test says.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::transport::Address;

/// Waits for connections of the client under test.
pub(crate) struct Server {
    listener: TcpListener,
    /// While a blocking task runs, tokio's paused clock stands still instead of jumping ahead of bytes on their way.
    _clock_stands_still: std::sync::mpsc::Sender<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (hold, until_dropped) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || until_dropped.recv());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, _clock_stands_still: hold }
    }

    pub(crate) fn address(&self) -> Address {
        let port = self.listener.local_addr().unwrap().port();
        Address::parse(&format!("ws://127.0.0.1:{port}/v1/events"), false).unwrap()
    }

    pub(crate) async fn accept_tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// The address as an application writes it.
    pub(crate) fn url(&self) -> String {
        self.address().uri().to_string()
    }

    /// Accepts, reads the first message, answers `ready` without a window.
    pub(crate) async fn accept(&self) -> (Peer<TcpStream>, serde_json::Value) {
        self.accept_with(0).await
    }

    /// The same with a window.
    pub(crate) async fn accept_with(&self, window: u32) -> (Peer<TcpStream>, serde_json::Value) {
        Peer::greet(self.accept_tcp().await, window).await
    }
}

pub(crate) struct Peer<S>(pub(crate) WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) async fn greet(stream: S, window: u32) -> (Self, serde_json::Value) {
        let mut peer = Self(accept_async(stream).await.unwrap());
        let first = peer.0.next().await.unwrap().unwrap().into_text().unwrap();
        peer.send(READY.replace(r#""window":0"#, &format!(r#""window":{window}"#))).await;
        (peer, serde_json::from_str(&first).unwrap())
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> serde_json::Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    pub(crate) async fn close(mut self, code: u16, reason: &'static str) {
        self.0.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// What the client ends the connection with.
    pub(crate) async fn closed_with(mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.0.next().await.unwrap().unwrap() {
                return frame.unwrap().code.into();
            }
        }
    }
}

const READY: &str = r#"{"type":"ready","data":{"protocol":1,"connection":"con_00000000000000000000000000",
    "idleMs":20000,"window":0,"time":"2026-11-22T18:00:00.000Z"}}"#;

pub(crate) fn event(number: u64) -> String {
    event_with(number, "{}")
}

pub(crate) fn event_with(number: u64, data: &str) -> String {
    format!(
        r#"{{"type":"anything","data":{data},"id":"e-{number}","prev":"e-{}","seq":{number},
        "time":"2026-11-22T18:00:00.000Z"}}"#,
        number - 1
    )
}
