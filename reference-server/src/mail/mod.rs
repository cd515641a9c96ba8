//! Mail with codes and with news of accounts: by SMTP, or in dev into an outbox that a page shows.

mod news;
mod outbox;
mod smtp;

use passkey_accounts::protocol::UnixMillis;

pub use news::News;
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

    /// Says what has happened to an account.
    ///
    /// # Errors
    /// As [`send_code`](Self::send_code).
    pub async fn send_news(
        &self,
        to: &Email,
        app: &str,
        news: &News,
        now: UnixMillis,
    ) -> Result<(), MailFailed> {
        let (subject, text) = news.write(app, now);
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

/// The mail server did not take the mail. The reason is in the log, never in front of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mail could not be handed over")]
pub struct MailFailed;
