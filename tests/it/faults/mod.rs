//! Real faults on real parts: killed processes, a full disk, a bad network, readers that do not read.

#[cfg(target_os = "linux")]
mod disk;
mod kill;
mod proxy;
mod rotation;
mod slow;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod sync;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use passkey_accounts::protocol::AppID;
use passkey_accounts_tests::{audit::Audit, crowd::Mailbox, installation::Installation};
use tokio::time::{sleep, timeout};

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

/// The log, once nobody is signed in any more.
async fn closed(installation: &Installation) -> Audit {
    closed_in(&installation.data_directory(), installation.app_id).await
}

/// The log in that folder, once nobody is signed in any more. What people who have just vanished had asked for may
/// still be carried out: it has to stay like that for half a second.
async fn closed_in(data: &Path, app_id: AppID) -> Audit {
    let closing = async {
        let (mut length, mut times) = (0, 0);
        loop {
            let audit = Audit::read(data, app_id).await;
            let is_quiet = audit.open().next().is_none() && audit.ids.len() == length;
            (length, times) = (audit.ids.len(), if is_quiet { times + 1 } else { 0 });
            if times == 5 {
                return audit;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(40), closing).await.expect("every session ends after its grace time")
}
