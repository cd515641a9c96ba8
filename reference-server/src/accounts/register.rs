//! Registration: account, passkey and session come into being together, with their three events.

use std::sync::Arc;

use passkey_accounts::protocol::event::{EventKind, Registered};

use super::{Passkey, gesture::passkey_added};
use crate::{
    crypto::Email,
    sessions::{Opening, Session, open},
    store::{Insertion, NewAccount, NewPasskeyRow, Store, StoreError},
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
pub async fn register(store: &Store, registration: Registration) -> Result<Arc<Session>, RegisterError> {
    let Registration { email, passkey, public_key_cose, opening } = registration;
    let Session { app_id, account_id, passkey_id, .. } = opening.session;
    let credential_index = store.keyring().derive_credential_index(app_id, &passkey.credential_id);
    let new = NewPasskeyRow { passkey_id, credential_index, record: passkey.to_record() };
    let row = NewAccount { app_id, account_id, email, passkey: new };
    let added = passkey_added(account_id, passkey_id, &passkey, public_key_cose, None);
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
