//! Account and passkey rows. What identifies a person or opens anything is sealed before it gets here.

use passkey_accounts::protocol::{AccountID, AppID, PasskeyID, UnixMillis};

use super::{
    Store, StoreError, Write,
    rows::{bytes, millis, unsigned},
};

/// An account with its passkeys, as stored.
#[derive(Debug)]
pub struct AccountRow {
    /// The account.
    pub account_id: AccountID,
    /// Its passkeys, oldest first: name and sealed record.
    pub passkeys: Vec<(PasskeyID, Vec<u8>)>,
}

/// What is known of an account without opening anything that is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSummary {
    /// When it was made.
    pub created_at: UnixMillis,
    /// How many passkeys it has.
    pub passkeys: u64,
}

/// A passkey, as stored.
#[derive(Debug, Clone)]
pub struct PasskeyRow {
    /// Its name.
    pub passkey_id: PasskeyID,
    /// The sealed record.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: UnixMillis,
}

const PASSKEYS: &str =
    "SELECT passkey_id, sealed, created_ms FROM passkeys WHERE app_id = ? AND account_id = ?
                        ORDER BY created_ms, passkey_id";

const HAS_CREDENTIAL: &str =
    "SELECT EXISTS (SELECT 1 FROM passkeys WHERE app_id = ? AND credential_index = ?)";

/// A passkey that comes into being.
#[derive(Debug)]
pub struct NewPasskeyRow {
    /// The app it belongs to.
    pub app_id: AppID,
    /// Its account, which is there already.
    pub account_id: AccountID,
    /// Its name.
    pub passkey_id: PasskeyID,
    /// Keyed index of the credential id. The caller has asked whether it is taken.
    pub credential_index: [u8; 32],
    /// The sealed record.
    pub sealed: Vec<u8>,
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
    /// Its first passkey.
    pub passkey: NewPasskeyRow,
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

    /// An account of that app.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the row is unreadable.
    pub async fn account(
        &self,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<Option<AccountSummary>, StoreError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "SELECT created_ms, (SELECT count(*) FROM passkeys p WHERE p.account_id = a.account_id) FROM accounts a
             WHERE app_id = ? AND account_id = ?",
        )
        .bind(app_id.as_bytes().as_slice())
        .bind(account_id.as_bytes().as_slice())
        .fetch_optional(&self.reads)
        .await?;
        let Some((created, passkeys)) = row else { return Ok(None) };
        let created_at = UnixMillis(unsigned(created, "account")?);
        Ok(Some(AccountSummary { created_at, passkeys: unsigned(passkeys, "passkey")? }))
    }

    /// The passkeys of an account of that app, oldest first; none where there is no such account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn passkeys(
        &self,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<Vec<PasskeyRow>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(PASSKEYS)
            .bind(app_id.as_bytes().as_slice())
            .bind(account_id.as_bytes().as_slice())
            .fetch_all(&self.reads)
            .await?;
        rows.into_iter().map(passkey).collect()
    }

    /// Whether a credential is registered in that app.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_credential(
        &self,
        app_id: AppID,
        credential_index: &[u8; 32],
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_CREDENTIAL)
            .bind(app_id.as_bytes().as_slice())
            .bind(credential_index.as_slice())
            .fetch_one(&self.reads)
            .await?)
    }

    /// The sealed address of an account of that app.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn sealed_email(
        &self,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT email_sealed FROM accounts WHERE app_id = ? AND account_id = ?")
            .bind(app_id.as_bytes().as_slice())
            .bind(account_id.as_bytes().as_slice())
            .fetch_optional(&self.reads)
            .await?)
    }
}

fn passkey((id, sealed, created): (Vec<u8>, Vec<u8>, i64)) -> Result<PasskeyRow, StoreError> {
    let created_at = UnixMillis(unsigned(created, "passkey")?);
    Ok(PasskeyRow { passkey_id: PasskeyID::from_bytes(bytes(&id, "passkey")?), sealed, created_at })
}

impl Write {
    /// The passkeys of an account of that app, as of this action; none where there is no such account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or a row is unreadable.
    pub async fn passkeys(
        &mut self,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<Vec<PasskeyRow>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(PASSKEYS)
            .bind(app_id.as_bytes().as_slice())
            .bind(account_id.as_bytes().as_slice())
            .fetch_all(self.reading())
            .await?;
        rows.into_iter().map(passkey).collect()
    }

    /// A passkey of that account, as of this action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or the row is unreadable.
    pub async fn passkey(
        &mut self,
        app_id: AppID,
        account_id: AccountID,
        passkey_id: PasskeyID,
    ) -> Result<Option<PasskeyRow>, StoreError> {
        let row: Option<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT passkey_id, sealed, created_ms FROM passkeys
             WHERE passkey_id = ? AND account_id = ? AND app_id = ?",
        )
        .bind(passkey_id.as_bytes().as_slice())
        .bind(account_id.as_bytes().as_slice())
        .bind(app_id.as_bytes().as_slice())
        .fetch_optional(self.reading())
        .await?;
        row.map(passkey).transpose()
    }

    /// Whether a credential is registered in that app, as of this action (WebAuthn Level 3 section 7.1 step 26).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_credential(
        &mut self,
        app_id: AppID,
        credential_index: &[u8; 32],
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_CREDENTIAL)
            .bind(app_id.as_bytes().as_slice())
            .bind(credential_index.as_slice())
            .fetch_one(self.reading())
            .await?)
    }

    /// Whether the app has that account, as of this action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_account(&mut self, app_id: AppID, account_id: AccountID) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = ? AND app_id = ?)")
            .bind(account_id.as_bytes().as_slice())
            .bind(app_id.as_bytes().as_slice())
            .fetch_one(self.reading())
            .await?)
    }

    /// Deletes a passkey. The caller ends its sessions in the same action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_passkey(&mut self, passkey_id: PasskeyID) -> Result<(), StoreError> {
        self.defer_references().await?;
        sqlx::query("DELETE FROM passkeys WHERE passkey_id = ?")
            .bind(passkey_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        Ok(())
    }

    /// Deletes an account, its address and its passkeys. The caller ends its sessions in the same action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_account(&mut self, account_id: AccountID) -> Result<(), StoreError> {
        self.defer_references().await?;
        for statement in
            ["DELETE FROM passkeys WHERE account_id = ?", "DELETE FROM accounts WHERE account_id = ?"]
        {
            sqlx::query(statement).bind(account_id.as_bytes().as_slice()).execute(self.writing()).await?;
        }
        Ok(())
    }

    /// Session rows are inserted and deleted when the commit ends, so until then they may point at nothing.
    async fn defer_references(&mut self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(self.writing()).await?;
        Ok(())
    }

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
        .bind(new.passkey.credential_index.as_slice())
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
        self.insert_passkey(&new.passkey).await?;
        Ok(Insertion::Done)
    }

    /// Inserts a passkey of an account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, or the credential is taken.
    pub async fn insert_passkey(&mut self, new: &NewPasskeyRow) -> Result<(), StoreError> {
        let now = millis(self.now());
        sqlx::query(
            "INSERT INTO passkeys (passkey_id, app_id, account_id, credential_index, sealed, created_ms)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(new.passkey_id.as_bytes().as_slice())
        .bind(new.app_id.as_bytes().as_slice())
        .bind(new.account_id.as_bytes().as_slice())
        .bind(new.credential_index.as_slice())
        .bind(&new.sealed)
        .bind(now)
        .execute(self.writing())
        .await?;
        Ok(())
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
