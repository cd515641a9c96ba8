//! Somebody between the server and a back end, inside the encryption: passes on what the server says, or says something else.

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use passkey_accounts_tests::{TestServer, shop::Hearing};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, accept_async, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::mallory::PATIENCE;

/// What is said instead of an event; `None`: neither this one nor anything after it.
type Alter = dyn Fn(Value) -> Option<Value> + Send + Sync;

/// A server to a back end, and a back end to the server.
pub(super) struct Between {
    origin: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    server: String,
    alter: Box<Alter>,
    /// Every event that the server has told the stream of sessions.
    told: watch::Sender<Vec<Value>>,
    /// What is to be said after all else.
    insert: watch::Sender<Option<Value>>,
}

impl Between {
    /// Listens on a free port, and passes everything on.
    pub(super) async fn start(server: &TestServer) -> Self {
        Self::altering(server, Some).await
    }

    /// Listens on a free port, and says something else instead of events.
    pub(super) async fn altering(
        server: &TestServer,
        alter: impl Fn(Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared {
            server: server.events_url(),
            alter: Box::new(alter),
            told: watch::Sender::default(),
            insert: watch::Sender::default(),
        });
        let serving = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&shared).carry(stream));
                }
            }
        });
        Self { origin, shared, serving }
    }

    /// For a back end that takes this for the server.
    pub(super) fn hearing(&self) -> Hearing {
        Hearing { server: self.origin.clone(), pins: Arc::default() }
    }

    /// Waits until the server has told so many events of this type, and returns the last of them.
    pub(super) async fn told(&self, name: &str, count: usize) -> Value {
        let mut told = self.shared.told.subscribe();
        let is_it = |event: &&Value| event["type"] == name;
        let all = told.wait_for(|told| told.iter().filter(is_it).count() >= count);
        let all = tokio::time::timeout(PATIENCE, all).await.expect("the server tells it").unwrap();
        all.iter().rfind(is_it).unwrap().clone()
    }

    /// Says this, as if it came after the last event.
    pub(super) fn say_after(&self, last: &Value, recorded: Value) {
        let mut event = recorded;
        let id: Vec<_> = last["id"].as_str().unwrap().splitn(3, '-').collect();
        let seq = last["seq"].as_u64().unwrap() + 1;
        event["id"] = format!("{}-{seq}-{}", id[0], id[2]).into();
        (event["seq"], event["time"]) = (seq.into(), last["time"].clone());
        self.shared.insert.send_replace(Some(event));
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    async fn carry(self: Arc<Self>, stream: TcpStream) {
        let Ok(mut below) = accept_async(stream).await else { return };
        let request = self.server.as_str().into_client_request().unwrap();
        let (mut above, _) = connect_async(request).await.unwrap();
        // The stream of confirmations, which asks for all types, is left alone.
        let Some(Ok(first)) = below.next().await else { return };
        let mut wanted: Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
        // Whoever changes messages has the server say them one at a time.
        wanted.as_object_mut().unwrap().remove("ndjson");
        let is_of_sessions = !wanted["types"].as_array().is_some_and(|types| types.contains(&json!("*")));
        if above.send(Message::text(wanted.to_string())).await.is_err() {
            return;
        }
        if is_of_sessions {
            self.between(&mut below, above, wanted["after"].clone()).await;
        } else {
            pass(below, above).await;
        }
    }

    async fn between(
        &self,
        below: &mut WebSocketStream<TcpStream>,
        mut above: WebSocketStream<MaybeTlsStream<TcpStream>>,
        mut last: Value,
    ) {
        let (mut insert, mut is_ready, mut is_silent) = (self.insert.subscribe(), false, false);
        // Once for each connection.
        let mut is_said = false;
        loop {
            let said = tokio::select! {
                up = below.next() => match up {
                    Some(Ok(_)) => continue,
                    None | Some(Err(_)) => return,
                },
                down = above.next() => match down {
                    Some(Ok(Message::Text(text))) => {
                        let said: Value = serde_json::from_str(&text).unwrap_or_default();
                        let is_event = said["seq"].is_u64();
                        let altered = if is_event { (self.alter)(said.clone()) } else { Some(said.clone()) };
                        if is_event {
                            self.told.send_modify(|told| told.push(said.clone()));
                        }
                        is_silent |= altered.is_none();
                        is_ready |= said["type"] == "ready";
                        let Some(altered) = altered.filter(|_| !is_silent) else { continue };
                        // What is passed on as it is keeps its spelling.
                        let text = if altered == said { text.to_string() } else { altered.to_string() };
                        (text, said["id"].clone())
                    }
                    Some(Ok(_)) => continue,
                    None | Some(Err(_)) => return,
                },
                Some(mut event) = said_last(&mut insert), if is_ready && last.is_string() && !is_said => {
                    is_said = true;
                    event["prev"] = last.clone();
                    let id = event["id"].clone();
                    (event.to_string(), id)
                }
            };
            let (text, id) = said;
            if id.is_string() {
                last = id;
            }
            if below.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }
}

async fn said_last(insert: &mut watch::Receiver<Option<Value>>) -> Option<Value> {
    insert.wait_for(Option::is_some).await.ok().and_then(|event| event.clone())
}

async fn pass(below: WebSocketStream<TcpStream>, above: WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let ((to_below, from_below), (to_above, from_above)) = (below.split(), above.split());
    tokio::select! {
        _ = from_below.forward(to_above) => {}
        _ = from_above.forward(to_below) => {}
    }
}
