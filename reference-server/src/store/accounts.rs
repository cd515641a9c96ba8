//! Account and passkey rows. An account is read with all its passkeys and checked as a whole: its key opens it, its seal
//! says which passkeys it has, the roll says at which version it is.

use std::sync::Arc;

use passkey_accounts::{
    defended, planted,
    protocol::{AccountID, AppID, PasskeyID, UnixMillis},
};
use zeroize::Zeroizing;

use super::{
    Roll, Store, StoreError, Suspect, Write,
    rows::{bytes, millis, signed, unsigned},
};
use crate::{
    clock::{Uptime, make_random},
    crypto::{DataKey, Email, Keyring, Sealed, Tampered},
    recovery::AccountRecovery,
};

/// An account with its passkeys, as this server stored them.
#[derive(Debug)]
pub struct AccountRow {
    /// The app it belongs to.
    pub app_id: AppID,
    /// The account.
    pub account_id: AccountID,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Its passkeys, oldest first.
    pub passkeys: Vec<PasskeyRow>,
    version: u64,
    email_index: [u8; 32],
    email_sealed: Vec<u8>,
    /// What [`AccountRow::seal_recovery`] made; empty when there is nothing.
    recovery_sealed: Vec<u8>,
    recovery_runs: bool,
    key: DataKey,
}

/// A passkey, as this server stored it.
#[derive(Debug, Clone)]
pub struct PasskeyRow {
    /// Its name.
    pub passkey_id: PasskeyID,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The version of the account that wrote it.
    pub version: u64,
    /// Its record.
    pub record: Zeroizing<Vec<u8>>,
}

/// A passkey that comes into being.
#[derive(Debug)]
pub struct NewPasskeyRow {
    /// Its name.
    pub passkey_id: PasskeyID,
    /// Keyed index of the credential id. The caller has asked whether it is taken.
    pub credential_index: [u8; 32],
    /// Its record.
    pub record: Zeroizing<Vec<u8>>,
}

/// An account that comes into being with its first passkey.
#[derive(Debug)]
pub struct NewAccount {
    /// The app it belongs to.
    pub app_id: AppID,
    /// Its name.
    pub account_id: AccountID,
    /// Its address.
    pub email: Email,
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

/// By what an account is looked up.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// The keyed index of its address.
    Email([u8; 32]),
    /// Its name.
    Account(AccountID),
}

/// An account's row and key, and one of its passkeys' rows, if it has any.
#[derive(sqlx::FromRow)]
pub(super) struct Joined {
    account_id: Vec<u8>,
    version: i64,
    created_ms: i64,
    email_index: Vec<u8>,
    email_sealed: Vec<u8>,
    recovery: Vec<u8>,
    recovery_runs: i64,
    seal: Vec<u8>,
    wrapped: Option<Vec<u8>>,
    passkey_id: Option<Vec<u8>>,
    passkey_app: Option<Vec<u8>>,
    passkey_version: Option<i64>,
    passkey_created_ms: Option<i64>,
    credential_index: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
}

macro_rules! joined {
    ($condition:literal) => {
        concat!(
            "SELECT a.account_id, a.version, a.created_ms, a.email_index, a.email_sealed, a.recovery,
                a.recovery_runs, a.seal, k.wrapped, p.passkey_id, p.app_id AS passkey_app,
                p.version AS passkey_version, p.created_ms AS passkey_created_ms, p.credential_index, p.sealed
            FROM accounts a LEFT JOIN account_keys k ON k.account_id = a.account_id AND k.app_id = a.app_id
                LEFT JOIN passkeys p ON p.account_id = a.account_id
            WHERE a.app_id = ? AND ",
            $condition,
            " ORDER BY p.created_ms, p.passkey_id"
        )
    };
}

const BY_EMAIL: &str = joined!("a.email_index = ?");

const BY_ACCOUNT: &str = joined!("a.account_id = ?");

const EITHER: &str = joined!("(a.email_index = ? OR a.account_id = ?)");

