//! Accounts and their passkeys.

use super::{Api, ApiError};
use crate::protocol::{
    AccountID, PasskeyID,
    http::{AccountInfo, PasskeyInfo, PasskeyList, RecoveryApproval, RecoveryInfo, RecoveryList},
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

    /// The recoveries that run. Needs `accounts:read`.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn recoveries(&self) -> Result<Vec<RecoveryInfo>, ApiError> {
        self.read::<RecoveryList>(&["recoveries"], &()).await.map(|list| list.recoveries)
    }

    /// Approves the recovery of an account, as the operator that the key's name says. Needs `recovery:approve`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when the app has no such account, `recoveryOff` when it recovers none by code,
    /// `forbidden` when the key has no name.
    pub async fn approve_recovery(&self, account_id: AccountID) -> Result<RecoveryApproval, ApiError> {
        self.command(&["accounts", &account_id.to_string(), "recovery"], &()).await
    }

    /// Cancels the recovery of an account. Needs `accounts:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when there is none.
    pub async fn cancel_recovery(&self, account_id: AccountID) -> Result<(), ApiError> {
        self.delete(&["accounts", &account_id.to_string(), "recovery"]).await
    }
}
