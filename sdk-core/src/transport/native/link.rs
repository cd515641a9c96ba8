//! One connection on tokio: making it, exchanging frames over it, and ending it so that the peer learns why.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        Error, Message, Utf8Bytes,
        client::IntoClientRequest,
        handshake::client::Response,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    protocol::stream::{MAX_CLIENT_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES},
    stream::Lost,
    transport::Address,
};

/// Makes connections to one address, and where that address sends us.
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
    pub(super) fn trusting(address: Address, roots: RootCertStore) -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address: Arc::new(address), tls: Arc::new(tls) }
    }

    /// Begins a connection; to `url` if it was given and the key may go there.
    pub(super) fn connect(&self, url: Option<&str>) -> Link {
        let elsewhere = url.and_then(|url| self.address.elsewhere(url)).map(Arc::new);
        let address = elsewhere.unwrap_or_else(|| Arc::clone(&self.address));
        let origin = address.origin();
        Link::Connecting(Box::pin(connect(address, Arc::clone(&self.tls))), origin)
    }
}

async fn connect(address: Arc<Address>, tls: Arc<ClientConfig>) -> Result<Box<Socket>, Lost> {
    let stream = TcpStream::connect(address.host_and_port()).await.map_err(Error::Io).map_err(broken)?;
    stream.set_nodelay(true).map_err(Error::Io).map_err(broken)?;
    let request = address.uri().into_client_request().map_err(broken)?;
    let tls = tokio_tungstenite::Connector::Rustls(tls);
    let connecting = client_async_tls_with_config(request, stream, Some(limits()), Some(tls));
    let (socket, _response) = connecting.await.map_err(broken)?;
    Ok(Box::new(socket))
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The library's defaults are 128 KiB of read buffer, messages of 64 MiB and an unlimited write buffer.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_CLIENT_MESSAGE_BYTES)
        .max_message_size(Some(MAX_SERVER_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_SERVER_MESSAGE_BYTES))
}

/// The connection, in whatever state.
pub(super) enum Link {
    None,
    /// And to which origin.
    Connecting(Pin<Box<dyn Future<Output = Result<Box<Socket>, Lost>> + Send>>, String),
    Open(Box<Socket>),
}

pub(super) enum Happened {
    /// And to which origin.
    Opened(Box<Socket>, String),
    Message(Utf8Bytes),
    SignOfLife,
    Lost(Lost),
}

impl Link {
    /// Writes what waits, then the next thing that comes of this connection; nothing comes while `is_reading` is false.
    /// Cancel safe: a message is taken from `outbox` in the same step that hands it to the socket.
    pub(super) async fn next(&mut self, outbox: &mut VecDeque<Message>, is_reading: bool) -> Happened {
        match self {
            Self::None => std::future::pending().await,
            Self::Connecting(connecting, origin) => match connecting.await {
                Ok(socket) => Happened::Opened(socket, std::mem::take(origin)),
                Err(lost) => Happened::Lost(lost),
            },
            Self::Open(socket) => Happened::of(exchange(socket, outbox, is_reading).await),
        }
    }

    /// The next thing that has come of it already. Nothing is written, which costs a third of a message: that is for
    /// [`next`](Self::next), soon.
    pub(super) fn arrived(&mut self) -> Option<Happened> {
        match self {
            Self::None | Self::Connecting(..) => None,
            Self::Open(socket) => socket.next().now_or_never().map(Happened::of),
        }
    }

    /// Sends what waits and says goodbye, then waits a moment for the answer, without which a reset could overtake the
    /// close code.
    pub(super) async fn close(self, outbox: VecDeque<Message>, code: u16, reason: &'static str) {
        if let Self::Open(mut socket) = self {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let goodbye = async {
                for message in outbox {
                    socket.feed(message).await?;
                }
                socket.send(Message::Close(Some(frame))).await?;
                while let Some(Ok(_)) = socket.next().await {}
                Ok::<(), Error>(())
            };
            // Too late is as good as never: the connection is dropped either way.
            drop(timeout(GOODBYE_TIMEOUT, goodbye).await);
        }
    }

    /// Lets the answer to the server's close frame leave.
    pub(super) async fn release(self) {
        if let Self::Open(mut socket) = self {
            drop(timeout(GOODBYE_TIMEOUT, socket.flush()).await);
        }
    }
}

async fn exchange(
    socket: &mut Socket,
    outbox: &mut VecDeque<Message>,
    is_reading: bool,
) -> Option<Result<Message, Error>> {
    // One step for both directions: a peer that waits for us to read before it reads must not stop us from reading.
    poll_fn(|context| {
        while !outbox.is_empty() {
            match socket.poll_ready_unpin(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => break,
            }
            if let Some(message) = outbox.pop_front()
                && let Err(error) = socket.start_send_unpin(message)
            {
                return Poll::Ready(Some(Err(error)));
            }
        }
        if let Poll::Ready(Err(error)) = socket.poll_flush_unpin(context) {
            return Poll::Ready(Some(Err(error)));
        }
        if is_reading { socket.poll_next_unpin(context) } else { Poll::Pending }
    })
    .await
}

impl Happened {
    fn of(next: Option<Result<Message, Error>>) -> Self {
        match next {
            Some(Ok(Message::Text(text))) => Self::Message(text),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                Self::SignOfLife
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Self::Lost(Lost::Closed { code: frame.code.into(), reason: frame.reason.to_string() })
            }
            Some(Ok(Message::Close(None))) => Self::Lost(Lost::Closed { code: 1005, reason: String::new() }),
            Some(Err(error)) => Self::Lost(broken(error)),
            None => Self::Lost(Lost::Broken { why: "the connection ended".to_owned() }),
        }
    }
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

/// What is read at once: a busy stream's events by the dozen. A client has one connection, or a few.
const READ_BUFFER_BYTES: usize = 32 * 1024;

const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
