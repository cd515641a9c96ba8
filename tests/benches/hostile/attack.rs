//! Ways to misbehave. Whoever is thrown out comes again.

use std::{
    env,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use passkey_accounts::protocol::{
    AppID,
    gateway::{ClientMessage, Finish, MAX_FIRST_FRAME_BYTES, RawJson, SUBPROTOCOL, ServerMessage, Verify},
};
use passkey_accounts_tests::{
    Page, SoftwareAuthenticator, Stage,
    raw::{CONTINUATION, Dialer, Frame, Identity, PING, TEXT, Wire, upgrade},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
    time::{interval, sleep},
};
use tokio_tungstenite::Connector;

use crate::server::{IDENTITY, ORIGIN};

/// Which attack, on which port and which app.
pub const ATTACK: &str = "PASSKEY_ACCOUNTS_BENCH_ATTACK";
/// Everybody who misbehaves has this address.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

macro_rules! attacks {
    ($($name:ident $places:literal $pause_ms:literal $text:literal)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Attack { $($name,)* }

        impl Attack {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How many do so at once.
            pub const fn places(self) -> usize {
                match self { $(Self::$name => $places,)* }
            }

            /// How long whoever was thrown out waits, in milliseconds.
            const fn pause_ms(self) -> u64 {
                match self { $(Self::$name => $pause_ms,)* }
            }
        }
    };
}

attacks! {
    SlowHandshake 5_000 1_000 "half a TLS handshake"
    SlowHead 5_000 1_000 "a request head, a byte a second"
    Deaf 1_000 1_000 "requests, answers not read"
    Idle 10_000 1_000 "idle browser sockets"
    Unfinished 10_000 1_000 "browser sockets with an unfinished frame"
    Handshakes 64 0 "TLS handshakes without pause"
    Pings 64 50 "pings without pause"
    Crumbs 64 50 "empty fragments without pause"
    DeepJson 64 50 "deeply nested JSON without pause"
    CborBombs 16 50 "CBOR bombs in new passkeys without pause"
}

struct Place {
    dialer: Dialer,
    app_id: AppID,
    taken: Arc<AtomicUsize>,
    /// Of the account that all of them share.
    mallory: Arc<Mutex<SoftwareAuthenticator>>,
}

/// Misbehaves until it is killed. Says again and again how many places are taken.
pub async fn run() {
    let wanted = env::var(ATTACK).expect("an attack");
    let (rest, app_id) = wanted.rsplit_once(' ').expect("three parts");
    let (name, port) = rest.rsplit_once(' ').expect("three parts");
    let attack = *Attack::ALL.iter().find(|attack| attack.name() == name).expect("an attack");
    let identity = Identity::from_text(&env::var(IDENTITY).expect("an identity"));
    let dialer =
        Dialer { port: port.parse().expect("a port"), from: ADDRESS, tls: Some(identity.client(&[])) };
    let app_id = app_id.parse().expect("an app");
    let taken = Arc::new(AtomicUsize::new(0));
    let mut mallory = SoftwareAuthenticator::new([99; 32]);
    if attack == Attack::CborBombs {
        sign_up(&dialer, app_id, MALLORY, &mut mallory).await;
    }
    let mallory = Arc::new(Mutex::new(mallory));
    let told = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            println!("{}", told.load(Relaxed));
        }
    });
    for _ in 0..attack.places() {
        let place =
            Place { dialer: dialer.clone(), app_id, taken: Arc::clone(&taken), mallory: mallory.clone() };
        tokio::spawn(async move {
            loop {
                let held = place.hold(attack).await;
                if held.is_some() {
                    place.taken.fetch_sub(1, Relaxed);
                }
                sleep(Duration::from_millis(attack.pause_ms())).await;
            }
        });
        // As many handshakes at once as a queue of the kernel holds.
        tokio::task::yield_now().await;
    }
    std::future::pending::<()>().await;
}

