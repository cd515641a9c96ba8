//! Events of the log as foreign languages see them.

use std::time::SystemTime;

use passkey_accounts::{
    protocol::{event as core_event, gateway},
    stream as core,
};

use super::system_time;

/// An entry of the app's log.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Event {
    /// Cursor and dedupe key. Opaque.
    pub id: String,
    /// Its number in the app's log, from 1.
    pub seq: u64,
    /// When it was committed.
    pub time: SystemTime,
    /// The type on the wire, for example `loggedIn`.
    pub name: String,
    /// The data as JSON text, byte for byte as the log's hash chain covers it.
    pub data: String,
    /// The data, read.
    pub kind: EventKind,
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        let core::Event { id, seq, time, name, data, kind } = event;
        Self { id, seq, time: system_time(time), name, data, kind: kind.into() }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum EventKind {
    /// An account was made.
    Registered {
        /// The new account.
        account_id: String,
    },
    /// A session was opened.
    LoggedIn {
        /// By whom, and with what.
        login: Box<LoggedIn>,
    },
    /// A session ended.
    LoggedOut {
        /// Whose session.
        account_id: String,
        /// The session that ended.
        session_id: String,
        /// Why.
        reason: EndReason,
        /// Open sessions of the account after this event.
        account_sessions: u64,
    },
    /// An account got a passkey.
    PasskeyAdded {
        /// Whose passkey.
        account_id: String,
        /// The passkey.
        passkey_id: String,
        /// `COSE_Key` bytes.
        public_key: Vec<u8>,
        /// The authenticator's model, 16 bytes.
        aaguid: Vec<u8>,
        /// The passkey is in a backup.
        backed_up: bool,
        /// How a passkey that the account had before vouched for this one; absent for the first.
        evidence: Option<Box<Evidence>>,
    },
    /// A person confirmed an action of their session with a passkey.
    Confirmed {
        /// What, by whom, and with what.
        confirmation: Box<Confirmation>,
    },
    /// A passkey has another name, which the event does not tell.
    PasskeyRenamed {
        /// Whose passkey.
        account_id: String,
        /// The passkey.
        passkey_id: String,
    },
    /// An account lost a passkey.
    PasskeyRemoved {
        /// Whose passkey.
        account_id: String,
        /// The passkey.
        passkey_id: String,
        /// Why.
        reason: RemovalReason,
        /// How a passkey of the account signed the removal; absent unless the person removed it.
        evidence: Option<Box<Evidence>>,
    },
    /// An account is gone, with its address, its passkeys and its sessions.
    AccountErased {
        /// The account that is gone.
        account_id: String,
    },
    /// The app got an API key.
    ApiKeyCreated {
        /// The key's public name.
        key_id: String,
        /// For people.
        name: String,
        /// What it may be used for, for example `events:read`.
        scopes: Vec<String>,
    },
    /// An API key was taken back.
    ApiKeyRevoked {
        /// The key's public name.
        key_id: String,
    },
    /// A passkey's signature counter did not rise.
    CounterRegressed {
        /// Whose passkey.
        account_id: String,
        /// The passkey.
        passkey_id: String,
        /// The counter that the server had.
        stored: u32,
        /// The counter that the authenticator sent.
        received: u32,
    },
    /// A row of the server's database is not what the server stored: somebody else has written to it.
    TamperingDetected {
        /// What was changed.
        row: TamperedRow,
        /// The account, for a row of an account.
        account_id: Option<String>,
        /// The key's public name, for the row of an API key.
        key_id: Option<String>,
    },
    /// The recovery of an account has begun.
    RecoveryStarted {
        /// The account.
        account_id: String,
        /// The earliest time at which it gives a new passkey.
        until: SystemTime,
    },
    /// A recovery is over without a new passkey.
    RecoveryCancelled {
        /// The account.
        account_id: String,
        /// Who cancelled it, or that nobody came in time.
        reason: CancelReason,
    },
    /// A recovery gave an account a passkey, and all its sessions ended.
    RecoveryCompleted {
        /// The account.
        account_id: String,
        /// The new passkey.
        passkey_id: String,
        /// `COSE_Key` bytes.
        public_key: Vec<u8>,
        /// The authenticator's model, 16 bytes.
        aaguid: Vec<u8>,
        /// The passkey is in a backup.
        backed_up: bool,
    },
    /// A type that is newer than this version.
    Other,
}

