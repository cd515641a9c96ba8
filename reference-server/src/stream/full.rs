//! Drives the machine of one connection: reads the log for it, keeps its positions, owns its socket.

use std::collections::{BTreeMap, BTreeSet};

use passkey_accounts::{
    log::EventID,
    protocol::{Code, UnixMillis},
};

use super::{
    consumers::Membership,
    first::{Wish, Worker},
    group::Change,
    link::{End, Link, Wake},
    machine::{Ending, Greeting, Machine, Output},
};
use crate::{
    limits::{SETTLE_MS, SNAPSHOT_PAGE_SESSIONS},
    socket::Socket,
};

pub(super) async fn serve(
    mut link: Link<'_>,
    wish: Wish,
    key_expires_at: Option<UnixMillis>,
    socket: &mut Socket,
) -> Result<(), End> {
    let mut work = match &wish.worker {
        Some(worker) => Some(Work::begin(&link, worker).await?),
        None => None,
    };
    let greeting = Greeting {
        connection_id: link.connection_id,
        app_id: link.app_id,
        lanes: work.as_ref().map_or(1, |work| work.lanes),
        key_expires_at,
        page_sessions: SNAPSHOT_PAGE_SESSIONS,
    };
    let is_ndjson = wish.is_ndjson;
    let mut machine = Machine::new(wish, greeting, &link.tail.state(), link.now());
    let ended = drive(&mut link, &mut machine, &mut work, is_ndjson, socket).await;
    if let Some(work) = &mut work {
        // What was acknowledged is kept, also where the socket broke right after. Then the lanes are free.
        work.flush(&link).await?;
    }
    ended
}

async fn drive(
    link: &mut Link<'_>,
    machine: &mut Machine,
    work: &mut Option<Work>,
    is_ndjson: bool,
    socket: &mut Socket,
) -> Result<(), End> {
    // The back end learns it from `ready`, which therefore stands alone.
    let mut is_joining = false;
    loop {
        machine.handle_grown(link.seen_head());
        while let Some(output) = machine.poll_output(link.now()) {
            match output {
                Output::Send(message) if is_joining => socket.feed_line(message).await?,
                Output::Send(ready) => {
                    socket.feed(ready).await?;
                    is_joining = is_ndjson;
                }
                Output::Locate { lane, seq } => {
                    // The state first: what is cut off after it is noticed as truncated.
                    let state = link.tail.state();
                    let stored = match seq {
                        Some(seq) => link.context.store.chain_hash(link.app_id, seq).await?,
                        None => None,
                    };
                    machine.handle_located(lane, &state, stored, link.now());
                }
                Output::Read { lane, after } => {
                    let entries = link.read(after).await?;
                    if entries.is_none() {
                        // The log was cut a moment ago; whoever did so may still have to say it.
                        tokio::task::yield_now().await;
                    }
                    machine.handle_entries(lane, entries.as_deref(), link.now());
                }
                Output::SignHead => {
                    let now = link.now();
                    let head = link.tail.signed_head(link.context.keyring.head_signer(), now);
                    machine.handle_signed(head, now);
                }
                Output::Settle { lane, lease, position } => {
                    if let Some(work) = work {
                        work.settle(lane, lease, position, link.now());
                        // Where a consumer begins is stored before it is told: after a crash, `now` would be later.
                        if work.unstored.remove(&lane) {
                            work.flush(link).await?;
                        }
                    }
                }
                Output::Release { lane } => {
                    if let Some(work) = work {
                        work.flush(link).await?;
                        // If it could not be kept: from here on it is another worker's to move.
                        work.settled.remove(&lane);
                        work.membership.release(lane);
                    }
                }
                Output::End(ending) => {
                    return Err(match ending {
                        Ending::Refused(refusal) => End::Refused(refusal),
                        Ending::Restart => End::Restart,
                    });
                }
            }
        }
        socket.flush().await?;
        let settle_at = work.as_ref().and_then(|work| work.settle_at);
        let deadline = settle_at.map_or_else(|| machine.poll_timeout(), |at| at.min(machine.poll_timeout()));
        let woken = match work {
            None => link.wait(socket, deadline).await?,
            Some(work) => tokio::select! {
                woken = link.wait(socket, deadline) => woken?,
                () = work.membership.changed() => Wake::Time,
            },
        };
        let now = link.now();
        match woken {
            Wake::Grown => {}
            Wake::Time => machine.handle_tick(now),
            Wake::Message(text) => machine.handle_message(&text, now),
            Wake::Stopping => machine.handle_drain("restart", link.context.drain_ms, Ending::Restart, now),
        }
        if let Some(work) = work {
            work.follow_changes(link, machine).await?;
            if work.settle_at.is_some_and(|at| at <= now) {
                work.flush(link).await?;
            }
        }
    }
}

/// What a worker has besides the socket: its place in the group, and positions that are not written yet.
struct Work {
    consumer: String,
    lanes: u32,
    membership: Membership,
    settled: BTreeMap<u32, (u64, EventID)>,
    settle_at: Option<UnixMillis>,
    /// Lanes that the store has no position of.
    unstored: BTreeSet<u32>,
}

impl Work {
    async fn begin(link: &Link<'_>, worker: &Worker) -> Result<Self, End> {
        let Worker { consumer, lanes } = worker;
        let lanes = link
            .context
            .store
            .consumer_lanes(link.app_id, consumer, *lanes)
            .await?
            .ok_or(Code::OverCapacity)?;
        let membership = link.context.consumers.join(link.app_id, consumer, lanes);
        let consumer = consumer.clone();
        Ok(Self {
            consumer,
            lanes,
            membership,
            settled: BTreeMap::new(),
            settle_at: None,
            unstored: BTreeSet::new(),
        })
    }

    async fn follow_changes(&mut self, link: &Link<'_>, machine: &mut Machine) -> Result<(), End> {
        let (changes, is_contested) = self.membership.take_changes();
        machine.handle_contested(is_contested, link.now());
        for change in changes {
            match change {
                Change::Offer(lane) => {
                    let (lease, position) =
                        link.context.store.lease_lane(link.app_id, &self.consumer, lane).await?;
                    if position.is_none() {
                        self.unstored.insert(lane);
                    }
                    machine.handle_offered(lane, lease, position, link.tail.state().epoch(), link.now());
                }
                Change::Revoke(lane) => machine.handle_revoked(lane, link.now()),
            }
        }
        Ok(())
    }

    fn settle(&mut self, lane: u32, lease: u64, position: EventID, now: UnixMillis) {
        self.settled.insert(lane, (lease, position));
        self.settle_at.get_or_insert(now.plus(SETTLE_MS));
    }

    async fn flush(&mut self, link: &Link<'_>) -> Result<(), End> {
        self.settle_at = None;
        if self.settled.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.settled);
        let settled = pending.iter().map(|(lane, (lease, position))| (*lane, *lease, *position)).collect();
        match link.context.store.settle(link.app_id, &self.consumer, settled).await {
            Ok(true) => {}
            Ok(false) => return Err(Code::LeaseLost.into()),
            Err(error) => {
                // Losing a position costs a repetition, no more. While the connection lasts it is tried again.
                tracing::warn!(%error, consumer = self.consumer, "positions of a consumer were not kept");
                (self.settled, self.settle_at) = (pending, Some(link.now().plus(RETRY_MS)));
            }
        }
        Ok(())
    }
}

/// How long to wait before positions that could not be kept are tried again.
const RETRY_MS: u64 = 1_000;