const HAS_CREDENTIAL: &str =
    "SELECT EXISTS (SELECT 1 FROM passkeys WHERE app_id = ? AND credential_index = ?)";

impl Wanted {
    const fn sql(self) -> &'static str {
        match self {
            Self::Email(_) => BY_EMAIL,
            Self::Account(_) => BY_ACCOUNT,
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::Email(index) => index,
            Self::Account(account_id) => account_id.as_bytes(),
        }
    }

    pub(super) async fn fetch<'a>(
        self,
        app_id: AppID,
        from: impl sqlx::Executor<'a, Database = sqlx::Sqlite>,
    ) -> Result<Vec<Joined>, StoreError> {
        let query = sqlx::query_as(self.sql());
        Ok(query.bind(app_id.as_bytes().as_slice()).bind(self.value()).fetch_all(from).await?)
    }

    /// Who is under suspicion when what was found is not what must be there.
    fn suspect(self, found: &[Joined]) -> Suspect {
        let found = found.first().and_then(|row| row.account_id.as_slice().try_into().ok());
        match (self, found) {
            (Self::Account(account_id), _) => Suspect::Account(account_id),
            (Self::Email(_), Some(account_id)) => Suspect::Account(AccountID::from_bytes(account_id)),
            (Self::Email(_), None) => Suspect::Address,
        }
    }
}

impl Store {
    /// An account of that app with its passkeys.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] when its rows are not those that this server stored last; the log says so then.
    pub async fn account(&self, app_id: AppID, wanted: Wanted) -> Result<Option<AccountRow>, StoreError> {
        let found = wanted.fetch(app_id, &self.reads).await?;
        self.checked(app_id, wanted, &found).await
    }

    /// The account of an address, with the same work whether it has one or not: another account, `beside`, is read and
    /// opened in the same look-up. The caller names one that is there if and only if the address has none.
    ///
    /// # Errors
    /// As [`Store::account`]; nothing is said of the other one.
    pub async fn account_beside(
        &self,
        app_id: AppID,
        email_index: [u8; 32],
        beside: AccountID,
    ) -> Result<Option<AccountRow>, StoreError> {
        let rows: Vec<Joined> = sqlx::query_as(EITHER)
            .bind(app_id.as_bytes().as_slice())
            .bind(email_index.as_slice())
            .bind(beside.as_bytes().as_slice())
            .fetch_all(&self.reads)
            .await?;
        let (found, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.email_index == email_index);
        if let Some(tail) = self.logs().tail(app_id) {
            let wanted = Wanted::Account(beside);
            drop(AccountRow::check(&others, app_id, wanted, &self.keyring, tail.state().roll()));
        }
        self.checked(app_id, Wanted::Email(email_index), &found).await
    }

    async fn checked(
        &self,
        app_id: AppID,
        wanted: Wanted,
        found: &[Joined],
    ) -> Result<Option<AccountRow>, StoreError> {
        let Some(tail) = self.logs().tail(app_id) else { return Ok(None) };
        match AccountRow::check(found, app_id, wanted, &self.keyring, tail.state().roll()) {
            Ok(account) => Ok(account),
            // The roll and the rows may be of two moments. The writer sees both at one, and decides.
            Err(Tampered) => {
                self.write(move |write| Box::pin(async move { write.account(app_id, wanted).await })).await
            }
        }
    }

    /// What an account has for its recovery, counted up to `uptime`.
    ///
    /// # Errors
    /// [`StoreError::Tampered`]
    pub fn recovery(&self, account: &AccountRow, uptime: Uptime) -> Result<AccountRecovery, StoreError> {
        let mut recovery = account.recovery(uptime)?;
        let state = self.logs().tail(account.app_id).map(|tail| tail.state());
        if let Some(counted) = state.as_ref().and_then(|state| state.recoveries().get(&account.account_id)) {
            recovery.continue_with(counted);
        }
        recovery.count(uptime);
        Ok(recovery)
    }

