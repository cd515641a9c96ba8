//! Mail by SMTP.

use std::{fmt, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::AddressError,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};

use super::MailFailed;
use crate::crypto::Email;

/// How long the mail server may take for one command.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A mail server and the sender's address.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// `url` is `smtps://user:password@host` or `smtp://user:password@host:587?tls=required`;
    /// `from` is `Name <address>`.
    ///
    /// # Errors
    /// [`BadSmtp`] when either cannot be read.
    pub fn new(url: &str, from: &str) -> Result<Self, BadSmtp> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?.timeout(Some(TIMEOUT)).build();
        Ok(Self { transport, from: from.parse()? })
    }

    pub(super) async fn send(&self, to: &Email, subject: &str, text: String) -> Result<(), MailFailed> {
        let to: Mailbox = to.as_typed().parse().map_err(|_| MailFailed)?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|_| MailFailed)?;
        self.transport.send(mail).await.map_err(|error| {
            // The server's answer can repeat the address, so only its kind is logged.
            tracing::error!(permanent = error.is_permanent(), status = ?error.status(), "a mail was not taken by the mail server");
            MailFailed
        })?;
        Ok(())
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp(from {})", self.from)
    }
}

/// The mail settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadSmtp {
    /// The URL.
    #[error("the mail server's URL cannot be used ({0}); write smtps://user:password@host")]
    Url(#[from] smtp::Error),
    /// The sender.
    #[error("the mail's sender cannot be read ({0}); write: Name <address@example.org>")]
    Sender(#[from] AddressError),
}
