//! Account and passkey rows. What identifies a person or opens anything is sealed before it gets here.

use passkey_accounts::protocol::{AccountID, AppID, PasskeyID};

use super::{
    Store, StoreError, Write,
    rows::{bytes, millis},
};

/// An account with its passkeys, as stored.
#[derive(Debug)]
pub struct AccountRow {
    /// The account.
    pub account_id: AccountID,
    /// Its passkeys, oldest first: name and sealed record.
    pub passkeys: Vec<(PasskeyID, Vec<u8>)>,
}

/// An account that comes into being with its first passkey.
#[derive(Debug)]
pub struct NewAccount {
    /// The app it belongs to.
    pub app_id: AppID,
    /// Its name.
    pub account_id: AccountID,
    /// Keyed index of the address.
    pub email_index: [u8; 32],
    /// The sealed address.
    pub email_sealed: Vec<u8>,
    /// The passkey's name.
    pub passkey_id: PasskeyID,
    /// Keyed index of the credential id.
    pub credential_index: [u8; 32],
    /// The sealed passkey record.
    pub passkey_sealed: Vec<u8>,
}

/// What came of inserting an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It is there.
    Done,
    /// The address has an account already.
    EmailTaken,
    /// The credential is registered already (WebAuthn Level 3 section 7.1 step 26).
    CredentialTaken,
}

impl Store {
    /// The account with that address index, and its passkeys.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn account_by_email(
        &self,
        app_id: AppID,
        email_index: &[u8; 32],
    ) -> Result<Option<AccountRow>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT a.account_id, p.passkey_id, p.sealed FROM accounts a JOIN passkeys p ON p.account_id = a.account_id
             WHERE a.app_id = ? AND a.email_index = ? ORDER BY p.created_ms, p.passkey_id",
        )
        .bind(app_id.as_bytes().as_slice())
        .bind(email_index.as_slice())
        .fetch_all(&self.reads)
        .await?;
        let Some((account_id, ..)) = rows.first() else { return Ok(None) };
        let account_id = AccountID::from_bytes(bytes(account_id, "account")?);
        let passkeys = rows
            .into_iter()
            .map(|(_, id, sealed)| Ok((PasskeyID::from_bytes(bytes(&id, "passkey")?), sealed)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(AccountRow { account_id, passkeys }))
    }

    /// Whether the address has an account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_account(&self, app_id: AppID, email_index: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE app_id = ? AND email_index = ?)")
            .bind(app_id.as_bytes().as_slice())
            .bind(email_index.as_slice())
            .fetch_one(&self.reads)
            .await?)
    }
}

impl Write {
    /// Inserts an account and its passkey, or says what is taken and inserts nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn insert_account(&mut self, new: &NewAccount) -> Result<Insertion, StoreError> {
        let is_taken: (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM accounts WHERE app_id = ?1 AND email_index = ?2),
                    EXISTS (SELECT 1 FROM passkeys WHERE app_id = ?1 AND credential_index = ?3)",
        )
        .bind(new.app_id.as_bytes().as_slice())
        .bind(new.email_index.as_slice())
        .bind(new.credential_index.as_slice())
        .fetch_one(self.reading())
        .await?;
        match is_taken {
            (true, _) => return Ok(Insertion::EmailTaken),
            (_, true) => return Ok(Insertion::CredentialTaken),
            (false, false) => {}
        }
        let now = millis(self.now());
        sqlx::query(
            "INSERT INTO accounts (account_id, app_id, email_index, email_sealed, created_ms) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(new.account_id.as_bytes().as_slice())
        .bind(new.app_id.as_bytes().as_slice())
        .bind(new.email_index.as_slice())
        .bind(&new.email_sealed)
        .bind(now)
        .execute(self.writing())
        .await?;
        sqlx::query(
            "INSERT INTO passkeys (passkey_id, app_id, account_id, credential_index, sealed, created_ms)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(new.passkey_id.as_bytes().as_slice())
        .bind(new.app_id.as_bytes().as_slice())
        .bind(new.account_id.as_bytes().as_slice())
        .bind(new.credential_index.as_slice())
        .bind(&new.passkey_sealed)
        .bind(now)
        .execute(self.writing())
        .await?;
        Ok(Insertion::Done)
    }

    /// Replaces a passkey's sealed record.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such passkey.
    pub async fn update_passkey(&mut self, passkey_id: PasskeyID, sealed: &[u8]) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE passkeys SET sealed = ? WHERE passkey_id = ?")
            .bind(sealed)
            .bind(passkey_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Corrupt("passkey")) }
    }
}