impl From<Option<core_event::EventKind>> for EventKind {
    fn from(kind: Option<core_event::EventKind>) -> Self {
        match kind {
            None => Self::Other,
            Some(core_event::EventKind::Registered(core_event::Registered { account_id })) => {
                Self::Registered { account_id: account_id.to_string() }
            }
            Some(core_event::EventKind::LoggedIn(login)) => {
                Self::LoggedIn { login: Box::new((*login).into()) }
            }
            Some(core_event::EventKind::LoggedOut(core_event::LoggedOut {
                account_id,
                session_id,
                reason,
                account_sessions,
            })) => Self::LoggedOut {
                account_id: account_id.to_string(),
                session_id: session_id.to_string(),
                reason: reason.into(),
                account_sessions,
            },
            Some(core_event::EventKind::PasskeyAdded(core_event::PasskeyAdded {
                account_id,
                passkey_id,
                public_key,
                aaguid,
                backed_up,
                evidence,
            })) => Self::PasskeyAdded {
                account_id: account_id.to_string(),
                passkey_id: passkey_id.to_string(),
                public_key: public_key.0,
                aaguid: aaguid.0,
                backed_up,
                evidence: boxed(evidence),
            },
            Some(core_event::EventKind::Confirmed(confirmed)) => {
                Self::Confirmed { confirmation: Box::new((*confirmed).into()) }
            }
            Some(core_event::EventKind::PasskeyRenamed(core_event::PasskeyRenamed {
                account_id,
                passkey_id,
            })) => Self::PasskeyRenamed {
                account_id: account_id.to_string(),
                passkey_id: passkey_id.to_string(),
            },
            Some(core_event::EventKind::PasskeyRemoved(core_event::PasskeyRemoved {
                account_id,
                passkey_id,
                reason,
                evidence,
            })) => Self::PasskeyRemoved {
                account_id: account_id.to_string(),
                passkey_id: passkey_id.to_string(),
                reason: reason.into(),
                evidence: boxed(evidence),
            },
            Some(core_event::EventKind::AccountErased(core_event::AccountErased { account_id })) => {
                Self::AccountErased { account_id: account_id.to_string() }
            }
            Some(core_event::EventKind::ApiKeyCreated(core_event::ApiKeyCreated {
                key_id,
                name,
                scopes,
            })) => {
                let scopes = scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect();
                Self::ApiKeyCreated { key_id, name, scopes }
            }
            Some(core_event::EventKind::ApiKeyRevoked(core_event::ApiKeyRevoked { key_id })) => {
                Self::ApiKeyRevoked { key_id }
            }
            Some(core_event::EventKind::CounterRegressed(core_event::CounterRegressed {
                account_id,
                passkey_id,
                stored,
                received,
            })) => Self::CounterRegressed {
                account_id: account_id.to_string(),
                passkey_id: passkey_id.to_string(),
                stored,
                received,
            },
            Some(core_event::EventKind::TamperingDetected(core_event::TamperingDetected {
                row,
                account_id,
                key_id,
            })) => Self::TamperingDetected {
                row: row.into(),
                account_id: account_id.map(|account_id| account_id.to_string()),
                key_id,
            },
            Some(core_event::EventKind::RecoveryStarted(core_event::RecoveryStarted {
                account_id,
                until,
            })) => Self::RecoveryStarted { account_id: account_id.to_string(), until: system_time(until) },
            Some(core_event::EventKind::RecoveryCancelled(core_event::RecoveryCancelled {
                account_id,
                reason,
            })) => Self::RecoveryCancelled { account_id: account_id.to_string(), reason: reason.into() },
            Some(core_event::EventKind::RecoveryCompleted(core_event::RecoveryCompleted {
                account_id,
                passkey_id,
                public_key,
                aaguid,
                backed_up,
            })) => Self::RecoveryCompleted {
                account_id: account_id.to_string(),
                passkey_id: passkey_id.to_string(),
                public_key: public_key.0,
                aaguid: aaguid.0,
                backed_up,
            },
        }
    }
}

