//! Giving a passkey another name.

use passkey_accounts::protocol::{
    PasskeyID,
    event::{EventKind, PasskeyRenamed},
    gateway,
};

use super::{Passkey, PasskeyName};
use crate::{
    sessions::Session,
    store::{Store, StoreError, Wanted},
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
    asking: &Session,
    passkey_id: PasskeyID,
    name: PasskeyName,
) -> Result<gateway::Passkey, RenameError> {
    let (app_id, account_id, session_id) = (asking.app_id, asking.account_id, asking.session_id);
    store
        .write(move |write| {
            Box::pin(async move {
                if !write.has_session(app_id, session_id) {
                    return Err(RenameError::SessionGone);
                }
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let mut account = account.ok_or(RenameError::NotFound)?;
                let row = account.passkeys.iter().find(|row| row.passkey_id == passkey_id);
                let row = row.ok_or(RenameError::NotFound)?;
                let (created_at, mut passkey) = (row.created_at, Passkey::from_record(&row.record)?);
                if passkey.name.as_ref() != Some(&name) {
                    passkey.name = Some(name);
                    let record = passkey.to_record();
                    write.update_passkey(&mut account, passkey_id, &passkey.credential_id, record).await?;
                    let event = PasskeyRenamed { account_id, passkey_id };
                    write.append(app_id, &EventKind::PasskeyRenamed(event))?;
                }
                Ok(passkey.for_page(passkey_id, created_at))
            })
        })
        .await
}
