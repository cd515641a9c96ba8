//! A program that runs as the person reads the memory of their browser.

use std::collections::BTreeSet;

use memchr::memmem;
use passkey_accounts::protocol::{SessionID, gateway::ServerMessage};
use passkey_accounts_server::context::Context;
use passkey_accounts_tests::{
    PageKey,
    chromium::Chromium,
    shop::{Build, Carried, Shop},
};

use super::{
    Outcome, THEFT, acted, attack, is_ours,
    mallory::{PATIENCE, Victim},
};

#[tokio::test]
async fn the_browsers_memory_is_read() {
    attack("memory", async |build| {
        let shop = Shop::open(build).await;
        let browser = Chromium::launch().await.unwrap();
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut found = Found::default();
        found.search(&browser, build);
        found.try_all(&shop, &victim.name).await
    })
    .await;
}

#[tokio::test]
async fn what_was_in_the_browsers_memory_is_used_after_the_tab_was_closed() {
    attack("memoryLater", async |build| {
        let shop = Shop::open(build).await;
        let browser = Chromium::launch().await.unwrap();
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut found = Found::default();
        found.search(&browser, build);
        victim.page.close().await.unwrap();
        if is_ours(build) {
            left(&shop).await;
        }
        found.search(&browser, build);
        found.try_all(&shop, &victim.name).await
    })
    .await;
}

/// Waits until the server has noticed that the only session's page is gone: the session has ended, or is kept for a while.
async fn left(shop: &Shop) {
    let Context { store, detached, .. } = shop.auth().context();
    let state = || store.logs().tail(shop.auth().app_id).unwrap().state();
    let session_id = state().sessions().keys().next().copied();
    let leaving = async {
        while let Some(id) = session_id
            && state().sessions().contains_key(&id)
            && !detached.contains(id)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, leaving).await.expect("the page is gone");
}

/// What carries a session, as far as it was found.
#[derive(Default)]
struct Found {
    tokens: BTreeSet<String>,
    sessions: BTreeSet<SessionID>,
    /// Private keys, 32 bytes each.
    keys: BTreeSet<Vec<u8>>,
}

impl Found {
    /// Adds what is in the memory of a browser now.
    fn search(&mut self, browser: &Chromium, build: Build) {
        let read = match build {
            Build::PasskeyAccount => browser.read_memory(|bytes| {
                self.keys.extend(private_keys(bytes));
                let ids = after(bytes, b"ses_", 26);
                self.sessions
                    .extend(ids.iter().filter_map(|id| format!("ses_{id}").parse::<SessionID>().ok()));
            }),
            Build::TokenPassword | Build::TokenPasskey => {
                browser.read_memory(|bytes| self.tokens.extend(after(bytes, b"Bearer ", 64)))
            }
            Build::CookiePassword | Build::CookiePasskey => {
                browser.read_memory(|bytes| self.tokens.extend(after(bytes, b"__Host-session=", 64)))
            }
        };
        read.unwrap();
    }

    /// Tries all of it on the attacker's machine, until something acts.
    async fn try_all(self, shop: &Shop, name: &str) -> Outcome {
        for token in self.tokens {
            shop.send(&shop.carrying(&Carried::Token(token), "/act", THEFT)).await;
        }
        let mut said = "it stands nowhere".to_owned();
        for session in self.sessions {
            for key in self.keys.iter().filter_map(|private| PageKey::from_private(private)) {
                let mut thief = shop.connect_page().await;
                match thief.resume(session, &key).await {
                    ServerMessage::SignedIn(signed_in) => {
                        thief.key = key;
                        let stolen = Carried::Page(Box::new(thief), signed_in.session);
                        shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
                        return acted(shop, name, "the key stands there", "of no use elsewhere");
                    }
                    ServerMessage::Error(failure) => said = failure.code,
                    other => panic!("{other:?}"),
                }
            }
        }
        acted(shop, name, "it stands there", said)
    }
}

/// The letters and digits behind each of these.
fn after(bytes: &[u8], before: &[u8], length: usize) -> Vec<String> {
    memmem::find_iter(bytes, before)
        .filter_map(|at| bytes.get(at + before.len()..at + before.len() + length))
        .filter(|text| text.iter().all(u8::is_ascii_alphanumeric))
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

/// The private keys for P-256 as BoringSSL holds them: a number of four words that points to the words right behind it, the
/// lowest first (`ec_wrapped_scalar_st`).
fn private_keys(bytes: &[u8]) -> Vec<Vec<u8>> {
    // Words, room for words, not negative, memory that is not its own.
    let number = [4_u32, 4, 0, 2].map(u32::to_le_bytes).concat();
    memmem::find_iter(bytes, &number)
        .filter_map(|at| bytes.get(at + number.len()..at + number.len() + 32))
        .map(|words| words.iter().rev().copied().collect())
        .collect()
}
