//! Pins: the public keys that an account is known to have, so that events can be held against them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Expected, Forged, Proven, PublicKey};
use crate::{
    protocol::{
        AccountID, Code, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::{Confirmed, EventKind, LoggedIn, PasskeyAdded, PasskeyRemoved, Registered, RemovalReason},
        stream::{OpenSession, Snapshot},
    },
    stream::{Event, Item},
};

/// What a back end remembers in order to believe the server as little as it can: the passkeys of each account, the
/// sessions that they have opened, and the evidence that was used.
///
/// | event | is believed |
/// | --- | --- |
/// | `registered` | if the account was never heard of: on first use |
/// | `passkeyAdded` without evidence | right after the `registered` of its account, and never again |
/// | `passkeyAdded` with evidence | if a pinned passkey of the account vouches for it |
/// | `loggedIn` without evidence | right after such a first passkey: the sign-up |
/// | `loggedIn`, `confirmed` | if the pinned passkey that it names signed exactly this, for the first time |
/// | `passkeyRemoved` by the person | if a pinned passkey of the account signed it |
/// | `passkeyRemoved` by a back end, `accountErased`, `loggedOut` | always: they only take away |
/// | `recoveryCompleted` | never: no passkey signed it. Whoever believes it [pins](Pins::pin) the passkey |
/// | the sessions of a snapshot | those only that were seen to be opened as above |
///
/// **Nothing is pinned twice.** An account that lost its last passkey, or was erased, keeps its place and gets no other
/// first passkey: otherwise a server could remove and add again in order to be believed. A person who begins anew has
/// another account, with another id. What a server can do is to leave things out and to take things away.
///
/// Evidence holds no time and no session id: a `loggedIn` with a signature that was never shown before is believed
/// whenever it comes. Signatures that were used are remembered, the last [`MAX_USED`] of each account.
///
/// ```
/// use passkey_accounts::{Item, evidence::{Expected, PinError, Pins}};
///
/// fn read(pins: &mut Pins, expected: &Expected, item: Item) -> Result<Item, PinError> {
///     let (item, change) = pins.check(expected, item)?;
///     // Once the item is handled:
///     pins.apply(change);
///     Ok(item)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Everything up to here has been applied.
    position: Option<String>,
    accounts: HashMap<AccountID, Account>,
    sessions: HashMap<SessionID, OpenSession>,
    /// The account that is signing up.
    newcomer: Option<Newcomer>,
    /// The sessions of the pages of a snapshot that has not ended.
    #[serde(skip)]
    collecting: HashSet<SessionID>,
}

/// What an item changes once it is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what is not applied is not remembered"]
pub struct Change {
    position: Option<String>,
    what: What,
    /// Sessions of a snapshot that were left out, because no event has shown that a passkey opened them.
    pub unproven: usize,
}

/// Why an item is not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It is not true, or cannot be shown to be true.
    #[error("{what} is not what a passkey of the account signed: {why}")]
    Forged {
        /// The event's type and id.
        what: String,
        /// What does not hold.
        why: Forged,
    },
    /// [`MAX_ACCOUNTS`] or [`MAX_SESSIONS`] are remembered already.
    #[error("as many accounts or sessions as can be pinned are pinned")]
    Full,
}

impl Pins {
    /// Pins a passkey that you know of from elsewhere, such as from before you kept pins. `false` if the passkey is
    /// pinned already, or the account was erased.
    ///
    /// # Errors
    /// [`PinError::Full`]
    pub fn pin(
        &mut self,
        account_id: AccountID,
        passkey_id: PasskeyID,
        key: &PublicKey,
    ) -> Result<bool, PinError> {
        self.require_room(account_id)?;
        let account = self.accounts.entry(account_id).or_default();
        if account.is_erased || account.passkeys.contains_key(&passkey_id) {
            return Ok(false);
        }
        account.passkeys.insert(passkey_id, Base64Url(key.to_bytes()));
        Ok(true)
    }

    /// The position up to which events have been applied: where a stream goes on. `None` at the beginning.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// The sessions that passkeys were seen to open and that have not ended, in no order.
    pub fn open_sessions(&self) -> impl Iterator<Item = &OpenSession> {
        self.sessions.values()
    }

