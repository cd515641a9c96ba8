//! Turning the ring while the server runs: what other root keys sealed is sealed again, a little with each commit.

use std::{collections::HashMap, path::Path, sync::Arc};

use passkey_accounts::protocol::{AccountID, AppID};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Store, StoreError, seals};
use crate::{
    crypto::{Ring, RootKeyID, RootKeys},
    limits::RESEAL_ACCOUNTS,
};

impl Store {
    /// Takes another ring: what is sealed from now on is sealed by its first key. Call [`reseal`](Self::reseal) then.
    pub fn turn(&self, root_keys: &RootKeys) {
        self.keyring.turn(Ring::new(root_keys));
    }

    /// Seals again what other keys of the ring sealed, and returns how much it was. Sign-ins go on meanwhile: each step is
    /// one action among theirs. Wherever it is interrupted, every row opens by the key that it names.
    ///
    /// # Errors
    /// [`StoreError`]; what was done before stays done.
    pub async fn reseal(&self) -> Result<usize, StoreError> {
        let mut count = self.reseal_seals().await?;
        let mut after: Option<AccountID> = None;
        loop {
            let (last, wrapped) = self
                .write(move |write| Box::pin(async move { write.wrap_again(after, RESEAL_ACCOUNTS).await }))
                .await?;
            count += wrapped;
            let Some(last) = last else { return Ok(count) };
            after = Some(last);
        }
    }

    async fn reseal_seals(&self) -> Result<usize, StoreError> {
        let apps: Vec<AppID> = self.apps().into_iter().map(|app| app.app_id).collect();
        self.write(move |write| {
            Box::pin(async move {
                let keyring = Arc::clone(write.keyring());
                let mut count = 0;
                for app_id in apps {
                    count += write.sign_keys_again(app_id).await?;
                }
                count += usize::from(seals::wrap_index_again(write.writing(), &keyring).await?);
                write.sign_again();
                Ok(count)
            })
        })
        .await
    }

    /// How many values of the database each root key has sealed.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_by_root_key(&self) -> Result<HashMap<RootKeyID, u64>, StoreError> {
        let mut connection = self.reads.acquire().await?;
        seals::count_by_root_key(&mut connection).await
    }
}

/// How many values of the database in `directory` each root key has sealed, also while a server runs on it.
///
/// # Errors
/// [`StoreError`] when the database fails.
pub async fn count_by_root_key(directory: &Path) -> Result<HashMap<RootKeyID, u64>, StoreError> {
    let options = SqliteConnectOptions::new().filename(directory.join("accounts.sqlite")).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    seals::count_by_root_key(&mut connection).await
}
