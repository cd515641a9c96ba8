//! Erasing an account, and removing one of its passkeys: rows, events and ends of sessions in one transaction each.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AccountID, AppID, PasskeyID, SessionID,
    event::{AccountErased, EventKind, Evidence, PasskeyRemoved, RemovalReason},
    gateway::EndReason,
};

use super::Passkey;
use crate::{
    crypto::Keyring,
    sessions::end_all,
    store::{PasskeyRow, Store, StoreError, Write},
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
pub enum Removal<T> {
    /// It is gone, or can go.
    Done(T),
    /// The account has no such passkey, or the app no such account.
    NotFound,
    /// Nobody could sign in to the account any more.
    IsLast,
}

/// Removes a passkey because a back end wishes so, and ends the sessions that it opened; these are returned.
///
/// # Errors
/// [`StoreError`]; everything is still there then.
pub async fn remove_passkey(
    store: &Store,
    keyring: &Arc<Keyring>,
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
) -> Result<Removal<Vec<SessionID>>, StoreError> {
    let keyring = Arc::clone(keyring);
    store
        .write(move |write| {
            Box::pin(async move {
                match check_removal(write, &keyring, app_id, account_id, passkey_id).await? {
                    Removal::Done(()) => {}
                    Removal::NotFound => return Ok(Removal::NotFound),
                    Removal::IsLast => return Ok(Removal::IsLast),
                }
                let reason = RemovalReason::BackEnd;
                Ok(Removal::Done(remove(write, app_id, account_id, passkey_id, reason, None).await?))
            })
        })
        .await
}

/// Whether a passkey may go, as of this action: another one of the account must be left.
pub(super) async fn check_removal(
    write: &mut Write,
    keyring: &Keyring,
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
) -> Result<Removal<()>, StoreError> {
    let passkeys = write.passkeys(app_id, account_id).await?;
    if !passkeys.iter().any(|passkey| passkey.passkey_id == passkey_id) {
        return Ok(Removal::NotFound);
    }
    // One whose row does not open signs nobody in, so it does not count.
    let mut others = passkeys.iter().filter(|passkey| passkey.passkey_id != passkey_id);
    let is_usable = |other: &PasskeyRow| {
        Passkey::open(keyring, app_id, account_id, other.passkey_id, &other.sealed).is_ok()
    };
    Ok(if others.any(is_usable) { Removal::Done(()) } else { Removal::IsLast })
}

/// Removes the row, ends the sessions that the passkey opened, and writes the event.
pub(super) async fn remove(
    write: &mut Write,
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
    reason: RemovalReason,
    evidence: Option<Evidence>,
) -> Result<Vec<SessionID>, StoreError> {
    write.delete_passkey(passkey_id).await?;
    let ended =
        end_all(write, app_id, EndReason::PasskeyRemoved, |session| session.passkey_id == passkey_id)?;
    let event = PasskeyRemoved { account_id, passkey_id, reason, evidence: evidence.map(Box::new) };
    write.append(app_id, &EventKind::PasskeyRemoved(event))?;
    Ok(ended)
}
