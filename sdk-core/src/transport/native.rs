//! The driver on tokio: carries out what the stream machine asks for, tells it what happens, and holds little memory.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::Response,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::Address;
use crate::{
    protocol::stream::{MAX_CLIENT_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES},
    stream::{Item, Lost, Machine, Output, Status, StreamError, Subscription},
};

/// Runs one stream until it ends or nobody holds the receiving end any more.
///
/// `items` bounds what waits for the application: while it is full, the socket is not read, and TCP holds the server.
pub(crate) async fn drive(
    connector: Connector,
    subscription: Subscription,
    seed: u64,
    items: mpsc::Sender<Result<Item, StreamError>>,
    status: watch::Sender<Status>,
) {
    let clock = Clock::start();
    let mut machine = Machine::new(subscription, seed, clock.now());
    machine.handle_tick(clock.now());
    let mut link = Link::None;
    let mut outbox = VecDeque::new();
    loop {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Connect => link = Link::Connecting(Box::pin(connector.clone().connect())),
                Output::Send(text) => outbox.push_back(Message::text(text)),
                Output::Close { code, reason } => {
                    outbox.clear();
                    std::mem::replace(&mut link, Link::None).close(code, reason).await;
                }
                // There is room, see below. An error means that nobody listens any more, see `closed` below.
                Output::Deliver(item) => drop(items.send(Ok(item)).await),
                Output::Status(now) => report(&status, now),
                Output::End(error) => {
                    drop(items.send(Err(error)).await);
                    return;
                }
            }
        }
        // The application is slow: leave the rest to TCP. The silence meanwhile is ours, not the server's.
        if machine.is_live() && items.capacity() == 0 {
            if items.reserve().await.is_err() {
                break;
            }
            machine.handle_heard(clock.now());
        }
        let deadline = clock.at(machine.poll_timeout().unwrap_or(Duration::ZERO));
        let happened = tokio::select! {
            () = items.closed() => break,
            () = sleep_until(deadline) => Happened::Nothing,
            happened = link.next(&mut outbox) => happened,
        };
        match happened {
            Happened::Nothing => machine.handle_tick(clock.now()),
            Happened::Opened(socket) => {
                link = Link::Open(socket);
                machine.handle_opened(clock.now());
            }
            Happened::Message(text) => machine.handle_message(clock.now(), &text),
            Happened::SignOfLife => machine.handle_heard(clock.now()),
            Happened::Lost(lost) => {
                outbox.clear();
                std::mem::replace(&mut link, Link::None).release().await;
                machine.handle_lost(clock.now(), lost);
            }
        }
    }
    link.close(1000, "").await;
    report(&status, Status::Closed);
}

fn report(to: &watch::Sender<Status>, status: Status) {
    match &status {
        Status::Waiting { retry_in, why } => {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                stream.retry_in_ms = retry_in_ms,
                why,
                "the event stream is interrupted, it will resume"
            );
        }
        Status::Live => tracing::info!("the event stream is live"),
        Status::Connecting | Status::Closed => {}
    }
    to.send_replace(status);
}

/// Makes connections to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    address: Arc<Address>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    /// A connector that trusts Mozilla's roots.
    pub(crate) fn new(address: Address) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::trusting(address, roots)
    }

    /// A connector that trusts these roots. The provider is named here, so that no other crate's default decides.
    fn trusting(address: Address, roots: RootCertStore) -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address: Arc::new(address), tls: Arc::new(tls) }
    }

    async fn connect(self) -> Result<Box<Socket>, Lost> {
        let stream =
            TcpStream::connect(self.address.host_and_port()).await.map_err(Error::Io).map_err(broken)?;
        stream.set_nodelay(true).map_err(Error::Io).map_err(broken)?;
        let request = self.address.uri().into_client_request().map_err(broken)?;
        let tls = tokio_tungstenite::Connector::Rustls(self.tls);
        let connecting = client_async_tls_with_config(request, stream, Some(limits()), Some(tls));
        let (socket, _response) = connecting.await.map_err(broken)?;
        Ok(Box::new(socket))
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The library's defaults are 128 KiB of read buffer, messages of 64 MiB and an unlimited write buffer.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_CLIENT_MESSAGE_BYTES)
        .max_message_size(Some(MAX_SERVER_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_SERVER_MESSAGE_BYTES))
}

/// The connection, in whatever state.
enum Link {
    None,
    Connecting(Pin<Box<dyn Future<Output = Result<Box<Socket>, Lost>> + Send>>),
    Open(Box<Socket>),
}

enum Happened {
    Nothing,
    Opened(Box<Socket>),
    Message(tokio_tungstenite::tungstenite::Utf8Bytes),
    SignOfLife,
    Lost(Lost),
}

impl Link {
    /// Writes what waits, then the next thing that comes of this connection. Cancel safe: a message is taken from
    /// `outbox` in the same step that hands it to the socket.
    async fn next(&mut self, outbox: &mut VecDeque<Message>) -> Happened {
        match self {
            Self::None => std::future::pending().await,
            Self::Connecting(connecting) => match connecting.await {
                Ok(socket) => Happened::Opened(socket),
                Err(lost) => Happened::Lost(lost),
            },
            Self::Open(socket) => match exchange(socket, outbox).await {
                Ok(happened) => happened,
                Err(error) => Happened::Lost(broken(error)),
            },
        }
    }

    /// Says goodbye and waits a moment for the answer, without which a reset could overtake the close code.
    async fn close(self, code: u16, reason: &'static str) {
        if let Self::Open(mut socket) = self {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let goodbye = async {
                if socket.send(Message::Close(Some(frame))).await.is_ok() {
                    while let Some(Ok(_)) = socket.next().await {}
                }
            };
            // Too late is as good as never: the connection is dropped either way.
            drop(timeout(GOODBYE_TIMEOUT, goodbye).await);
        }
    }

    /// Lets the answer to the server's close frame leave.
    async fn release(self) {
        if let Self::Open(mut socket) = self {
            drop(timeout(GOODBYE_TIMEOUT, socket.flush()).await);
        }
    }
}

async fn exchange(socket: &mut Socket, outbox: &mut VecDeque<Message>) -> Result<Happened, Error> {
    while let Some(message) = outbox.front() {
        socket.feed(message.clone()).await?;
        outbox.pop_front();
    }
    socket.flush().await?;
    Ok(match socket.next().await {
        Some(Ok(Message::Text(text))) => Happened::Message(text),
        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            Happened::SignOfLife
        }
        Some(Ok(Message::Close(Some(frame)))) => {
            Happened::Lost(Lost::Closed { code: frame.code.into(), reason: frame.reason.to_string() })
        }
        Some(Ok(Message::Close(None))) => Happened::Lost(Lost::Closed { code: 1005, reason: String::new() }),
        Some(Err(error)) => return Err(error),
        None => Happened::Lost(Lost::Broken { why: "the connection ended".to_owned() }),
    })
}

fn broken(error: Error) -> Lost {
    match error {
        Error::Http(response) => {
            Lost::Refused { status: response.status().as_u16(), retry_after: retry_after(&response) }
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Lost::Broken { why: "the connection ended".to_owned() }
        }
        other => Lost::Broken { why: other.to_string() },
    }
}

/// `Retry-After` in seconds. The other form, a date, would need the two clocks to agree.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Time since the driver began.
struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is the rim; the machine takes the time as an argument"
    )]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn at(&self, time: Duration) -> Instant {
        self.0.checked_add(time).unwrap_or(self.0)
    }
}

const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
