//! What was recorded is sent again.

use passkey_accounts::protocol::gateway::ServerMessage;
use passkey_accounts_tests::{
    PageKey,
    proof::ProofDraft,
    shop::{Build, Carried, Person, Shop},
};
use serde_json::json;

use super::{ADA, Outcome, THEFT, acted, attack, fell, held, is_ours};

#[tokio::test]
async fn a_recorded_request_is_sent_again() {
    attack("sameRequest", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let recorded = ada.request("buy one");
        assert_eq!(shop.send(&recorded).await.status, 200);
        let again = shop.send(&recorded).await;
        if shop.count(&ada.name(), "buy one") == 2 { fell("bought twice") } else { held(again.outcome()) }
    })
    .await;
}

#[tokio::test]
async fn a_recorded_request_is_sent_to_another_process_of_the_back_end() {
    attack("otherProcess", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let recorded = ada.request("buy one");
        assert_eq!(shop.send(&recorded).await.status, 200);
        let again = recorded.send(shop.another_process().await).await;
        if shop.count(&ada.name(), "buy one") == 2 { fell("bought twice") } else { held(again.outcome()) }
    })
    .await;
}

#[tokio::test]
async fn a_thousand_copies_are_sent_at_once() {
    attack("copiesAtOnce", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let recorded = ada.request("buy one");
        shop.send_copies(&recorded, 1_000).await;
        match shop.count(&ada.name(), "buy one") {
            0 => panic!("the first is let through"),
            1 => held("one of 1,000 was let through"),
            bought => fell(format!("bought {bought} times")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_recorded_request_is_sent_with_another_body() {
    attack("otherBody", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let mut stolen = ada.request("buy one");
        stolen.body = THEFT.into();
        let answer = shop.send(&stolen).await;
        acted(&shop, &ada.name(), "the same credentials under another body", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn a_recorded_request_is_sent_to_another_address() {
    attack("otherAddress", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let mut stolen = ada.request(THEFT);
        stolen.target = "/act?for=Mallory".into();
        let answer = shop.send(&stolen).await;
        acted(&shop, &ada.name(), "the same credentials at another address", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn a_request_that_never_arrived_is_sent_after_two_minutes() {
    attack("late", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let answer = match &ada.carried {
            Carried::Page(page, session) => {
                let then = shop.auth().clock().now().0 - 120_000;
                let then = passkey_accounts::protocol::UnixMillis(then);
                let draft = ProofDraft::get(session.session_id, &shop.origin, "/act", then);
                shop.send(&draft.post(THEFT).sign(&page.key)).await
            }
            // Nothing in it says when it was made.
            _ => shop.send(&ada.request(THEFT)).await,
        };
        acted(&shop, &ada.name(), "a session's credentials do not age", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn a_recorded_request_is_sent_after_the_person_has_signed_out() {
    attack("afterSignOut", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let (name, recorded) = (ada.name(), ada.request(THEFT));
        ada.sign_out().await;
        let answer = shop.send(&recorded).await;
        let stopped_by = if is_ours(build) { answer.outcome() } else { answer.status.to_string() };
        acted(&shop, &name, "the session is as good as before", stopped_by)
    })
    .await;
}

#[tokio::test]
async fn a_recorded_sign_in_is_sent_again() {
    attack("sameSignIn", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let stolen = match build {
            Build::TokenPassword | Build::CookiePassword => {
                let recorded = shop.posting("/sign-in", &json!({ "email": ADA, "password": ada.password }));
                assert_eq!(shop.send(&recorded).await.status, 200);
                shop.send(&recorded).await
            }
            Build::TokenPasskey | Build::CookiePasskey => {
                let asked = shop.begin(ADA).await;
                let recorded = shop.posting("/passkey/get", &ada.answer(&asked, &shop.origin));
                assert_eq!(shop.send(&recorded).await.status, 200);
                shop.send(&recorded).await
            }
            Build::PasskeyAccount => {
                ada.sign_out().await;
                let mut page = shop.connect_page().await;
                let ceremony = page.begin_sign_in(ADA).await;
                let recorded = ada.authenticator.sign_in(&ceremony.public_key.0, &shop.origin).unwrap();
                let first = page.finish(&ceremony, recorded.clone()).await;
                assert!(matches!(first, ServerMessage::SignedIn(_)), "{first:?}");
                page.sign_out().await;
                return signed_in(&page.finish(&ceremony, recorded).await);
            }
        };
        uses(&shop, &ada, &shop.carried(&stolen), stolen.status).await
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_is_caught_on_its_way_and_handed_in_on_another_connection() {
    attack("caughtSignIn", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let caught = match build {
            Build::TokenPassword | Build::CookiePassword => {
                shop.post("/sign-in", &json!({ "email": ADA, "password": ada.password })).await
            }
            Build::TokenPasskey | Build::CookiePasskey => {
                let asked = shop.begin(ADA).await;
                let answer = ada.answer(&asked, &shop.origin);
                shop.post("/passkey/get", &answer).await
            }
            Build::PasskeyAccount => {
                ada.sign_out().await;
                let mut page = shop.connect_page().await;
                let ceremony = page.begin_sign_in(ADA).await;
                let caught = ada.authenticator.sign_in(&ceremony.public_key.0, &shop.origin).unwrap();
                let mut thief = shop.connect_page().await;
                return signed_in(&thief.finish(&ceremony, caught).await);
            }
        };
        uses(&shop, &ada, &shop.carried(&caught), caught.status).await
    })
    .await;
}

#[tokio::test]
async fn a_recorded_resumption_is_sent_on_another_connection() {
    attack("resumption", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let Carried::Page(page, session) = ada.carried else { panic!("ours alone has resumptions") };
        let recorded = page.resuming(session.session_id, &page.key);
        let mut thief = shop.connect_page().await;
        signed_in(&thief.ask(recorded).await)
    })
    .await;
}

#[tokio::test]
async fn a_session_is_resumed_with_another_key() {
    attack("otherKey", async |build| {
        let shop = Shop::open(build).await;
        let ada = Person::sign_up(&shop, ADA).await;
        let Carried::Page(_, session) = &ada.carried else { panic!("ours alone has resumptions") };
        let mut thief = shop.connect_page().await;
        signed_in(&thief.resume(session.session_id, &PageKey::make()).await)
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_is_used_twice() {
    attack("confirmationTwice", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        let first = ada.confirmed("buy one").await;
        assert_eq!(first.status, 200);
        let again = ada.confirmed_again("buy one").await;
        if shop.count(&name, "buy one") == 2 { fell("bought twice") } else { held(again.status.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_is_used_for_something_else() {
    attack("confirmationElsewhere", async |build| {
        let shop = Shop::open(build).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let name = ada.name();
        ada.confirm("buy one").await;
        let answer = ada.confirmed_again(THEFT).await;
        acted(&shop, &name, "the confirmation says nothing of what it is for", answer.status.to_string())
    })
    .await;
}

/// Whether a connection carries a session now.
fn signed_in(said: &ServerMessage) -> Outcome {
    match said {
        ServerMessage::SignedIn(_) => fell("the thief's connection carries the session"),
        ServerMessage::Error(failure) => held(failure.code.clone()),
        other => panic!("neither nor: {other:?}"),
    }
}

/// Uses what the thief got.
async fn uses(shop: &Shop, ada: &Person<'_>, stolen: &Carried, status: u16) -> Outcome {
    shop.send(&shop.carrying(stolen, "/act", THEFT)).await;
    acted(shop, &ada.email, "a session of the thief's own", status.to_string())
}
