//! The accept loop: TLS, deadlines and a cap on connections, before anything else runs.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use axum::{
    Router,
    http::{
        Request, StatusCode,
        header::{CACHE_CONTROL, CONNECTION},
    },
    response::{IntoResponse, Response},
    routing::future::RouteFuture,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use passkey_accounts::protocol::Code;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::{
    config::ACME_TLS,
    context::stopped,
    limits::{MAX_CONNECTIONS, MAX_REQUEST_HEAD_BYTES, REQUEST_HEAD_MS, TLS_HANDSHAKE_MS},
    routes::Problem,
};

/// Accepts connections until `stopping` turns true. Each runs in `tasks`.
pub async fn listen(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tls = tls.map(TlsAcceptor::from);
    loop {
        // A slot first: when all are taken, new connections wait in the kernel's bounded queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (tls, stopping) = (tls.clone(), stopping.clone());
                let service = Named { router: router.clone(), peer: Peer(peer.ip()) };
                tasks.spawn(serve(stream, slot, tls, service, stopping));
            }
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would only spin.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    tls: Option<TlsAcceptor>,
    service: Named,
    stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak_http(Slotted { stream, _slot: slot }, service, stopping).await };
    let mut first = [0];
    let greeted = async {
        stream.peek(&mut first).await?;
        // A method's name, and no handshake: refused instead of redirected, because what was sent in clear was read by
        // whoever could, and a redirect would let it go on so.
        if first[0].is_ascii_alphabetic() { Ok(Err(stream)) } else { tls.accept(stream).await.map(Ok) }
    };
    let greeted: Result<io::Result<_>, _> =
        tokio::time::timeout(Duration::from_millis(TLS_HANDSHAKE_MS), greeted).await;
    match greeted {
        // An authority has seen the proof that it asked for (RFC 8737 section 4): there is nothing more to say.
        Ok(Ok(Ok(stream))) if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) => {}
        Ok(Ok(Ok(stream))) => speak_http(Slotted { stream, _slot: slot }, service, stopping).await,
        Ok(Ok(Err(stream))) => {
            let service = Named { router: Router::new().fallback(not_in_clear), ..service };
            speak_http(Slotted { stream, _slot: slot }, service, stopping).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

async fn not_in_clear() -> Response {
    let close = [(CONNECTION, "close"), (CACHE_CONTROL, "no-store")];
    let problem = Problem::new(StatusCode::FORBIDDEN, Code::Forbidden)
        .detail("this port speaks TLS and nothing in clear; use https:// or wss://, and take whatever was sent for read");
    (close, problem).into_response()
}

async fn speak_http<S>(stream: S, service: Named, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(REQUEST_HEAD_MS))
        .max_buf_size(MAX_REQUEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// The address of whoever has connected: an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The routes, told who has connected.
#[derive(Debug, Clone)]
struct Named {
    router: Router,
    peer: Peer,
}

impl Service<Request<Incoming>> for Named {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

/// A connection that gives its slot back when it is closed, upgraded to a WebSocket or not.
struct Slotted<S> {
    stream: S,
    _slot: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Slotted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Slotted<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, bytes)
    }
}
