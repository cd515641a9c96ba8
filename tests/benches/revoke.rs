//! How long a revocation takes until the page's socket is told and closed, and until every back end has the event, while
//! thousands of other pages are signed in; against a bare WebSocket ping in the same run.
//!
//! `cargo bench -p passkey-accounts-tests --bench revoke`. As many sockets as the limit on open files allows, 9,000 at
//! most: each has two ends in this process.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream};
use passkey_accounts::{
    Api,
    protocol::gateway::{ServerMessage, Session},
};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

const BACK_ENDS: usize = 20;
const REVOCATIONS: usize = 300;
const MOST_SOCKETS: usize = 9_000;

#[tokio::main]
async fn main() {
    let sockets = MOST_SOCKETS.min(open_files().saturating_sub(600) / 2);
    let server = TestServer::start_in_real_time().await;
    let mut page = Page::connect(&server).await;
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let email = "ada@example.org";
    page.sign_up(&server, email, &mut authenticator).await;

    // Idle pages cost what signed-in ones cost; only those that are revoked sign in. They answer pings, or the server
    // would drop them.
    let began = Instant::now();
    let mut idle = JoinSet::new();
    let mut connecting = stream::iter(0..sockets).map(|_| Page::connect(&server)).buffer_unordered(64);
    while let Some(mut page) = connecting.next().await {
        idle.spawn(async move { while page.hear().await.is_ok() {} });
    }
    drop(connecting);
    println!("{} browser sockets connected in {:.1?}", idle.len(), began.elapsed());
    let mut back_ends = Vec::new();
    for _ in 0..BACK_ENDS {
        let mut back_end =
            BackEnd::view(&server, json!({ "types": ["loggedOut"], "start": "now", "window": 0 })).await;
        back_end.message().await;
        back_ends.push(back_end);
    }

    let api = Api::new(&server.origin(), &server.api_key).expect("the address is good");
    let (mut told, mut closed, mut heard, mut answered, mut pings) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..REVOCATIONS {
        let mut page = Page::connect(&server).await;
        let Session { session_id, .. } = page.sign_in(email, &mut authenticator).await;
        let start = Instant::now();
        let at_page = async {
            let (_, message) = page.hear().await.expect("the page is told");
            assert!(matches!(message, ServerMessage::SignedOut(_)), "{message:?}");
            let at = start.elapsed();
            page.hear().await.expect_err("the socket is closed");
            (at, start.elapsed())
        };
        let at_back_ends = futures_util::future::join_all(back_ends.iter_mut().map(async |back_end| {
            back_end.event().await;
            start.elapsed()
        }));
        let command = async {
            api.end_session(session_id).await.expect("the session is open");
            start.elapsed()
        };
        let ((page_told, page_closed), at_back_ends, command) = tokio::join!(at_page, at_back_ends, command);
        told.push(page_told);
        closed.push(page_closed);
        heard.extend(at_back_ends.into_iter().max());
        answered.push(command);
        pings.push(ping().await);
        // Below the API's own limit.
        tokio::time::sleep(Duration::from_millis(12)).await;
    }
    let bare = percentile(&mut pings, 50);
    println!(
        "{REVOCATIONS} revocations, {} idle browser sockets, {BACK_ENDS} back ends; milliseconds, and p99 in bare round trips",
        idle.len()
    );
    println!("{:34} {:>8} {:>8} {:>8}", "", "median", "p99", "ratio");
    for (label, times) in [
        ("page told", &mut told),
        ("page's socket closed", &mut closed),
        ("loggedOut at the last back end", &mut heard),
        ("answer to DELETE", &mut answered),
        ("bare WebSocket ping", &mut pings),
    ] {
        let (median, p99) = (percentile(times, 50), percentile(times, 99));
        println!("{label:34} {:>8.2} {:>8.2} {:>8.1}", ms(median), ms(p99), ms(p99) / ms(bare));
    }
    let worst = percentile(&mut closed, 99).max(percentile(&mut heard, 99));
    println!(
        "the bar is 100 ms at p99: {}",
        if worst < Duration::from_millis(100) { "kept" } else { "MISSED" }
    );

    assert!(idle.try_join_next().is_none(), "an idle page was dropped");
    erase(&server, &api, email, &mut authenticator).await;
}

/// One account with many sessions, erased at once.
async fn erase(server: &TestServer, api: &Api, email: &str, authenticator: &mut SoftwareAuthenticator) {
    let mut pages = Vec::new();
    let mut account = None;
    for _ in 0..200 {
        let mut page = Page::connect(server).await;
        account = Some(page.sign_in(email, authenticator).await.account_id);
        pages.push(page);
    }
    let account = account.expect("there are pages");
    let start = Instant::now();
    let closing =
        futures_util::future::join_all(pages.iter_mut().map(async |page| while page.hear().await.is_ok() {}));
    let (_, erased) = tokio::join!(closing, api.erase_account(account));
    erased.expect("the account is there");
    println!(
        "an account with 201 open sessions erased, the last of 200 sockets closed after {:.1?}",
        start.elapsed()
    );
}

/// A ping and its pong over a WebSocket with nothing behind it.
async fn ping() -> Duration {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let echo = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client connects");
        stream.set_nodelay(true).expect("the option is there");
        let mut socket = accept_async(stream).await.expect("it upgrades");
        while let Some(Ok(_)) = socket.next().await {}
    });
    let (mut socket, _) = connect_async(format!("ws://{address}/")).await.expect("it connects");
    let start = Instant::now();
    socket.send(Message::Ping(Vec::new().into())).await.expect("it takes a ping");
    while !matches!(socket.next().await, Some(Ok(Message::Pong(_)))) {}
    let elapsed = start.elapsed();
    drop(socket);
    echo.abort();
    elapsed
}

/// The soft limit on open files of this process.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(1_024)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
