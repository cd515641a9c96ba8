//! One DevTools socket: commands with answers, and the events in between.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::PATIENCE;

/// A handle to the socket. It closes with the last one.
#[derive(Clone)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<String>,
}

struct Shared {
    next_id: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    events: watch::Sender<Vec<Event>>,
}

/// Something that happened in a page.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) session: String,
    pub(super) method: String,
    pub(super) params: Value,
}

impl Connection {
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        let (socket, _) = connect_async(address).await.context("DevTools does not answer")?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut commands) = mpsc::unbounded_channel::<String>();
        let shared = Arc::new(Shared {
            next_id: AtomicU64::new(1),
            waiting: Mutex::default(),
            events: watch::Sender::default(),
        });
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                if sink.send(Message::text(command)).await.is_err() {
                    break;
                }
            }
        });
        let reader = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Ok(value) =
                    message.to_text().map_err(drop).and_then(|text| serde_json::from_str(text).map_err(drop))
                {
                    reader.hear(value);
                }
            }
            // Whoever waits for an answer learns that none will come.
            reader.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Self { shared, outgoing })
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let mut command = json!({"id": id, "method": method, "params": params});
        if let (Some(session), Some(command)) = (session, command.as_object_mut()) {
            command.insert("sessionId".to_owned(), session.into());
        }
        self.outgoing.send(command.to_string()).context("the browser is gone")?;
        let answer = timeout(PATIENCE, receiver).await.with_context(|| format!("{method} takes for ever"))?;
        let mut answer = answer.context("the browser is gone")?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer.get_mut("result").map_or(Value::Null, Value::take))
    }

    /// Waits for an event after the first `after` ones.
    pub(super) async fn wait_for(&self, after: usize, is_it: impl Fn(&Event) -> bool) -> anyhow::Result<()> {
        let mut events = self.shared.events.subscribe();
        let waiting = events.wait_for(|events| events.iter().skip(after).any(&is_it));
        timeout(PATIENCE, waiting)
            .await
            .context("the event does not come")?
            .context("the browser is gone")?;
        Ok(())
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<Event> {
        self.shared.events.borrow().clone()
    }
}

impl Shared {
    fn hear(&self, mut message: Value) {
        if let Some(id) = message.get("id").and_then(Value::as_u64) {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Some(waiting) = waiting {
                // Nobody waits any more for a command that timed out.
                let _ = waiting.send(message);
            }
            return;
        }
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (session, method) = (text("sessionId"), text("method"));
        let params = message.get_mut("params").map_or(Value::Null, Value::take);
        self.events.send_modify(|events| events.push(Event { session, method, params }));
    }
}
