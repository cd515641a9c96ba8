//! A back end that stops reading is closed, costs the others nothing, and can come back for what it missed.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use passkey_accounts::protocol::{
    AccountID, PasskeyID, SessionID, UnixMillis,
    base64url::Base64Url,
    event::{EventKind, LoggedIn},
    gateway::SessionKey,
};
use passkey_accounts_server::{limits::WRITE_MS, store::StoreError};
use passkey_accounts_tests::{BackEnd, TestServer};
use serde_json::json;
use tokio::{net::TcpSocket, time::timeout};
use tokio_tungstenite::{client_async, tungstenite::Message};

/// More than the kernel's buffers of a connection hold: what is left has to wait in the log.
const EVENTS: u64 = 4_000;

/// An event of about 4 KB.
fn large_event(number: u64) -> EventKind {
    let part = Base64Url(vec![1; 32]);
    EventKind::LoggedIn(Box::new(LoggedIn {
        account_id: AccountID::from_bytes([1; 16]),
        session_id: SessionID::time_ordered(UnixMillis(number), [1; 16]),
        passkey_id: PasskeyID::from_bytes([1; 16]),
        origin: "x".repeat(4_000),
        session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part.clone(), y: part },
        expires_at: UnixMillis(0),
        user_verified: true,
        backed_up: false,
        account_sessions: 1,
        evidence: None,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_is_closed_and_the_others_notice_nothing() {
    let server = TestServer::start().await;
    let wish = json!({ "start": "earliest", "types": ["*"], "window": 0 });

    // It takes what fits into a small buffer of the kernel, and no more.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1_024).unwrap();
    let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], server.address().port()))).await.unwrap();
    let (mut stalled, _) = client_async(server.events_url(), stream).await.unwrap();
    let mut first = json!({ "apiKey": server.api_key, "protocol": 1 });
    first.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
    stalled.send(Message::text(first.to_string())).await.unwrap();
    let mut healthy = BackEnd::view(&server, wish).await;

    let app_id = server.app_id;
    let appended = server.context().store.write(move |write| {
        Box::pin(async move {
            for number in 0..EVENTS {
                write.append(app_id, &large_event(number))?;
            }
            Ok::<_, StoreError>(())
        })
    });
    appended.await.unwrap();
    for number in 1..=EVENTS {
        assert_eq!(healthy.event().await.seq, number);
    }
    assert_eq!(server.context().back_ends.count(app_id), 2);

    // It has that long to take what was written; the other one goes on being heard.
    let mut passed = 0;
    while passed <= 2 * WRITE_MS {
        server.clock().advance(WRITE_MS / 3);
        passed += WRITE_MS / 3;
        healthy.send_text(r#"{"type":"hm"}"#).await;
        while !healthy.text().await.unwrap().contains("unknownType") {}
    }
    let (mut received, mut close) = (0, None);
    let reading = async {
        while let Some(Ok(message)) = stalled.next().await {
            match message {
                Message::Text(text) if text.contains("\"seq\"") => received += 1,
                Message::Close(frame) => close = frame.map(|frame| u16::from(frame.code)),
                _ => {}
            }
        }
    };
    timeout(Duration::from_secs(20), reading).await.expect("it was closed");
    assert!(received < EVENTS, "it was not slow");
    assert!(close.is_none_or(|code| code == 4002), "{close:?}");
    while server.context().back_ends.count(app_id) > 1 {
        tokio::task::yield_now().await;
    }
    healthy.send_text(r#"{"type":"hm"}"#).await;
    assert!(healthy.text().await.unwrap().contains("unknownType"));
}
