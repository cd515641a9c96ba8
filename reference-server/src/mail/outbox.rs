//! The dev server's outbox: mail that would have been sent, kept in memory for its page.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use passkey_accounts::protocol::UnixMillis;
use serde::Serialize;

use crate::crypto::Email;

/// Mails kept; older ones are forgotten.
const MAX_MAILS: usize = 50;

/// The newest mails.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<VecDeque<Mail>>);

/// A mail that was not sent.
#[derive(Debug, Clone, Serialize)]
pub struct Mail {
    /// Counts up.
    pub id: u64,
    /// The address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The body.
    pub text: String,
    /// The code in it; empty when there is none.
    pub code: String,
    /// When it was written.
    pub time: UnixMillis,
}

impl Outbox {
    pub(super) fn add(&self, to: &Email, subject: String, text: String, code: &str, time: UnixMillis) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = mails.front().map_or(1, |mail| mail.id + 1);
        mails.push_front(Mail {
            id,
            to: to.as_typed().to_owned(),
            subject,
            text,
            code: code.to_owned(),
            time,
        });
        mails.truncate(MAX_MAILS);
    }

    /// The mails, newest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
