//! Ending sessions from elsewhere than their own page: inside a transaction, and then on their sockets.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AppID, SessionID,
    event::{EventKind, LoggedOut},
    gateway::EndReason,
};

use super::{Attached, Detached, Session};
use crate::store::{Store, StoreError, Write};

/// Ends the open sessions of an app that `is_meant` picks, each with its `loggedOut`, as part of an action. Their sockets
/// are told by [`tell`] once the action is committed.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is no such app.
pub fn end_all(
    write: &mut Write,
    app_id: AppID,
    reason: EndReason,
    is_meant: impl Fn(&Session) -> bool,
) -> Result<Vec<SessionID>, StoreError> {
    let state = write.state(app_id).ok_or(StoreError::Corrupt("app id"))?;
    let meant: Vec<Arc<Session>> =
        state.sessions().values().filter(|session| is_meant(session)).cloned().collect();
    let mut ended = Vec::with_capacity(meant.len());
    for session in meant {
        let Some(account_sessions) = write.end_session(&session)? else { continue };
        let Session { account_id, session_id, .. } = *session;
        let event = LoggedOut { account_id, session_id, reason, account_sessions };
        write.append(app_id, &EventKind::LoggedOut(event))?;
        ended.push(session_id);
    }
    Ok(ended)
}

/// Takes sessions that a committed action has ended off their sockets, and out of those that wait to be resumed.
pub fn tell(attached: &Attached, detached: &Detached, ended: &[SessionID], reason: EndReason) {
    // Sockets first: one that drops before this puts its session where it is forgotten next, one that drops after it has
    // been told. One that is being resumed asks the committed state once it is attached.
    attached.end(ended.iter().copied(), reason);
    for session_id in ended {
        detached.forget(*session_id);
    }
}

/// Ends one session of an app. `false` if it is not open there.
///
/// # Errors
/// [`StoreError`] when the database fails; the session is still open then.
pub async fn revoke(
    store: &Store,
    attached: &Attached,
    detached: &Detached,
    app_id: AppID,
    session_id: SessionID,
) -> Result<bool, StoreError> {
    const REASON: EndReason = EndReason::Revoked;
    let ended = store
        .write(move |write| {
            Box::pin(async move {
                let state = write.state(app_id).ok_or(StoreError::Corrupt("app id"))?;
                let Some(session) = state.sessions().get(&session_id).cloned() else { return Ok(false) };
                let Some(account_sessions) = write.end_session(&session)? else { return Ok(false) };
                let account_id = session.account_id;
                let event = LoggedOut { account_id, session_id, reason: REASON, account_sessions };
                write.append(app_id, &EventKind::LoggedOut(event))?;
                Ok::<_, StoreError>(true)
            })
        })
        .await?;
    if ended {
        tell(attached, detached, &[session_id], REASON);
    }
    Ok(ended)
}

/// Whether a session is open as of the last commit.
pub fn is_open(store: &Store, session: &Session) -> bool {
    let tail = store.logs().tail(session.app_id);
    tail.is_some_and(|tail| tail.state().sessions().contains_key(&session.session_id))
}
