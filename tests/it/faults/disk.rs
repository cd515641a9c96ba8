//! A full disk: people are told that something is wrong, nothing is half done, and it mends itself.

use std::{fs, io::Write, path::PathBuf, process::Command, time::Duration};

use fastrand::Rng;
use passkey_accounts::protocol::{
    Code,
    gateway::{ClientMessage, EndReason, Finish, RawJson, ServerMessage},
};
use passkey_accounts_tests::{
    Page, SoftwareAuthenticator,
    audit::Audit,
    consumer::{Consumer, Ledger, Order},
    installation::{Installation, Process},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

use super::{closed_in, start_post};

/// How the disk gets full, and free again.
enum Disk {
    /// The server may not make a file larger than this: what does not fit fails with EFBIG. Needs no rights.
    Limited { database: PathBuf },
    /// A small file system of its own, filled up: ENOSPC. Needs the right to mount.
    Small { folder: TempDir },
}

impl Disk {
    /// A small file system, where this process may mount one.
    fn small() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(folder.path())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self::Small { folder })
    }

    /// Leaves room for so many bytes.
    fn fill(&self, server: &Process, room: u64) {
        match self {
            Self::Limited { database } => {
                let log = fs::metadata(database.join("accounts.sqlite-wal")).map_or(0, |file| file.len());
                set_limit(server, Some(log + room));
            }
            Self::Small { folder } => {
                let mut filler = fs::File::create(folder.path().join("filler")).unwrap();
                while filler.write_all(&[0; 4_096]).is_ok() {}
                let length = filler.metadata().unwrap().len();
                filler.set_len(length.saturating_sub(room)).unwrap();
            }
        }
    }

    fn free(&self, server: &Process) {
        match self {
            Self::Limited { .. } => set_limit(server, None),
            Self::Small { folder } => fs::remove_file(folder.path().join("filler")).unwrap(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Small { folder } = self {
            let _ = Command::new("umount").arg("--lazy").arg(folder.path()).status();
        }
    }
}

fn set_limit(server: &Process, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(server.id()).unwrap());
    let limits = prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None });
    limits.unwrap();
}

/// A person with a page.
struct Person {
    email: String,
    authenticator: SoftwareAuthenticator,
    page: Page,
}

impl Person {
    async fn sign_up(server: &Process, name: u8, mailbox: &super::Mailbox) -> Self {
        let entrance = server.entrance();
        let page = Page::connect_from(&entrance.gateway_url, entrance.app_id, &entrance.origin);
        let (email, mut page) = (format!("person{name}@example.org"), page.await.unwrap());
        let mut authenticator = SoftwareAuthenticator::new([name; 32]);
        page.sign_up_with(&email, &mut authenticator, || mailbox(&email)).await;
        Self { email, authenticator, page }
    }

    /// What the server answers to a passkey that is in order.
    async fn try_to_sign_in(&mut self) -> ServerMessage {
        let ceremony = self.page.begin_sign_in(&self.email).await;
        let credential = self.authenticator.sign_in(&ceremony.public_key.0, "http://localhost").unwrap();
        let finish = Finish { ceremony_id: ceremony.ceremony_id, credential: RawJson(credential) };
        self.page.ask(ClientMessage::CeremonyFinish(finish)).await
    }
}

/// The disk gets full twelve times, with room for a little more each time.
async fn run_out_of_space_again_and_again(disk: Disk) {
    let (mail_port, mailbox) = start_post();
    let folder = TempDir::new().unwrap();
    let data = match &disk {
        Disk::Limited { database } => database.clone(),
        Disk::Small { folder } => folder.path().join("data"),
    };
    let installation = Installation::create_in(folder, Some(&data), mail_port).await;
    // Without this the signal that comes with the limit would end it, which no full disk does.
    let server = installation.listening(installation.spawn_by("trap '' XFSZ; exec \"$0\" \"$@\"", 1)).await;
    let ledger_folder = TempDir::new().unwrap();
    let ledger = Ledger::create(ledger_folder.path().join("ledger.sqlite")).await;
    let (address, addresses) = watch::channel(Some(server.events_url()));
    let consumer = Consumer::new(&ledger, Order::Together, 0, 1);
    let working = tokio::spawn(consumer.work(addresses, installation.api_key.clone()));

    let mut ada = Person::sign_up(&server, 1, &mailbox).await;
    let mut random = Rng::with_seed(11);
    for round in 0..12 {
        let bob = Person::sign_up(&server, 100 + round, &mailbox).await;
        // Ada is signed in when it begins, or signed out.
        disk.fill(&server, if round == 0 { 0 } else { random.u64(0..30_000) });
        let mut is_signed_in = true;
        let refusal = loop {
            let reply = if is_signed_in {
                ada.page.ask(ClientMessage::SignOut).await
            } else {
                ada.try_to_sign_in().await
            };
            match reply {
                ServerMessage::SignedIn(_) => is_signed_in = true,
                ServerMessage::SignedOut(out) if out.reason == EndReason::User => is_signed_in = false,
                ServerMessage::Error(failure) => break failure,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((refusal.code.as_str(), Code::Internal.is_retryable()), ("internal", true));
        assert_eq!(refusal.message, Code::Internal.message());

        // Whatever only reads goes on, and what was refused has left no trace.
        let audit = Audit::read(&data, installation.app_id).await;
        audit.assert_holds();
        let entrance = server.entrance();
        let mut visitor =
            Page::connect_from(&entrance.gateway_url, entrance.app_id, &entrance.origin).await.unwrap();
        visitor.begin_sign_in(&ada.email).await;
        visitor.close().await;
        // Bob leaves: his session ends as soon as that can be written.
        bob.page.close().await;

        disk.free(&server);
        let reply = if is_signed_in {
            ada.page.ask(ClientMessage::SignOut).await
        } else {
            ada.try_to_sign_in().await
        };
        assert!(!matches!(reply, ServerMessage::Error(_)), "it does not mend itself: {reply:?}");
        if is_signed_in {
            ada.page.sign_in(&ada.email, &mut ada.authenticator).await;
        }
    }
    ada.page.close().await;
    let mut audit = closed_in(&data, installation.app_id).await;
    let handled = ledger.wait_for(audit.ids.len() as u64);
    timeout(Duration::from_secs(20), handled).await.expect("the worker comes to the end of the log");
    let ids = ledger.handled().await;
    server.kill().await;
    drop(address);
    working.await.unwrap();
    audit.check_all_closed();
    audit.check_handled(&ids);
    audit.assert_holds();
    assert_eq!(audit.counts["registered"], 13);
    assert_eq!(audit.reasons["pageGone"], 13, "{:?}", audit.reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_are_refused_whole_and_succeed_again_without_a_restart() {
    let folder = TempDir::new().unwrap();
    run_out_of_space_again_and_again(Disk::Limited { database: folder.path().join("data") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_loses_nothing_and_is_forgotten_when_there_is_space_again() {
    match Disk::small() {
        Some(disk) => run_out_of_space_again_and_again(disk).await,
        None => println!("no right to mount a small file system: only the limited one was tested"),
    }
}
