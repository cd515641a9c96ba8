//! kill -9 under load: what was promised is there, nothing is there twice, and whoever was signed in is signed out.

use std::time::Duration;

use fastrand::Rng;
use passkey_accounts_tests::{
    audit::Audit,
    consumer::{Consumer, Ended, Ledger, Order},
    crowd::Crowd,
    installation::Installation,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{closed, start_post};

/// What a run does.
struct Plan {
    cycles: u64,
    /// How long a server lives, in milliseconds.
    lives_ms: std::ops::Range<u64>,
    workers: u64,
    order: Order,
    dies_at_one_in: u32,
    seed: u64,
}

/// Kills the server so many times while people sign in and workers work. Returns what is left, everything checked.
async fn kill_again_and_again(plan: Plan) -> Audit {
    let Plan { cycles, lives_ms, workers, order, dies_at_one_in, seed } = plan;
    let mut random = Rng::with_seed(seed);
    let (mail_port, mailbox) = start_post();
    let installation = Installation::create(mail_port).await;
    let (entrance, entrances) = watch::channel(None);
    let (address, addresses) = watch::channel(None);
    let crowd = Crowd::start(8, &entrances, &mailbox, seed);
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path().join("ledger.sqlite")).await;
    let consumers: Vec<_> = (0..workers)
        .map(|number| {
            let consumer = Consumer::new(&ledger, order, dies_at_one_in, seed + number);
            tokio::spawn(consumer.work(addresses.clone(), installation.api_key.clone()))
        })
        .collect();

    for cycle in 0..cycles {
        // A grace time of 0 ends sessions of the server before at once, and one of a second lets them be resumed.
        let mut child = installation.spawn(cycle % 2);
        if cycle % 10 == 9 {
            // Already while it opens its database.
            sleep(Duration::from_millis(random.u64(0..40))).await;
            child.kill().await.unwrap();
            continue;
        }
        let server = installation.listening(child).await;
        entrance.send_replace(Some(server.entrance()));
        address.send_replace(Some(server.events_url()));
        let life_ms = if cycle % 25 == 24 { 1_200 } else { random.u64(lives_ms.clone()) };
        sleep(Duration::from_millis(life_ms)).await;
        server.kill().await;
        if cycle % 20 == 0 {
            let mut audit = Audit::read(&installation.data_directory(), installation.app_id).await;
            audit.check_told(&crowd.told());
            audit.assert_holds();
        }
    }

    let server = installation.start(1).await;
    entrance.send_replace(Some(server.entrance()));
    address.send_replace(Some(server.events_url()));
    let told = crowd.vanish().await;
    let mut audit = closed(&installation).await;
    let handled = ledger.wait_for(audit.ids.len() as u64);
    timeout(Duration::from_secs(20), handled).await.expect("the workers come to the end of the log");
    server.kill().await;
    drop((address, entrance));
    let (mut ends, mut fenced) = (Vec::new(), 0);
    for consumer in consumers {
        let consumer = consumer.await.unwrap();
        ends.extend(consumer.ends);
        fenced += consumer.fenced;
    }
    audit.check_told(&told);
    audit.check_all_closed();
    audit.check_handled(&ledger.handled().await);
    let count = |wanted| ends.iter().filter(|ended| **ended == wanted).count();
    println!(
        "{cycles} kills; told: {} signed in, {} signed out, {} resumed; log: {:?}, ends {:?}; workers: {} lost, {} died, {fenced} fenced",
        told.signed_in.len(),
        told.signed_out.len(),
        told.resumed,
        audit.counts,
        audit.reasons,
        count(Ended::Lost),
        count(Ended::Died),
    );
    assert!(told.signed_in.len() as u64 > cycles, "hardly anyone signed in: the test proves little");
    audit
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_kills_lose_nothing_repeat_nothing_and_close_every_session() {
    let plan = Plan {
        cycles: 200,
        lives_ms: 0..160,
        workers: 2,
        order: Order::Together,
        dies_at_one_in: 40,
        seed: 1,
    };
    let audit = kill_again_and_again(plan).await;
    audit.assert_holds();
    assert!(audit.reasons.contains_key("serverLost"), "{:?}", audit.reasons);
}

/// The control: the same run notices a worker that acknowledges before its effect is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_kept_before_the_effect_loses_events_and_the_check_says_so() {
    let plan = Plan {
        cycles: 4,
        lives_ms: 600..800,
        workers: 1,
        order: Order::PositionFirst,
        dies_at_one_in: 5,
        seed: 2,
    };
    let audit = kill_again_and_again(plan).await;
    assert!(!audit.violations.is_empty(), "the check cannot fail");
    assert!(audit.violations.iter().all(|sentence| sentence.ends_with("was never handled")), "{audit:?}");
}

/// The other control: effects that are committed before the position come twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_is_kept_before_the_position_comes_twice_and_the_check_says_so() {
    let plan = Plan {
        cycles: 4,
        lives_ms: 600..800,
        workers: 1,
        order: Order::EffectFirst,
        dies_at_one_in: 5,
        seed: 3,
    };
    let audit = kill_again_and_again(plan).await;
    assert!(!audit.violations.is_empty(), "the check cannot fail");
    assert!(audit.violations.iter().all(|sentence| sentence.ends_with("times")), "{audit:?}");
}
