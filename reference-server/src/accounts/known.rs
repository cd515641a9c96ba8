//! Finding an account and opening its passkeys' rows.

use passkey_accounts::protocol::{AccountID, AppID, PasskeyID};

use super::Passkey;
use crate::{
    crypto::Keyring,
    store::{PasskeyRow, Store, StoreError},
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
        let passkeys = row
            .passkeys
            .into_iter()
            .filter_map(|(id, sealed)| Some((id, open(keyring, app_id, account_id, id, &sealed)?)));
        Ok(Self { account_id, passkeys: passkeys.collect() }.if_any())
    }

    /// The account of an open session. `None` when no passkey of it opens, or when it was erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn of(
        store: &Store,
        keyring: &Keyring,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<Option<Self>, StoreError> {
        let passkeys = open_passkeys(store, keyring, app_id, account_id).await?;
        let passkeys = passkeys.into_iter().map(|(row, passkey)| (row.passkey_id, passkey)).collect();
        Ok(Self { account_id, passkeys }.if_any())
    }

    fn if_any(self) -> Option<Self> {
        (!self.passkeys.is_empty()).then_some(self)
    }
}

/// The passkeys of an account, oldest first, with their rows. One whose row was tampered with is left out.
///
/// # Errors
/// [`StoreError`] when the database fails.
pub async fn open_passkeys(
    store: &Store,
    keyring: &Keyring,
    app_id: AppID,
    account_id: AccountID,
) -> Result<Vec<(PasskeyRow, Passkey)>, StoreError> {
    let rows = store.passkeys(app_id, account_id).await?;
    let opened = rows.into_iter().filter_map(|row| {
        open(keyring, app_id, account_id, row.passkey_id, &row.sealed).map(|key| (row, key))
    });
    Ok(opened.collect())
}

fn open(
    keyring: &Keyring,
    app_id: AppID,
    account_id: AccountID,
    passkey_id: PasskeyID,
    sealed: &[u8],
) -> Option<Passkey> {
    Passkey::open(keyring, app_id, account_id, passkey_id, sealed)
        .inspect_err(|error| {
            tracing::error!(%error, passkey.id = %passkey_id, "a passkey's row does not open and is left out");
        })
        .ok()
}
