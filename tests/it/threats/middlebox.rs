//! Somebody between the browser and the server, inside the encryption, who changes what is sent.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{SinkExt, StreamExt};
use passkey_accounts::{
    defence::{Defence, is_up, without},
    protocol::gateway::{ClientMessage, RawJson, ServerMessage},
};
use passkey_accounts_tests::{
    Page as SoftwarePage, PageKey, SoftwareAuthenticator,
    chromium::{Chromium, Page, VirtualAuthenticator},
    shop::{Carried, Person, Shop},
};
use serde_json::json;
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
    ADA, THEFT, acted, attack, fell, held, is_ours,
    mallory::{Victim, give, ready},
    phishing::ask,
};

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
        let key = thief.public();
        // It puts the attacker's session key into every sign-in.
        let address = relay(&shop, move |said| match said {
            Said::Page(ClientMessage::SignInBegin(mut begin)) => {
                begin.session_key = key.clone();
                Some(ClientMessage::SignInBegin(begin))
            }
            Said::Page(_) | Said::Server(_) => None,
        })
        .await;
        if is_up(Defence::ChallengeCoversKey) {
            let (_tab, said) = sign_in_through(&browser, &shop, &address, &victim).await;
            return if said == "signed in" { fell("the session is the attacker's") } else { held(said) };
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

#[tokio::test]
async fn somebody_inside_the_encryption_slips_in_a_passkey_of_their_own() {
    attack("slippedIn", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let mut own = SoftwareAuthenticator::default();
        if !is_ours(build) {
            // She makes a passkey for another device, with a code that was mailed to her, and it sends its own instead.
            let mut ada = Person::sign_up(&shop, ADA).await;
            let code = shop.mailed_code(ADA).await;
            shop.register(ADA, &code, &mut own).await;
            ada.authenticator = own;
            ada.sign_in().await;
            let answer = ada.act(THEFT).await;
            return acted(&shop, &ada.name(), "its passkey signs in", answer.status.to_string());
        }
        let own = Arc::new(Mutex::new(own));
        let address = slip_in(&shop, &own).await;
        let (name, said) = if is_up(Defence::ChallengeCoversKey) {
            let browser = Chromium::launch().await.unwrap();
            let victim = Victim::sign_up(&browser, &shop).await;
            let (tab, said) = sign_in_through(&browser, &shop, &address, &victim).await;
            assert_eq!(said, "signed in");
            let key = VirtualAuthenticator { is_roaming: true, ..VirtualAuthenticator::default() };
            tab.page.add_authenticator(key).await.unwrap();
            // The device that has a passkey already must not be what answers first.
            let absent = json!({ "authenticatorId": tab.authenticator, "enabled": false });
            tab.page.call("WebAuthn.setAutomaticPresenceSimulation", absent).await.unwrap();
            let add = "client.state.session.passkeys.add().then(() => 'added', ({ code }) => code)";
            let said = tab.page.evaluate(add).await.unwrap();
            (victim.name, said.as_str().unwrap().to_owned())
        } else {
            // A page that signs what it is given, as one without our module would.
            let mut ada = Person::sign_up(&shop, ADA).await;
            let name = ada.name();
            ada.sign_out().await;
            let mut page =
                SoftwarePage::connect_from(&address, shop.auth().app_id, &shop.origin).await.unwrap();
            page.sign_in(ADA, &mut ada.authenticator).await;
            page.add_passkey(&mut SoftwareAuthenticator::default(), &mut ada.authenticator).await;
            (name, "added".to_owned())
        };
        assert_eq!(lock(&own).passkeys.len(), 1, "it has sent one of its own");
        let mut thief = shop.connect_page().await;
        let ceremony = thief.begin_sign_in(ADA).await;
        let answered = lock(&own).sign_in(&ceremony.public_key.0, &shop.origin);
        let Ok(credential) = answered else { return held(said) };
        if let ServerMessage::SignedIn(signed_in) = thief.finish(&ceremony, credential).await {
            let stolen = Carried::Page(Box::new(thief), signed_in.session);
            shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        }
        acted(&shop, &name, "its passkey signs in", said)
    })
    .await;
}

/// A middlebox that hands in a passkey of this authenticator's for every passkey that a page makes.
async fn slip_in(shop: &Shop, own: &Arc<Mutex<SoftwareAuthenticator>>) -> String {
    let (own, origin) = (Arc::clone(own), shop.origin.clone());
    let mut asked = None;
    relay(shop, move |said| match said {
        Said::Server(ServerMessage::CeremonyCreate(ceremony)) => {
            asked = Some(ceremony);
            None
        }
        Said::Page(ClientMessage::CeremonyFinish(mut finish)) => {
            let ceremony = asked.take_if(|asked| asked.ceremony_id == finish.ceremony_id)?;
            let made = lock(&own).register(&ceremony.public_key.0, &origin).unwrap();
            finish.credential = RawJson(made);
            Some(ClientMessage::CeremonyFinish(finish))
        }
        Said::Page(_) | Said::Server(_) => None,
    })
    .await
}

/// A tab of the shop, which has the person's passkey.
struct Tab {
    page: Page,
    authenticator: String,
}

/// Signs in through a middlebox in a tab of its own, whose client is called `client` then; says what came of it.
async fn sign_in_through(browser: &Chromium, shop: &Shop, address: &str, victim: &Victim) -> (Tab, String) {
    let page = browser.open(&shop.origin).await.unwrap();
    ready(&page).await;
    let authenticator = give(&page, &victim.credentials().await).await;
    let script = format!(
        "(async () => {{
            shop.client.close();
            const {{ connect }} = await import('/sdk/index.js');
            globalThis.client = await connect({{ app: '{}', url: '{address}', persistence: 'page' }});
            return client.signIn({{ email: '{ADA}' }}).then(() => 'signed in', ({{ code }}) => code);
        }})()",
        shop.auth().app_id
    );
    let said = page.evaluate(&script).await.unwrap();
    (Tab { page, authenticator }, said.as_str().unwrap().to_owned())
}

/// What passes by.
enum Said {
    Page(ClientMessage),
    Server(ServerMessage),
}

/// A middlebox before the browser socket: where it is. `change` is what it sends the server instead of what it has seen;
/// `None` leaves that alone.
async fn relay(shop: &Shop, change: impl FnMut(Said) -> Option<ClientMessage> + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("ws://localhost:{}/v1/gateway", listener.local_addr().unwrap().port());
    let (gateway, origin, change) =
        (shop.auth().gateway_url(), shop.origin.clone(), Arc::new(Mutex::new(change)));
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
            let change = Arc::clone(&change);
            tokio::spawn(async move {
                loop {
                    let sent = tokio::select! {
                        up = below.next() => match up {
                            Some(Ok(Message::Text(text))) => {
                                let (id, said) = ClientMessage::decode(&text);
                                let changed = said.ok().and_then(|said| lock(&change)(Said::Page(said)));
                                let text = changed.map_or(text.to_string(), |changed| changed.encode(id));
                                above.send(Message::text(text)).await
                            }
                            Some(Ok(other)) => above.send(other).await,
                            _ => return,
                        },
                        down = above.next() => match down {
                            Some(Ok(message)) => {
                                if let Ok((_, said)) = message.to_text().map_err(drop).and_then(|text| ServerMessage::decode(text).map_err(drop)) {
                                    lock(&change)(Said::Server(said));
                                }
                                below.send(message).await
                            }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
