//! What the address of an account is told without having asked.

use passkey_accounts::protocol::UnixMillis;

/// What has happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Somebody signed in in a browser that the passkey was not used in before.
    NewBrowser {
        /// For people.
        browser: String,
    },
    /// It has another passkey, which one of its own has vouched for.
    PasskeyAdded {
        /// Where, for people.
        browser: String,
    },
    /// It has a passkey less.
    PasskeyRemoved,
    /// It has a recovery code, and the one before it, if there was one, works no more.
    RecoveryCodeMade,
    /// A recovery is about to begin.
    RecoveryStarted {
        /// The earliest time at which it gives a new passkey.
        until: UnixMillis,
    },
    /// A recovery is over without a new passkey.
    RecoveryCancelled,
    /// A recovery gave one.
    RecoveryCompleted,
}

impl News {
    /// Subject and text of the mail.
    pub(super) fn write(&self, app: &str, now: UnixMillis) -> (String, String) {
        match self {
            Self::NewBrowser { browser } => (
                format!("New sign-in to your {app} account"),
                format!(
                    "Somebody has signed in to your {app} account with your passkey, in a browser where it was not used before: \
                     {browser}, {now} (UTC).\n\n{IF_YOU}\
                     If it was not you, sign in, sign out everywhere else, and remove the passkeys that are not in your hands.\n"
                ),
            ),
            Self::PasskeyAdded { browser } => (
                format!("Your {app} account has another passkey"),
                format!(
                    "A passkey was added to your {app} account, and one of your passkeys has vouched for it: \
                     {browser}, {now} (UTC).\n\n{IF_YOU}\
                     If it was not you, sign in, remove the passkey that you do not know, and sign out everywhere else.\n"
                ),
            ),
            Self::PasskeyRemoved => (
                format!("Your {app} account has one passkey less"),
                format!(
                    "A passkey was removed from your {app} account, {now} (UTC), by you or by the people who run {app}. Whoever \
                     was signed in with it is signed out.\n\n{IF_YOU}\
                     If it was not you, sign in with another passkey and look at what is left, or write to the people who run \
                     {app}.\n"
                ),
            ),
            Self::RecoveryCodeMade => (
                format!("Your {app} account has a new recovery code"),
                format!(
                    "A recovery code was made for your {app} account, {now} (UTC). If there was one before, it works no \
                     more.\n\n{IF_YOU}\
                     If it was not you, sign in, make a code of your own, which undoes that one, and sign out everywhere else.\n"
                ),
            ),
            Self::RecoveryStarted { until } => (
                format!("Somebody is recovering your {app} account"),
                format!(
                    "Somebody who has the recovery code of your {app} account is recovering it. Nothing changes before \
                     {until} (UTC).\n\n\
                     If it is you, come back then with your recovery code and make a new passkey.\n\n\
                     If it is not you, sign in with your passkey and choose \"Cancel recovery\". If you cannot sign in, \
                     write to the people who run {app} at once: they can cancel it too.\n"
                ),
            ),
            Self::RecoveryCancelled => (
                format!("The recovery of your {app} account is cancelled"),
                format!(
                    "The recovery of your {app} account is cancelled. Your passkeys are as they were, and the recovery code \
                     that began it no longer works.\n\nSign in and make a new recovery code, so that you have one.\n"
                ),
            ),
            Self::RecoveryCompleted => (
                format!("Your {app} account has a new passkey"),
                format!(
                    "Your {app} account was recovered: it has a new passkey, and everybody was signed out. The recovery code \
                     is used up.\n\nSign in, remove the passkeys that you have lost, and make a new recovery code.\n\
                     If it was not you, write to the people who run {app} at once.\n"
                ),
            ),
        }
    }
}

const IF_YOU: &str = "If it was you, you need not do anything.\n\n";
