//! A bad network: a TCP proxy between real sockets that cuts, resets, swallows, stalls and drips by a seed.

use std::{io, net::SocketAddr, time::Duration};

use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// What a proxy does to its connections. The same plan always makes the same schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where the schedule comes from.
    pub seed: u64,
    /// So many connections end badly, one after the other; all later ones are left alone.
    pub bad_connections: u32,
    /// Trouble comes within so many bytes from the server.
    pub down_bytes: u64,
    /// Trouble comes within so many bytes from the client.
    pub up_bytes: u64,
}

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection is slowed down before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowness {
    /// Nothing moves for so many milliseconds.
    Stall(u64),
    /// So many bytes arrive one at a time.
    Drip(u64),
    /// So many milliseconds before each of the next 16 chunks.
    Delay(u64),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In an orderly way as far as TCP can tell (FIN), in the middle of whatever was being said.
    Cut,
    /// With a reset (RST).
    Reset,
    /// Nothing gets through for so many milliseconds, and neither side is told; then a reset.
    BlackHole(u64),
}

/// What happens to one connection: first slowness, then the end, each after so many bytes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// Which bytes are counted and slowed down.
    pub direction: Direction,
    /// After how many bytes it gets slow, and how.
    pub slowness: Option<(u64, Slowness)>,
    /// After how many bytes it ends, and how.
    pub ending: (u64, Ending),
}

impl Plan {
    /// What happens to the connection with that number, from 0; `None` if it is left alone.
    pub fn trouble(&self, connection: u32) -> Option<Trouble> {
        if connection >= self.bad_connections {
            return None;
        }
        let mut random =
            Rng::with_seed(self.seed ^ (u64::from(connection) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (direction, reach) = match random.u32(0..4) {
            0 => (Direction::Up, self.up_bytes),
            _ => (Direction::Down, self.down_bytes),
        };
        let ending = match random.u32(0..5) {
            0 | 1 => Ending::Cut,
            2 | 3 => Ending::Reset,
            _ => Ending::BlackHole(random.u64(50..300)),
        };
        let after = random.u64(0..reach.max(1));
        let slowness = match random.u32(0..5) {
            0 => Some(Slowness::Stall(random.u64(1..100))),
            1 | 2 => Some(Slowness::Drip(random.u64(1..1_000))),
            3 => Some(Slowness::Delay(random.u64(1..10))),
            _ => None,
        };
        let slowness = slowness.map(|slowness| (random.u64(0..=after), slowness));
        Some(Trouble { direction, slowness, ending: (after, ending) })
    }
}

/// A running proxy. Dropping it resets every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    endings: watch::Receiver<u32>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface and connects everyone to `server`.
    ///
    /// # Errors
    /// The listener's.
    pub async fn start(server: SocketAddr, plan: Plan) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (ended, endings) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let (trouble, ended) = (plan.trouble(number), ended.clone());
                connections.spawn(async move {
                    // An error is a peer that was faster.
                    let _ = connect(client, server, trouble).await;
                    if trouble.is_some() {
                        ended.send_modify(|count| *count += 1);
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, endings, accepting })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many connections have ended badly.
    pub async fn wait_for(&self, endings: u32) {
        let _ = self.endings.clone().wait_for(|count| *count >= endings).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(mut client: TcpStream, server: SocketAddr, trouble: Option<Trouble>) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let of = |direction| trouble.filter(|trouble| trouble.direction == direction);
    let ending = {
        let ((client_in, client_out), (server_in, server_out)) = (client.split(), server.split());
        tokio::select! {
            ending = pump(client_in, server_out, of(Direction::Up)) => ending,
            ending = pump(server_in, client_out, of(Direction::Down)) => ending,
        }
    };
    match ending {
        // Dropping an unread byte would make a reset of it: what is there is taken first.
        Ok(Ending::Cut) => {
            let mut rest = [0; 4_096];
            while client.try_read(&mut rest).is_ok_and(|length| length > 0) {}
            while server.try_read(&mut rest).is_ok_and(|length| length > 0) {}
            return Ok(());
        }
        Ok(Ending::BlackHole(millis)) => sleep(Duration::from_millis(millis)).await,
        Ok(Ending::Reset) | Err(_) => {}
    }
    client.set_zero_linger()?;
    server.set_zero_linger()
}

/// Carries bytes one way until the end.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, trouble: Option<Trouble>) -> io::Result<Ending> {
    let (mut slowness, end) = match trouble {
        Some(trouble) => (trouble.slowness, trouble.ending),
        None => (None, (u64::MAX, Ending::Cut)),
    };
    let (mut passed, mut dripping, mut delayed) = (0_u64, 0_u64, (0_u32, 0_u64));
    let mut buffer = [0; 4_096];
    loop {
        if passed >= end.0 {
            return Ok(end.1);
        }
        if let Some((_, slow)) = slowness.take_if(|(after, _)| passed >= *after) {
            match slow {
                Slowness::Stall(millis) => sleep(Duration::from_millis(millis)).await,
                Slowness::Drip(bytes) => dripping = bytes,
                Slowness::Delay(millis) => delayed = (16, millis),
            }
        }
        let next = slowness.map_or(end.0, |(after, _)| after.min(end.0));
        let most = usize::try_from(next - passed).unwrap_or(usize::MAX).min(buffer.len());
        let most = if dripping > 0 { 1 } else { most };
        let Some(room) = buffer.get_mut(..most) else { return Ok(Ending::Cut) };
        let length = from.read(room).await?;
        if length == 0 {
            return Ok(Ending::Cut);
        }
        if delayed.0 > 0 {
            delayed.0 -= 1;
            sleep(Duration::from_millis(delayed.1)).await;
        }
        to.write_all(room.get(..length).unwrap_or_default()).await?;
        passed += length as u64;
        dripping = dripping.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::{Direction, Ending, Plan, Proxy, Slowness, Trouble, connect};

    const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog.";

    /// What a client hears of a server that says `TEXT` and closes.
    async fn hear(trouble: Option<Trouble>) -> (Vec<u8>, Option<ErrorKind>, usize) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let middle = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut socket, _) = server.accept().await.unwrap();
            socket.write_all(TEXT).await.unwrap();
            // Until the client is gone.
            let _ = socket.read(&mut [0; 1]).await;
        });
        let mut client = TcpStream::connect(middle.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = middle.accept().await.unwrap();
        let proxying = tokio::spawn(async move { drop(connect(accepted, address, trouble).await) });
        let (mut heard, mut reads, mut buffer) = (Vec::new(), 0, [0; 4_096]);
        let error = loop {
            match client.read(&mut buffer).await {
                Ok(0) => break None,
                Ok(length) => {
                    heard.extend_from_slice(&buffer[..length]);
                    reads += 1;
                    if trouble.is_none() && heard == TEXT {
                        break None;
                    }
                }
                Err(error) => break Some(error.kind()),
            }
        };
        drop(client);
        proxying.await.unwrap();
        serving.await.unwrap();
        (heard, error, reads)
    }

