//! The recovery of an account: making its code, beginning, approving, cancelling, completing, and counting the time that
//! it waits. Each is one transaction with its event.

use passkey_accounts::protocol::{
    AccountID, AppID, SessionID, UnixMillis,
    base64url::Base64Url,
    event::{CancelReason, EventKind, RecoveryCancelled, RecoveryCompleted, RecoveryStarted},
    gateway::{self, EndReason},
};

use super::{Addition, Gesture, GestureError};
use crate::{
    clock::Uptime,
    crypto::Email,
    recovery::{AccountRecovery, Approval, Beginning, Begun, CodeHash, Progress, RecoveryCode, Running},
    sessions::end_all,
    store::{AccountRow, NewPasskeyRow, Store, StoreError, Wanted, Write},
};

/// An account with what it has for its recovery.
#[derive(Debug)]
pub struct Recoverable {
    /// The account.
    pub account_id: AccountID,
    /// Its address, where news of the recovery goes.
    pub email: Email,
    /// Its code, and how far a recovery is.
    pub recovery: AccountRecovery,
}

/// Why a recovery did not give a passkey.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// It was cancelled, used or is over since the challenge was made.
    #[error("there is no such recovery any more")]
    Gone,
    /// The credential is registered already.
    #[error("the passkey is registered")]
    CredentialTaken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Recoverable {
    /// Looks an account up. One that was tampered with looks unknown, as when somebody signs in.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find(
        store: &Store,
        app_id: AppID,
        wanted: Wanted,
        uptime: Uptime,
    ) -> Result<Option<Self>, StoreError> {
        let account = match store.account(app_id, wanted).await {
            Ok(Some(account)) => account,
            Ok(None) | Err(StoreError::Tampered) => return Ok(None),
            Err(error) => return Err(error),
        };
        let recovery = store.recovery(&account, uptime)?;
        Ok(Some(Self { account_id: account.account_id, email: account.email()?, recovery }))
    }
}

/// Makes the account's recovery code, and forgets the one before; what that began is cancelled. Says whether there was
/// anything to cancel.
///
/// # Errors
/// [`GestureError`]; nothing is stored then.
pub async fn make_recovery_code(
    store: &Store,
    gesture: Gesture,
    code: &RecoveryCode,
) -> Result<bool, GestureError> {
    let hash = store.keyring().derive_recovery_hash(gesture.usage.account_id, code.as_bytes());
    store
        .write(move |write| {
            Box::pin(async move {
                let used = gesture.check(write).await?;
                let mut account = used.record(write).await?;
                let mut recovery = write.recovery(&account)?;
                let was_running = recovery.running().is_some();
                recovery.make_code(hash);
                write.update_recovery(&mut account, &recovery).await?;
                if was_running {
                    append_cancelled(write, &account, CancelReason::User)?;
                }
                Ok(was_running)
            })
        })
        .await
}

/// Begins the recovery, or says how far it is. The caller has checked the mailed code, and has had it mailed to the address
/// that a recovery is about to begin. `None` when the code is not the account's.
///
/// # Errors
/// [`StoreError`]; nothing is stored then.
pub async fn begin_recovery(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
    code: CodeHash,
    hold: (u64, [u8; 8]),
) -> Result<Option<Progress>, StoreError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let Some(mut account) = account else { return Ok(None) };
                let mut recovery = write.recovery(&account)?;
                let (hold_ms, recovery_id) = hold;
                match recovery.begin(
                    &code,
                    Beginning { hold_ms, recovery_id, uptime: write.uptime(), now: write.now() },
                ) {
                    Err(_) => Ok(None),
                    Ok(Begun::Before(progress)) => Ok(Some(progress)),
                    Ok(Begun::Now(progress)) => {
                        start(write, &mut account, &recovery).await?;
                        Ok(Some(progress))
                    }
                }
            })
        })
        .await
}

/// An operator approves the recovery of an account. With the second approval it begins, by the code that is given here.
/// `None` when the app has no such account.
///
/// # Errors
/// [`StoreError`]; nothing is stored then.
pub async fn approve_recovery(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
    operator: String,
    code: &RecoveryCode,
    hold: (u64, [u8; 8]),
) -> Result<Option<(Approval, Option<Running>)>, StoreError> {
    let hash = store.keyring().derive_recovery_hash(account_id, code.as_bytes());
    store
        .write(move |write| {
            Box::pin(async move {
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let Some(mut account) = account else { return Ok(None) };
                let mut recovery = write.recovery(&account)?;
                let (hold_ms, recovery_id) = hold;
                let beginning = Beginning { hold_ms, recovery_id, uptime: write.uptime(), now: write.now() };
                let approval = recovery.approve(&operator, hash, beginning);
                match approval {
                    Approval::Running => {}
                    Approval::First => write.update_recovery(&mut account, &recovery).await?,
                    Approval::Second => start(write, &mut account, &recovery).await?,
                }
                Ok(Some((approval, recovery.running().cloned())))
            })
        })
        .await
}

