//! Sign-in: the session's row, its event, and what the passkey's counter said.

use std::sync::Arc;

use passkey_accounts::protocol::SessionID;

use super::{
    Browser,
    used::{Usage, Used},
};
use crate::{
    sessions::{Opening, Session, make_room, open},
    store::{Store, StoreError, Wanted},
};

/// A sign-in whose ceremony was verified.
#[derive(Debug)]
pub struct SignIn {
    /// The session that starts.
    pub opening: Opening,
    /// How its passkey was used; `None` when a developer's tool opens a session without one.
    pub usage: Option<Usage>,
    /// How many sessions the account may have open with it.
    pub most_sessions: u64,
}

/// A session that has started.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Arc<Session>,
    /// The account's oldest ones, which had to make room: their sockets are still to be told.
    pub replaced: Vec<SessionID>,
    /// The passkey was used in a browser that it is not known to be used in: the account's address is to be told.
    pub is_new_browser: bool,
}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The passkey, or its whole account, was removed since the challenge was made.
    #[error("the passkey was removed")]
    PasskeyGone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the session.
///
/// # Errors
/// [`SignInError`]; nothing is stored then.
pub async fn sign_in(store: &Store, sign_in: SignIn) -> Result<SignedIn, SignInError> {
    let SignIn { opening, usage, most_sessions } = sign_in;
    store
        .write(move |write| {
            Box::pin(async move {
                let Session { app_id, account_id, passkey_id, .. } = opening.session;
                let mut is_new_browser = false;
                if let Some(usage) = usage {
                    let used = Used::find(write, app_id, usage).await?.ok_or(SignInError::PasskeyGone)?;
                    let browser = Browser::of(&opening.session.user_agent);
                    (_, is_new_browser) = used.record_in(write, Some(&browser)).await?;
                } else {
                    let account = write.account(app_id, Wanted::Account(account_id)).await?;
                    let mut passkeys = account.iter().flat_map(|account| &account.passkeys);
                    if !passkeys.any(|row| row.passkey_id == passkey_id) {
                        return Err(SignInError::PasskeyGone);
                    }
                }
                let session = open(write, opening)?;
                let replaced = make_room(write, &session, most_sessions)?;
                Ok(SignedIn { session, replaced, is_new_browser })
            })
        })
        .await
}
