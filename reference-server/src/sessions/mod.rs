//! Sessions: opened by a ceremony, detached by a dropped socket, resumed by their key, ended exactly once.

mod attached;
mod detached;
mod lifecycle;
mod open;
mod others;
mod revoke;

use passkey_accounts::protocol::{
    AccountID, AppID, PasskeyID, SessionID, UnixMillis,
    event::{EventKind, LoggedOut},
    gateway::{self, EndReason, SessionKey},
    stream::OpenSession,
};

pub use attached::{Attached, Carried, Loss, Told};
pub use detached::Detached;
pub use lifecycle::{Assurance, SessionLimits, next_end};
pub use open::{Opening, make_room, open};
pub use others::{EndOthersError, end_others, list};
pub use revoke::{end_all, is_open, revoke, tell};

use crate::{
    clock::Uptime,
    store::{Store, StoreError},
};

/// An open session, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names it. Not a secret.
    pub session_id: SessionID,
    /// The app it belongs to.
    pub app_id: AppID,
    /// Whose it is.
    pub account_id: AccountID,
    /// The passkey that opened it.
    pub passkey_id: PasskeyID,
    /// The page's origin; it can be resumed from there only.
    pub origin: String,
    /// The key that carries it.
    pub session_key: SessionKey,
    /// When it was opened.
    pub started_at: UnixMillis,
    /// When it ends at the latest, for people and back ends.
    pub expires_at: UnixMillis,
    /// The same on the clock of this process, which counts: nobody makes a session longer by setting the machine's clock.
    pub ends: Uptime,
    /// It ends after this long without a message from the page.
    pub idle_ms: u64,
    /// After a dropped socket it can be resumed for this long.
    pub grace_ms: u64,
    /// What the browser called itself when it was opened, at most [`MAX_USER_AGENT_BYTES`]; empty when it did not.
    ///
    /// [`MAX_USER_AGENT_BYTES`]: crate::limits::MAX_USER_AGENT_BYTES
    pub user_agent: String,
}

impl Session {
    /// As its own page sees it.
    pub const fn for_page(&self) -> gateway::Session {
        gateway::Session {
            session_id: self.session_id,
            account_id: self.account_id,
            passkey_id: self.passkey_id,
            started_at: self.started_at,
            expires_at: self.expires_at,
            idle_ms: self.idle_ms,
            grace_ms: self.grace_ms,
        }
    }

    /// As the pages of its account see it; `asking` is the session of the page.
    pub fn for_account(&self, asking: SessionID) -> gateway::AccountSession {
        gateway::AccountSession {
            session_id: self.session_id,
            passkey_id: self.passkey_id,
            started_at: self.started_at,
            expires_at: self.expires_at,
            origin: self.origin.clone(),
            user_agent: self.user_agent.clone(),
            is_current: self.session_id == asking,
        }
    }

    /// As a back end sees it in a snapshot.
    pub fn for_snapshot(&self) -> OpenSession {
        OpenSession {
            account_id: self.account_id,
            session_id: self.session_id,
            passkey_id: self.passkey_id,
            session_key: self.session_key.clone(),
            since: self.started_at,
            expires_at: self.expires_at,
        }
    }
}

/// Ends a session: its row goes and `loggedOut` is written, in one transaction. `false` if it had ended already.
///
/// # Errors
/// [`StoreError`] when the database fails; the session is still open then.
pub async fn end(store: &Store, session: &Session, reason: EndReason) -> Result<bool, StoreError> {
    let session = session.clone();
    store
        .write(move |write| {
            Box::pin(async move {
                let Some(account_sessions) = write.end_session(&session)? else { return Ok(false) };
                let Session { app_id, account_id, session_id, .. } = session;
                let event = LoggedOut { account_id, session_id, reason, account_sessions };
                write.append(app_id, &EventKind::LoggedOut(event))?;
                Ok(true)
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use passkey_accounts::protocol::{
        AccountID, AppID, PasskeyID, SessionID, UnixMillis, base64url::Base64Url, gateway::SessionKey,
    };

    use super::Session;
    use crate::clock::Uptime;

    pub(super) const NOW: Uptime = Uptime(1_000);

    /// A session that began [`NOW`], the `number`th one.
    pub(super) fn session(number: u8) -> Arc<Session> {
        let part = Base64Url(vec![1; 32]);
        Arc::new(Session {
            session_id: SessionID::from_bytes([number; 16]),
            app_id: AppID::from_bytes([2; 16]),
            account_id: AccountID::from_bytes([3; 16]),
            passkey_id: PasskeyID::from_bytes([4; 16]),
            origin: "https://shop.example".into(),
            session_key: SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part.clone(), y: part },
            started_at: UnixMillis(1_000_000),
            expires_at: UnixMillis(1_000_000 + 100_000),
            ends: NOW.plus(100_000),
            idle_ms: 100_000,
            grace_ms: 30_000,
            user_agent: String::new(),
        })
    }
}
