//! A WebSocket client that can do wrong: bytes from any loopback address, in clear or over TLS, frames cut wherever the
//! test wants.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use rcgen::PublicKeyData;
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

/// What bytes travel on.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// Where connections go, and how.
#[derive(Debug, Clone)]
pub struct Dialer {
    /// The server's port.
    pub port: u16,
    /// Whom the server takes us for: any address of the loopback network.
    pub from: Ipv4Addr,
    /// TLS, where the server has it.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// From the address that everybody has, in clear.
    pub fn new(port: u16) -> Self {
        Self { port, from: Ipv4Addr::LOCALHOST, tls: None }
    }

    /// A connection without TLS, whatever the server speaks.
    ///
    /// # Errors
    /// The connection's.
    pub async fn dial_bare(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if self.from != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::from((self.from, 0)))?;
        }
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection that is ready for requests.
    ///
    /// # Errors
    /// The connection's, or the handshake's.
    ///
    /// # Panics
    /// Never: `localhost` is a name.
    pub async fn dial(&self) -> io::Result<Box<dyn Wire>> {
        let stream = self.dial_bare().await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = "localhost".try_into().expect("it is a name");
        Ok(Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?))
    }
}

/// A certificate for localhost and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// A new one.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn make() -> Self {
        let key = rcgen::KeyPair::generate().expect("keys can be made");
        let wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("it is a name");
        let certificate = wanted.self_signed(&key).expect("it can be signed");
        Self { certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    /// SHA-256 of the public key (`SubjectPublicKeyInfo`): by it a browser is told whom to trust. 32 bytes.
    ///
    /// # Panics
    /// Never: the key is one.
    pub fn key_digest(&self) -> Vec<u8> {
        let key = rcgen::KeyPair::try_from(&*self.key).expect("the key is one");
        digest(&SHA256, &key.subject_public_key_info()).as_ref().to_vec()
    }

    /// For another process, which reads it with [`from_text`](Self::from_text).
    pub fn to_text(&self) -> String {
        format!("{}:{}", HEXLOWER.encode(&self.certificate), HEXLOWER.encode(&self.key))
    }

    /// What [`to_text`](Self::to_text) wrote.
    ///
    /// # Panics
    /// When it is something else.
    pub fn from_text(text: &str) -> Self {
        let (certificate, key) = text.split_once(':').expect("two parts");
        let part = |text: &str| HEXLOWER.decode(text.as_bytes()).expect("hexadecimal digits");
        Self { certificate: part(certificate), key: part(key) }
    }

    /// A server with this certificate.
    ///
    /// # Panics
    /// Never: key and certificate belong together.
    pub fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::Pkcs8(self.key.clone().into());
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone().into()], key)
            .expect("key and certificate belong together")
    }

    /// A client that trusts this certificate and offers these protocols (ALPN).
    ///
    /// # Panics
    /// Never: the certificate is one.
    pub fn client(&self, offers: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone().into()).expect("it is a certificate");
        let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
        Arc::new(client)
    }
}

/// A frame as a client sends it, right or wrong.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whether nothing follows.
    pub is_final: bool,
    /// The three reserved bits, 0 to 7.
    pub reserved: u8,
    /// 0 to 15.
    pub opcode: u8,
    /// Not masked yet.
    pub payload: Vec<u8>,
}

/// An opcode.
pub const CONTINUATION: u8 = 0;
/// An opcode.
pub const TEXT: u8 = 1;
/// An opcode.
pub const BINARY: u8 = 2;
/// An opcode.
pub const CLOSE: u8 = 8;
/// An opcode.
pub const PING: u8 = 9;
/// An opcode.
pub const PONG: u8 = 10;

impl Frame {
    /// One that is whole.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { is_final: true, reserved: 0, opcode, payload: payload.into() }
    }

    /// One with more to follow.
    pub fn part(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { is_final: false, ..Self::new(opcode, payload) }
    }

    /// One with these reserved bits.
    #[must_use]
    pub fn reserving(self, reserved: u8) -> Self {
        Self { reserved, ..self }
    }

    /// The bytes, masked as RFC 6455 section 5.3 wants.
    ///
    /// # Panics
    /// Never: lengths are written in as many bytes as they have.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode];
        match self.payload.len() {
            length @ 0..126 => bytes.push(0x80 | u8::try_from(length).expect("it is small")),
            length @ 126..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).expect("it is small").to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend(MASK);
        bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// What the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(Vec<u8>),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A frame that no server may send.
    Wrong(String),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The close frame: its code, if it had one.
    pub close: Option<Option<u16>>,
    /// Its reason.
    pub reason: String,
    /// Whether the connection was closed in an orderly way after it, and nothing came between.
    pub is_clean: bool,
}

/// Asks for a WebSocket, and returns the head of the answer.
///
/// # Errors
/// The connection's.
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    stream: &mut S,
    path: &str,
    headers: &str,
) -> io::Result<String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Reads until the end, handing on what comes.
pub async fn read_all<S: AsyncRead + Unpin + ?Sized>(stream: &mut S, mut heard: impl FnMut(Event)) -> End {
    let mut end = End { close: None, reason: String::new(), is_clean: false };
    loop {
        match read_frame(stream).await {
            Ok(Some((_, payload))) if end.close.is_some() => {
                end.reason = format!("{} bytes came after the close", payload.len());
                return end;
            }
            Ok(Some((0x88, payload))) => {
                end.close = Some(payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
                end.reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
            }
            Ok(Some((first, payload))) => heard(match first {
                0x81 => Event::Text(payload),
                0x82 => Event::Binary(payload),
                0x89 => Event::Ping(payload),
                0x8a => Event::Pong(payload),
                other => Event::Wrong(format!("a frame that begins with {other:#x}")),
            }),
            Ok(None) => {
                end.is_clean = true;
                return end;
            }
            Err(error) => {
                if end.close.is_none() {
                    end.reason = error.to_string();
                }
                return end;
            }
        }
    }
}

/// The first byte of a frame and its payload; `None` where the connection ends between frames.
async fn read_frame<S: AsyncRead + Unpin + ?Sized>(stream: &mut S) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut first = [0];
    if stream.read(&mut first).await? == 0 {
        return Ok(None);
    }
    // No mask bit: a server does not mask, and a length with it would be refused here.
    let length = match stream.read_u8().await? {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        length @ 0..126 => u64::from(length),
        _ => return Err(io::Error::other("a masked frame from a server")),
    };
    let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut payload).await?;
    Ok(Some((first[0], payload)))
}