impl Place {
    /// Takes the place and holds it until it is thrown out. `None`: it did not get so far.
    async fn hold(&self, attack: Attack) -> Option<()> {
        match attack {
            Attack::SlowHandshake => {
                let mut stream = self.dialer.dial_bare().await.ok()?;
                stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.ok()?;
                self.take();
                wait_for_end(&mut stream).await;
            }
            Attack::SlowHead => {
                let mut stream = self.dialer.dial().await.ok()?;
                stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ").await.ok()?;
                self.take();
                let (mut reading, mut writing) = tokio::io::split(stream);
                let mut ticks = interval(Duration::from_secs(1));
                let dripping = async {
                    while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
                        ticks.tick().await;
                    }
                };
                tokio::select! {
                    () = dripping => {}
                    () = wait_for_end(&mut reading) => {}
                }
            }
            Attack::Idle => {
                let page = self.connect().await?;
                self.take();
                let mut page = page;
                while page.hear().await.is_ok() {}
            }
            Attack::Unfinished => {
                let mut stream = self.open().await?;
                let frame = Frame::new(TEXT, [b' '; MAX_FIRST_FRAME_BYTES]).encode();
                stream.write_all(frame.split_last()?.1).await.ok()?;
                self.take();
                wait_for_end(&mut stream).await;
            }
            Attack::Deaf => {
                let mut stream = self.dialer.dial().await.ok()?;
                self.take();
                let request = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
                while stream.write_all(request.as_bytes()).await.is_ok() {}
            }
            Attack::Handshakes => {
                self.take();
                while self.dialer.dial().await.is_ok() {}
            }
            Attack::Pings => self.flood(&Frame::new(PING, [0; 125]).encode()).await?,
            Attack::Crumbs => self.flood(&Frame::part(CONTINUATION, []).encode()).await?,
            Attack::DeepJson => {
                let deep = format!(r#"{{"type":"signIn.begin","id":1,"email":{}"#, "[".repeat(4_000));
                self.flood(&Frame::new(TEXT, deep).encode()).await?;
            }
            Attack::CborBombs => {
                let mut page = self.connect().await?;
                page.try_sign_in(MALLORY, &mut *self.mallory.lock().await).await.ok()?;
                self.take();
                for bomb in [[0x81; 3_500], [0x9f; 3_500], [0xc6; 3_500], [0xbf; 3_500]].iter().cycle() {
                    let begun = page.try_ask(ClientMessage::PasskeysAddBegin).await;
                    let Ok(ServerMessage::CeremonyCreate(ceremony)) = begun else { break };
                    let mut new = SoftwareAuthenticator::new([98; 32]);
                    let credential = new.register_with(&ceremony.public_key.0, ORIGIN, &|stage| {
                        if let Stage::Attestation(object) = stage {
                            object.statement = bomb.to_vec();
                        }
                    });
                    let credential = RawJson(credential.expect("a passkey is made"));
                    let finish = Finish { ceremony_id: ceremony.ceremony_id, credential };
                    if page.try_ask(ClientMessage::CeremonyFinish(finish)).await.is_err() {
                        break;
                    }
                }
            }
        }
        Some(())
    }

    fn take(&self) {
        self.taken.fetch_add(1, Relaxed);
    }

    /// A browser socket without a page's manners.
    async fn open(&self) -> Option<Box<dyn Wire>> {
        let mut stream = self.dialer.dial().await.ok()?;
        let headers = format!("Origin: {ORIGIN}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n");
        let head = upgrade(&mut stream, &format!("/v1/gateway?app={}", self.app_id), &headers).await.ok()?;
        head.starts_with("HTTP/1.1 101").then_some(stream)
    }

    async fn connect(&self) -> Option<Page> {
        connect(&self.dialer, self.app_id).await
    }

    /// Says the same thing until it is thrown out, and the first fragment of a message before.
    async fn flood(&self, bytes: &[u8]) -> Option<()> {
        let mut stream = self.open().await?;
        if bytes.first().is_some_and(|first| first & 0x0f == CONTINUATION) {
            stream.write_all(&Frame::part(TEXT, []).encode()).await.ok()?;
        }
        self.take();
        let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
        let (mut reading, mut writing) = tokio::io::split(stream);
        let talking = async { while writing.write_all(&many).await.is_ok() {} };
        tokio::select! {
            () = talking => {}
            () = wait_for_end(&mut reading) => {}
        }
        Some(())
    }
}

async fn wait_for_end<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) {
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}

/// A page over a connection of its own.
pub async fn connect(dialer: &Dialer, app_id: AppID) -> Option<Page> {
    let stream = dialer.dial_bare().await.ok()?;
    let tls = dialer.tls.clone().map(Connector::Rustls);
    let url = format!("wss://localhost:{}/v1/gateway", dialer.port);
    Page::connect_over(stream, tls, &url, app_id, ORIGIN).await.ok()
}

const MALLORY: &str = "mallory@example.org";

/// Makes an account over a connection of its own.
pub async fn sign_up(dialer: &Dialer, app_id: AppID, email: &str, authenticator: &mut SoftwareAuthenticator) {
    let mut page = connect(dialer, app_id).await.expect("the page connects");
    let sent = page.ask(ClientMessage::SignUpBegin(page.begin(email))).await;
    assert!(matches!(sent, ServerMessage::CodeSent(_)), "{sent:?}");
    let code = mailed_code(dialer, email).await.expect("a code was mailed");
    let reply = page.ask(ClientMessage::SignUpVerify(Verify { code })).await;
    let ServerMessage::CeremonyCreate(ceremony) = reply else { unreachable!("the code is right") };
    let credential = authenticator.register(&ceremony.public_key.0, ORIGIN).expect("a passkey is made");
    let done = page.finish(&ceremony, credential).await;
    assert!(matches!(done, ServerMessage::SignedIn(_)), "{done:?}");
}

/// The code that was last mailed to an address, which a server for developing shows to everybody.
pub async fn mailed_code(dialer: &Dialer, email: &str) -> Option<String> {
    let mut stream = dialer.dial().await.ok()?;
    let request = "GET /dev/outbox HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8(answer).ok()?;
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
    let mails = body.get("mails").unwrap_or(&body).as_array()?;
    let mail = mails.iter().find(|mail| mail.get("to").and_then(Value::as_str) == Some(email))?;
    mail.get("code")?.as_str().map(str::to_owned)
}
