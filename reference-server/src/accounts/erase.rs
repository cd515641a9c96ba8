//! Erasing an account, and removing one of its passkeys: rows, events and ends of sessions in one transaction each.

use passkey_accounts::protocol::{
    AccountID, AppID, PasskeyID, SessionID,
    event::{AccountErased, EventKind, Evidence, PasskeyRemoved, RemovalReason},
    gateway::EndReason,
};

use crate::{
    sessions::end_all,
    store::{AccountRow, Store, StoreError, Wanted, Write},
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
                if !write.has_account(app_id, account_id) {
                    return Ok(None);
                }
                write.delete_account(app_id, account_id).await?;
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
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
) -> Result<Removal<Vec<SessionID>>, StoreError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let Some(mut account) = account else { return Ok(Removal::NotFound) };
                match check_removal(&account, passkey_id) {
                    Removal::Done(()) => {}
                    Removal::NotFound => return Ok(Removal::NotFound),
                    Removal::IsLast => return Ok(Removal::IsLast),
                }
                let reason = RemovalReason::BackEnd;
                Ok(Removal::Done(remove(write, &mut account, passkey_id, reason, None).await?))
            })
        })
        .await
}

/// Whether a passkey may go: another one of the account must be left.
pub(super) fn check_removal(account: &AccountRow, passkey_id: PasskeyID) -> Removal<()> {
    if !account.passkeys.iter().any(|row| row.passkey_id == passkey_id) {
        return Removal::NotFound;
    }
    if account.passkeys.len() > 1 { Removal::Done(()) } else { Removal::IsLast }
}

/// Removes the row, ends the sessions that the passkey opened, and writes the event.
pub(super) async fn remove(
    write: &mut Write,
    account: &mut AccountRow,
    passkey_id: PasskeyID,
    reason: RemovalReason,
    evidence: Option<Evidence>,
) -> Result<Vec<SessionID>, StoreError> {
    let (app_id, account_id) = (account.app_id, account.account_id);
    write.delete_passkey(account, passkey_id).await?;
    let ended =
        end_all(write, app_id, EndReason::PasskeyRemoved, |session| session.passkey_id == passkey_id)?;
    let event = PasskeyRemoved { account_id, passkey_id, reason, evidence: evidence.map(Box::new) };
    write.append(app_id, &EventKind::PasskeyRemoved(event))?;
    Ok(ended)
}
