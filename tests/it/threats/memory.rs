//! A program that runs as the person reads the memory of their browser.

use std::collections::BTreeSet;

use memchr::memmem;
use passkey_accounts::protocol::{SessionID, gateway::ServerMessage};
use passkey_accounts_tests::{
    PageKey,
    chromium::Chromium,
    shop::{Build, Carried, Shop},
};

use super::{Outcome, THEFT, acted, attack, held, is_ours, mallory::Victim};

#[tokio::test]
async fn the_browsers_memory_is_read() {
    attack("memory", async |build| {
        let shop = Shop::open(build).await;
        let browser = Chromium::launch().await.unwrap();
        let victim = Victim::sign_up(&browser, &shop).await;
        search(&browser, &shop, &victim.name).await
    })
    .await;
}

/// Looks for what carries a session, and tries all that it finds.
async fn search(browser: &Chromium, shop: &Shop, name: &str) -> Outcome {
    if is_ours(shop.build) {
        let (mut keys, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        browser
            .read_memory(|bytes| {
                keys.extend(private_keys(bytes));
                sessions.extend(after(bytes, b"ses_", 26));
            })
            .unwrap();
        let sessions = sessions.iter().filter_map(|id| format!("ses_{id}").parse::<SessionID>().ok());
        for session in sessions {
            for key in keys.iter().filter_map(|private| PageKey::from_private(private)) {
                let mut thief = shop.connect_page().await;
                if let ServerMessage::SignedIn(signed_in) = thief.resume(session, &key).await {
                    thief.key = key;
                    let stolen = Carried::Page(Box::new(thief), signed_in.session);
                    shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
                    return acted(shop, name, "the key stands there", "of no use elsewhere");
                }
            }
        }
        return held(format!("{} keys, none of them the session's", keys.len()));
    }
    let before: &[u8] = match shop.build {
        Build::TokenPassword | Build::TokenPasskey => b"Bearer ",
        _ => b"__Host-session=",
    };
    let mut tokens = BTreeSet::new();
    browser.read_memory(|bytes| tokens.extend(after(bytes, before, 64))).unwrap();
    for token in tokens {
        shop.send(&shop.carrying(&Carried::Token(token), "/act", THEFT)).await;
    }
    acted(shop, name, "it stands there", "of no use elsewhere")
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