/// Why a recovery is over without a new passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum CancelReason {
    /// The person, on a page where they are signed in.
    User,
    /// A back end or an operator, with an API key.
    BackEnd,
    /// Nobody came for the new passkey in time.
    Expired,
    /// A newer server's reason.
    Other,
}

impl From<core_event::CancelReason> for CancelReason {
    fn from(reason: core_event::CancelReason) -> Self {
        match reason {
            core_event::CancelReason::User => Self::User,
            core_event::CancelReason::BackEnd => Self::BackEnd,
            core_event::CancelReason::Expired => Self::Expired,
            core_event::CancelReason::Other => Self::Other,
        }
    }
}

/// What somebody else has written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TamperedRow {
    /// An account's row, its key, or one of its passkeys. Nobody can sign in to it.
    Account,
    /// An API key's row. The key is refused.
    ApiKey,
    /// Rows of the database as a whole, which an operator has accepted as they were.
    Database,
    /// A newer server's word.
    Other,
}

impl From<core_event::TamperedRow> for TamperedRow {
    fn from(row: core_event::TamperedRow) -> Self {
        match row {
            core_event::TamperedRow::Account => Self::Account,
            core_event::TamperedRow::ApiKey => Self::ApiKey,
            core_event::TamperedRow::Database => Self::Database,
            core_event::TamperedRow::Other => Self::Other,
        }
    }
}

/// Why a passkey was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum RemovalReason {
    /// A back end asked for it, with an API key.
    BackEnd,
    /// The person removed it, and confirmed that with a passkey.
    User,
    /// A newer server's reason.
    Other,
}

impl From<core_event::RemovalReason> for RemovalReason {
    fn from(reason: core_event::RemovalReason) -> Self {
        match reason {
            core_event::RemovalReason::BackEnd => Self::BackEnd,
            core_event::RemovalReason::User => Self::User,
            core_event::RemovalReason::Other => Self::Other,
        }
    }
}

/// A session was opened.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LoggedIn {
    /// Whose session.
    pub account_id: String,
    /// The session.
    pub session_id: String,
    /// The passkey that opened it.
    pub passkey_id: String,
    /// The page's origin.
    pub origin: String,
    /// The public key that the session's proofs are checked with.
    pub session_key: SessionKey,
    /// When the session ends at the latest.
    pub expires_at: SystemTime,
    /// The authenticator checked the person, not only a touch.
    pub user_verified: bool,
    /// The passkey is in a backup.
    pub backed_up: bool,
    /// Open sessions of the account after this event; 1 means that the account has just come.
    pub account_sessions: u64,
    /// The authenticator's own signature; absent after sign-up.
    pub evidence: Option<Evidence>,
}

impl From<core_event::LoggedIn> for LoggedIn {
    fn from(login: core_event::LoggedIn) -> Self {
        let core_event::LoggedIn {
            account_id,
            session_id,
            passkey_id,
            origin,
            session_key,
            expires_at,
            user_verified,
            backed_up,
            account_sessions,
            evidence,
        } = login;
        Self {
            account_id: account_id.to_string(),
            session_id: session_id.to_string(),
            passkey_id: passkey_id.to_string(),
            origin,
            session_key: session_key.into(),
            expires_at: system_time(expires_at),
            user_verified,
            backed_up,
            account_sessions,
            evidence: evidence.map(Evidence::from),
        }
    }
}

/// A person confirmed an action of their session with a passkey.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Confirmation {
    /// Who confirmed.
    pub account_id: String,
    /// The session that asked.
    pub session_id: String,
    /// The passkey that signed.
    pub passkey_id: String,
    /// Names the confirmation; the page was told it too.
    pub ceremony_id: String,
    /// What was confirmed: a JSON object, at most 2 KiB, in its RFC 8785 form, as text.
    pub action: String,
    /// The authenticator's signature over it.
    pub evidence: Evidence,
}

