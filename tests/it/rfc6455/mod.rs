//! RFC 6455 as the Autobahn test suite examines servers: its cases under its numbers, sent by a client of our own to the
//! server's own accept path. An echo, which only a test server has, shows what arrived; the product's sockets get the
//! cases that are wrong from the first frame on.

mod cases;
mod utf8;

use std::{collections::BTreeMap, time::Duration};

use axum::{Extension, Router, extract::WebSocketUpgrade, response::Response, routing::get};
use cases::{Case, Expected, Step};
use passkey_accounts::protocol::{Code, gateway, stream::MAX_CLIENT_MESSAGE_BYTES};
use passkey_accounts_server::{
    clock::Clock,
    socket::{Socket, tune},
    unheard::Unheard,
};
use passkey_accounts_tests::{
    TestServer,
    raw::{CLOSE, Dialer, End, Event, Frame, Identity, Wire, read_all, upgrade},
};
use tokio::{io::AsyncWriteExt, sync::watch, time::timeout};

/// The largest message of the suite.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// A case that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// The product's socket, with room for the suite's largest messages, and nothing behind it.
fn with_echo(server: Router) -> Router {
    let echo = async |Extension(unheard): Extension<Unheard>, upgrade: WebSocketUpgrade| -> Response {
        let upgrade = tune(upgrade, MAX_MESSAGE_BYTES).max_write_buffer_size(2 * MAX_MESSAGE_BYTES);
        upgrade.on_upgrade(|socket| {
            let socket = Socket::new(socket, unheard, Clock::System);
            socket.expect_at_most(MAX_MESSAGE_BYTES);
            socket.echo()
        })
    };
    server.route("/echo", get(echo))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    NonStrict,
    Informational,
    Failed,
}

/// What the client saw of one case.
#[derive(Debug)]
struct Seen {
    events: Vec<Event>,
    end: End,
    /// It was closed before the client had said everything, while the client gave it time.
    is_early: Option<bool>,
}

async fn run(stream: Box<dyn Wire>, case: &Case) -> Seen {
    let (mut reading, mut writing) = tokio::io::split(stream);
    // How many events there were, and whether that was all.
    let (progress, mut heard) = watch::channel((0, false));
    let awaited = case.expected.len();
    let (steps, end) = (case.steps.clone(), case.end.clone());
    let mut is_early = None;
    let write = async {
        let mut buffer = Vec::new();
        for step in steps {
            match step {
                Step::Send { bytes, chop: 0 } => buffer.extend(bytes),
                Step::Send { bytes, chop } => {
                    writing.write_all(&std::mem::take(&mut buffer)).await?;
                    for part in bytes.chunks(chop) {
                        writing.write_all(part).await?;
                        writing.flush().await?;
                    }
                }
                Step::Hear(count) => {
                    writing.write_all(&std::mem::take(&mut buffer)).await?;
                    writing.flush().await?;
                    let _ = heard.wait_for(|(events, is_over)| *events >= count || *is_over).await;
                }
                Step::Moment => {
                    let over = heard.wait_for(|(_, is_over)| *is_over);
                    is_early = Some(timeout(Duration::from_millis(200), over).await.is_ok());
                }
            }
        }
        writing.write_all(&buffer).await?;
        writing.flush().await?;
        if end == Expected::Normal {
            let _ = heard.wait_for(|(events, is_over)| *events >= awaited || *is_over).await;
            writing.write_all(&Frame::new(CLOSE, 1000_u16.to_be_bytes()).encode()).await?;
            writing.flush().await?;
        }
        std::io::Result::Ok(())
    };
    let mut events = Vec::new();
    let read = async {
        let end = read_all(&mut reading, |event| {
            events.push(event);
            progress.send_modify(|(count, _)| *count += 1);
        })
        .await;
        progress.send_modify(|(_, is_over)| *is_over = true);
        end
    };
    // A server that refuses does not wait for the rest: whether that could be written says nothing.
    let (_, end) = tokio::join!(write, read);
    Seen { events, end, is_early }
}

fn judge(case: &Case, seen: &Seen) -> Verdict {
    if case.end == Expected::Undefined {
        return Verdict::Informational;
    }
    let verdict = if seen.events == case.expected {
        if seen.is_early == Some(false) { Verdict::NonStrict } else { Verdict::Ok }
    } else if case.tolerated.as_ref() == Some(&seen.events) {
        Verdict::NonStrict
    } else {
        Verdict::Failed
    };
    // The suite lets a server that refuses hang up without a word. This one owes a code, and an orderly end.
    let is_ended = seen.end.is_clean
        && match (&case.end, seen.end.close) {
            (Expected::Normal, Some(code)) => code == Some(1000),
            (Expected::Answered(codes), Some(code)) => code.is_none_or(|code| codes.contains(&code)),
            (Expected::Refused(codes), Some(Some(code))) => codes.contains(&code),
            _ => false,
        };
    if is_ended { verdict } else { Verdict::Failed }
}

/// Which socket, and what its upgrade needs.
struct Route {
    dialer: Dialer,
    path: String,
    headers: String,
}

