//! The log of a transcript's server, in memory: logins and logouts whose every byte follows from their numbers.

use std::sync::Arc;

use passkey_accounts::{
    log::{ChainHash, Epoch},
    protocol::{
        AccountID, AppID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{EventKind, LoggedIn, LoggedOut, Registered},
        gateway::SessionKey,
    },
};
use passkey_accounts_server::{
    clock::Uptime,
    log::{Entry, LogState, Place},
    sessions::Session,
};

/// One app's log, and the state after each of its entries.
pub struct Log {
    /// After 0, 1, 2 ... entries; what was cut off is still there for restores.
    states: Vec<LogState>,
    entries: Vec<Arc<Entry>>,
    start: u64,
}

impl Log {
    pub fn new() -> Self {
        let epoch = "0001".parse().expect("an epoch");
        Self {
            states: vec![LogState::empty(AppID::from_bytes([1; 16]), epoch)],
            entries: Vec::new(),
            start: 0,
        }
    }

    pub fn state(&self) -> &LogState {
        self.states.last().expect("never empty")
    }

    /// The hash of an entry that is kept.
    pub fn hash(&self, seq: u64) -> Option<ChainHash> {
        self.kept().find(|entry| entry.seq == seq).map(|entry| entry.hash)
    }

    /// `None` when they are no longer kept.
    pub fn entries_after(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        (seq >= self.start)
            .then(|| self.kept().filter(|entry| entry.seq > seq).take(limit).cloned().collect())
    }

    fn kept(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().filter(|entry| entry.seq > self.start)
    }

    pub fn register(&mut self, account: u8, now: UnixMillis) {
        let registered = Registered { account_id: AccountID::from_bytes([account; 16]) };
        self.append(self.state().clone(), now, &EventKind::Registered(registered));
    }

    pub fn login(&mut self, account: u8, session: u8, now: UnixMillis) {
        let bytes = Base64Url(vec![session; 32]);
        let session = Session {
            session_id: SessionID::from_bytes([session; 16]),
            app_id: self.state().app_id(),
            account_id: AccountID::from_bytes([account; 16]),
            passkey_id: PasskeyID::from_bytes([account; 16]),
            origin: "https://shop.example".into(),
            session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: bytes.clone(), y: bytes },
            started_at: now,
            expires_at: now.plus(12 * 60 * 60 * 1_000),
            ends: Uptime(u64::MAX),
            idle_ms: 12 * 60 * 60 * 1_000,
            grace_ms: 30_000,
            user_agent: String::new(),
        };
        let mut state = self.state().clone();
        let account_sessions = state.open_session(Arc::new(session.clone()));
        let event = LoggedIn {
            account_id: session.account_id,
            session_id: session.session_id,
            passkey_id: session.passkey_id,
            origin: session.origin,
            session_key: session.session_key,
            expires_at: session.expires_at,
            user_verified: true,
            backed_up: false,
            account_sessions,
            evidence: None,
        };
        self.append(state, now, &EventKind::LoggedIn(Box::new(event)));
    }

    /// `None` when no such session is open.
    pub fn logout(&mut self, session: u8, reason: &str, now: UnixMillis) -> Option<()> {
        let mut state = self.state().clone();
        let (session, account_sessions) = state.end_session(SessionID::from_bytes([session; 16]))?;
        let event = LoggedOut {
            account_id: session.account_id,
            session_id: session.session_id,
            reason: serde_json::from_value(reason.into()).ok()?,
            account_sessions,
        };
        self.append(state, now, &EventKind::LoggedOut(event));
        Some(())
    }

    fn append(&mut self, mut state: LogState, now: UnixMillis, kind: &EventKind) {
        self.entries.push(Arc::new(state.append(now, kind)));
        self.states.push(state);
    }

    /// The entries up to this one are no longer kept.
    pub fn cut(&mut self, seq: u64) -> Option<()> {
        let place = self.kept().find(|entry| entry.seq == seq)?.place();
        self.start = seq;
        self.states.last_mut()?.cut(place);
        Some(())
    }

    /// A backup that ended with this entry comes back; with an epoch if the operator says so.
    pub fn restore(&mut self, seq: u64, epoch: Option<&str>) -> Option<()> {
        let count = usize::try_from(seq).ok()?;
        self.states.truncate(count + 1);
        self.entries.truncate(count);
        let state = self.states.last_mut()?;
        if let Some(epoch) = epoch {
            let epoch: Epoch = epoch.parse().ok()?;
            let place = |place: Place| Place::new(epoch, place.id.seq, place.hash);
            let mut renamed = LogState::new(state.app_id(), place(state.start()), place(state.head()));
            for session in state.sessions().values() {
                renamed.open_session(Arc::clone(session));
            }
            *state = renamed;
            for entry in &mut self.entries {
                let Entry { seq, time, name, data, hash, .. } = &**entry;
                *entry = Arc::new(Entry::new(epoch, *seq, *time, name.clone(), data.clone(), *hash));
            }
        }
        Some(())
    }
}