    const fn trouble(after: u64, ending: Ending) -> Option<Trouble> {
        Some(Trouble { direction: Direction::Down, slowness: None, ending: (after, ending) })
    }

    #[tokio::test]
    async fn a_connection_that_is_left_alone_carries_everything() {
        assert_eq!(hear(None).await.0, TEXT);
    }

    #[tokio::test]
    async fn a_cut_comes_after_exactly_so_many_bytes() {
        assert_eq!(hear(trouble(10, Ending::Cut)).await, (TEXT[..10].to_vec(), None, 1));
        assert_eq!(hear(trouble(0, Ending::Cut)).await.0, b"");
    }

    #[tokio::test]
    async fn a_reset_is_told_as_one() {
        let (heard, error, _) = hear(trouble(7, Ending::Reset)).await;
        assert!(TEXT[..7].starts_with(&heard), "{heard:?}");
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn a_black_hole_swallows_the_rest_and_says_nothing_until_its_end() {
        let (heard, error, _) = hear(trouble(5, Ending::BlackHole(20))).await;
        assert_eq!((heard.as_slice(), error), (&TEXT[..5], Some(ErrorKind::ConnectionReset)));
    }

    #[tokio::test]
    async fn slowness_changes_no_byte() {
        for slow in [Slowness::Stall(5), Slowness::Drip(1_000), Slowness::Delay(2)] {
            let ending = (TEXT.len() as u64, Ending::Cut);
            let trouble = Trouble { direction: Direction::Down, slowness: Some((3, slow)), ending };
            let (heard, error, _) = hear(Some(trouble)).await;
            assert_eq!((heard.as_slice(), error), (TEXT, None), "{slow:?}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_schedule_and_every_kind_of_trouble_occurs() {
        let plan = Plan { seed: 7, bad_connections: 300, down_bytes: 3_000, up_bytes: 600 };
        let schedule = |plan: Plan| (0..300).map(|number| plan.trouble(number)).collect::<Vec<_>>();
        assert_eq!(schedule(plan), schedule(plan));
        assert_ne!(schedule(plan), schedule(Plan { seed: 8, ..plan }));
        assert_eq!(plan.trouble(300), None);
        let seen = format!("{:?}", schedule(plan));
        for word in ["Cut", "Reset", "BlackHole", "Stall", "Drip", "Delay", "Up", "Down"] {
            assert!(seen.contains(word), "no {word}");
        }
    }

    #[tokio::test]
    async fn a_proxy_leaves_connections_alone_once_its_plan_is_over() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plan = Plan { seed: 1, bad_connections: 3, down_bytes: 1, up_bytes: 1 };
        let proxy = Proxy::start(server.local_addr().unwrap(), plan).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = server.accept().await {
                let _ = socket.write_all(TEXT).await;
                tokio::spawn(async move { socket.read(&mut [0; 1]).await });
            }
        });
        for _ in 0..3 {
            let mut client = TcpStream::connect(proxy.address()).await.unwrap();
            let _ = client.read_to_end(&mut Vec::new()).await;
        }
        proxy.wait_for(3).await;
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut heard = vec![0; TEXT.len()];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, TEXT);
    }
}
