//! The sessions of one account, as its own pages see them: listing them, and ending those of other browsers.

use passkey_accounts::protocol::{
    SessionID,
    gateway::{AccountSession, EndReason},
};

use super::{Session, end_all};
use crate::{
    limits::MAX_LISTED_SESSIONS,
    store::{Store, StoreError},
};

/// The open sessions of the account of `asking`, oldest first; the newest [`MAX_LISTED_SESSIONS`] where there are more.
pub fn list(store: &Store, asking: &Session) -> Vec<AccountSession> {
    let Some(tail) = store.logs().tail(asking.app_id) else { return Vec::new() };
    let state = tail.state();
    let ours = state.sessions().values().filter(|session| session.account_id == asking.account_id);
    let mut sessions: Vec<_> =
        ours.rev().take(MAX_LISTED_SESSIONS).map(|session| session.for_account(asking.session_id)).collect();
    sessions.reverse();
    sessions
}

/// Why no session was ended.
#[derive(Debug, thiserror::Error)]
pub enum EndOthersError {
    /// The session that asks has ended meanwhile.
    #[error("the session has ended")]
    SessionGone,
    /// The account has no such session open.
    #[error("there is no such session")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends another session of the account of `asking`, or with `None` all others, each with its `loggedOut`. Their sockets are
/// told by [`tell`](super::tell).
///
/// # Errors
/// [`EndOthersError`]; every session is still open then.
pub async fn end_others(
    store: &Store,
    asking: &Session,
    other: Option<SessionID>,
) -> Result<Vec<SessionID>, EndOthersError> {
    let (app_id, account_id, own) = (asking.app_id, asking.account_id, asking.session_id);
    store
        .write(move |write| {
            Box::pin(async move {
                if !write.has_session(app_id, own) {
                    return Err(EndOthersError::SessionGone);
                }
                let is_meant = |session: &Session| {
                    session.account_id == account_id
                        && session.session_id != own
                        && other.is_none_or(|other| session.session_id == other)
                };
                let ended = end_all(write, app_id, EndReason::User, is_meant)?;
                if other.is_some() && ended.is_empty() {
                    return Err(EndOthersError::NotFound);
                }
                Ok(ended)
            })
        })
        .await
}