    /// Holds an item against what is pinned. Of a snapshot's page, the sessions that are not proven are left out.
    ///
    /// # Errors
    /// [`PinError`]; the item is not to be used then, and nothing after it.
    pub fn check(&self, expected: &Expected, item: Item) -> Result<(Item, Change), PinError> {
        let position = item.position().map(str::to_owned);
        let (item, what, unproven) = match item {
            Item::Event(event) => {
                let what = self.check_event(expected, &event)?;
                (Item::Event(event), what, 0)
            }
            Item::Snapshot(mut page) => {
                let unproven = self.check_page(&mut page)?;
                let kept = page.sessions.iter().map(|session| session.session_id).collect();
                let what = What::Page { first: page.first, last: page.last, kept };
                (Item::Snapshot(page), what, unproven)
            }
            item @ (Item::Gap(_) | Item::Bookmark(_)) => (item, What::Nothing, 0),
        };
        Ok((item, Change { position, what, unproven }))
    }

    /// Remembers what an item has changed. In the order of the items.
    pub fn apply(&mut self, change: Change) {
        let Change { position, what, unproven: _ } = change;
        self.position = position.or(self.position.take());
        self.apply_what(what);
    }
}

/// The checks.
impl Pins {
    fn check_event(&self, expected: &Expected, event: &Event) -> Result<What, PinError> {
        let forged = |why| PinError::Forged { what: format!("{} {}", event.name, event.id), why };
        match &event.kind {
            Some(EventKind::Registered(registered)) => {
                self.require_room(registered.account_id)?;
                self.check_registered(registered, event.seq).map_err(forged)
            }
            Some(EventKind::PasskeyAdded(added)) => {
                self.check_added(expected, added, event.seq).map_err(forged)
            }
            Some(EventKind::LoggedIn(login)) => {
                if self.sessions.len() >= MAX_SESSIONS {
                    return Err(PinError::Full);
                }
                self.check_login(expected, login, event).map_err(forged)
            }
            Some(EventKind::Confirmed(confirmed)) => {
                self.check_confirmed(expected, confirmed).map_err(forged)
            }
            Some(EventKind::PasskeyRemoved(removed)) => self.check_removed(expected, removed).map_err(forged),
            Some(EventKind::AccountErased(erased)) => Ok(What::Erased(erased.account_id)),
            Some(EventKind::LoggedOut(logout)) => Ok(What::Ended(logout.session_id)),
            Some(
                EventKind::PasskeyRenamed(_)
                // Its passkey is not pinned: see the table.
                | EventKind::RecoveryStarted(_)
                | EventKind::RecoveryCancelled(_)
                | EventKind::RecoveryCompleted(_)
                | EventKind::CounterRegressed(_)
                | EventKind::TamperingDetected(_)
                | EventKind::ApiKeyCreated(_)
                | EventKind::ApiKeyRevoked(_),
            )
            | None => Ok(What::Other),
        }
    }

    fn check_registered(&self, registered: &Registered, seq: u64) -> Result<What, Forged> {
        let account_id = registered.account_id;
        if self.accounts.contains_key(&account_id) {
            return Err(Forged::AlreadyKnown);
        }
        Ok(What::Registered { account_id, seq })
    }

    fn check_added(&self, expected: &Expected, added: &PasskeyAdded, seq: u64) -> Result<What, Forged> {
        let PasskeyAdded { account_id, passkey_id, ref public_key, .. } = *added;
        let account = self.accounts.get(&account_id).ok_or(Forged::UnknownPasskey)?;
        if account.passkeys.contains_key(&passkey_id) {
            return Err(Forged::AlreadyKnown);
        }
        let key = Base64Url(PublicKey::from_cose(&public_key.0)?.to_bytes());
        if added.evidence.is_none() {
            let is_next = self.newcomer.is_some_and(|newcomer| {
                newcomer.account_id == account_id && newcomer.passkey_id.is_none() && newcomer.is_before(seq)
            });
            return if is_next {
                Ok(What::FirstPasskey { account_id, passkey_id, key, seq })
            } else {
                Err(Forged::NoEvidence)
            };
        }
        let proven = account.signed_by_any(|voucher| expected.check_voucher(added, voucher))?;
        let used = account.require_unused(&proven)?;
        Ok(What::AnotherPasskey { account_id, passkey_id, key, used })
    }

    fn check_login(&self, expected: &Expected, login: &LoggedIn, event: &Event) -> Result<What, Forged> {
        if self.sessions.contains_key(&login.session_id) {
            return Err(Forged::AlreadyKnown);
        }
        let session = Box::new(opened(login, event.time));
        if login.evidence.is_none() {
            let is_next = self.newcomer.is_some_and(|newcomer| {
                newcomer.account_id == login.account_id
                    && newcomer.passkey_id == Some(login.passkey_id)
                    && newcomer.is_before(event.seq)
            });
            if !is_next {
                return Err(Forged::NoEvidence);
            }
            if !expected.origins.contains(&login.origin) {
                return Err(Forged::Origin);
            }
            return Ok(What::Opened { session, used: None });
        }
        let account = self.accounts.get(&login.account_id).ok_or(Forged::UnknownPasskey)?;
        let proven = expected.check_login(login, &account.key(login.passkey_id)?)?;
        Ok(What::Opened { session, used: Some(account.require_unused(&proven)?) })
    }

