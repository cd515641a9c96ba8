//! A back end without a library: the event socket spoken by hand.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use passkey_accounts::protocol::stream::{Ack, Assigned, Message, RawEvent, Reply, Snapshot};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite};

use crate::{TestServer, page::Closed};

/// A test that waits for what does not come fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connected back end.
#[derive(Debug)]
pub struct BackEnd(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl BackEnd {
    /// Connects and sends the first message as it is.
    pub async fn connect(server: &TestServer, first: impl Into<String>) -> Self {
        let mut back_end = Self::connect_silently(server).await;
        back_end.send_text(first).await;
        back_end
    }

    /// Sends the first message over a socket that is open.
    pub async fn over(socket: WebSocketStream<MaybeTlsStream<TcpStream>>, first: impl Into<String>) -> Self {
        let mut back_end = Self(socket);
        back_end.send_text(first).await;
        back_end
    }

    /// Connects and says nothing.
    pub async fn connect_silently(server: &TestServer) -> Self {
        Self(connect_async(server.events_url()).await.expect("the back end connects").0)
    }

    /// The shortest client: a key and nothing else.
    pub async fn shortest(server: &TestServer) -> Self {
        Self::connect(server, json!({ "apiKey": server.api_key }).to_string()).await
    }

    /// A view with these further members in its first message, `ready` read.
    pub async fn view(server: &TestServer, members: Value) -> Self {
        let mut first = json!({ "apiKey": server.api_key, "protocol": 1 });
        if let (Value::Object(first), Value::Object(members)) = (&mut first, members) {
            first.extend(members);
        }
        let mut back_end = Self::connect(server, first.to_string()).await;
        let ready = back_end.message().await;
        assert!(matches!(ready, Message::Ready(_)), "{ready:?}");
        back_end
    }

    /// Leaves in an orderly way, and waits until the server has seen it.
    pub async fn close(mut self) {
        // An error means that the server was faster.
        let _ = self.0.close(None).await;
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// Sends text as it is.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.0.send(tungstenite::Message::text(text.into())).await.expect("the socket takes a frame");
    }

    /// The next text frame, or how the server closed the socket.
    pub async fn text(&mut self) -> Result<String, Closed> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server says something in time") {
                Some(Ok(tungstenite::Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(tungstenite::Message::Close(Some(frame)))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(tungstenite::Message::Close(None)) | Err(_)) | None => {
                    return Err((1006, String::new()));
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next message of a view.
    pub async fn message(&mut self) -> Message {
        let text = self.text().await.expect("the server says something");
        Message::decode(&text)
            .expect("the server speaks the protocol")
            .expect("the server sends known types only")
    }

    /// The next event; bookmarks before it are read over.
    pub async fn event(&mut self) -> RawEvent {
        loop {
            match self.message().await {
                Message::Event(event) => return event,
                Message::Bookmark(_) => {}
                other => panic!("expected an event, got {other:?}"),
            }
        }
    }

    /// Acknowledges everything up to an id.
    pub async fn ack(&mut self, id: &str) {
        self.reply(Ack { id: Some(id.to_owned()), ..Ack::default() }).await;
    }

    /// Sends an acknowledgement.
    pub async fn reply(&mut self, ack: Ack) {
        self.send_text(Reply::Ack(ack).encode()).await;
    }

    /// A worker of this consumer, with these further members in its first message, `ready` read.
    pub async fn worker(server: &TestServer, consumer: &str, mut members: Value) -> Self {
        members["consumer"] = consumer.into();
        Self::view(server, members).await
    }

    /// The next offer of a lane.
    pub async fn assigned(&mut self) -> Assigned {
        match self.message().await {
            Message::Assigned(assigned) => assigned,
            other => panic!("expected an offer, got {other:?}"),
        }
    }

    /// A snapshot of one page.
    pub async fn snapshot(&mut self) -> Snapshot {
        match self.message().await {
            Message::Snapshot(snapshot) => snapshot,
            other => panic!("expected a snapshot, got {other:?}"),
        }
    }
}
