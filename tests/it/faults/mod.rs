//! Real faults on real parts: killed processes, a full disk, a bad network, readers that do not read.

mod kill;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use passkey_accounts_tests::crowd::Mailbox;

use crate::serve::start_mail_server;

/// A mail server, and how to find the code that was last mailed to an address.
fn start_post() -> (u16, Mailbox) {
    let (port, mails) = start_mail_server();
    let post = Mutex::new((mails, HashMap::new()));
    let mailbox = Arc::new(move |email: &str| {
        let mut post = post.lock().unwrap();
        let (mails, codes) = &mut *post;
        while let Ok((to, text)) = mails.try_recv() {
            let subject: &str = text.lines().find_map(|line| line.strip_prefix("Subject: "))?;
            codes.insert(to, subject.split(' ').next()?.to_owned());
        }
        codes.get(email).cloned()
    });
    (port, mailbox)
}
