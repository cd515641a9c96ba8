//! The driver over real sockets, against a server that does what the test says.

use std::{future::poll_fn, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use super::{
    Application, Connector, Shared, drive,
    peer::{Peer, Server, event, event_with},
};
use crate::{
    protocol::Code,
    stream::{InHand, Status, StreamError, Subscription},
    transport::Address,
};

/// The application's end of a driver.
struct Client {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
}

impl Client {
    fn start(connector: Connector, after: Option<&str>) -> Self {
        Self::with(
            connector,
            Subscription { after: after.map(str::to_owned), ..Subscription::default() },
            None,
        )
    }

    fn with(connector: Connector, subscription: Subscription, position: Option<&'static str>) -> Self {
        let shared = Arc::new(Shared::new(subscription, 7));
        let (status_sender, status) = watch::channel(Status::Connecting);
        let application = Application {
            key: Box::new(|| Box::pin(async { Ok("pa_dev_x".to_owned()) })),
            position: Box::new(move |_, _| Box::pin(async move { Ok(position.map(str::to_owned)) })),
        };
        tokio::spawn(drive(Arc::clone(&shared), connector, application, status_sender));
        Self { shared, status }
    }

    async fn next(&mut self) -> Option<Result<InHand, StreamError>> {
        poll_fn(|context| self.shared.poll_item(context)).await
    }

    async fn item(&mut self) -> InHand {
        self.next().await.expect("it goes on").expect("no error")
    }

    /// The position of the next item, which is handled with that.
    async fn position(&mut self) -> String {
        let InHand { token, item, .. } = self.item().await;
        self.shared.settle(token, true);
        item.position().expect("a position").to_owned()
    }

    async fn error(&mut self) -> StreamError {
        let error = self.next().await.expect("an ending").expect_err("an error");
        assert!(self.next().await.is_none(), "something after the end");
        error
    }

    async fn is_live(&mut self) {
        self.status.wait_for(|status| *status == Status::Live).await.unwrap();
    }

    /// Lets it wait, once it does, and tells for how long and why.
    async fn waits(&mut self) -> (Duration, String) {
        let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
        let status = self.status.wait_for(waiting).await.unwrap().clone();
        match status {
            Status::Waiting { retry_in, why } => {
                // Timers count whole milliseconds.
                tokio::time::advance(retry_in + Duration::from_millis(1)).await;
                (retry_in, why)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_connection_is_resumed_after_the_last_event() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), None);
    let (mut peer, first) = server.accept().await;
    assert_eq!((&first["apiKey"], first.get("after")), (&"pa_dev_x".into(), None));
    peer.send(r#"{"type":"snapshot","data":{"sessions":[],"first":true,"last":true},"id":"e-1"}"#).await;
    peer.send(event(2)).await;
    assert_eq!((client.position().await, client.position().await), ("e-1".into(), "e-2".into()));
    peer.0.get_ref().set_zero_linger().unwrap();
    drop(peer);
    client.waits().await;
    let (mut peer, first) = server.accept().await;
    assert_eq!(first["after"], "e-2");
    peer.send(event(3)).await;
    assert_eq!(client.position().await, "e-3");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_left_after_thirty_seconds() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-1"));
    let (peer, _) = server.accept().await;
    client.is_live().await;
    tokio::time::advance(Duration::from_millis(29_900)).await;
    assert_eq!(*client.status.borrow(), Status::Live);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(peer.closed_with().await, 4003);
    assert_eq!(client.waits().await.1, "the server fell silent");
    assert_eq!(server.accept().await.1["after"], "e-1");
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_keep_the_connection() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-1"));
    let (mut peer, _) = server.accept().await;
    client.is_live().await;
    for beat in 0..20_u8 {
        tokio::time::advance(Duration::from_secs(20)).await;
        peer.0.send(Message::Ping(vec![beat].into())).await.unwrap();
        assert_eq!(peer.0.next().await.unwrap().unwrap(), Message::Pong(vec![beat].into()));
    }
    assert_eq!(*client.status.borrow(), Status::Live);
}

#[tokio::test(start_paused = true)]
async fn a_final_close_code_ends_the_stream_and_another_does_not() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), None);
    server.accept().await.0.close(4002, r#"{"error":"slowConsumer"}"#).await;
    assert!(client.waits().await.1.starts_with("events were not read fast enough"));
    server.accept().await.0.close(4501, r#"{"error":"badKey"}"#).await;
    let error = client.error().await;
    assert_eq!(error.code(), Code::BadKey);
    assert_eq!(*client.status.borrow(), Status::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_hole_closes_4009() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-1"));
    let (mut peer, _) = server.accept().await;
    peer.send(event(3)).await;
    assert_eq!(peer.closed_with().await, 4009);
    client.waits().await;
    let (mut peer, first) = server.accept().await;
    assert_eq!(first["after"], "e-1");
    peer.send(event(2)).await;
    assert_eq!(client.position().await, "e-2");
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_limit_is_not_taken() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-1"));
    let (mut peer, _) = server.accept().await;
    let fits = 64 * 1024 - event_with(2, r#""""#).len();
    peer.send(event_with(2, &format!("\"{}\"", "x".repeat(fits)))).await;
    assert_eq!(client.position().await, "e-2");
    peer.send(event_with(3, &format!("\"{}\"", "x".repeat(fits + 1)))).await;
    let (_, why) = client.waits().await;
    assert!(why.contains("too long"), "{why}");
    assert_eq!(server.accept().await.1["after"], "e-2");
}

#[tokio::test]
async fn a_slow_application_stops_the_reading_and_loses_nothing() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-0"));
    let (mut peer, _) = server.accept().await;
    let count = 3_000;
    let padding = format!("\"{}\"", "x".repeat(8_000));
    let (sent, mut sending) = watch::channel(0);
    let sender = tokio::spawn(async move {
        for number in 1..=count {
            peer.send(event_with(number, &padding)).await;
            sent.send_replace(number);
        }
        peer
    });
    // With 24 MB to send, the sender comes to a halt before it is through: nobody reads.
    let mut halted_at = 0;
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(500), sending.changed()).await {
        halted_at = *sending.borrow_and_update();
    }
    assert!(halted_at < count, "everything was taken in");
    for number in 1..=count {
        assert_eq!(client.position().await, format!("e-{number}"));
    }
    drop(sender.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_is_not_mistaken_for_a_silent_server() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-0"));
    let (mut peer, _) = server.accept().await;
    for number in 1..=300 {
        peer.send(event(number)).await;
    }
    let busy = client.item().await;
    while client.shared.plan().is_reading {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(3_600)).await;
    client.shared.settle(busy.token, true);
    for number in 2..=300 {
        assert_eq!(client.position().await, format!("e-{number}"));
    }
    peer.send(event(301)).await;
    assert_eq!(client.position().await, "e-301");
    assert_eq!(*client.status.borrow(), Status::Live);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_says_goodbye() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-0"));
    let (peer, _) = server.accept().await;
    client.is_live().await;
    let mut status = client.status.clone();
    client.shared.stop();
    assert_eq!(peer.closed_with().await, 1000);
    assert!(status.wait_for(|status| *status == Status::Closed).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_left_after_ten_seconds() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), Some("e-0"));
    let _silent = server.accept_tcp().await;
    tokio::time::advance(Duration::from_millis(10_001)).await;
    assert_eq!(client.waits().await.1, "no connection could be made in time");
    server.accept().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_refused_for_good_or_for_a_while() {
    let server = Server::start().await;
    let mut client = Client::start(Connector::new(server.address()), None);
    answer(server.accept_tcp().await, "503 Service Unavailable\r\nRetry-After: 20").await;
    let (delay, why) = client.waits().await;
    assert!(delay > Duration::from_secs(20) && why.ends_with("503"), "{delay:?} {why}");
    answer(server.accept_tcp().await, "401 Unauthorized").await;
    assert_eq!(client.error().await.code(), Code::BadKey);
}

async fn answer(mut stream: TcpStream, status: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(response.as_bytes()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tls_is_spoken_with_trusted_servers_only() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let secure = |server: &Server| {
        let address = server.address();
        Address::parse(&format!("wss://localhost:{}/", address.host_and_port().1), false).unwrap()
    };

    let server = Server::start().await;
    let mut stranger = Client::start(Connector::new(secure(&server)), Some("e-0"));
    assert!(acceptor.accept(server.accept_tcp().await).await.is_err());
    assert!(stranger.waits().await.1.contains("certificate"));

    let server = Server::start().await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = Client::start(Connector::trusting(secure(&server), roots), Some("e-0"));
    let (mut peer, _) = Peer::greet(acceptor.accept(server.accept_tcp().await).await.unwrap(), 0).await;
    peer.send(event(1)).await;
    assert_eq!(client.position().await, "e-1");
}
