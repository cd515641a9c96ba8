//! The shortest client: account edges from now on, exactly `{"type":"loggedIn","data":{"accountID":"..."}}`.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use passkey_accounts::{
    planted,
    protocol::{Code, UnixMillis},
};

use super::link::{End, Link, Wake};
use crate::{bucket::Bucket, limits::READ_ENTRIES, log::Entry, socket::Socket};

/// How far a shortest client has got. Pure.
#[derive(Debug)]
pub struct Edges {
    scanned: u64,
}

impl Edges {
    /// Edges after this number.
    pub const fn after(seq: u64) -> Self {
        Self { scanned: seq }
    }

    /// The number of the last entry that was looked at.
    pub const fn scanned(&self) -> u64 {
        self.scanned
    }

    /// The frames among the next entries, which may be none.
    ///
    /// # Errors
    /// `slowConsumer` when the next entries are out of reach: skipping them would show two sign-ins in a row.
    pub fn pass(&mut self, entries: Option<&[Arc<Entry>]>) -> Result<Vec<Utf8Bytes>, Code> {
        if entries.is_none() && planted!(ShortestSkips) {
            self.scanned += 1;
            return Ok(Vec::new());
        }
        let entries = entries.ok_or(Code::SlowConsumer)?;
        if let Some(last) = entries.last() {
            self.scanned = last.seq;
        }
        Ok(entries.iter().filter_map(|entry| entry.shortest_frame()).collect())
    }
}

pub(super) async fn serve(
    mut link: Link<'_>,
    key_expires_at: Option<UnixMillis>,
    socket: &mut Socket,
) -> Result<(), End> {
    let mut edges = Edges::after(link.tail.state().seq());
    let mut messages = Bucket::new(link.now());
    let end = key_expires_at.unwrap_or(UnixMillis(u64::MAX));
    loop {
        while edges.scanned() < link.seen_head() {
            // Out of memory's reach means far behind.
            let entries = link.tail.entries_after(edges.scanned(), READ_ENTRIES);
            for frame in edges.pass(entries.as_deref())? {
                socket.feed(frame).await?;
            }
        }
        socket.flush().await?;
        match link.wait(socket, end).await? {
            Wake::Grown => {}
            // Nothing is expected from it and nothing is answered: it would not understand.
            Wake::Message(_) if messages.take(link.now()) => {}
            Wake::Message(_) => return Err(Code::RateLimited.into()),
            Wake::Time => return Err(Code::KeyExpired.into()),
            Wake::Stopping => return Err(End::Restart),
        }
    }
}
