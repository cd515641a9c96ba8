//! The wire between browsers and a server, for a test to cut and to mend.

use std::{io, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A TCP proxy. Dropping it ends every connection.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nobody gets through, and both sides were told.
    Cut,
    /// Nobody gets through, and the server was not told: for it, the old connections are still there.
    CutSilently,
}

impl Line {
    /// Listens on a free port of the loopback interface and connects everyone to `server`.
    ///
    /// # Errors
    /// The listener's.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(State::Whole);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                tokio::spawn(carry(client, server, states.clone()));
            }
        });
        Ok(Self { address, state, accepting })
    }

    /// `http://localhost:port`
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Resets every connection, and every new one, until [`Self::mend`].
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// As [`Self::cut`], but the server is left with connections from which nothing comes any more.
    pub fn cut_silently(&self) {
        self.state.send_replace(State::CutSilently);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    if *states.borrow_and_update() == State::Whole
        && let Ok(mut server) = TcpStream::connect(server).await
    {
        tokio::select! {
            // How it ended is the peers' affair.
            _ = copy_bidirectional(&mut client, &mut server) => return,
            changed = states.changed() => if changed.is_err() { return },
        }
        // An error means that the peer was faster.
        let _ = client.set_zero_linger();
        if *states.borrow() == State::CutSilently {
            drop(client);
            // Until the line itself is gone.
            while states.changed().await.is_ok() {}
        }
        return;
    }
    let _ = client.set_zero_linger();
}