impl From<core_event::Confirmed> for Confirmation {
    fn from(confirmed: core_event::Confirmed) -> Self {
        let core_event::Confirmed { account_id, session_id, passkey_id, ceremony_id, action, evidence } =
            confirmed;
        Self {
            account_id: account_id.to_string(),
            session_id: session_id.to_string(),
            passkey_id: passkey_id.to_string(),
            ceremony_id: ceremony_id.to_string(),
            action: action.0,
            evidence: evidence.into(),
        }
    }
}

/// The public half of a session key: a point on P-256.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SessionKey {
    /// 32 bytes, big-endian.
    pub x: Vec<u8>,
    /// 32 bytes, big-endian.
    pub y: Vec<u8>,
}

impl From<gateway::SessionKey> for SessionKey {
    fn from(key: gateway::SessionKey) -> Self {
        // The type and the curve say nothing: the protocol knows one of each.
        let gateway::SessionKey { kty: _, crv: _, x, y } = key;
        Self { x: x.0, y: y.0 }
    }
}

/// What the authenticator signed, and over what.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Evidence {
    /// 32 random bytes of the challenge.
    pub random: Vec<u8>,
    /// What the ceremony was for: `signIn`, `confirm`, `addPasskey` or `removePasskey`.
    pub kind: String,
    /// The page's origin.
    pub origin: String,
    /// RFC 7638 thumbprint of the session key, 32 bytes.
    pub thumbprint: Vec<u8>,
    /// The WebAuthn credential id.
    pub credential_id: Vec<u8>,
    /// As the authenticator made it.
    pub authenticator_data: Vec<u8>,
    /// As the browser made it.
    pub client_data_json: Vec<u8>,
    /// Over authenticatorData and SHA-256(clientDataJSON).
    pub signature: Vec<u8>,
}

fn boxed(evidence: Option<Box<core_event::Evidence>>) -> Option<Box<Evidence>> {
    evidence.map(|evidence| Box::new((*evidence).into()))
}

impl From<core_event::Evidence> for Evidence {
    fn from(evidence: core_event::Evidence) -> Self {
        let core_event::Evidence {
            random,
            kind,
            origin,
            thumbprint,
            credential_id,
            authenticator_data,
            client_data_json,
            signature,
        } = evidence;
        Self {
            random: random.0,
            kind: kind.as_str().to_owned(),
            origin,
            thumbprint: thumbprint.0,
            credential_id: credential_id.0,
            authenticator_data: authenticator_data.0,
            client_data_json: client_data_json.0,
            signature: signature.0,
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EndReason {
    /// The person signed out.
    User,
    /// The page closed its socket in an orderly way.
    PageGone,
    /// The socket dropped and nobody resumed within the grace time.
    ConnectionLost,
    /// The page was silent for too long.
    IdleTimeout,
    /// The session reached its greatest age.
    AbsoluteTimeout,
    /// A back end or an operator ended it.
    Revoked,
    /// The same page signed in anew.
    Replaced,
    /// The passkey that opened it was removed.
    PasskeyRemoved,
    /// The account was erased.
    AccountErased,
    /// The account was recovered: whoever was signed in signs in anew.
    Recovered,
    /// The API key that vouched for it was revoked.
    KeyRevoked,
    /// The server that carried it went away.
    ServerLost,
    /// A newer server's reason.
    Other,
}

impl From<gateway::EndReason> for EndReason {
    fn from(reason: gateway::EndReason) -> Self {
        match reason {
            gateway::EndReason::User => Self::User,
            gateway::EndReason::PageGone => Self::PageGone,
            gateway::EndReason::ConnectionLost => Self::ConnectionLost,
            gateway::EndReason::IdleTimeout => Self::IdleTimeout,
            gateway::EndReason::AbsoluteTimeout => Self::AbsoluteTimeout,
            gateway::EndReason::Revoked => Self::Revoked,
            gateway::EndReason::Replaced => Self::Replaced,
            gateway::EndReason::PasskeyRemoved => Self::PasskeyRemoved,
            gateway::EndReason::AccountErased => Self::AccountErased,
            gateway::EndReason::Recovered => Self::Recovered,
            gateway::EndReason::KeyRevoked => Self::KeyRevoked,
            gateway::EndReason::ServerLost => Self::ServerLost,
            gateway::EndReason::Other => Self::Other,
        }
    }
}
