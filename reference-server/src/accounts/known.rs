//! Finding an account and reading its passkeys.

use passkey_accounts::protocol::{AccountID, AppID, PasskeyID};

use super::Passkey;
use crate::store::{AccountRow, PasskeyRow, Store, StoreError, Wanted};

/// An account that can sign in: it has at least one passkey.
#[derive(Debug, Clone)]
pub struct KnownAccount {
    /// The account.
    pub account_id: AccountID,
    /// Its passkeys, oldest first.
    pub passkeys: Vec<(PasskeyID, Passkey)>,
}

impl KnownAccount {
    /// Looks an account up by the keyed index of its address, beside another one ([`Store::account_beside`]). One that was
    /// tampered with looks unknown: a stranger who asks is told nothing, and nobody can sign in.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn find(
        store: &Store,
        app_id: AppID,
        email_index: &[u8; 32],
        beside: AccountID,
    ) -> Result<Option<Self>, StoreError> {
        match store.account_beside(app_id, *email_index, beside).await {
            Ok(row) => Self::new(row),
            Err(StoreError::Tampered) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account of an open session. `None` when it was erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the account was tampered with.
    pub async fn of(store: &Store, app_id: AppID, account_id: AccountID) -> Result<Option<Self>, StoreError> {
        Self::new(store.account(app_id, Wanted::Account(account_id)).await?)
    }

    fn new(row: Option<AccountRow>) -> Result<Option<Self>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let passkeys =
            row.passkeys.iter().map(|key| Ok((key.passkey_id, Passkey::from_record(&key.record)?)));
        let passkeys: Vec<_> = passkeys.collect::<Result<_, StoreError>>()?;
        Ok((!passkeys.is_empty()).then_some(Self { account_id: row.account_id, passkeys }))
    }
}

/// The passkeys of an account, oldest first, with their rows; `None` where there is no such account.
///
/// # Errors
/// [`StoreError`] when the database fails or the account was tampered with.
pub async fn open_passkeys(
    store: &Store,
    app_id: AppID,
    account_id: AccountID,
) -> Result<Option<Vec<(PasskeyRow, Passkey)>>, StoreError> {
    let Some(account) = store.account(app_id, Wanted::Account(account_id)).await? else { return Ok(None) };
    let opened = account.passkeys.into_iter().map(|row| {
        let passkey = Passkey::from_record(&row.record)?;
        Ok((row, passkey))
    });
    opened.collect::<Result<_, StoreError>>().map(Some)
}