    fn check_confirmed(&self, expected: &Expected, confirmed: &Confirmed) -> Result<What, Forged> {
        let Confirmed { account_id, session_id, passkey_id, .. } = *confirmed;
        let session = self.sessions.get(&session_id).filter(|session| session.account_id == account_id);
        let session = session.ok_or(Forged::Differs("session"))?;
        let account = self.accounts.get(&account_id).ok_or(Forged::UnknownPasskey)?;
        let key = account.key(passkey_id)?;
        let proven = expected.check_confirmation(confirmed, &session.session_key, &key)?;
        Ok(What::Signed { account_id, used: account.require_unused(&proven)? })
    }

    fn check_removed(&self, expected: &Expected, removed: &PasskeyRemoved) -> Result<What, Forged> {
        let PasskeyRemoved { account_id, passkey_id, reason, .. } = *removed;
        let used = match reason {
            // Whoever holds an API key may. To forge it gains nothing but that the passkey is not believed any more.
            RemovalReason::BackEnd | RemovalReason::Other => None,
            RemovalReason::User => {
                let account = self.accounts.get(&account_id).ok_or(Forged::UnknownPasskey)?;
                let proven = account.signed_by_any(|key| expected.check_removal(removed, key))?;
                Some(account.require_unused(&proven)?)
            }
        };
        Ok(What::Removed { account_id, passkey_id, used })
    }

    /// Leaves out what is not proven, and says how much that was.
    fn check_page(&self, page: &mut Snapshot) -> Result<usize, PinError> {
        let told = page.sessions.len();
        for session in &page.sessions {
            let known = self.sessions.get(&session.session_id);
            // `since` may be rounded differently in events and snapshots.
            let is_same =
                known.is_none_or(|known| OpenSession { since: known.since, ..session.clone() } == *known);
            if !is_same {
                let what = format!("the open session {}", session.session_id);
                return Err(PinError::Forged { what, why: Forged::Differs("session") });
            }
        }
        page.sessions.retain(|session| self.sessions.contains_key(&session.session_id));
        Ok(told - page.sessions.len())
    }

    fn require_room(&self, account_id: AccountID) -> Result<(), PinError> {
        let has_room = self.accounts.len() < MAX_ACCOUNTS || self.accounts.contains_key(&account_id);
        if has_room { Ok(()) } else { Err(PinError::Full) }
    }
}

/// The changes.
impl Pins {
    fn apply_what(&mut self, what: What) {
        let newcomer = match what {
            // A bookmark may come between two events of one sign-up.
            What::Nothing => self.newcomer,
            What::Registered { account_id, seq } => {
                self.accounts.entry(account_id).or_default();
                Some(Newcomer { account_id, passkey_id: None, seq })
            }
            What::FirstPasskey { account_id, passkey_id, key, seq } => {
                self.add(account_id, passkey_id, key);
                Some(Newcomer { account_id, passkey_id: Some(passkey_id), seq })
            }
            What::AnotherPasskey { account_id, passkey_id, key, used } => {
                self.add(account_id, passkey_id, key);
                self.use_up(account_id, used);
                None
            }
            What::Opened { session, used } => {
                if let Some(used) = used {
                    self.use_up(session.account_id, used);
                }
                self.sessions.insert(session.session_id, *session);
                None
            }
            What::Signed { account_id, used } => {
                self.use_up(account_id, used);
                None
            }
            What::Removed { account_id, passkey_id, used } => {
                if let Some(used) = used {
                    self.use_up(account_id, used);
                }
                if let Some(account) = self.accounts.get_mut(&account_id) {
                    account.passkeys.remove(&passkey_id);
                }
                None
            }
            What::Erased(account_id) => {
                if let Some(account) = self.accounts.get_mut(&account_id) {
                    *account = Account { is_erased: true, ..Account::default() };
                }
                None
            }
            What::Ended(session_id) => {
                self.sessions.remove(&session_id);
                None
            }
            What::Page { first, last, kept } => {
                self.apply_page(first, last, kept);
                None
            }
            What::Other => None,
        };
        self.newcomer = newcomer;
    }

    fn apply_page(&mut self, first: bool, last: bool, kept: Vec<SessionID>) {
        if first {
            self.collecting.clear();
        }
        self.collecting.extend(kept);
        if last {
            let kept = std::mem::take(&mut self.collecting);
            self.sessions.retain(|session_id, _| kept.contains(session_id));
        }
    }

