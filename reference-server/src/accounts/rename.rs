//! Giving a passkey another name.

use std::sync::Arc;

use passkey_accounts::protocol::{
    PasskeyID,
    event::{EventKind, PasskeyRenamed},
    gateway,
};

use super::{Passkey, PasskeyName};
use crate::{
    crypto::Keyring,
    sessions::Session,
    store::{Store, StoreError},
};

/// Why a passkey was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// The session that asks has ended meanwhile.
    #[error("the session has ended")]
    SessionGone,
    /// The account has no such passkey.
    #[error("the account has no such passkey")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Renames a passkey of the account of `asking`. The name that it has already writes nothing.
///
/// # Errors
/// [`RenameError`]; nothing is stored then.
pub async fn rename_passkey(
    store: &Store,
    keyring: &Arc<Keyring>,
    asking: &Session,
    passkey_id: PasskeyID,
    name: PasskeyName,
) -> Result<gateway::Passkey, RenameError> {
    let (app_id, account_id, session_id) = (asking.app_id, asking.account_id, asking.session_id);
    let keyring = Arc::clone(keyring);
    store
        .write(move |write| {
            Box::pin(async move {
                if !write.has_session(app_id, session_id) {
                    return Err(RenameError::SessionGone);
                }
                let row =
                    write.passkey(app_id, account_id, passkey_id).await?.ok_or(RenameError::NotFound)?;
                let mut passkey = Passkey::open(&keyring, app_id, account_id, passkey_id, &row.sealed)
                    .map_err(|_| StoreError::Corrupt("passkey"))?;
                if passkey.name.as_ref() != Some(&name) {
                    passkey.name = Some(name);
                    let sealed = passkey.seal(&keyring, app_id, account_id, passkey_id);
                    write.update_passkey(passkey_id, &sealed).await?;
                    let event = PasskeyRenamed { account_id, passkey_id };
                    write.append(app_id, &EventKind::PasskeyRenamed(event))?;
                }
                Ok(passkey.for_page(passkey_id, row.created_at))
            })
        })
        .await
}
