//! What was tampered with, as operators and auditors are told.

use passkey_accounts::protocol::{
    AccountID, AppID,
    event::{EventKind, TamperedRow, TamperingDetected},
};

/// Something whose rows are not those that this server sealed last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Suspect {
    /// An account: its row, its key, or one of its passkeys' rows.
    Account(AccountID),
    /// The row of an address that has an account: it is gone, or leads elsewhere.
    Address,
    /// An API key's row.
    ApiKey(String),
    /// Rows of the app as a whole, which an operator has looked at and accepted.
    Database,
}

impl Suspect {
    /// Says it where somebody must act: once, because the row is refused again and again.
    pub(super) fn log(&self, app_id: AppID) {
        const WHAT: &str = "a row is not what this server sealed last: somebody else has written to the database. It is \
                            refused until a backup is restored, see \"Tampering\" in docs/operating.md";
        match self {
            Self::Account(account_id) => {
                tracing::error!(app.id = %app_id, account.id = %account_id, "{WHAT}");
            }
            Self::Address => tracing::error!(app.id = %app_id, "the row of an account: {WHAT}"),
            Self::ApiKey(key_id) => tracing::error!(app.id = %app_id, key.id = key_id, "{WHAT}"),
            Self::Database => {
                tracing::error!(app.id = %app_id, "an operator has accepted rows that were changed");
            }
        }
    }

    /// The event that auditors read.
    pub(super) fn event(&self) -> EventKind {
        let (row, account_id, key_id) = match self {
            Self::Account(account_id) => (TamperedRow::Account, Some(*account_id), None),
            Self::Address => (TamperedRow::Account, None, None),
            Self::ApiKey(key_id) => (TamperedRow::ApiKey, None, Some(key_id.clone())),
            Self::Database => (TamperedRow::Database, None, None),
        };
        EventKind::TamperingDetected(TamperingDetected { row, account_id, key_id })
    }
}