impl Route {
    fn new(server: &TestServer, path: &str) -> Self {
        let dialer = Dialer::new(server.address().port());
        Self { dialer, path: path.into(), headers: String::new() }
    }

    async fn run(&self, case: &Case) -> Seen {
        let seen = async {
            let mut stream = self.dialer.dial().await.unwrap();
            let head = upgrade(&mut stream, &self.path, &self.headers).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            run(stream, case).await
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{} hangs", case.id))
    }
}

/// Runs the cases and returns how many there were of each verdict; prints what failed.
async fn examine(route: &Route, cases: &[Case]) -> BTreeMap<Verdict, usize> {
    let mut verdicts = BTreeMap::new();
    for case in cases {
        let seen = route.run(case).await;
        let verdict = judge(case, &seen);
        if verdict == Verdict::Failed {
            let events = format!("{:?}", seen.events);
            println!("{} FAILED: {:?}, {events:.300}, expected {:?}", case.id, seen.end, case.end);
        }
        *verdicts.entry(verdict).or_insert(0) += 1;
    }
    verdicts
}

fn assert_passed(name: &str, verdicts: &BTreeMap<Verdict, usize>) {
    println!("{name}: {verdicts:?}");
    assert_eq!(verdicts.get(&Verdict::Failed), None, "cases failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_suite_passes() {
    let mut server = TestServer::start_in_real_time().await;
    server.put_in_front(with_echo).await;
    let cases = cases::all();
    assert_eq!(cases.len(), 301, "as many as the suite has without compression");
    assert_passed("in clear", &examine(&Route::new(&server, "/echo"), &cases).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_suite_passes_over_tls() {
    let mut server = TestServer::start_in_real_time().await;
    let identity = Identity::make();
    server.encrypt(identity.server()).await;
    server.put_in_front(with_echo).await;
    let mut route = Route::new(&server, "/echo");
    route.dialer.tls = Some(identity.client(&[]));
    assert_passed("over TLS", &examine(&route, &cases::all()).await);
}

/// What needs no echo: refused from the first frame on, or closed without a word before.
fn without_messages() -> Vec<Case> {
    let is_wrong = |end: &Expected| matches!(end, Expected::Answered(_) | Expected::Refused(_));
    cases::all().into_iter().filter(|case| case.expected.is_empty() && is_wrong(&case.end)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_products_sockets_refuse_what_is_wrong_with_the_numbers_of_the_standard() {
    let server = TestServer::start_in_real_time().await;
    let page = format!("Origin: {}\r\nSec-WebSocket-Protocol: {}\r\n", server.origin(), gateway::SUBPROTOCOL);
    let gateway = format!("/v1/gateway?app={}", server.app_id);
    let routes = [
        Route::new(&server, "/v1/events"),
        Route::new(&server, "/"),
        Route { headers: page, ..Route::new(&server, &gateway) },
    ];
    for route in routes {
        let mut counted = BTreeMap::new();
        for case in without_messages() {
            let mut seen = route.run(&case).await;
            // What they say about it before, and `hello`, is theirs to say.
            seen.events.retain(|event| !matches!(event, Event::Text(_)));
            let verdict = judge(&case, &seen);
            assert!(
                verdict < Verdict::Failed,
                "{} on {}: {seen:?}, expected {:?}",
                case.id,
                route.path,
                case.end
            );
            if let Expected::Refused(_) = case.end {
                assert_eq!(seen.end.reason, r#"{"error":"badMessage"}"#, "{} on {}", case.id, route.path);
            }
            *counted.entry(verdict).or_insert(0) += 1;
        }
        assert_passed(&route.path, &counted);
    }
}

#[tokio::test]
async fn no_extension_is_ever_agreed_on() {
    let server = TestServer::start_in_real_time().await;
    for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"]
    {
        let mut stream = Dialer::new(server.address().port()).dial().await.unwrap();
        let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let head = upgrade(&mut stream, "/v1/events", &offer).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{head}");
    }
}

#[tokio::test]
async fn a_frame_without_a_mask_and_one_that_is_too_large_are_refused_before_they_are_read() {
    let server = TestServer::start_in_real_time().await;
    let route = Route::new(&server, "/v1/events");
    let raw = |id: &str, bytes: Vec<u8>, code| Case {
        id: id.into(),
        steps: vec![Step::Send { bytes, chop: usize::MAX }],
        expected: vec![],
        tolerated: None,
        end: Expected::Refused(vec![code]),
    };
    let announced = |bytes: usize| [&[0x81, 0xff][..], &(bytes as u64).to_be_bytes(), &[0; 4]].concat();
    let too_large = Code::TooLarge.close_code();
    for case in [
        raw("unmasked", b"\x81\x02{}".to_vec(), 1002),
        raw("announced", announced(MAX_CLIENT_MESSAGE_BYTES + 1), too_large),
        raw("announced, enormous", announced(usize::MAX >> 1), too_large),
    ] {
        let mut seen = route.run(&case).await;
        seen.events.clear();
        assert_eq!(judge(&case, &seen), Verdict::Ok, "{}: {seen:?}", case.id);
    }
}
