//! What somebody has lost, or somebody else has got: passwords, mailboxes, codes, authenticators.

use passkey_accounts::protocol::{
    base64url::Base64Url,
    event::EventKind,
    gateway::{ClientMessage, ServerMessage, Verify},
    stream::{Message, Proven, Reply},
};
use passkey_accounts_tests::{
    BackEnd, SoftwareAuthenticator,
    shop::{Build, Carried, Person, Shop},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use super::{ADA, THEFT, acted, attack, fell, held, is_ours};

#[tokio::test]
async fn a_password_that_another_site_lost_is_tried_here() {
    attack("passwordReuse", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let leaked = ada.password.clone();
        let answer = if build.has_passkeys() {
            // What another site knows of her passkey there: nothing that signs here.
            sign_in_with(&shop, &mut ada, &mut SoftwareAuthenticator::default()).await
        } else {
            let answer = shop.post("/sign-in", &json!({ "email": ADA, "password": leaked })).await;
            shop.send(&shop.carrying(&shop.carried(&answer), "/act", THEFT)).await.status.to_string()
        };
        acted(&shop, &ada.name(), "signed in with it", answer)
    })
    .await;
}

#[tokio::test]
async fn whoever_reads_the_mailbox_takes_the_account() {
    attack("mailbox", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        let (carried, said) = make_with_mailbox(&shop, ADA).await;
        shop.send(&shop.carrying(&carried, "/act", THEFT)).await;
        let how = if build.has_passkeys() {
            "a new passkey for a mailed code"
        } else {
            "a new password for a mailed code"
        };
        acted(&shop, &name, how, said)
    })
    .await;
}

