//! A bad network between the server, its pages and its back ends.

use std::{net::SocketAddr, time::Duration};

use passkey_accounts_tests::{
    chaos::{Plan, Proxy},
    consumer::{Consumer, Ended, Ledger, Order},
    crowd::{Crowd, Entrance},
    installation::Installation,
};
use tokio::{sync::watch, time::timeout};

use super::{closed, start_post};

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

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
