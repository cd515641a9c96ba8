//! Opening a session inside the transaction of the ceremony that earned it.

use std::sync::Arc;

use passkey_accounts::protocol::{
    SessionID,
    event::{EventKind, Evidence, LoggedIn},
    gateway::EndReason,
};

use super::{Session, end_all};
use crate::store::{StoreError, Write};

/// A session that is about to start, and what its `loggedIn` says besides.
#[derive(Debug)]
pub struct Opening {
    /// The session.
    pub session: Session,
    /// The authenticator checked the person.
    pub user_verified: bool,
    /// The passkey is backed up.
    pub backed_up: bool,
    /// What the authenticator signed; none at sign-up.
    pub evidence: Option<Evidence>,
}

/// Adds the session's row and its `loggedIn`.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is no such app.
pub fn open(write: &mut Write, opening: Opening) -> Result<Arc<Session>, StoreError> {
    let session = Arc::new(opening.session);
    let account_sessions = write.open_session(Arc::clone(&session))?;
    let event = LoggedIn {
        account_id: session.account_id,
        session_id: session.session_id,
        passkey_id: session.passkey_id,
        origin: session.origin.clone(),
        session_key: session.session_key.clone(),
        expires_at: session.expires_at,
        user_verified: opening.user_verified,
        backed_up: opening.backed_up,
        account_sessions,
        evidence: opening.evidence,
    };
    write.append(session.app_id, &EventKind::LoggedIn(Box::new(event)))?;
    Ok(session)
}

/// Ends the oldest sessions of the account of `newest` where it has more than `most`, and says which.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is no such app.
pub fn make_room(write: &mut Write, newest: &Session, most: u64) -> Result<Vec<SessionID>, StoreError> {
    let (app_id, account_id, own) = (newest.app_id, newest.account_id, newest.session_id);
    let state = write.state(app_id).ok_or(StoreError::Corrupt("app id"))?;
    let too_many = state.account_sessions(account_id).saturating_sub(most);
    // All sessions of the app are looked through for them: only where there are too many.
    if too_many == 0 {
        return Ok(Vec::new());
    }
    let too_many = usize::try_from(too_many).unwrap_or(usize::MAX);
    let others = state.sessions().values().filter(|other| other.account_id == account_id);
    // Ids are ordered by time.
    let oldest: Vec<SessionID> =
        others.map(|other| other.session_id).filter(|other| *other != own).take(too_many).collect();
    end_all(write, app_id, EndReason::Replaced, |other| oldest.contains(&other.session_id))
}
