//! One Marionette connection: `length:[0, id, command, arguments]` there, `length:[1, id, error, result]` back.

use std::net::Ipv4Addr;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
    time::timeout,
};

use crate::chromium::PATIENCE;

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The socket. One command at a time.
pub(super) struct Marionette {
    stream: BufStream<TcpStream>,
    next_id: u32,
}

impl Marionette {
    pub(super) async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let mut marionette = Self { stream: BufStream::new(stream), next_id: 1 };
        let hello = marionette.read().await?;
        ensure!(hello["marionetteProtocol"] == 3, "this is another protocol: {hello}");
        Ok(marionette)
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(&mut self, command: &str, arguments: Value) -> anyhow::Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let text = json!([0, id, command, arguments]).to_string();
        self.stream.write_all(format!("{}:{text}", text.len()).as_bytes()).await?;
        self.stream.flush().await?;
        loop {
            let answer = timeout(PATIENCE, self.read())
                .await
                .with_context(|| format!("{command} takes for ever"))??;
            // The answer to a command that somebody stopped waiting for.
            if answer[1] != id {
                continue;
            }
            if let Some(message) = answer[2]["message"].as_str() {
                bail!("{command}: {message}");
            }
            return Ok(answer[3].clone());
        }
    }

    async fn read(&mut self) -> anyhow::Result<Value> {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).await?;
        length.pop().context("the browser is gone")?;
        let length: usize = std::str::from_utf8(&length)?.parse()?;
        ensure!(length <= MAX_ANSWER_BYTES, "an answer of {length} bytes");
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }
}