#[tokio::test]
async fn a_person_without_an_account_reads_a_mailed_code_out() {
    attack("codeReadOut", async |build| {
        let shop = Shop::open(build).await;
        let (carried, said) = make_with_mailbox(&shop, ADA).await;
        let answer = shop.send(&shop.carrying(&carried, "/act", THEFT)).await;
        if answer.status == 200 {
            fell("an account in the person's name is the attacker's")
        } else {
            held(said)
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_is_made_for_an_address_whose_mail_nobody_has_read() {
    attack("preHijack", async |build| {
        let shop = Shop::open(build).await;
        let (carried, said) = make(&shop, ADA, |_| "000000".to_owned()).await;
        let answer = shop.send(&shop.carrying(&carried, "/act", THEFT)).await;
        if answer.status == 200 { fell("the account waits for its victim") } else { held(said) }
    })
    .await;
}

#[tokio::test]
async fn a_mailed_code_is_guessed_with_the_sixth_try() {
    attack("sixthGuess", async |build| {
        let shop = Shop::open(build).await;
        let (carried, said) = if is_ours(build) {
            let mut page = shop.connect_page().await;
            page.ask(ClientMessage::SignUpBegin(page.begin(ADA))).await;
            let right = shop.auth().mailed_code(ADA).unwrap();
            for _ in 0..5 {
                page.ask(ClientMessage::SignUpVerify(Verify { code: wrong(&right) })).await;
            }
            match page.ask(ClientMessage::SignUpVerify(Verify { code: right })).await {
                ServerMessage::CeremonyCreate(_) => return fell("the sixth guess was let through"),
                ServerMessage::Error(failure) => (Carried::Nothing, failure.code),
                other => panic!("{other:?}"),
            }
        } else {
            let right = shop.mailed_code(ADA).await;
            for _ in 0..5 {
                hand_in(&shop, ADA, &wrong(&right)).await;
            }
            hand_in(&shop, ADA, &right).await
        };
        let answer = shop.send(&shop.carrying(&carried, "/act", THEFT)).await;
        if answer.status == 200 { fell("the sixth guess was let through") } else { held(said) }
    })
    .await;
}

#[tokio::test]
async fn codes_are_guessed_over_many_connections() {
    attack("manyCodes", async |build| {
        let shop = Shop::open(build).await;
        let mut mailed = 0;
        for _ in 0..50 {
            let is_mailed = if is_ours(build) {
                let mut page = shop.connect_page().await;
                let said = page.ask(ClientMessage::SignUpBegin(page.begin(ADA))).await;
                matches!(said, ServerMessage::CodeSent(_))
            } else {
                shop.post("/mail", &json!({ "email": ADA })).await.status == 200
            };
            mailed += u32::from(is_mailed);
        }
        // Five guesses at each.
        if mailed > 5 {
            fell(format!("{mailed} codes, as many as one likes"))
        } else {
            held(format!("{mailed} codes in an hour"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_stolen_security_key_is_touched_by_the_thief() {
    attack("touchOnly", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let mut stolen = std::mem::take(&mut ada.authenticator);
        stolen.user_verified = false;
        let said = sign_in_with(&shop, &mut ada, &mut stolen).await;
        acted(&shop, &ada.name(), "a touch was enough", said)
    })
    .await;
}

#[tokio::test]
async fn a_software_passkey_is_copied_from_the_device() {
    attack("copiedPasskey", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let mut copy = std::mem::take(&mut ada.authenticator);
        let said = sign_in_with(&shop, &mut ada, &mut copy).await;
        acted(&shop, &ada.name(), "the copy signs as the original does", said)
    })
    .await;
}

#[tokio::test]
async fn a_copied_passkey_is_used_beside_the_original_and_nobody_notices() {
    attack("copyUnnoticed", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        ada.sign_in().await;
        ada.sign_in().await;
        let mut copy = std::mem::take(&mut ada.authenticator);
        // It was copied before the last two uses.
        copy.passkeys[0].sign_count -= 2;
        sign_in_with(&shop, &mut ada, &mut copy).await;
        assert_eq!(shop.count(&ada.name(), THEFT), 1, "the copy is good");
        let Some(auth) = &shop.auth else { return fell("nothing says so") };
        let log = auth.context().store.logs().tail(auth.app_id).unwrap();
        let entries = log.entries_after(0, 100).unwrap();
        let is_told = entries.iter().any(|entry| {
            matches!(
                EventKind::from_parts(&entry.name, &entry.data),
                Ok(Some(EventKind::CounterRegressed(_)))
            )
        });
        if is_told { held("counterRegressed") } else { fell("nothing says so") }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_asks_whether_an_address_has_an_account() {
    attack("enumeration", async |build| {
        let shop = Shop::open(build).await;
        Person::sign_up(&shop, ADA).await;
        let mut answers = Vec::new();
        for email in [ADA, "nobody@shop.example"] {
            answers.push(match build {
                Build::TokenPassword | Build::CookiePassword => {
                    let given = json!({ "email": email, "password": "x" });
                    shop.post("/sign-in", &given).await.status.to_string()
                }
                Build::TokenPasskey | Build::CookiePasskey => shape(&shop.begin(email).await),
                Build::PasskeyAccount => {
                    let mut page = shop.connect_page().await;
                    match page.ask(ClientMessage::SignInBegin(page.begin(email))).await {
                        ServerMessage::CeremonyGet(ceremony) => {
                            shape(&serde_json::from_str(&ceremony.public_key.0).unwrap())
                        }
                        other => format!("{other:?}"),
                    }
                }
            });
        }
        if answers[0] == answers[1] { held("the same answer") } else { fell("the answers differ") }
    })
    .await;
}

#[tokio::test]
async fn an_api_key_from_a_pages_code_is_used_in_a_browser() {
    attack("keyInPage", async |build| {
        use tungstenite::client::IntoClientRequest;
        let shop = Shop::open(build).await;
        let auth = shop.auth();
        let mut request = auth.events_url().into_client_request().unwrap();
        request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => {
                let mut stream = BackEnd::over(socket, format!(r#"{{"apiKey":"{}"}}"#, auth.api_key)).await;
                Person::sign_up(&shop, ADA).await;
                let heard = stream.text().await.unwrap();
                fell(if heard.contains("loggedIn") { "it hears who signs in" } else { "the socket opens" })
            }
            Err(tungstenite::Error::Http(response)) => held(response.status().as_u16().to_string()),
            Err(other) => panic!("{other}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_back_end_is_lured_to_a_server_that_passes_the_real_ones_challenge_on() {
    attack("keyRelay", async |build| {
        let shop = Shop::open(build).await;
        let auth = shop.auth();
        let pair = auth.make_key_pair().await;
        let first = json!({ "keyID": pair.public_key().key_id(), "protocol": 1 });
        let mut stream = BackEnd::connect(auth, first.to_string()).await;
        let Message::Challenge(challenge) = stream.message().await else { panic!("no challenge") };
        // The back end believes that it talks to Mallory's server, and signs that.
        let signature = Base64Url(pair.answer("https://mallory.example", &challenge.nonce).to_vec());
        stream.send_text(Reply::Signature(Proven { signature }).encode()).await;
        match stream.message().await {
            Message::Ready(_) => fell("Mallory reads the events"),
            Message::Error(failure) => held(failure.code),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_whose_name_the_attacker_chose_is_signed_in_to() {
    attack("fixation", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        ada.sign_out().await;
        // The browser carries it along, as it carries everything that was planted in it.
        let planted = Carried::Token("0".repeat(64));
        let carrying = shop.carrying(&planted, "", "");
        let (field, value) = carrying.fields.last().unwrap();
        let request = if build.has_passkeys() {
            let asked = shop.begin(ADA).await;
            shop.posting("/passkey/get", &ada.answer(&asked, &shop.origin))
        } else {
            shop.posting("/sign-in", &json!({ "email": ADA, "password": ada.password }))
        };
        assert_eq!(shop.send(&request.and(field, value)).await.status, 200);
        let answer = shop.send(&shop.carrying(&planted, "/act", THEFT)).await;
        acted(&shop, &ada.name(), "the planted name is good", answer.status.to_string())
    })
    .await;
}

/// A wrong guess.
fn wrong(right: &str) -> String {
    if right == "000000" { "111111".into() } else { "000000".into() }
}

/// What of an answer does not differ from one address to the next by chance.
fn shape(options: &Value) -> String {
    let members = options.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>().join(" "));
    members.unwrap_or_else(|| "nothing".into())
}

/// Somebody signs in as this person with an authenticator, and acts; says what the shop answered.
async fn sign_in_with(
    shop: &Shop,
    person: &mut Person<'_>,
    authenticator: &mut SoftwareAuthenticator,
) -> String {
    let Carried::Page(..) = &person.carried else {
        let asked = shop.begin(&person.email).await;
        let options = asked["publicKey"].to_string();
        let Ok(credential) = authenticator.sign_in(&options, &shop.origin) else {
            return "no passkey to ask".into();
        };
        let credential: Value = serde_json::from_str(&credential).unwrap();
        let answer =
            json!({ "email": person.email, "ceremony": asked["ceremony"], "credential": credential });
        let answer = shop.post("/passkey/get", &answer).await;
        shop.send(&shop.carrying(&shop.carried(&answer), "/act", THEFT)).await;
        return answer.status.to_string();
    };
    let mut page = shop.connect_page().await;
    let ceremony = page.begin_sign_in(&person.email).await;
    let options = &ceremony.public_key.0;
    let Ok(credential) = authenticator.sign_in(options, &shop.origin) else {
        return "no passkey to ask".into();
    };
    match page.finish(&ceremony, credential).await {
        ServerMessage::SignedIn(signed_in) => {
            let stolen = Carried::Page(Box::new(page), signed_in.session);
            shop.send(&shop.carrying(&stolen, "/act", THEFT)).await;
            "signed in".into()
        }
        ServerMessage::Error(failure) => failure.code,
        other => panic!("{other:?}"),
    }
}

/// Makes an account, or takes one over, with the code that was mailed.
async fn make_with_mailbox(shop: &Shop, email: &str) -> (Carried, String) {
    if is_ours(shop.build) {
        return make(shop, email, |right| right.to_owned()).await;
    }
    let code = shop.mailed_code(email).await;
    let (carried, said) = hand_in(shop, email, &code).await;
    if shop.build.has_passkeys() || !matches!(carried, Carried::Nothing) {
        return (carried, said);
    }
    // The address has an account.
    let code = shop.mailed_code(email).await;
    let answer = shop.post("/reset", &json!({ "email": email, "password": "mallory's", "code": code })).await;
    (shop.carried(&answer), answer.status.to_string())
}

/// Tries to make an account with a code that one has from wherever.
async fn make(shop: &Shop, email: &str, code: impl Fn(&str) -> String) -> (Carried, String) {
    if !is_ours(shop.build) {
        shop.mailed_code(email).await;
        return hand_in(shop, email, &code("")).await;
    }
    let mut page = shop.connect_page().await;
    page.ask(ClientMessage::SignUpBegin(page.begin(email))).await;
    let code = code(&shop.auth().mailed_code(email).unwrap());
    match page.ask(ClientMessage::SignUpVerify(Verify { code })).await {
        ServerMessage::CeremonyCreate(ceremony) => {
            let made =
                SoftwareAuthenticator::default().register(&ceremony.public_key.0, &shop.origin).unwrap();
            let ServerMessage::SignedIn(signed_in) = page.finish(&ceremony, made).await else {
                panic!("the account is made")
            };
            (Carried::Page(Box::new(page), signed_in.session), "signed up".into())
        }
        ServerMessage::Error(failure) => (Carried::Nothing, failure.code),
        other => panic!("{other:?}"),
    }
}

/// Hands a code in, in one of the four.
async fn hand_in(shop: &Shop, email: &str, code: &str) -> (Carried, String) {
    let answer = if shop.build.has_passkeys() {
        shop.register(email, code, &mut SoftwareAuthenticator::default()).await
    } else {
        shop.post("/sign-up", &json!({ "email": email, "password": "mallory's", "code": code })).await
    };
    (shop.carried(&answer), answer.status.to_string())
}