    /// Whether the address has an account.
    pub fn has_address(&self, app_id: AppID, email_index: &[u8; 32]) -> bool {
        self.logs().tail(app_id).is_some_and(|tail| tail.state().roll().has_address(email_index))
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
}

impl AccountRow {
    /// Its address.
    ///
    /// # Errors
    /// [`StoreError::Tampered`]
    pub fn email(&self) -> Result<Email, StoreError> {
        Email::open(&self.key, self.app_id, self.account_id, &self.email_sealed)
            .map_err(|Tampered| StoreError::Tampered)
    }

    /// What it has for its recovery, as it was stored; `uptime` is that of this process.
    ///
    /// # Errors
    /// [`StoreError::Tampered`]
    pub(super) fn recovery(&self, uptime: Uptime) -> Result<AccountRecovery, StoreError> {
        if self.recovery_sealed.is_empty() {
            return Ok(AccountRecovery::default());
        }
        let owner: [&[u8]; 2] = [self.app_id.as_bytes(), self.account_id.as_bytes()];
        let field = Sealed { label: "recovery", owner: &owner };
        let record = field.open(&self.key, &self.recovery_sealed).map_err(|Tampered| StoreError::Tampered)?;
        AccountRecovery::from_record(&record, uptime).ok_or(StoreError::Corrupt("recovery"))
    }

    fn seal_recovery(&mut self, recovery: &AccountRecovery) {
        let record = Zeroizing::new(recovery.to_record());
        let owner: [&[u8]; 2] = [self.app_id.as_bytes(), self.account_id.as_bytes()];
        let field = Sealed { label: "recovery", owner: &owner };
        self.recovery_sealed = if record.is_empty() { Vec::new() } else { field.seal(&self.key, &record) };
        self.recovery_runs = recovery.running().is_some();
    }

    /// Reads rows as what they must be: at the version of the roll, with the passkeys that the seal names, each opened by
    /// the account's key. Finding nothing is right only where the roll has nothing.
    pub(super) fn check(
        found: &[Joined],
        app_id: AppID,
        wanted: Wanted,
        keyring: &Keyring,
        roll: &Roll,
    ) -> Result<Option<Self>, Tampered> {
        let Some(first) = found.first() else {
            let is_missing = match wanted {
                Wanted::Email(index) => roll.has_address(&index),
                Wanted::Account(account_id) => roll.version(account_id).is_some(),
            };
            return if is_missing && !planted!(RollNotChecked) { Err(Tampered) } else { Ok(None) };
        };
        let account_id = AccountID::from_bytes(read(&first.account_id)?);
        let mut account = Self {
            app_id,
            account_id,
            created_at: UnixMillis(number(first.created_ms)?),
            passkeys: Vec::with_capacity(found.len()),
            version: number(first.version)?,
            email_index: read(&first.email_index)?,
            email_sealed: first.email_sealed.clone(),
            recovery_sealed: first.recovery.clone(),
            recovery_runs: number(first.recovery_runs)? != 0,
            key: DataKey::new(&*keyring.ring().unwrap(
                Sealed { label: "account-key", owner: &[app_id.as_bytes(), account_id.as_bytes()] },
                first.wrapped.as_deref().ok_or(Tampered)?,
            )?),
        };
        let is_checked = defended!(RowsSealed) && !planted!(RollNotChecked);
        if roll.version(account_id) != Some(account.version) && is_checked {
            return Err(Tampered);
        }
        for row in found {
            let Some(passkey_id) = &row.passkey_id else { continue };
            account.passkeys.push(account.open_passkey(row, PasskeyID::from_bytes(read(passkey_id)?))?);
        }
        if defended!(RowsSealed) {
            let owner = account.owner();
            let owner: Vec<&[u8]> = owner.iter().map(Vec::as_slice).collect();
            let field = Sealed { label: "account", owner: &owner };
            let named = field.open(&account.key, &first.seal)?;
            if *named != account.named() && !planted!(SealNotChecked) {
                return Err(Tampered);
            }
        }
        Ok(Some(account))
    }

