//! Sign-in: the session's row, its event, and what the passkey's counter said.

use std::sync::Arc;

use passkey_accounts::protocol::event::{CounterRegressed, EventKind};

use crate::{
    sessions::{Opening, Session, open},
    store::{Store, StoreError},
};

/// A sign-in whose ceremony was verified.
#[derive(Debug)]
pub struct SignIn {
    /// The session that starts.
    pub opening: Opening,
    /// The passkey's sealed record, if it changed.
    pub passkey_sealed: Option<Vec<u8>>,
    /// The stored and the received counter, if it did not rise.
    pub regressed: Option<(u32, u32)>,
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
pub async fn sign_in(store: &Store, sign_in: SignIn) -> Result<Arc<Session>, SignInError> {
    let SignIn { opening, passkey_sealed, regressed } = sign_in;
    store
        .write(move |write| {
            Box::pin(async move {
                let Session { app_id, account_id, passkey_id, .. } = opening.session;
                // Minutes may lie between challenge and answer: a passkey that was removed meanwhile opens nothing.
                if !write.has_passkey(app_id, account_id, passkey_id).await? {
                    return Err(SignInError::PasskeyGone);
                }
                if let Some(sealed) = passkey_sealed {
                    write.update_passkey(passkey_id, &sealed).await?;
                }
                if let Some((stored, received)) = regressed {
                    let event = CounterRegressed { account_id, passkey_id, stored, received };
                    write.append(app_id, &EventKind::CounterRegressed(event))?;
                }
                Ok(open(write, opening)?)
            })
        })
        .await
}
