//! Looking at every sealed row of a database that no server runs on, without changing anything.

use std::{path::Path, sync::Arc};

use super::{
    OpenError, Store, StoreError, Suspect, accounts::AccountRow, accounts::Wanted, events, open::connect,
    seals,
};
use crate::{
    clock::Clock,
    crypto::{RootKeys, Tampered},
};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Accounts whose rows are right.
    pub accounts: u64,
    /// API keys whose rows are right.
    pub keys: u64,
    /// Sentences, one for each thing that is not.
    pub problems: Vec<String>,
}

impl Store {
    /// Opens every sealed row of the database in `directory`.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be read at all.
    pub async fn check(directory: &Path, root_keys: &RootKeys) -> Result<Report, OpenError> {
        let (_lock, _, mut connection) = connect(directory).await?;
        let keyring = Arc::new(seals::load_keyring(&mut connection, root_keys).await?);
        let heads = events::load_heads(&mut connection).await?;
        let loaded = seals::load_roll(&mut connection, &keyring, heads, &Clock::System).await?;
        let mut report = Report::default();
        match seals::check_roll(&mut connection, &keyring, &loaded.total).await {
            Ok(()) => {}
            Err(OpenError::Tampered) => report.problems.push(
                "accounts, API keys, sessions, apps or the end of a log were changed, removed, added or put back".to_owned(),
            ),
            Err(error) => return Err(error),
        }
        for (app_id, suspect) in &loaded.suspects {
            if let Suspect::ApiKey(key_id) = suspect {
                report.problems.push(format!("the API key {key_id} of {app_id} was changed"));
            }
        }
        for (app_id, log) in &loaded.logs {
            report.keys += log.roll().keys().count() as u64;
            for account_id in log.roll().accounts() {
                let wanted = Wanted::Account(account_id);
                let found = wanted.fetch(*app_id, &mut connection).await;
                let found = found.map_err(|error: StoreError| OpenError::Store(error))?;
                match AccountRow::check(&found, *app_id, wanted, &keyring, log.roll()) {
                    Ok(Some(account)) if account.email().is_ok() => report.accounts += 1,
                    Ok(_) | Err(Tampered) => {
                        report.problems.push(format!("rows of {account_id} of {app_id} were changed"));
                    }
                }
            }
        }
        Ok(report)
    }
}
