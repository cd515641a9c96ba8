//! What survives a crash: the log, its state, the positions and leases of consumers; and backups of all of it.

use std::{collections::BTreeMap, sync::Arc};

use passkey_accounts::{
    log::{ChainHash, Epoch, EventID},
    planted,
    protocol::{
        AccountID, AppID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{CounterRegressed, EventKind, LoggedIn, LoggedOut},
        gateway::{EndReason, SessionKey},
    },
};
use passkey_accounts_server::{
    clock::Uptime,
    log::{Entry, LogState, Place},
    sessions::Session,
};

/// One lane of one consumer.
pub(super) type LaneName = (usize, u32);

/// A consumer's lane as the server keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) lease: u64,
    pub(super) position: Option<EventID>,
}

/// Everything that is on the disk.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) log: LogState,
    /// What is kept, oldest first.
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) lanes: BTreeMap<LaneName, Row>,
}

impl Disk {
    pub(super) fn new(epoch: Epoch) -> Self {
        let log = LogState::empty(AppID::from_bytes([7; 16]), epoch);
        Self { log, entries: Vec::new(), lanes: BTreeMap::new() }
    }

    /// Up to `limit` entries after `seq`; `None` when the next one is no longer kept.
    pub(super) fn entries_after(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let skip = self.index(seq + 1)?;
        Some(self.entries[skip..].iter().take(limit).cloned().collect())
    }

    pub(super) fn hash(&self, seq: u64) -> Option<ChainHash> {
        if seq == 0 {
            return Some(ChainHash::GENESIS);
        }
        self.index(seq).map(|index| self.entries[index].hash)
    }

    fn index(&self, seq: u64) -> Option<usize> {
        let first = self.entries.first()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        (index < self.entries.len()).then_some(index)
    }

    /// Cuts off all entries but this many. Returns the new start, if anything was cut.
    pub(super) fn cut(&mut self, keep: usize) -> Option<Place> {
        let excess = self.entries.len().checked_sub(keep).filter(|excess| *excess > 0)?;
        let start = self.entries[excess - 1].place();
        self.entries.drain(..excess);
        self.log.cut(start);
        Some(start)
    }

    /// As an operator's announced restore leaves it: the log goes on in a new lineage, and what came before is not told.
    pub(super) fn in_epoch(&self, epoch: Epoch) -> Self {
        let mut log = self.log.clone();
        log.begin_epoch(epoch);
        Self { log, entries: Vec::new(), lanes: self.lanes.clone() }
    }

    /// Begins a new ownership of a lane, as store/consumers.rs does.
    pub(super) fn lease(&mut self, name: LaneName, now: UnixMillis) -> Row {
        let row = self.lanes.entry(name).or_insert(Row { lease: 0, position: None });
        row.lease = if planted!(PlainLeaseCounter) { row.lease + 1 } else { (row.lease + 1).max(now.0) };
        *row
    }

    /// Keeps a position; `false` if the lane has a newer owner.
    pub(super) fn settle(&mut self, name: LaneName, lease: u64, position: EventID) -> bool {
        let Some(row) = self.lanes.get_mut(&name) else { return false };
        let is_owner = row.lease == lease;
        if is_owner {
            row.position = Some(position);
        }
        is_owner
    }

    /// Appends what a person did: signs in, signs out, or something that few back ends ask for.
    pub(super) fn append(&mut self, random: &mut fastrand::Rng, accounts: u8, now: UnixMillis) -> Arc<Entry> {
        let account_id = AccountID::from_bytes([random.u8(..accounts) + 1; 16]);
        let open = self.log.sessions().len();
        let kind = match random.u32(..10) {
            0 | 1 => EventKind::CounterRegressed(CounterRegressed {
                account_id,
                passkey_id: PasskeyID::from_bytes([3; 16]),
                stored: random.u32(..),
                received: 0,
            }),
            2..=5 if open > 0 => self.log_out(random, open),
            _ if open > 14 => self.log_out(random, open),
            _ => self.log_in(random, account_id, now),
        };
        let entry = Arc::new(self.log.append(now, &kind));
        self.entries.push(Arc::clone(&entry));
        entry
    }

    fn log_in(&mut self, random: &mut fastrand::Rng, account_id: AccountID, now: UnixMillis) -> EventKind {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let session_key = SessionKey {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: Base64Url(vec![1; 32]),
            y: Base64Url(vec![2; 32]),
        };
        let session = Session {
            session_id: SessionID::from_bytes(bytes),
            app_id: self.log.app_id(),
            account_id,
            passkey_id: PasskeyID::from_bytes([3; 16]),
            origin: "https://shop.example".into(),
            session_key: session_key.clone(),
            started_at: now,
            expires_at: now.plus(1_000_000),
            ends: Uptime(u64::MAX),
            idle_ms: 1_000_000,
            grace_ms: 30_000,
            user_agent: String::new(),
        };
        let (session_id, passkey_id, expires_at) =
            (session.session_id, session.passkey_id, session.expires_at);
        let account_sessions = self.log.open_session(Arc::new(session));
        EventKind::LoggedIn(Box::new(LoggedIn {
            account_id,
            session_id,
            passkey_id,
            origin: "https://shop.example".into(),
            session_key,
            expires_at,
            user_verified: true,
            backed_up: false,
            account_sessions,
            evidence: None,
        }))
    }

    fn log_out(&mut self, random: &mut fastrand::Rng, open: usize) -> EventKind {
        let any = self.log.sessions().keys().nth(random.usize(..open)).copied();
        let session_id = any.expect("somebody is signed in");
        let (session, account_sessions) = self.log.end_session(session_id).expect("it is open");
        EventKind::LoggedOut(LoggedOut {
            account_id: session.account_id,
            session_id,
            reason: EndReason::User,
            account_sessions,
        })
    }
}
