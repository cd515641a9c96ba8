//! What a signed-in person does with a passkey's gesture: confirm an action, add a passkey, remove one. Each is one
//! transaction with its events, and each asks in it whether the session is still open.

use passkey_accounts::protocol::{
    AccountID, AppID, CeremonyID, PasskeyID, SessionID,
    base64url::Base64Url,
    event::{Confirmed, EventKind, Evidence, PasskeyAdded, RemovalReason},
    gateway::{self, RawJson},
};

use super::{
    Passkey,
    erase::{self, Removal},
    used::{Usage, Used},
};
use crate::{
    limits::MAX_PASSKEYS_PER_ACCOUNT,
    store::{NewPasskeyRow, Store, StoreError, Write},
};

/// A verified assertion by a passkey of a session's account.
#[derive(Debug)]
pub struct Gesture {
    /// The app.
    pub app_id: AppID,
    /// The session that asked.
    pub session_id: SessionID,
    /// The passkey that signed, and what it said of itself.
    pub usage: Usage,
    /// What the authenticator signed.
    pub evidence: Evidence,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum GestureError {
    /// The session ended since the challenge was made.
    #[error("the session has ended")]
    SessionGone,
    /// The passkey that signed was removed since the challenge was made.
    #[error("the passkey that signed was removed")]
    PasskeyGone,
    /// The account has no such passkey any more.
    #[error("the account has no such passkey")]
    NotFound,
    /// Nobody could sign in to the account any more.
    #[error("it is the account's last passkey")]
    LastPasskey,
    /// The account has as many passkeys as it may.
    #[error("the account has as many passkeys as it may")]
    TooManyPasskeys,
    /// The credential is registered already.
    #[error("the passkey is registered")]
    CredentialTaken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gesture {
    pub(super) async fn check(&self, write: &mut Write) -> Result<Used, GestureError> {
        if !write.has_session(self.app_id, self.session_id) {
            return Err(GestureError::SessionGone);
        }
        Used::find(write, self.app_id, self.usage).await?.ok_or(GestureError::PasskeyGone)
    }
}

/// Stores that a person confirmed an action. `action` is in its RFC 8785 form.
///
/// # Errors
/// [`GestureError`]; nothing is stored then.
pub async fn confirm(
    store: &Store,
    gesture: Gesture,
    ceremony_id: CeremonyID,
    action: String,
) -> Result<(), GestureError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let used = gesture.check(write).await?;
                used.record(write).await?;
                let Gesture { app_id, session_id, usage, evidence } = gesture;
                let Usage { account_id, passkey_id, .. } = usage;
                let action = RawJson(action);
                let event = Confirmed { account_id, session_id, passkey_id, ceremony_id, action, evidence };
                write.append(app_id, &EventKind::Confirmed(Box::new(event)))?;
                Ok(())
            })
        })
        .await
}

/// A passkey that was made and vouched for.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Its name.
    pub passkey_id: PasskeyID,
    /// Its record.
    pub passkey: Passkey,
    /// Its key as the authenticator wrote it.
    pub public_key_cose: Vec<u8>,
}

/// Adds a passkey to an account; `gesture` is that of the passkey that vouches for it.
///
/// # Errors
/// [`GestureError`]; nothing is stored then.
pub async fn add_passkey(
    store: &Store,
    gesture: Gesture,
    addition: Addition,
) -> Result<gateway::Passkey, GestureError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let used = gesture.check(write).await?;
                let Gesture { app_id, usage: Usage { account_id, .. }, evidence, .. } = gesture;
                let Addition { passkey_id, passkey, public_key_cose } = addition;
                let credential_index =
                    write.keyring().derive_credential_index(app_id, &passkey.credential_id);
                if used.account.passkeys.len() >= MAX_PASSKEYS_PER_ACCOUNT {
                    return Err(GestureError::TooManyPasskeys);
                }
                if write.has_credential(app_id, &credential_index).await? {
                    return Err(GestureError::CredentialTaken);
                }
                let mut account = used.record(write).await?;
                let row = NewPasskeyRow { passkey_id, credential_index, record: passkey.to_record() };
                write.insert_passkey(&mut account, &row).await?;
                let event = passkey_added(account_id, passkey_id, &passkey, public_key_cose, Some(evidence));
                write.append(app_id, &EventKind::PasskeyAdded(event))?;
                Ok(passkey.for_page(passkey_id, write.now()))
            })
        })
        .await
}

/// Removes a passkey because the person wishes so, and ends the sessions that it opened; returns them.
///
/// # Errors
/// [`GestureError`]; everything is still there then.
pub async fn remove_own_passkey(
    store: &Store,
    gesture: Gesture,
    passkey_id: PasskeyID,
) -> Result<Vec<SessionID>, GestureError> {
    store
        .write(move |write| {
            Box::pin(async move {
                let used = gesture.check(write).await?;
                match erase::check_removal(&used.account, passkey_id) {
                    Removal::NotFound => return Err(GestureError::NotFound),
                    Removal::IsLast => return Err(GestureError::LastPasskey),
                    Removal::Done(()) => {}
                }
                // Also where it is the removed one itself: what its counter says is worth an event.
                let mut account = used.record(write).await?;
                let (reason, evidence) = (RemovalReason::User, Some(gesture.evidence));
                Ok(erase::remove(write, &mut account, passkey_id, reason, evidence).await?)
            })
        })
        .await
}

/// The event of a new passkey; `evidence` is the voucher's, which the first passkey of an account has none of.
pub(super) fn passkey_added(
    account_id: AccountID,
    passkey_id: PasskeyID,
    passkey: &Passkey,
    public_key_cose: Vec<u8>,
    evidence: Option<Evidence>,
) -> PasskeyAdded {
    PasskeyAdded {
        account_id,
        passkey_id,
        public_key: Base64Url(public_key_cose),
        aaguid: Base64Url(passkey.aaguid.to_vec()),
        backed_up: passkey.backed_up,
        evidence: evidence.map(Box::new),
    }
}
