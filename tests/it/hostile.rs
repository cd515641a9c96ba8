//! Peers that are slow, noisy or never done: each is cut off at a limit that has a name, and people sign in meanwhile.

use std::{sync::Arc, time::Duration};

use passkey_accounts::protocol::{
    Code,
    gateway::{ClientMessage, MAX_CLIENT_FRAME_BYTES, MAX_FIRST_FRAME_BYTES, SUBPROTOCOL, ServerMessage},
    stream::MAX_CLIENT_MESSAGE_BYTES,
};
use passkey_accounts_server::{
    clock::Clock,
    limits::{
        DEAD_PEER_MS, FIRST_MESSAGE_MS, FRAME_BURST, MAX_REQUEST_HEAD_BYTES, REQUEST_BODY_MS,
        REQUEST_HEAD_MS, TLS_HANDSHAKE_MS,
    },
    rates::Rates,
};
use passkey_accounts_tests::{
    Page, SoftwareAuthenticator, Stage, TestServer, cbor_bytes, cbor_text,
    raw::{CONTINUATION, Dialer, End, Event, Frame, Identity, PING, PONG, TEXT, Wire, read_all, upgrade},
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::{interval, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::Connector;

const ADA: &str = "ada@example.org";

/// A peer that is never cut off fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a socket at this path, as a page or as a back end, and returns it upgraded.
async fn open(server: &TestServer, path: &str) -> Box<dyn Wire> {
    let mut stream = Dialer::new(server.address().port()).dial().await.unwrap();
    let page = format!("Origin: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n", server.origin());
    let headers = if path.starts_with("/v1/gateway") { page } else { String::new() };
    let head = upgrade(&mut stream, path, &headers).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

fn paths(server: &TestServer) -> [String; 3] {
    [format!("/v1/gateway?app={}", server.app_id), "/v1/events".into(), "/".into()]
}

/// How the server ends it.
async fn end(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> End {
    timeout(PATIENCE, read_all(stream, |_| {})).await.expect("the peer is cut off")
}

#[track_caller]
fn assert_closed(end: &End, code: Code) {
    assert_eq!(end.close, Some(Some(code.close_code())), "{end:?}");
    assert!(end.reason.contains(code.as_str()), "{end:?}");
    assert!(end.is_clean, "it hears why, however much it still says: {end:?}");
}

/// Says the same thing until the server has ended it.
async fn flood(stream: Box<dyn Wire>, bytes: &[u8]) -> End {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
    let talking = async {
        while writing.write_all(&many).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    tokio::select! {
        end = end(&mut reading) => end,
        () = talking => unreachable!("it never ends by itself"),
    }
}

/// Milliseconds until the server has closed the connection, and what it said before.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> (u64, String) {
    let began = Clock::System.now();
    let mut said = Vec::new();
    // A reset ends it too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the peer is cut off");
    (Clock::System.now().since(began), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_is_cut_off_at_its_deadline_and_people_sign_in_meanwhile() {
    let mut server = TestServer::start_in_real_time().await;
    let identity = Identity::make();
    server.encrypt(identity.server()).await;
    let client = identity.client(&[]);
    let dialer = Dialer { tls: Some(Arc::clone(&client)), ..Dialer::new(server.address().port()) };
    let bare = || dialer.dial_bare();
    let body = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        server.api_key
    );
    let head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    // The first bytes of a TLS handshake that promises 500 more.
    let hello = [0x16, 3, 1, 2, 0, 1, 0];

    let (mut silent, mut begun) = (bare().await.unwrap(), bare().await.unwrap());
    begun.write_all(&hello).await.unwrap();
    let mut begun_in_clear = bare().await.unwrap();
    begun_in_clear.write_all(head.as_bytes()).await.unwrap();
    let (mut no_head, mut half_head) = (dialer.dial().await.unwrap(), dialer.dial().await.unwrap());
    half_head.write_all(head.as_bytes()).await.unwrap();
    let mut half_body = dialer.dial().await.unwrap();
    half_body.write_all(body.as_bytes()).await.unwrap();
    let (mut idle, mut dripping) = (dialer.dial().await.unwrap(), dialer.dial().await.unwrap());
    idle.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();

    let dripped = async {
        let (mut reading, mut writing) = tokio::io::split(&mut dripping);
        let mut ticks = interval(Duration::from_millis(250));
        let dripping = async {
            while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
                ticks.tick().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            closed = until_closed(&mut reading) => closed,
            () = dripping => unreachable!("it never ends by itself"),
        }
    };
    let slow = async {
        tokio::join!(
            until_closed(&mut silent),
            until_closed(&mut begun),
            until_closed(&mut begun_in_clear),
            until_closed(&mut no_head),
            until_closed(&mut half_head),
            until_closed(&mut half_body),
            until_closed(&mut idle),
            dripped,
        )
    };
    let (url, origin, app_id) = (server.gateway_url(), server.origin(), server.app_id);
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut sign_ins = 0;
    let people = async {
        let connect = || {
            let tls = Some(Connector::Rustls(Arc::clone(&client)));
            Page::connect_through(tls, &url, app_id, &origin)
        };
        connect().await.unwrap().sign_up(&server, ADA, &mut authenticator).await;
        loop {
            connect().await.unwrap().sign_in(ADA, &mut authenticator).await;
            sign_ins += 1;
        }
    };
    let (silent, begun, in_clear, no_head, half_head, half_body, idle, dripped) = tokio::select! {
        slow = slow => slow,
        () = people => unreachable!("they never stop"),
    };
    println!("{sign_ins} sign-ins meanwhile");
    assert!(sign_ins > 10, "{sign_ins}");
    // Clocks of the machine and timers may differ by a little.
    let assert_waited = |what: &str, waited: u64, limit: u64| {
        assert!(waited + 500 > limit, "{what} was cut off after {waited} ms, before its {limit}");
    };
    assert_waited("silence", silent.0, TLS_HANDSHAKE_MS);
    assert_waited("half a handshake", begun.0, TLS_HANDSHAKE_MS);
    assert_waited("half a request in clear", in_clear.0, REQUEST_HEAD_MS);
    assert_waited("no request", no_head.0, REQUEST_HEAD_MS);
    assert_waited("half a head", half_head.0, REQUEST_HEAD_MS);
    assert_waited("a head that drips", dripped.0, REQUEST_HEAD_MS);
    assert_waited("half a body", half_body.0, REQUEST_BODY_MS);
    assert_waited("nothing after an answer", idle.0, REQUEST_HEAD_MS);
    assert!(
        half_body.1.starts_with("HTTP/1.1 408") && half_body.1.contains(Code::Idle.as_str()),
        "{half_body:?}"
    );
    assert!(idle.1.starts_with("HTTP/1.1 204"), "{idle:?}");
}

#[tokio::test]
async fn a_message_that_never_ends_is_waited_for_as_long_as_for_a_dead_peer() {
    let server = TestServer::start().await;
    let half = Frame::new(TEXT, [b'x'; 1_000]).encode();
    let (half, rest) = half.split_at(500);

    let mut page = open(&server, &paths(&server)[0]).await;
    page.write_all(half).await.unwrap();
    server.clock().advance(DEAD_PEER_MS);
    assert_closed(&end(&mut page).await, Code::Idle);

    // Another fragment is no sign of life either.
    let mut page = open(&server, &paths(&server)[0]).await;
    page.write_all(&Frame::part(TEXT, [b'x'; 10]).encode()).await.unwrap();
    server.clock().advance(DEAD_PEER_MS - 1);
    page.write_all(&Frame::part(CONTINUATION, [b'x'; 10]).encode()).await.unwrap();
    server.clock().advance(1);
    assert_closed(&end(&mut page).await, Code::Idle);

    for path in &paths(&server)[1..] {
        let mut back_end = open(&server, path).await;
        back_end.write_all(half).await.unwrap();
        while server.context().sockets.is_empty() {
            tokio::task::yield_now().await;
        }
        // Twice: it counts from the moment at which the server took the socket.
        server.clock().advance(FIRST_MESSAGE_MS);
        server.clock().advance(FIRST_MESSAGE_MS);
        assert_closed(&end(&mut back_end).await, Code::HelloTimeout);
    }

    let mut back_end = open(&server, "/v1/events").await;
    let first = json!({ "apiKey": server.api_key, "protocol": 1 }).to_string();
    back_end.write_all(&Frame::new(TEXT, first).encode()).await.unwrap();
    back_end.write_all(half).await.unwrap();
    while server.context().back_ends.count(server.app_id) == 0 {
        tokio::task::yield_now().await;
    }
    server.clock().advance(DEAD_PEER_MS);
    let ended = end(&mut back_end).await;
    assert_closed(&ended, Code::Idle);
    assert!(back_end.write_all(rest).await.is_ok() || !ended.is_clean, "what is late is not read");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_never_become_a_message_end_the_connection() {
    let server = TestServer::start().await;
    for path in paths(&server) {
        let mut stream = open(&server, &path).await;
        stream.write_all(&Frame::part(TEXT, []).encode()).await.unwrap();
        assert_closed(&flood(stream, &Frame::part(CONTINUATION, []).encode()).await, Code::TooLarge);

        // A message that might become one, in crumbs that cost more than itself.
        let mut stream = open(&server, &path).await;
        stream.write_all(&Frame::part(TEXT, []).encode()).await.unwrap();
        assert_closed(&flood(stream, &Frame::part(CONTINUATION, *b" ").encode()).await, Code::TooLarge);
    }
}

#[tokio::test]
async fn a_message_in_fragments_of_ordinary_size_is_heard() {
    let server = TestServer::start().await;
    let mut first = json!({ "apiKey": server.api_key }).to_string();
    first.push_str(&" ".repeat(MAX_CLIENT_MESSAGE_BYTES - first.len()));
    let mut back_end = open(&server, "/v1/events").await;
    let parts: Vec<_> = first.as_bytes().chunks(64).collect();
    for (number, part) in (1..).zip(&parts) {
        let opcode = if number == 1 { TEXT } else { CONTINUATION };
        let frame = Frame { is_final: number == parts.len(), ..Frame::new(opcode, *part) };
        back_end.write_all(&frame.encode()).await.unwrap();
    }
    while server.context().back_ends.count(server.app_id) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_pongs_without_end_end_the_connection_and_a_few_do_not() {
    let server = TestServer::start().await;
    for path in paths(&server) {
        for opcode in [PING, PONG] {
            let stream = open(&server, &path).await;
            let ended = flood(stream, &Frame::new(opcode, [0; 125]).encode()).await;
            assert_closed(&ended, Code::RateLimited);
        }
        let mut stream = open(&server, &path).await;
        let ping = Frame::new(PING, *b"?").encode();
        stream.write_all(&ping.repeat(FRAME_BURST as usize)).await.unwrap();
        stream.write_all(&Frame::new(8, 1000_u16.to_be_bytes()).encode()).await.unwrap();
        let mut pongs = 0;
        let ended = read_all(&mut stream, |event| pongs += u32::from(matches!(event, Event::Pong(_)))).await;
        assert_eq!((ended.close, ended.is_clean), (Some(Some(1000)), true), "{ended:?}");
        assert!(pongs > 0, "the last ping at least is answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_end_end_the_connection_and_their_session_can_be_resumed() {
    let server = TestServer::start().await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    let session = page.sign_up(&server, ADA, &mut authenticator).await;
    let mut answered = 0;
    let closed = loop {
        match page.try_ask(ClientMessage::PasskeysList).await {
            Ok(_) => answered += 1,
            Err(closed) => break closed,
        }
        assert!(answered <= FRAME_BURST, "nobody counts");
    };
    // Three were said to sign up.
    assert_eq!(answered, FRAME_BURST - 3);
    assert_eq!(closed.0, Code::RateLimited.close_code(), "{closed:?}");
    assert!(closed.1.contains(r#""retryAfterMs":"#), "{closed:?}");
    let key = page.drop_connection();
    let resumed = Page::connect(&server).await.resume(session.session_id, &key).await;
    assert!(matches!(resumed, ServerMessage::SignedIn(_)), "{resumed:?}");

    let mut shortest = open(&server, "/").await;
    let first = json!({ "apiKey": server.api_key }).to_string();
    shortest.write_all(&Frame::new(TEXT, first).encode()).await.unwrap();
    let ended = flood(shortest, &Frame::new(TEXT, *b"more").encode()).await;
    assert_eq!(ended.close, Some(Some(Code::RateLimited.close_code())), "{ended:?}");
}

/// Nested as deeply as fits.
fn nested(bytes: usize) -> [String; 3] {
    let deep = bytes / 2 - 200;
    [
        "[".repeat(bytes - 200),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1{}", r#"{"a":"#.repeat(deep / 3), "}".repeat(deep / 3)),
    ]
}

#[tokio::test]
async fn json_nested_without_end_is_refused_wherever_it_comes() {
    let server = TestServer::start().await;
    for deep in nested(MAX_FIRST_FRAME_BYTES) {
        let mut page = Page::connect(&server).await;
        for message in [deep.clone(), format!(r#"{{"type":"signIn.begin","email":{deep}}}"#)] {
            page.send_text(message).await;
            let answer = page.hear().await.unwrap().1;
            assert!(
                matches!(&answer, ServerMessage::Error(failure) if failure.code == "badMessage"),
                "{answer:?}"
            );
        }
    }
    for (number, deep) in nested(MAX_CLIENT_MESSAGE_BYTES).into_iter().enumerate() {
        // The last one is JSON that can be read to its end: an object without a key.
        let code = if number == 2 { Code::BadKey } else { Code::BadMessage };
        let types = format!(r#"{{"apiKey":"{}","types":{deep}}}"#, server.api_key);
        for (first, code) in [(deep, code), (types, Code::BadMessage)] {
            let mut back_end = open(&server, "/v1/events").await;
            back_end.write_all(&Frame::new(TEXT, first).encode()).await.unwrap();
            assert_closed(&end(&mut back_end).await, code);
        }
    }
    let http = passkey_accounts_tests::Http::new(&server).await;
    for deep in nested(MAX_CLIENT_MESSAGE_BYTES) {
        for body in [deep.clone(), format!(r#"{{"name":{deep}}}"#)] {
            let request = http.request(reqwest::Method::POST, "/v1/keys");
            let request = request.header("content-type", "application/json").body(body);
            let status = request.send().await.unwrap().status();
            assert!(status == 400 || status == 422, "{status}");
        }
    }
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, ADA, &mut authenticator).await;
    for deep in nested(MAX_CLIENT_FRAME_BYTES) {
        page.send_text(format!(r#"{{"type":"confirm.begin","id":1,"action":{{"a":{deep}}}}}"#)).await;
        let (_, answer) = page.hear().await.unwrap();
        let ServerMessage::Error(failure) = answer else { panic!("{answer:?}") };
        assert!(["badMessage", "invalidAction"].contains(&failure.code.as_str()), "{failure:?}");
        // Three of those would end the connection, which is another test's matter.
        page = Page::connect(&server).await;
        page.sign_in(ADA, &mut authenticator).await;
    }
}

/// CBOR that promises more than it holds, or goes deeper than anybody needs.
fn bombs() -> Vec<Vec<u8>> {
    const BYTES: usize = 3_500;
    let huge = 0x7fff_ffff_ffff_ffff_u64.to_be_bytes();
    let promised = |initial: u8| [&[initial][..], &huge].concat();
    let mut bombs: Vec<Vec<u8>> =
        [0x81, 0x9f, 0xbf, 0xc6, 0xd8, 0x5f, 0x7f].map(|byte| vec![byte; BYTES]).to_vec();
    // Maps in maps.
    bombs.push([0xa1, 0x00].repeat(BYTES / 2));
    // Arrays in arrays, each of as many as there are numbers.
    bombs.push(promised(0x9b).repeat(BYTES / 9));
    bombs.extend([0x5b, 0x7b, 0x9b, 0xbb].map(promised));
    bombs.push([promised(0x9b), vec![0; BYTES]].concat());
    bombs.push([promised(0xbb), vec![0; BYTES]].concat());
    // Empty pieces of a string without a length.
    bombs.push([&[0x5f][..], &[0x40; BYTES], &[0xff]].concat());
    bombs
}

#[tokio::test]
async fn cbor_bombs_are_refused_and_the_person_can_sign_up_and_in_after_each() {
    let server = TestServer::start().await;
    let origin = server.origin();
    let bombs = bombs();
    let mut honest = SoftwareAuthenticator::new([9; 32]);
    for (number, bomb) in bombs.iter().enumerate() {
        for place in 0..4 {
            let mut page = Page::connect(&server).await;
            let ceremony = page.begin_sign_up(&server, &format!("bomb-{number}-{place}@example.org")).await;
            let mut authenticator = SoftwareAuthenticator::new([1; 32]);
            let answer =
                authenticator.register_with(&ceremony.public_key.0, &origin, &|stage| match (place, stage) {
                    (0, Stage::AttestationObject(object)) => object.clone_from(bomb),
                    (1, Stage::Attestation(object)) => object.statement.clone_from(bomb),
                    (2, Stage::AuthenticatorData(data)) => data.public_key_cose.clone_from(bomb),
                    (3, Stage::AuthenticatorData(data)) => {
                        data.flags |= 0x80;
                        data.extensions = [&[0xa1][..], &cbor_text("bomb"), bomb].concat();
                    }
                    _ => {}
                });
            let reply = page.finish(&ceremony, answer.unwrap()).await;
            assert!(
                matches!(&reply, ServerMessage::Error(failure) if failure.code == "passkeyRejected"),
                "bomb {number} at {place}: {reply:?}"
            );
        }
        let mut page = Page::connect(&server).await;
        if number == 0 {
            page.sign_up(&server, ADA, &mut honest).await;
            page.sign_out().await;
        }
        let ceremony = page.begin_sign_in(ADA).await;
        let answer = honest.sign_in_with(&ceremony.public_key.0, &origin, &|stage| {
            if let Stage::AuthenticatorData(data) = stage {
                data.flags |= 0x80;
                data.extensions.clone_from(bomb);
            }
        });
        let reply = page.finish(&ceremony, answer.unwrap()).await;
        assert!(
            matches!(&reply, ServerMessage::Error(failure) if failure.code == "passkeyRejected"),
            "{reply:?}"
        );
        page.sign_in(ADA, &mut honest).await;
    }
    assert!(cbor_bytes(&[0; 300]).starts_with(&[0x59]), "lengths are real ones");
}

#[tokio::test]
async fn a_head_with_too_much_in_it_gets_no_answer_but_431() {
    let server = TestServer::start_in_real_time().await;
    let many = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let large = format!("x: {}\r\n", "x".repeat(MAX_REQUEST_HEAD_BYTES));
    for headers in [many, large] {
        let mut stream = Dialer::new(server.address().port()).dial().await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (_, said) = until_closed(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }
}

#[tokio::test]
async fn http_2_is_not_spoken_so_that_nobody_can_open_and_reset_its_streams() {
    let mut server = TestServer::start_in_real_time().await;
    let identity = Identity::make();
    server.encrypt(identity.server()).await;
    let client = identity.client(&["h2", "http/1.1"]);
    let dialer = Dialer { tls: Some(Arc::clone(&client)), ..Dialer::new(server.address().port()) };
    let bare = dialer.dial_bare().await.unwrap();
    let stream = TlsConnector::from(client).connect("localhost".try_into().unwrap(), bare).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let mut stream = dialer.dial().await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let (_, said) = until_closed(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 505"), "{said}");
}

/// Whether a connection is served.
async fn is_served(server: &TestServer) -> Option<Box<dyn Wire>> {
    let mut stream = Dialer::new(server.address().port()).dial().await.ok()?;
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut first = [0];
    (asked.is_ok() && stream.read(&mut first).await.is_ok_and(|bytes| bytes == 1)).then_some(stream)
}

#[tokio::test]
async fn an_address_has_so_many_connections_at_once_and_opens_so_many_in_a_minute() {
    let mut server = TestServer::start().await;
    server.ration(Rates { connections_per_address: 2, ..Rates::off() }).await;
    let first = is_served(&server).await.expect("the first is served");
    let _second = is_served(&server).await.expect("the second is served");
    assert!(is_served(&server).await.is_none());
    drop(first);
    // The server frees the place when it has seen the end of the connection.
    while is_served(&server).await.is_none() {
        tokio::task::yield_now().await;
    }

    server.ration(Rates { connections_per_minute_per_address: 3, ..Rates::off() }).await;
    for _ in 0..3 {
        assert!(is_served(&server).await.is_some());
    }
    assert!(is_served(&server).await.is_none());
    server.clock().advance(60_000 / 3);
    assert!(is_served(&server).await.is_some());
    assert!(is_served(&server).await.is_none());
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_needs() {
    let mut server = TestServer::start().await;
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let rates = Rates {
        connections_per_address: 1,
        connections_per_minute_per_address: 1,
        trusted_proxies,
        ..Rates::off()
    };
    server.ration(rates).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(is_served(&server).await.expect("the proxy is served"));
    }
}
