//! The accept loop: TLS, deadlines and caps on connections, before anything else runs.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
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
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Sleep,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::{
    config::ACME_TLS,
    context::stopped,
    limits::{
        FAREWELL_BYTES, FAREWELL_MS, MAX_REQUEST_HEAD_BYTES, REQUEST_HEAD_MS, TLS_HANDSHAKE_MS, WRITE_MS,
    },
    rates::{Counted, Rationing},
    refusals::Refusals,
    routes::Problem,
    unheard::Unheard,
};

/// Accepts connections until `stopping` turns true. Each runs in `tasks`.
pub async fn listen(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    rationing: Arc<Rationing>,
    refusals: Arc<Refusals>,
    mut stopping: watch::Receiver<bool>,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(rationing.most_connections()));
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
                let counted = rationing.connect(peer.ip()).inspect_err(|code| refusals.count(*code));
                let Ok(counted) = counted else {
                    // A reset: whoever opens thousands must not leave us as many that wait to be forgotten.
                    let _ = stream.set_zero_linger();
                    continue;
                };
                let (tls, stopping) = (tls.clone(), stopping.clone());
                let service =
                    Named { router: router.clone(), peer: Peer(peer.ip()), unheard: Unheard::unlimited() };
                tasks.spawn(serve(stream, Place { _slot: slot, _counted: counted }, tls, service, stopping));
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
    place: Place,
    tls: Option<TlsAcceptor>,
    service: Named,
    stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak_http(stream, place, service, stopping).await };
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
        Ok(Ok(Ok(stream))) => speak_http(stream, place, service, stopping).await,
        Ok(Ok(Err(stream))) => {
            let service = Named { router: Router::new().fallback(not_in_clear), ..service };
            speak_http(stream, place, service, stopping).await;
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

async fn speak_http<S: Wire>(stream: S, place: Place, service: Named, mut stopping: watch::Receiver<bool>) {
    let stream = Guarded { inner: Some((stream, place)), unheard: service.unheard.clone(), stalled: None };
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
    unheard: Unheard,
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
        request.extensions_mut().insert(self.unheard.clone());
        self.router.call(request)
    }
}

/// What a connection takes up, until it is closed.
struct Place {
    _slot: OwnedSemaphorePermit,
    _counted: Option<Counted>,
}

/// What bytes travel on.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for S {}

/// A connection, upgraded to a WebSocket or not, that holds its place until it is closed, counts what it reads, and breaks
/// when its peer takes nothing for [`WRITE_MS`].
struct Guarded<S: Wire> {
    /// There until it is dropped.
    inner: Option<(S, Place)>,
    unheard: Unheard,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: Wire> Guarded<S> {
    fn stream(&mut self) -> Pin<&mut S> {
        let (stream, _) = self.inner.as_mut().expect("the stream is there until this is dropped");
        Pin::new(stream)
    }

    fn written<T>(&mut self, task: &mut Task<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let sleep = || Box::pin(tokio::time::sleep(Duration::from_millis(WRITE_MS)));
        let stalled = self.stalled.get_or_insert_with(sleep);
        stalled.as_mut().poll(task).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Wire> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.stream().poll_read(task, buffer))?;
        Poll::Ready(self.unheard.add(buffer.filled().len() - before))
    }
}

impl<S: Wire> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(task, bytes);
        self.written(task, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(task);
        self.written(task, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let shut = self.stream().poll_shutdown(task);
        self.written(task, shut)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(|(stream, _)| stream.is_write_vectored())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(task, bytes);
        self.written(task, written)
    }
}

impl<S: Wire> Drop for Guarded<S> {
    fn drop(&mut self) {
        if let (Some((stream, place)), Ok(runtime)) = (self.inner.take(), Handle::try_current()) {
            runtime.spawn(part(stream, place));
        }
    }
}

/// Reads what the peer still says, within bounds: a close over unread bytes resets the connection, and the peer would lose
/// what it was told last.
async fn part<S: Wire>(mut stream: S, _place: Place) {
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(FAREWELL_BYTES as u64), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(Duration::from_millis(FAREWELL_MS), reading).await;
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, sync::Arc, time::Duration};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        sync::Semaphore,
        time::sleep,
    };

    use super::{FAREWELL_BYTES, FAREWELL_MS, Guarded, Place, Unheard, WRITE_MS};

    /// A connection whose peer takes 16 bytes before it has to read.
    async fn connection(slots: &Arc<Semaphore>) -> (Guarded<DuplexStream>, DuplexStream) {
        let (inner, peer) = duplex(16);
        let slot = Arc::clone(slots).acquire_owned().await.unwrap();
        let place = Place { _slot: slot, _counted: None };
        (Guarded { inner: Some((inner, place)), unheard: Unheard::unlimited(), stalled: None }, peer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_breaks_the_connection_and_one_that_takes_little_does_not() {
        let slots = Arc::new(Semaphore::new(2));
        let (mut slow, mut peer) = connection(&slots).await;
        let reading = async {
            for _ in 0..10 {
                sleep(Duration::from_millis(WRITE_MS - 1)).await;
                peer.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(slow.write_all(&[0; 26]), reading);
        written.unwrap();
        assert_eq!(slow.write_all(&[0]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_still_says_is_read_for_a_moment_and_its_place_is_free_after_it() {
        let slots = Arc::new(Semaphore::new(1));
        let (connection, mut peer) = connection(&slots).await;
        drop(connection);
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "it hears the end at once");
        assert_eq!(slots.available_permits(), 0);
        peer.write_all(&vec![0; FAREWELL_BYTES]).await.expect("what it says is read");
        sleep(Duration::from_millis(FAREWELL_MS)).await;
        assert_eq!(slots.available_permits(), 1);
    }
}