    fn open_passkey(&self, row: &Joined, passkey_id: PasskeyID) -> Result<PasskeyRow, Tampered> {
        let version = number(row.passkey_version.ok_or(Tampered)?)?;
        let created_at = UnixMillis(number(row.passkey_created_ms.ok_or(Tampered)?)?);
        let credential_index = read(row.credential_index.as_deref().ok_or(Tampered)?)?;
        if row.passkey_app.as_deref() != Some(self.app_id.as_bytes().as_slice()) {
            return Err(Tampered);
        }
        let owner = self.passkey_owner(passkey_id, version, created_at, &credential_index);
        let field = Sealed { label: "passkey", owner: &owner.each_ref().map(Vec::as_slice) };
        let record = field.open(&self.key, row.sealed.as_deref().ok_or(Tampered)?)?;
        Ok(PasskeyRow { passkey_id, created_at, version, record })
    }

    fn seal_passkey(&self, row: &PasskeyRow, credential_index: &[u8; 32]) -> Vec<u8> {
        let owner = self.passkey_owner(row.passkey_id, row.version, row.created_at, credential_index);
        Sealed { label: "passkey", owner: &owner.each_ref().map(Vec::as_slice) }.seal(&self.key, &row.record)
    }

    /// Seals which passkeys the account has at this version.
    fn seal(&self) -> Vec<u8> {
        let owner = self.owner();
        let owner: Vec<&[u8]> = owner.iter().map(Vec::as_slice).collect();
        Sealed { label: "account", owner: &owner }.seal(&self.key, &self.named())
    }

    /// What the account's seal names: each passkey and its version, in the order of their names.
    fn named(&self) -> Vec<u8> {
        let mut named: Vec<_> =
            self.passkeys.iter().map(|row| (row.passkey_id, row.version.to_be_bytes())).collect();
        named.sort_unstable();
        named.iter().flat_map(|(id, version)| [id.as_bytes().as_slice(), version].concat()).collect()
    }

    fn owner(&self) -> Vec<Vec<u8>> {
        let mut owner = vec![
            self.app_id.as_bytes().to_vec(),
            self.account_id.as_bytes().to_vec(),
            self.version.to_be_bytes().to_vec(),
            self.email_index.to_vec(),
            self.email_sealed.clone(),
            self.created_at.0.to_be_bytes().to_vec(),
        ];
        // Accounts from before there was such a thing have no such part.
        if !self.recovery_sealed.is_empty() || self.recovery_runs {
            owner.push(self.recovery_sealed.clone());
            owner.push(vec![u8::from(self.recovery_runs)]);
        }
        owner
    }