    fn add(&mut self, account_id: AccountID, passkey_id: PasskeyID, key: Base64Url) {
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.passkeys.insert(passkey_id, key);
        }
    }

    fn use_up(&mut self, account_id: AccountID, used: Used) {
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.use_up(used);
        }
    }
}

/// An account: its place is kept when it has lost everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Account {
    /// [`PublicKey::to_bytes`] of each.
    passkeys: BTreeMap<PasskeyID, Base64Url>,
    /// The challenges that were signed, [`Used`] after [`Used`], the oldest first.
    #[serde(skip_serializing_if = "is_empty")]
    used: Base64Url,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_erased: bool,
}

impl Account {
    fn key(&self, passkey_id: PasskeyID) -> Result<PublicKey, Forged> {
        let bytes = self.passkeys.get(&passkey_id).ok_or(Forged::UnknownPasskey)?;
        Ok(PublicKey::from_bytes(&bytes.0)?)
    }

    /// Events about passkeys do not say which one signed: whichever it is, it must be pinned.
    fn signed_by_any(&self, check: impl Fn(&PublicKey) -> Result<Proven, Forged>) -> Result<Proven, Forged> {
        let mut refused = Forged::UnknownPasskey;
        for passkey_id in self.passkeys.keys() {
            match check(&self.key(*passkey_id)?) {
                Ok(proven) => return Ok(proven),
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }

    /// The mark of a challenge that was not seen before.
    fn require_unused(&self, proven: &Proven) -> Result<Used, Forged> {
        let [a, b, c, d, e, f, g, h, ..] = proven.challenge;
        let used = [a, b, c, d, e, f, g, h];
        if self.used.0.chunks_exact(used.len()).any(|before| before == used) {
            return Err(Forged::Replayed);
        }
        Ok(used)
    }

    fn use_up(&mut self, used: Used) {
        let bytes = &mut self.used.0;
        let room = (MAX_USED - 1) * used.len();
        bytes.drain(..bytes.len().saturating_sub(room));
        bytes.extend_from_slice(&used);
    }
}

/// The first half of a sign-up: its events follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Newcomer {
    #[serde(rename = "accountID")]
    account_id: AccountID,
    #[serde(rename = "passkeyID")]
    passkey_id: Option<PasskeyID>,
    /// The number of the event that said so.
    seq: u64,
}

impl Newcomer {
    fn is_before(&self, seq: u64) -> bool {
        self.seq.checked_add(1) == Some(seq)
    }
}

/// The first 64 bits of a challenge: no two honest ones of an account are alike.
type Used = [u8; 8];

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Nothing,
    /// An event that pins are not about.
    Other,
    Registered {
        account_id: AccountID,
        seq: u64,
    },
    FirstPasskey {
        account_id: AccountID,
        passkey_id: PasskeyID,
        key: Base64Url,
        seq: u64,
    },
    AnotherPasskey {
        account_id: AccountID,
        passkey_id: PasskeyID,
        key: Base64Url,
        used: Used,
    },
    Opened {
        session: Box<OpenSession>,
        used: Option<Used>,
    },
    Signed {
        account_id: AccountID,
        used: Used,
    },
    Removed {
        account_id: AccountID,
        passkey_id: PasskeyID,
        used: Option<Used>,
    },
    Erased(AccountID),
    Ended(SessionID),
    Page {
        first: bool,
        last: bool,
        kept: Vec<SessionID>,
    },
}

impl PinError {
    /// The word of the one table of codes.
    pub const fn code(&self) -> Code {
        match self {
            Self::Forged { .. } => Code::EvidenceForged,
            Self::Full => Code::OverCapacity,
        }
    }
}

fn opened(login: &LoggedIn, since: UnixMillis) -> OpenSession {
    OpenSession {
        account_id: login.account_id,
        session_id: login.session_id,
        passkey_id: login.passkey_id,
        session_key: login.session_key.clone(),
        since,
        expires_at: login.expires_at,
    }
}

fn is_empty(bytes: &Base64Url) -> bool {
    bytes.0.is_empty()
}

/// How many signatures of each account are remembered; a repetition of an older one is not noticed.
pub const MAX_USED: usize = 1_024;

/// How many accounts are remembered, those included that were erased. One takes about 700 bytes, and 8 bytes for each
/// signature.
pub const MAX_ACCOUNTS: usize = 1_000_000;

/// How many open sessions are remembered. One takes about 400 bytes.
pub const MAX_SESSIONS: usize = 1_000_000;

/// The event types that pins are about. A stream must ask for all of them.
pub const PINNED_TYPES: [&str; 7] =
    ["registered", "passkeyAdded", "loggedIn", "confirmed", "loggedOut", "passkeyRemoved", "accountErased"];
