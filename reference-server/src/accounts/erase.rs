//! Erasing an account, and removing one of its passkeys: rows, events and ends of sessions in one transaction each.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AccountID, AppID, PasskeyID, SessionID,
    event::{AccountErased, EventKind, PasskeyRemoved, RemovalReason},
    gateway::EndReason,
};

use super::Passkey;
use crate::{
    crypto::Keyring,
    sessions::end_all,
    store::{Store, StoreError},
};

/// Erases an account: its address, its passkeys and its sessions. Returns the sessions that ended with it; `None` if the
/// app has no such account. What the log holds of it stays: it names no address.
///
/// # Errors
/// [`StoreError`]; everything is still there then.
pub async fn erase(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
) -> Result<Option<Vec<SessionID>>, StoreError> {
    store
        .write(move |write| {
            Box::pin(async move {
                if !write.has_account(app_id, account_id).await? {
                    return Ok(None);
                }
                write.delete_account(account_id).await?;
                let ended = end_all(write, app_id, EndReason::AccountErased, |session| {
                    session.account_id == account_id
                })?;
                write.append(app_id, &EventKind::AccountErased(AccountErased { account_id }))?;
                Ok(Some(ended))
            })
        })
        .await
}

/// What came of removing a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, and these sessions with it.
    Done(Vec<SessionID>),
    /// The account has no such passkey, or the app no such account.
    NotFound,
    /// Nobody could sign in to the account any more.
    IsLast,
}

/// Removes a passkey and ends the sessions that it opened.
///
/// # Errors
/// [`StoreError`]; everything is still there then.
pub async fn remove_passkey(
    store: &Store,
    keyring: &Arc<Keyring>,
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
) -> Result<Removal, StoreError> {
    let keyring = Arc::clone(keyring);
    store
        .write(move |write| {
            Box::pin(async move {
                let passkeys = write.passkeys(app_id, account_id).await?;
                if !passkeys.iter().any(|passkey| passkey.passkey_id == passkey_id) {
                    return Ok(Removal::NotFound);
                }
                // One whose row does not open signs nobody in, so it does not count.
                let mut others = passkeys.iter().filter(|passkey| passkey.passkey_id != passkey_id);
                let is_usable = others.any(|other| {
                    Passkey::open(&keyring, app_id, account_id, other.passkey_id, &other.sealed).is_ok()
                });
                if !is_usable {
                    return Ok(Removal::IsLast);
                }
                write.delete_passkey(passkey_id).await?;
                let ended = end_all(write, app_id, EndReason::PasskeyRemoved, |session| {
                    session.passkey_id == passkey_id
                })?;
                let event =
                    PasskeyRemoved { account_id, passkey_id, reason: RemovalReason::BackEnd, evidence: None };
                write.append(app_id, &EventKind::PasskeyRemoved(event))?;
                Ok(Removal::Done(ended))
            })
        })
        .await
}
