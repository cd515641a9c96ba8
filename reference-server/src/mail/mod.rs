//! Mail with codes and with news of recoveries: by SMTP, or in dev into an outbox that a page shows.

mod outbox;
mod smtp;

use passkey_accounts::protocol::UnixMillis;

pub use outbox::{Mail, Outbox};
pub use smtp::{BadSmtp, Smtp};

use crate::crypto::Email;

/// Where mail goes.
#[derive(Debug)]
pub enum Mailer {
    /// To a mail server.
    Smtp(Smtp),
    /// Nowhere: the dev server keeps it.
    Outbox(Outbox),
}

impl Mailer {
    /// Sends a sign-up code. A known and an unknown address get the same mail.
    ///
    /// # Errors
    /// [`MailFailed`] when the mail server does not take it.
    pub async fn send_code(
        &self,
        to: &Email,
        app: &str,
        code: &str,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        let subject = format!("{code} is your {app} code");
        let text = format!(
            "Your code for {app} is {code}\n\nType it on the page that asked for it. It works for ten minutes, there only.\n\
             If you did not ask for it, you need not do anything: without the code nothing happens.\n"
        );
        self.send(to, subject, text, code, now).await
    }

    /// Sends the code of somebody who wants to recover an account. A known and an unknown address get the same mail.
    ///
    /// # Errors
    /// As [`send_code`](Self::send_code).
    pub async fn send_recovery_code(
        &self,
        to: &Email,
        app: &str,
        code: &str,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        let subject = format!("{code} is your {app} code");
        let text = format!(
            "Your code to recover your {app} account is {code}\n\nType it on the page that asked for it, together with your \
             recovery code. It works for ten minutes, there only.\n\
             If you did not ask for it, you need not do anything: without your recovery code nothing happens.\n"
        );
        self.send(to, subject, text, code, now).await
    }

    /// Says that somebody has signed in in a browser that the passkey was not used in before.
    ///
    /// # Errors
    /// As [`send_code`](Self::send_code).
    pub async fn send_new_browser(
        &self,
        to: &Email,
        app: &str,
        browser: &str,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        let subject = format!("New sign-in to your {app} account");
        let text = format!(
            "Somebody has signed in to your {app} account with your passkey, in a browser where it was not used before: \
             {browser}, {now} (UTC).\n\n\
             If it was you, you need not do anything.\n\n\
             If it was not you, sign in, sign out everywhere else, and remove the passkeys that are not in your hands.\n"
        );
        self.send(to, subject, text, "", now).await
    }

    /// Says what has become of a recovery.
    ///
    /// # Errors
    /// As [`send_code`](Self::send_code).
    pub async fn send_recovery_news(
        &self,
        to: &Email,
        app: &str,
        news: RecoveryNews,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        let (subject, text) = match news {
            RecoveryNews::Started { until } => (
                format!("Somebody is recovering your {app} account"),
                format!(
                    "Somebody who has the recovery code of your {app} account is recovering it. Nothing changes before \
                     {until} (UTC).\n\n\
                     If it is you, come back then with your recovery code and make a new passkey.\n\n\
                     If it is not you, sign in with your passkey and choose \"Cancel recovery\". If you cannot sign in, \
                     write to the people who run {app} at once: they can cancel it too.\n"
                ),
            ),
            RecoveryNews::Cancelled => (
                format!("The recovery of your {app} account is cancelled"),
                format!(
                    "The recovery of your {app} account is cancelled. Your passkeys are as they were, and the recovery code \
                     that began it no longer works.\n\nSign in and make a new recovery code, so that you have one.\n"
                ),
            ),
            RecoveryNews::Completed => (
                format!("Your {app} account has a new passkey"),
                format!(
                    "Your {app} account was recovered: it has a new passkey, and everybody was signed out. The recovery code \
                     is used up.\n\nSign in, remove the passkeys that you have lost, and make a new recovery code.\n\
                     If it was not you, write to the people who run {app} at once.\n"
                ),
            ),
        };
        self.send(to, subject, text, "", now).await
    }

    async fn send(
        &self,
        to: &Email,
        subject: String,
        text: String,
        code: &str,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        match self {
            Self::Smtp(smtp) => smtp.send(to, &subject, text).await,
            Self::Outbox(outbox) => {
                outbox.add(to, subject, text, code, now);
                Ok(())
            }
        }
    }
}

/// What has become of a recovery, for the account's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryNews {
    /// It is about to begin.
    Started {
        /// The earliest time at which it gives a new passkey.
        until: UnixMillis,
    },
    /// It is over without a new passkey.
    Cancelled,
    /// It gave one.
    Completed,
}

/// The mail server did not take the mail. The reason is in the log, never in front of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mail could not be handed over")]
pub struct MailFailed;
