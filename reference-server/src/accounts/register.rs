//! Registration: account, passkey and session come into being together, with their three events.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AccountID, PasskeyID,
    base64url::Base64Url,
    event::{EventKind, PasskeyAdded, Registered},
};

use super::Passkey;
use crate::{
    crypto::{Email, Keyring},
    sessions::{Opening, Session, open},
    store::{Insertion, NewAccount, Store, StoreError},
};

/// A sign-up whose ceremony was verified.
#[derive(Debug)]
pub struct Registration {
    /// The address, proven by the mailed code.
    pub email: Email,
    /// The first passkey.
    pub passkey: Passkey,
    /// Its key as the authenticator wrote it, for `passkeyAdded`.
    pub public_key_cose: Vec<u8>,
    /// The session that starts with it.
    pub opening: Opening,
}

/// Why an account could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The address got an account meanwhile.
    #[error("the address has an account")]
    EmailTaken,
    /// The credential belongs to an account already.
    #[error("the passkey is registered")]
    CredentialTaken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the account.
///
/// # Errors
/// [`RegisterError`]; nothing is stored then.
pub async fn register(
    store: &Store,
    keyring: &Keyring,
    registration: Registration,
) -> Result<Arc<Session>, RegisterError> {
    let Registration { email, passkey, public_key_cose, opening } = registration;
    let Session { app_id, account_id, passkey_id, .. } = opening.session;
    let row = NewAccount {
        app_id,
        account_id,
        email_index: keyring.derive_email_index(app_id, &email),
        email_sealed: email.seal(keyring, app_id, account_id),
        passkey_id,
        credential_index: keyring.derive_credential_index(app_id, &passkey.credential_id),
        passkey_sealed: passkey.seal(keyring, app_id, account_id, passkey_id),
    };
    let added = passkey_added(account_id, passkey_id, &passkey, public_key_cose);
    store
        .write(move |write| {
            Box::pin(async move {
                match write.insert_account(&row).await? {
                    Insertion::Done => {}
                    Insertion::EmailTaken => return Err(RegisterError::EmailTaken),
                    Insertion::CredentialTaken => return Err(RegisterError::CredentialTaken),
                }
                write.append(app_id, &EventKind::Registered(Registered { account_id }))?;
                write.append(app_id, &EventKind::PasskeyAdded(added))?;
                Ok(open(write, opening)?)
            })
        })
        .await
}

fn passkey_added(
    account_id: AccountID,
    passkey_id: PasskeyID,
    passkey: &Passkey,
    cose: Vec<u8>,
) -> PasskeyAdded {
    PasskeyAdded {
        account_id,
        passkey_id,
        public_key: Base64Url(cose),
        aaguid: Base64Url(passkey.aaguid.to_vec()),
        backed_up: passkey.backed_up,
        evidence: None,
    }
}
