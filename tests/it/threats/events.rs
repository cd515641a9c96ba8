//! What a back end is told by somebody who stands in for the server: things that have happened, but not now, and not so.

use std::net::SocketAddr;

use passkey_accounts::{defended, evidence::PinStore, protocol::gateway::Session};
use passkey_accounts_tests::{
    PageKey,
    proof::{WireAnswer, WireRequest},
    shop::{Carried, Hearing, Person, Shop},
};
use serde_json::{Value, json};

use super::{ADA, THEFT, acted, attack, between::Between, mallory::PATIENCE};

#[tokio::test]
async fn a_sign_in_is_told_again_after_the_person_has_signed_out() {
    attack("eventAgain", async |build| {
        let shop = Shop::open(build).await;
        let between = Between::start(shop.auth()).await;
        let (process, _serving) = shop.process_that_hears(&between.hearing()).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let signed_in = again(&mut ada, &between).await;
        until(process, || ada.request("look around"), |answer| answer.status == 200).await;
        ada.page().sign_out().await;
        let signed_out = between.told("loggedOut", 2).await;
        until(process, || ada.request("look around"), is_gone).await;
        between.say_after(&signed_out, signed_in);
        let answer = until(process, || ada.request(THEFT), |answer| !is_gone(answer)).await;
        acted(&shop, &ada.name(), "the session lives again", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_is_told_again_to_a_back_end_that_was_started_again() {
    attack("eventAfterRestart", async |build| {
        let shop = Shop::open(build).await;
        let before = Between::start(shop.auth()).await;
        let hearing = before.hearing();
        let (process, serving) = shop.process_that_hears(&hearing).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        let signed_in = again(&mut ada, &before).await;
        until(process, || ada.request("look around"), |answer| answer.status == 200).await;
        ada.page().sign_out().await;
        let signed_out = before.told("loggedOut", 2).await;
        // A build that pins nothing has nothing to wait for.
        let is_pinned = |position: &str| signed_out["id"] == position;
        while defended!(EvidenceChecked)
            && !hearing.pins.load().unwrap().is_some_and(|pins| pins.position().is_some_and(is_pinned))
        {
            tokio::task::yield_now().await;
        }
        serving.abort();
        drop(before);
        let between = Between::start(shop.auth()).await;
        let hearing = Hearing { server: between.hearing().server, ..hearing };
        let (process, _serving) = shop.process_that_hears(&hearing).await;
        between.say_after(&signed_out, signed_in);
        let answer = until(process, || ada.request(THEFT), |answer| !is_gone(answer)).await;
        acted(&shop, &ada.name(), "the session lives again", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn the_key_in_a_sign_in_is_replaced_on_its_way() {
    attack("eventAltered", async |build| {
        let shop = Shop::open(build).await;
        let thief = PageKey::make();
        let key = json!(thief.public());
        let between = Between::altering(shop.auth(), move |mut event| {
            if event["data"]["evidence"].is_object() {
                event["data"]["sessionKey"] = key.clone();
            }
            Some(event)
        })
        .await;
        let (process, _serving) = shop.process_that_hears(&between.hearing()).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        again(&mut ada, &between).await;
        let mut page = shop.connect_page().await;
        page.key = thief;
        let forged = Carried::Page(Box::new(page), session(&ada));
        let answer =
            until(process, || shop.carrying(&forged, "/act", THEFT), |answer| !is_gone(answer)).await;
        acted(&shop, &ada.name(), "the session is the attacker's", answer.outcome())
    })
    .await;
}

#[tokio::test]
async fn a_sign_out_is_kept_from_the_back_end() {
    attack("eventWithheld", async |build| {
        let shop = Shop::open(build).await;
        let between =
            Between::altering(shop.auth(), |event| (event["type"] != "loggedOut").then_some(event)).await;
        let (process, _serving) = shop.process_that_hears(&between.hearing()).await;
        let mut ada = Person::sign_up(&shop, ADA).await;
        until(process, || ada.request("look around"), |answer| answer.status == 200).await;
        ada.page().sign_out().await;
        between.told("loggedOut", 1).await;
        let answer = ada.request(THEFT).send(process).await;
        acted(&shop, &ada.name(), "the back end knows nothing of it", answer.outcome())
    })
    .await;
}

/// Signs out and in again, so that a passkey has signed the sign-in, and returns it as it was told.
async fn again(ada: &mut Person<'_>, between: &Between) -> Value {
    ada.sign_out().await;
    ada.sign_in().await;
    between.told("loggedIn", 2).await
}

/// Asks until the back end has heard what makes the difference.
async fn until(
    process: SocketAddr,
    request: impl Fn() -> WireRequest,
    is_it: impl Fn(&WireAnswer) -> bool,
) -> WireAnswer {
    let asking = async {
        loop {
            let answer = request().send(process).await;
            if is_it(&answer) {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the back end hears it")
}

fn is_gone(answer: &WireAnswer) -> bool {
    answer.outcome() == "sessionGone"
}

fn session(person: &Person<'_>) -> Session {
    let Carried::Page(_, session) = &person.carried else { panic!("they are signed in") };
    session.clone()
}