    fn passkey_owner(
        &self,
        passkey_id: PasskeyID,
        version: u64,
        created_at: UnixMillis,
        credential_index: &[u8; 32],
    ) -> [Vec<u8>; 6] {
        [
            self.app_id.as_bytes().to_vec(),
            self.account_id.as_bytes().to_vec(),
            passkey_id.as_bytes().to_vec(),
            version.to_be_bytes().to_vec(),
            created_at.0.to_be_bytes().to_vec(),
            credential_index.to_vec(),
        ]
    }
}

fn read<const N: usize>(column: &[u8]) -> Result<[u8; N], Tampered> {
    bytes(column, "account").map_err(|_| Tampered)
}

fn number(column: i64) -> Result<u64, Tampered> {
    unsigned(column, "account").map_err(|_| Tampered)
}

impl Write {
    /// An account of that app with its passkeys, as of this action.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] when its rows are not those that this server stored last; the log says so then.
    pub async fn account(&mut self, app_id: AppID, wanted: Wanted) -> Result<Option<AccountRow>, StoreError> {
        let found = wanted.fetch(app_id, self.reading()).await?;
        let suspect = wanted.suspect(&found);
        let keyring = Arc::clone(self.keyring());
        let Some(state) = self.state(app_id) else { return Ok(None) };
        AccountRow::check(&found, app_id, wanted, &keyring, state.roll()).map_err(|Tampered| {
            self.alarm(app_id, suspect);
            StoreError::Tampered
        })
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
    pub fn has_account(&self, app_id: AppID, account_id: AccountID) -> bool {
        self.state(app_id).is_some_and(|state| state.roll().version(account_id).is_some())
    }

    /// Inserts an account and its passkey, or says what is taken and inserts nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn insert_account(&mut self, new: &NewAccount) -> Result<Insertion, StoreError> {
        let keyring = Arc::clone(self.keyring());
        let NewAccount { app_id, account_id, ref email, ref passkey } = *new;
        let email_index = keyring.derive_email_index(app_id, email);
        if self.state(app_id).is_some_and(|state| state.roll().has_address(&email_index)) {
            return Ok(Insertion::EmailTaken);
        }
        if self.has_credential(app_id, &passkey.credential_index).await? {
            return Ok(Insertion::CredentialTaken);
        }
        let secret = Zeroizing::new(make_random());
        let key = DataKey::new(&secret);
        let email_sealed = email.seal(&key, app_id, account_id);
        let created_at = self.now();
        let passkeys = Vec::new();
        // The passkey makes the first version of it.
        let mut account = AccountRow {
            app_id,
            account_id,
            created_at,
            passkeys,
            version: 0,
            email_index,
            email_sealed,
            recovery_sealed: Vec::new(),
            recovery_runs: false,
            key,
        };
        sqlx::query(
            "INSERT INTO accounts (account_id, app_id, email_index, email_sealed, created_ms) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(account_id.as_bytes().as_slice())
        .bind(app_id.as_bytes().as_slice())
        .bind(account.email_index.as_slice())
        .bind(&account.email_sealed)
        .bind(millis(account.created_at))
        .execute(self.writing())
        .await?;
        self.insert_account_key(app_id, account_id, &secret).await?;
        self.insert_passkey(&mut account, passkey).await?;
        Ok(Insertion::Done)
    }

    /// Inserts a passkey of an account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, or the credential is taken.
    pub async fn insert_passkey(
        &mut self,
        account: &mut AccountRow,
        new: &NewPasskeyRow,
    ) -> Result<(), StoreError> {
        let (created_at, version) = (self.now(), account.version + 1);
        let row = PasskeyRow { passkey_id: new.passkey_id, created_at, version, record: new.record.clone() };
        sqlx::query(
            "INSERT INTO passkeys (passkey_id, app_id, account_id, credential_index, sealed, created_ms, version)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.passkey_id.as_bytes().as_slice())
        .bind(account.app_id.as_bytes().as_slice())
        .bind(account.account_id.as_bytes().as_slice())
        .bind(new.credential_index.as_slice())
        .bind(account.seal_passkey(&row, &new.credential_index))
        .bind(millis(created_at))
        .bind(signed(version))
        .execute(self.writing())
        .await?;
        account.passkeys.push(row);
        self.write_version(account).await
    }

    /// Replaces a passkey's record. A credential keeps its id.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails or there is no such passkey.
    pub async fn update_passkey(
        &mut self,
        account: &mut AccountRow,
        passkey_id: PasskeyID,
        credential_id: &[u8],
        record: Zeroizing<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let credential_index = self.keyring().derive_credential_index(account.app_id, credential_id);
        let version = account.version + 1;
        let row = account.passkeys.iter_mut().find(|row| row.passkey_id == passkey_id);
        let row = row.ok_or(StoreError::Corrupt("passkey"))?;
        (row.version, row.record) = (version, record);
        let row = row.clone();
        let done = sqlx::query("UPDATE passkeys SET sealed = ?, version = ? WHERE passkey_id = ?")
            .bind(account.seal_passkey(&row, &credential_index))
            .bind(signed(version))
            .bind(passkey_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Corrupt("passkey"));
        }
        self.write_version(account).await
    }

    /// Deletes a passkey. The caller ends its sessions in the same action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_passkey(
        &mut self,
        account: &mut AccountRow,
        passkey_id: PasskeyID,
    ) -> Result<(), StoreError> {
        self.defer_references().await?;
        sqlx::query("DELETE FROM passkeys WHERE passkey_id = ?")
            .bind(passkey_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        account.passkeys.retain(|row| row.passkey_id != passkey_id);
        self.write_version(account).await
    }

    /// Deletes an account, its key, its address and its passkeys: copies of its rows, wherever they are, do not open
    /// without the key. The caller ends its sessions in the same action.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn delete_account(&mut self, app_id: AppID, account_id: AccountID) -> Result<(), StoreError> {
        self.defer_references().await?;
        for statement in [
            "DELETE FROM account_keys WHERE account_id = ?",
            "DELETE FROM passkeys WHERE account_id = ?",
            "DELETE FROM accounts WHERE account_id = ?",
        ] {
            sqlx::query(statement).bind(account_id.as_bytes().as_slice()).execute(self.writing()).await?;
        }
        let keyring = Arc::clone(self.keyring());
        self.roll(app_id)?.remove_account(&keyring, account_id);
        self.set_running(app_id, account_id, None)
    }

