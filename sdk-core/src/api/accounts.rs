//! Accounts and their passkeys.

use super::{Api, ApiError};
use crate::protocol::{
    AccountID, PasskeyID,
    http::{AccountInfo, PasskeyInfo, PasskeyList},
};

impl Api {
    /// What is known of an account. Needs `accounts:read`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has none with that id.
    pub async fn account(&self, account_id: AccountID) -> Result<AccountInfo, ApiError> {
        self.read(&["accounts", &account_id.to_string()], &()).await
    }

    /// Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has none with that id.
    pub async fn erase_account(&self, account_id: AccountID) -> Result<(), ApiError> {
        self.delete(&["accounts", &account_id.to_string()]).await
    }

    /// The passkeys of an account, oldest first. Needs `accounts:read`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has no such account.
    pub async fn passkeys(&self, account_id: AccountID) -> Result<Vec<PasskeyInfo>, ApiError> {
        let path = ["accounts", &account_id.to_string(), "passkeys"];
        self.read::<PasskeyList>(&path, &()).await.map(|list| list.passkeys)
    }

    /// Removes a passkey and ends the sessions that it opened. Needs `accounts:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when there is none with that id, `lastPasskey` when it is the account's last.
    pub async fn remove_passkey(&self, account_id: AccountID, passkey_id: PasskeyID) -> Result<(), ApiError> {
        self.delete(&["accounts", &account_id.to_string(), "passkeys", &passkey_id.to_string()]).await
    }
}
