//! Finding an account and opening its passkeys' rows.

use passkey_accounts::protocol::{AccountID, AppID, PasskeyID};

use super::Passkey;
use crate::{
    crypto::Keyring,
    store::{Store, StoreError},
};

/// An account that can sign in: it has at least one passkey whose row opens.
#[derive(Debug, Clone)]
pub struct KnownAccount {
    /// The account.
    pub account_id: AccountID,
    /// Its passkeys, oldest first.
    pub passkeys: Vec<(PasskeyID, Passkey)>,
}

impl KnownAccount {
    /// Looks an account up by the keyed index of its address. With no passkey that opens it looks unknown.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find(
        store: &Store,
        keyring: &Keyring,
        app_id: AppID,
        email_index: &[u8; 32],
    ) -> Result<Option<Self>, StoreError> {
        let Some(row) = store.account_by_email(app_id, email_index).await? else { return Ok(None) };
        let account_id = row.account_id;
        let mut passkeys = Vec::with_capacity(row.passkeys.len());
        for (passkey_id, sealed) in row.passkeys {
            match Passkey::open(keyring, app_id, account_id, passkey_id, &sealed) {
                Ok(passkey) => passkeys.push((passkey_id, passkey)),
                Err(error) => {
                    tracing::error!(%error, passkey.id = %passkey_id, "a passkey's row does not open and is left out");
                }
            }
        }
        Ok((!passkeys.is_empty()).then_some(Self { account_id, passkeys }))
    }
}