/// Cancels the recovery of an account: of its own accord (`asking` is the session, which must be open), or a back end's.
/// `false` if there was none.
///
/// # Errors
/// [`GestureError::SessionGone`], or the database's; nothing is stored then.
pub async fn cancel_recovery(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
    asking: Option<SessionID>,
) -> Result<bool, GestureError> {
    store
        .write(move |write| {
            Box::pin(async move {
                if asking.is_some_and(|session_id| !write.has_session(app_id, session_id)) {
                    return Err(GestureError::SessionGone);
                }
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let Some(mut account) = account else { return Ok(false) };
                let reason = if asking.is_some() { CancelReason::User } else { CancelReason::BackEnd };
                Ok(cancel(write, &mut account, reason).await?)
            })
        })
        .await
}

/// Completes a recovery: the account has the new passkey, its code is used up, and every session of it ends. Returns the
/// passkey and those sessions.
///
/// # Errors
/// [`CompleteError`]; nothing is stored then.
pub async fn complete_recovery(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
    code: CodeHash,
    addition: Addition,
) -> Result<(gateway::Passkey, Vec<SessionID>), CompleteError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let account = write.account(app_id, Wanted::Account(account_id)).await?;
                let mut account = account.ok_or(CompleteError::Gone)?;
                let mut recovery = write.recovery(&account)?;
                recovery.complete(&code, write.uptime()).map_err(|_| CompleteError::Gone)?;
                let Addition { passkey_id, passkey, public_key_cose } = addition;
                let credential_index =
                    write.keyring().derive_credential_index(app_id, &passkey.credential_id);
                if write.has_credential(app_id, &credential_index).await? {
                    return Err(CompleteError::CredentialTaken);
                }
                // Also where the account has as many as it may: whoever has lost them all cannot remove one.
                let row = NewPasskeyRow { passkey_id, credential_index, record: passkey.to_record() };
                write.insert_passkey(&mut account, &row).await?;
                write.update_recovery(&mut account, &recovery).await?;
                let event = RecoveryCompleted {
                    account_id,
                    passkey_id,
                    public_key: Base64Url(public_key_cose),
                    aaguid: Base64Url(passkey.aaguid.to_vec()),
                    backed_up: passkey.backed_up,
                };
                write.append(app_id, &EventKind::RecoveryCompleted(event))?;
                let ended =
                    end_all(write, app_id, EndReason::Recovered, |session| session.account_id == account_id)?;
                Ok((passkey.for_page(passkey_id, write.now()), ended))
            })
        })
        .await
}

/// Stores the time that recoveries of an app have waited, and ends those that nobody came for; returns the latter.
///
/// # Errors
/// [`StoreError`]; it is counted again the next time.
pub async fn count_recoveries(store: &Store, app_id: AppID) -> Result<Vec<AccountID>, StoreError> {
    let tail = store.logs().tail(app_id);
    let running: Vec<AccountID> =
        tail.iter().flat_map(|tail| tail.state().recoveries().keys().copied().collect::<Vec<_>>()).collect();
    let mut expired = Vec::new();
    for account_id in running {
        let is_over = store.write(move |write| Box::pin(count(write, app_id, account_id))).await;
        match is_over {
            Ok(true) => expired.push(account_id),
            // One that was tampered with stands still; the log says so.
            Ok(false) | Err(StoreError::Tampered) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(expired)
}

async fn count(write: &mut Write, app_id: AppID, account_id: AccountID) -> Result<bool, StoreError> {
    let account = write.account(app_id, Wanted::Account(account_id)).await?;
    let Some(mut account) = account else { return Ok(false) };
    let mut recovery = write.recovery(&account)?;
    match recovery.count(write.uptime()) {
        None => Ok(false),
        Some(Progress::Expired) => cancel(write, &mut account, CancelReason::Expired).await,
        Some(Progress::Held(_) | Progress::Ready(_)) => {
            write.update_recovery(&mut account, &recovery).await?;
            Ok(false)
        }
    }
}

async fn cancel(
    write: &mut Write,
    account: &mut AccountRow,
    reason: CancelReason,
) -> Result<bool, StoreError> {
    let mut recovery = write.recovery(account)?;
    let was_running = recovery.running().is_some();
    if !recovery.cancel() {
        return Ok(false);
    }
    write.update_recovery(account, &recovery).await?;
    if was_running {
        append_cancelled(write, account, reason)?;
    }
    Ok(true)
}

async fn start(
    write: &mut Write,
    account: &mut AccountRow,
    recovery: &AccountRecovery,
) -> Result<(), StoreError> {
    write.update_recovery(account, recovery).await?;
    let (now, account_id) = (write.now(), account.account_id);
    let until = recovery.running().map_or(now, |running| until(running, now));
    write.append(account.app_id, &EventKind::RecoveryStarted(RecoveryStarted { account_id, until }))
}

fn append_cancelled(write: &mut Write, account: &AccountRow, reason: CancelReason) -> Result<(), StoreError> {
    let event = RecoveryCancelled { account_id: account.account_id, reason };
    write.append(account.app_id, &EventKind::RecoveryCancelled(event))
}

/// The earliest time at which a recovery gives a new passkey, as of what was counted; in the past once it does.
pub fn until(running: &Running, now: UnixMillis) -> UnixMillis {
    match running.progress() {
        Progress::Held(left_ms) => now.plus(left_ms),
        Progress::Ready(since_ms) => UnixMillis(now.0.saturating_sub(since_ms)),
        Progress::Expired => UnixMillis(0),
    }
}
