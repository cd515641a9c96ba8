//! What the HTTP API says, as foreign languages see it.

use std::time::SystemTime;

use passkey_accounts::protocol::{gateway, http};

use super::{Event, OpenSession, SignedHead, system_time};
use crate::error::Error;

/// The app that an API key speaks for.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct AppInfo {
    /// Names it.
    pub app_id: String,
    /// For people.
    pub name: String,
    /// The domain that its passkeys belong to.
    pub rp_id: String,
    /// Where its pages are.
    pub origins: Vec<String>,
    /// How passkeys are asked for.
    pub policy: Policy,
}

impl From<http::AppInfo> for AppInfo {
    fn from(app: http::AppInfo) -> Self {
        let http::AppInfo { app_id, name, rp_id, origins, policy } = app;
        Self { app_id: app_id.to_string(), name, rp_id, origins, policy: policy.into() }
    }
}

/// How passkeys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Policy {
    /// A passkey that only an address brings up.
    Strict,
    /// A passkey that shows up in the platform's list and in its backups.
    Recoverable,
    /// A passkey on a security key of a model that the server lists.
    Hardware,
}

impl From<gateway::Policy> for Policy {
    fn from(policy: gateway::Policy) -> Self {
        match policy {
            gateway::Policy::Strict => Self::Strict,
            gateway::Policy::Recoverable => Self::Recoverable,
            gateway::Policy::Hardware => Self::Hardware,
        }
    }
}

/// Open sessions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SessionsPage {
    /// A page of them.
    pub sessions: Vec<OpenSession>,
    /// Give it as `after` for the next page; absent on the last one.
    pub next: Option<String>,
    /// The position in the log that this page is exact at.
    pub head: String,
}

impl From<http::SessionsPage> for SessionsPage {
    fn from(page: http::SessionsPage) -> Self {
        let http::SessionsPage { sessions, next, head } = page;
        let sessions = sessions.into_iter().map(OpenSession::from).collect();
        Self { sessions, next: next.map(|next| next.to_string()), head }
    }
}

/// An account. Its address is not said: a back end never needs it, and it is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct AccountInfo {
    /// Names it.
    pub account_id: String,
    /// When it was made.
    pub created_at: SystemTime,
    /// How many passkeys it has.
    pub passkeys: u64,
    /// How many sessions of it are open.
    pub sessions: u64,
}

impl From<http::AccountInfo> for AccountInfo {
    fn from(account: http::AccountInfo) -> Self {
        let http::AccountInfo { account_id, created_at, passkeys, sessions } = account;
        Self { account_id: account_id.to_string(), created_at: system_time(created_at), passkeys, sessions }
    }
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PasskeyInfo {
    /// Names it.
    pub passkey_id: String,
    /// What the person calls it; absent until they do.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it was last used, to the day; absent when it was never used since it was made.
    pub last_used_at: Option<SystemTime>,
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    pub aaguid: Vec<u8>,
    /// It may be in a backup; this never changes.
    pub backup_eligible: bool,
    /// It was in a backup when it was last used.
    pub backed_up: bool,
}

impl From<http::PasskeyInfo> for PasskeyInfo {
    fn from(passkey: http::PasskeyInfo) -> Self {
        let http::PasskeyInfo {
            passkey_id,
            name,
            created_at,
            last_used_at,
            aaguid,
            backup_eligible,
            backed_up,
        } = passkey;
        Self {
            passkey_id: passkey_id.to_string(),
            name,
            created_at: system_time(created_at),
            last_used_at: last_used_at.map(system_time),
            aaguid: aaguid.0,
            backup_eligible,
            backed_up,
        }
    }
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EventsPage {
    /// Events of the types asked for, in the order of the log.
    pub events: Vec<Event>,
    /// Give it as `after` for what follows. It moves on also where no event was of the types asked for.
    pub next: String,
    /// More is in the log already; otherwise `next` is its end.
    pub more: bool,
    /// The position before the oldest event that is kept.
    pub oldest: String,
    /// The hash chain up to `oldest`, 32 bytes.
    pub oldest_hash: Vec<u8>,
    /// The position of the newest event.
    pub head: String,
}

impl TryFrom<http::EventsPage> for EventsPage {
    type Error = Error;

    fn try_from(page: http::EventsPage) -> Result<Self, Error> {
        let http::EventsPage { events, next, more, oldest, oldest_hash, head } = page;
        let read = |event: http::EventBody| {
            let event =
                passkey_accounts::Event::try_from(passkey_accounts::protocol::stream::RawEvent::from(event));
            event.map(Event::from).map_err(|error| Error::unreadable(&error))
        };
        let events = events.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { events, next, more, oldest, oldest_hash: oldest_hash.0, head })
    }
}

/// The newest signed head of an app's log.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Checkpoint {
    /// Whose log.
    pub app_id: String,
    /// Where it ends, and the server's signature over that.
    pub head: SignedHead,
}

impl From<http::Checkpoint> for Checkpoint {
    fn from(checkpoint: http::Checkpoint) -> Self {
        let http::Checkpoint { app_id, head } = checkpoint;
        Self { app_id: app_id.to_string(), head: head.into() }
    }
}

/// A new API key, shown once: the server stores its hash only.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct CreatedKey {
    /// The key itself: the secret.
    pub api_key: String,
    /// What is known of it from now on.
    pub key: KeyInfo,
}

/// Hides the secret.
impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl From<http::CreatedKey> for CreatedKey {
    fn from(created: http::CreatedKey) -> Self {
        let http::CreatedKey { api_key, key } = created;
        Self { api_key, key: key.into() }
    }
}

/// What is known of an API key.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct KeyInfo {
    /// Its public name: the third part of the key itself.
    pub key_id: String,
    /// For people.
    pub name: String,
    /// What it may be used for, for example `events:read`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it stops working; absent where it does not by itself.
    pub expires_at: Option<SystemTime>,
    /// When it was taken back.
    pub revoked_at: Option<SystemTime>,
    /// Of a key pair: the public half, 43 characters of unpadded base64url; absent: it is an API key.
    pub public_key: Option<String>,
}

impl From<http::KeyInfo> for KeyInfo {
    fn from(key: http::KeyInfo) -> Self {
        let http::KeyInfo { key_id, public_key, name, scopes, created_at, expires_at, revoked_at } = key;
        Self {
            key_id,
            name,
            scopes: scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: system_time(created_at),
            expires_at: expires_at.map(system_time),
            revoked_at: revoked_at.map(system_time),
            public_key,
        }
    }
}
