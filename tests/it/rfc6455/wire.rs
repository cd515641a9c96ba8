//! A WebSocket client that can do wrong: frames as bytes, cut wherever the case wants.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A frame as a client sends it, right or wrong.
#[derive(Debug, Clone)]
pub struct Frame {
    pub is_final: bool,
    /// The three reserved bits, 0 to 7.
    pub reserved: u8,
    /// 0 to 15.
    pub opcode: u8,
    pub payload: Vec<u8>,
}

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
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
    pub fn reserving(self, reserved: u8) -> Self {
        Self { reserved, ..self }
    }

    /// The bytes, masked as RFC 6455 section 5.3 wants.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode];
        match self.payload.len() {
            length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
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
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
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
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str, headers: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the server answers"));
    }
    String::from_utf8(head).unwrap()
}

/// Reads until the end, handing on what comes.
pub async fn read_all<S: AsyncRead + Unpin>(stream: &mut S, mut heard: impl FnMut(Event)) -> End {
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
async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut first = [0];
    if stream.read(&mut first).await? == 0 {
        return Ok(None);
    }
    // No mask bit: a server does not mask, and a length with it would be refused here.
    let length = match stream.read_u8().await? {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        length @ 0..126 => u64::from(length),
        _ => return Err(std::io::Error::other("a masked frame from a server")),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await?;
    Ok(Some((first[0], payload)))
}