    /// What an account has for its recovery, counted up to this action.
    ///
    /// # Errors
    /// [`StoreError::Tampered`]
    pub fn recovery(&self, account: &AccountRow) -> Result<AccountRecovery, StoreError> {
        let mut recovery = account.recovery(self.uptime())?;
        let state = self.state(account.app_id);
        if let Some(counted) = state.and_then(|state| state.recoveries().get(&account.account_id)) {
            recovery.continue_with(counted);
        }
        recovery.count(self.uptime());
        Ok(recovery)
    }

    /// Writes what an account has for its recovery from now on. The caller appends the event.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn update_recovery(
        &mut self,
        account: &mut AccountRow,
        recovery: &AccountRecovery,
    ) -> Result<(), StoreError> {
        account.seal_recovery(recovery);
        sqlx::query("UPDATE accounts SET recovery = ?, recovery_runs = ? WHERE account_id = ?")
            .bind(&account.recovery_sealed)
            .bind(i64::from(account.recovery_runs))
            .bind(account.account_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        self.write_version(account).await?;
        self.set_running(account.app_id, account.account_id, recovery.running().cloned())
    }

    /// Gives an account from before rows were sealed a key, and its first version. What is there is taken as it is.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] when the root key of that time did not seal it.
    pub(super) async fn adopt_account(
        &mut self,
        app_id: AppID,
        account_id: AccountID,
    ) -> Result<(), StoreError> {
        let tampered = |Tampered| StoreError::Tampered;
        let ring = self.keyring().ring();
        let found = Wanted::Account(account_id).fetch(app_id, self.reading()).await?;
        let first = found.first().ok_or(StoreError::Corrupt("account"))?;
        let email = Email::open_by_ring(&ring, app_id, account_id, &first.email_sealed).map_err(tampered)?;
        let secret = Zeroizing::new(make_random());
        let key = DataKey::new(&secret);
        let mut account = AccountRow {
            app_id,
            account_id,
            created_at: UnixMillis(unsigned(first.created_ms, "account")?),
            passkeys: Vec::new(),
            version: 0,
            email_index: bytes(&first.email_index, "account")?,
            email_sealed: email.seal(&key, app_id, account_id),
            recovery_sealed: Vec::new(),
            recovery_runs: false,
            key,
        };
        sqlx::query("UPDATE accounts SET email_sealed = ? WHERE account_id = ?")
            .bind(&account.email_sealed)
            .bind(account_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        self.insert_account_key(app_id, account_id, &secret).await?;
        for row in &found {
            let (Some(id), Some(sealed), Some(index)) = (&row.passkey_id, &row.sealed, &row.credential_index)
            else {
                continue;
            };
            let passkey_id = PasskeyID::from_bytes(bytes(id, "passkey")?);
            let owner: [&[u8]; 3] = [app_id.as_bytes(), account_id.as_bytes(), passkey_id.as_bytes()];
            let record = ring.open_field(Sealed { label: "passkey", owner: &owner }, sealed);
            let record = record.map_err(tampered)?;
            let created_at = UnixMillis(unsigned(row.passkey_created_ms.unwrap_or(-1), "passkey")?);
            let row = PasskeyRow { passkey_id, created_at, version: 1, record };
            sqlx::query("UPDATE passkeys SET sealed = ?, version = 1 WHERE passkey_id = ?")
                .bind(account.seal_passkey(&row, &bytes(index, "passkey")?))
                .bind(id)
                .execute(self.writing())
                .await?;
            account.passkeys.push(row);
        }
        self.write_version(&mut account).await
    }

    /// Wraps the keys of accounts after `after` again that another root key wrapped: at most `limit` accounts. Returns the
    /// last account that was looked at, `None` at the end, and how many were wrapped again.
    pub(super) async fn wrap_again(
        &mut self,
        after: Option<AccountID>,
        limit: usize,
    ) -> Result<(Option<AccountID>, usize), StoreError> {
        let ring = self.keyring().ring();
        let after = after.map_or_else(Vec::new, |after| after.as_bytes().to_vec());
        let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT account_id, app_id, wrapped FROM account_keys WHERE account_id > ? ORDER BY account_id LIMIT ?",
        )
        .bind(after)
        .bind(signed(limit as u64))
        .fetch_all(self.reading())
        .await?;
        let (mut last, mut wrapped_again) = (None, 0);
        for (account, app, wrapped) in rows {
            let account_id = AccountID::from_bytes(bytes(&account, "account key")?);
            last = Some(account_id);
            if crate::crypto::Ring::id_of(&wrapped) == Some(ring.sealing()) {
                continue;
            }
            let app_id = AppID::from_bytes(bytes(&app, "account key")?);
            let field = Sealed { label: "account-key", owner: &[app_id.as_bytes(), account_id.as_bytes()] };
            let Ok(key) = ring.unwrap(field, &wrapped) else {
                self.alarm(app_id, Suspect::Account(account_id));
                continue;
            };
            sqlx::query("UPDATE account_keys SET wrapped = ? WHERE account_id = ?")
                .bind(ring.wrap(field, &key))
                .bind(account)
                .execute(self.writing())
                .await?;
            wrapped_again += 1;
        }
        Ok((last, wrapped_again))
    }

    async fn insert_account_key(
        &mut self,
        app_id: AppID,
        account_id: AccountID,
        secret: &[u8; 32],
    ) -> Result<(), StoreError> {
        let field = Sealed { label: "account-key", owner: &[app_id.as_bytes(), account_id.as_bytes()] };
        let wrapped = self.keyring().ring().wrap(field, secret);
        sqlx::query("INSERT INTO account_keys (account_id, app_id, wrapped) VALUES (?, ?, ?)")
            .bind(account_id.as_bytes().as_slice())
            .bind(app_id.as_bytes().as_slice())
            .bind(wrapped)
            .execute(self.writing())
            .await?;
        Ok(())
    }

    /// Writes the account's next version: its passkeys are now these, and what was before no longer fits.
    async fn write_version(&mut self, account: &mut AccountRow) -> Result<(), StoreError> {
        account.version += 1;
        let done = sqlx::query("UPDATE accounts SET version = ?, seal = ? WHERE account_id = ?")
            .bind(signed(account.version))
            .bind(account.seal())
            .bind(account.account_id.as_bytes().as_slice())
            .execute(self.writing())
            .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Corrupt("account"));
        }
        let keyring = Arc::clone(self.keyring());
        let AccountRow { app_id, account_id, version, email_index, .. } = *account;
        self.roll(app_id)?.set_account(&keyring, account_id, version, &email_index);
        Ok(())
    }

    /// Session rows are inserted and deleted when the commit ends, so until then they may point at nothing.
    async fn defer_references(&mut self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(self.writing()).await?;
        Ok(())
    }
}
