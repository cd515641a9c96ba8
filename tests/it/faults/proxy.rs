//! A bad network between the server, its pages and its back ends.

use std::{net::SocketAddr, time::Duration};

use passkey_accounts::{Events, Item, protocol::stream::Start};
use passkey_accounts_tests::{
    chaos::{Plan, Proxy},
    consumer::{Consumer, Ended, Ledger, Order},
    crowd::{Crowd, Entrance},
    installation::Installation,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{closed, start_post};

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_broken_connections_cost_pages_and_workers_nothing() {
    let (mail_port, mailbox) = start_post();
    let installation = Installation::create(mail_port).await;
    let server = installation.start(1).await;
    let upstream = SocketAddr::from(([127, 0, 0, 1], server.port));
    let plan = Plan { seed: 5, bad_connections: 120, down_bytes: 2_000, up_bytes: 500 };
    let to_events = Proxy::start(upstream, plan).await.unwrap();
    let plan = Plan { seed: 6, bad_connections: u32::MAX, down_bytes: 10_000, up_bytes: 10_000 };
    let to_pages = Proxy::start(upstream, plan).await.unwrap();
    let gateway_url = format!("ws://{}/v1/gateway", to_pages.address());
    let (_entrance, entrances) = watch::channel(Some(Entrance { gateway_url, ..server.entrance() }));
    let crowd = Crowd::start(6, &entrances, &mailbox, 5);

    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path().join("ledger.sqlite")).await;
    let (address, addresses) = watch::channel(Some(format!("ws://{}/v1/events", to_events.address())));
    let consumer = Consumer::new(&ledger, Order::Together, 0, 5).with_patience(1_000);
    let working = tokio::spawn(consumer.work(addresses, installation.api_key.clone()));
    timeout(PATIENCE, to_events.wait_for(120)).await.expect("the worker comes back after every fault");
    timeout(PATIENCE, to_pages.wait_for(120)).await.expect("pages come back after every fault");
    let told = crowd.vanish().await;
    let mut audit = closed(&installation).await;
    timeout(PATIENCE, ledger.wait_for(audit.ids.len() as u64)).await.expect("the worker comes to the end");
    drop((address, server));
    let ends = working.await.unwrap().ends;
    audit.check_told(&told);
    audit.check_all_closed();
    audit.check_handled(&ledger.handled().await);
    audit.assert_holds();
    let lost = ends.iter().filter(|ended| **ended == Ended::Lost).count();
    println!(
        "{} events, {} told, {lost} connections of the worker lost",
        audit.ids.len(),
        told.signed_in.len()
    );
    assert!(lost > 60 && audit.ids.len() > 100, "hardly anything happened: the test proves little");
}

/// One view of the Rust client, until it has seen the entry that `last` names. Returns the ids of its events.
async fn follow(url: String, api_key: String, mut last: watch::Receiver<Option<u64>>) -> Vec<String> {
    let mut events = Events::builder(url, api_key).types(["*"]).start(Start::Earliest).open();
    let mut ids = Vec::new();
    loop {
        let head = *last.borrow_and_update();
        if head.is_some_and(|head| head <= ids.len() as u64) {
            return ids;
        }
        let delivery = tokio::select! {
            delivery = events.next() => delivery.unwrap().unwrap(),
            _ = last.changed() => continue,
            () = sleep(PATIENCE) => panic!("{} of {head:?} events, and then: {:?}", ids.len(), events.status().borrow()),
        };
        let (item, receipt) = delivery.into_parts();
        receipt.ack();
        match item {
            Item::Event(event) => ids.push(event.id),
            Item::Bookmark(_) => {}
            other => panic!("nothing was cut off, and yet: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_the_rust_client_see_every_event_once_through_hundreds_of_broken_connections() {
    const VIEWS: u64 = 48;
    // Each failure doubles the wait before the next try: five in a row take 15 seconds at most.
    const FAULTS: u32 = 5;
    let (mail_port, mailbox) = start_post();
    let installation = Installation::create(mail_port).await;
    let server = installation.start(1).await;
    let upstream = SocketAddr::from(([127, 0, 0, 1], server.port));
    let (_entrance, entrances) = watch::channel(Some(server.entrance()));
    let crowd = Crowd::start(2, &entrances, &mailbox, 9);
    let (last, lasts) = watch::channel(None);
    let (mut proxies, mut views) = (Vec::new(), Vec::new());
    for seed in 0..VIEWS {
        let plan = Plan { seed, bad_connections: FAULTS, down_bytes: 4_000, up_bytes: 500 };
        let proxy = Proxy::start(upstream, plan).await.unwrap();
        let url = format!("ws://{}/v1/events", proxy.address());
        views.push(tokio::spawn(follow(url, installation.api_key.clone(), lasts.clone())));
        proxies.push(proxy);
    }
    for proxy in &proxies {
        timeout(PATIENCE, proxy.wait_for(FAULTS)).await.expect("every view comes back after every fault");
    }
    crowd.vanish().await;
    let audit = closed(&installation).await;
    audit.assert_holds();
    last.send_replace(Some(audit.ids.len() as u64));
    for view in views {
        let ids = timeout(2 * PATIENCE, view).await.expect("a view comes to the end of the log").unwrap();
        assert_eq!(
            ids.get(..audit.ids.len()),
            Some(audit.ids.as_slice()),
            "missing, repeated or out of order"
        );
    }
    println!("{} events, {VIEWS} views, {} broken connections", audit.ids.len(), VIEWS * u64::from(FAULTS));
    drop(server);
}
