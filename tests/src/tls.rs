//! TLS in front of a server that speaks in clear, as most sites have it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::raw::Identity;

/// Takes TLS off connections until it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    /// Where it listens, on this machine.
    pub port: u16,
    serving: JoinHandle<()>,
}

impl TlsFront {
    /// Listens on a free port, for the server at `behind`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(behind: SocketAddr, identity: &Identity) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(identity.server()));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who fails the handshake, or leaves, is not served.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut server) = TcpStream::connect(behind).await else { return };
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        Self { port, serving }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
