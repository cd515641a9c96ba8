//! Opening a session inside the transaction of the ceremony that earned it.

use std::sync::Arc;

use passkey_accounts::protocol::event::{EventKind, Evidence, LoggedIn};

use super::Session;
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
