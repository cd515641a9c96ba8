//! Routes of the dev server alone: the outbox, and a shortest client that the server runs for the Quickstart page.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{SinkExt, Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{
    context::{Context, stopped},
    mail::Mailer,
};

/// `/dev/outbox`: mail that would have been sent, newest first.
pub(super) async fn outbox(State(context): State<Arc<Context>>) -> Json<Value> {
    let mails = match &context.mailer {
        Mailer::Outbox(outbox) => outbox.mails(),
        Mailer::Smtp(_) => Vec::new(),
    };
    Json(json!({ "mails": mails }))
}

/// `/dev/quickstart`: runs the shortest client against this very server and shows each frame as it is.
pub(super) async fn quickstart(
    State(context): State<Arc<Context>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let url = context.site.events_url.clone();
    let key = context.site.api_key.clone().unwrap_or_default();
    let mut stopping = context.stopping.clone();
    let stopped = async move { stopped(&mut stopping).await };
    let frames = stream::once(run_shortest_client(url, key)).flatten().take_until(stopped).map(Ok);
    Sse::new(frames).keep_alive(KeepAlive::default())
}

async fn run_shortest_client(url: String, key: String) -> stream::BoxStream<'static, Event> {
    let closed =
        |code: u16, reason: &str| event("closed", &json!({ "code": code, "reason": reason }).to_string());
    let Ok((mut socket, _)) = connect_async(&url).await else {
        return stream::iter([closed(1006, "the server cannot reach itself")]).boxed();
    };
    let hello = json!({ "apiKey": key }).to_string();
    let opened = [event("open", &json!({ "url": url }).to_string()), event("sent", &hello)];
    if socket.send(Message::text(hello)).await.is_err() {
        return stream::iter([closed(1006, "the connection broke")]).boxed();
    }
    let frames = socket.filter_map(move |message| async move {
        match message {
            Ok(Message::Text(text)) => Some(event("frame", &text)),
            Ok(Message::Close(Some(frame))) => Some(closed(frame.code.into(), &frame.reason)),
            Ok(Message::Close(None)) | Err(_) => Some(closed(1006, "the connection broke")),
            Ok(_) => None,
        }
    });
    stream::iter(opened).chain(frames).boxed()
}

fn event(name: &str, data: &str) -> Event {
    Event::default().event(name).data(data)
}
