//! The public face over real sockets, against a server that does what the test says.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch};
use tokio_tungstenite::tungstenite::Message;

use super::{Accounts, Delivery, Events, EventsBuilder, Receipt};
use crate::{
    protocol::Code,
    stream::{Item, Status},
    transport::peer::{Peer, Server, event},
};

fn view(server: &Server) -> EventsBuilder {
    Events::builder(server.url(), "pa_dev_x").after("e-1")
}

fn worker(server: &Server) -> EventsBuilder {
    Events::builder(server.url(), "pa_dev_x").consumer("billing")
}

async fn next(events: &mut Events) -> Delivery {
    events.next().await.expect("it goes on").expect("no error")
}

/// Lets the stream wait for its next connection, once it does.
async fn wait(status: &mut watch::Receiver<Status>) {
    let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
    let Status::Waiting { retry_in, .. } = status.wait_for(waiting).await.unwrap().clone() else {
        unreachable!()
    };
    // Timers count whole milliseconds.
    tokio::time::advance(retry_in + Duration::from_millis(1)).await;
}

fn id(delivery: &Delivery) -> &str {
    delivery.item().position().expect("a position")
}

impl Peer<TcpStream> {
    /// Offers a lane and returns where the worker wants to start.
    async fn assign(&mut self, lane: u32, lease: u64, id: Value) -> Value {
        let offer = json!({ "type": "assigned", "data": { "lease": lease }, "lane": lane, "id": id });
        self.send(offer.to_string()).await;
        self.ack().await
    }

    /// The data of the acknowledgement that comes next.
    async fn ack(&mut self) -> Value {
        let said = self.text().await;
        assert_eq!(said["type"], "ack", "{said}");
        said["data"].clone()
    }
}

fn event_in(lane: u32, number: u64) -> String {
    event(number).replace(r#""data""#, &format!(r#""lane":{lane},"data""#))
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_reaches_the_server() {
    let server = Server::start().await;
    let mut events = view(&server).window(2).open();
    let (mut peer, first) = server.accept_with(2).await;
    assert_eq!((&first["window"], &first["after"]), (&2.into(), &"e-1".into()));
    peer.send(event(2)).await;
    next(&mut events).await.ack();
    assert_eq!(peer.ack().await, json!({ "id": "e-2" }));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_taken_and_acknowledged_at_once() {
    let (server, other_server) = (Server::start().await, Server::start().await);
    let mut events = view(&server).window(8).in_hand(3).open();
    let (mut peer, _) = server.accept_with(8).await;
    assert!(events.take_ready(9).is_empty());
    for number in 2..=6 {
        peer.send(event(number)).await;
    }
    let mut batch = vec![next(&mut events).await];
    while batch.len() < 3 {
        batch.extend(events.take_ready(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(batch.iter().map(id).collect::<Vec<_>>(), ["e-2", "e-3", "e-4"]);
    assert!(events.take_ready(9).is_empty(), "no more may be in hand");

    let mut others = view(&other_server).window(2).open();
    let (mut other_peer, _) = other_server.accept_with(2).await;
    other_peer.send(event(2)).await;
    batch.insert(1, next(&mut others).await);
    Receipt::ack_all(batch.into_iter().map(|delivery| delivery.into_parts().1));
    assert_eq!(other_peer.ack().await, json!({ "id": "e-2" }));
    assert_eq!(id(&next(&mut events).await), "e-5");
    assert_eq!(peer.ack().await, json!({ "id": "e-4" }));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_acknowledges_what_is_settled() {
    let server = Server::start().await;
    let mut events = view(&server).open();
    let (mut peer, _) = server.accept_with(256).await;
    peer.send(event(2)).await;
    next(&mut events).await.ack();
    drop(events);
    assert_eq!(peer.ack().await, json!({ "id": "e-2" }));
    assert_eq!(peer.closed_with().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_dropped_or_failed_comes_again() {
    let server = Server::start().await;
    let mut events = view(&server).open();
    for outcome in [drop, Delivery::fail] {
        let (mut peer, first) = server.accept_with(256).await;
        assert_eq!(first["after"], "e-1");
        peer.send(event(2)).await;
        outcome(next(&mut events).await);
        assert_eq!(peer.closed_with().await, 1000);
        wait(&mut events.status()).await;
    }
    let (mut peer, first) = server.accept_with(256).await;
    assert_eq!(first["after"], "e-1");
    peer.send(event(2)).await;
    assert_eq!(id(&next(&mut events).await), "e-2");
}

#[tokio::test(start_paused = true)]
async fn cancelled_waits_lose_nothing() {
    let server = Server::start().await;
    let mut events = view(&server).open();
    let (mut peer, _) = server.accept_with(256).await;
    for number in 2..200 {
        assert!(events.next().now_or_never().is_none());
        peer.send(event(number)).await;
        let delivery = loop {
            // Each wait is given up at once, also the one during which the item comes.
            match events.next().now_or_never() {
                Some(next) => break next.expect("it goes on").expect("no error"),
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(id(&delivery), format!("e-{number}"));
        delivery.ack();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_stop_heartbeats() {
    let server = Server::start().await;
    let mut events = view(&server).open();
    let (mut peer, _) = server.accept_with(2).await;
    peer.send(event(2)).await;
    let slow = next(&mut events).await;
    for beat in 0..200_u8 {
        tokio::time::advance(Duration::from_secs(20)).await;
        peer.0.send(Message::Ping(vec![beat].into())).await.unwrap();
        assert_eq!(peer.0.next().await.unwrap().unwrap(), Message::Pong(vec![beat].into()));
    }
    assert_eq!(*events.status().borrow(), Status::Live);
    slow.ack();
    assert_eq!(peer.ack().await, json!({ "id": "e-2" }));
}

#[tokio::test(start_paused = true)]
async fn lanes_run_side_by_side_and_the_items_of_a_lane_one_after_the_other() {
    let server = Server::start().await;
    let mut events = worker(&server).lanes(2).open();
    let running: Arc<Mutex<HashMap<u32, u32>>> = Arc::default();
    let (both, at_once) = (Arc::new(tokio::sync::Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&at_once);
    let handling = tokio::spawn(async move {
        let handler = |_: Item, position: Option<crate::Position>| {
            let (running, both, counter) = (Arc::clone(&running), Arc::clone(&both), Arc::clone(&counter));
            async move {
                let lane = position.expect("an event").lane;
                assert_eq!(running.lock().unwrap().insert(lane, 1), None, "two items of a lane");
                both.wait().await;
                counter.fetch_add(1, Ordering::Relaxed);
                running.lock().unwrap().remove(&lane);
                Ok::<(), std::io::Error>(())
            }
        };
        events.run(2, handler).await
    });
    let (mut peer, _) = server.accept_with(2).await;
    for lane in 0..2 {
        assert_eq!(peer.assign(lane, 7, json!("e-1")).await["id"], "e-1");
    }
    for lane in 0..2 {
        for number in 2..12 {
            peer.send(event_in(lane, number)).await;
        }
    }
    let mut handled = HashMap::new();
    while handled.values().filter(|id| **id == "e-11").count() < 2 {
        let ack = peer.ack().await;
        handled.insert(ack["lane"].as_u64().unwrap_or(0), ack["id"].clone());
    }
    assert_eq!(at_once.load(Ordering::Relaxed), 20);
    peer.close(4506, "").await;
    assert_eq!(handling.await.unwrap().unwrap_err().code(), Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_handler_leaves_its_item_unacknowledged() {
    let server = Server::start().await;
    let mut events = view(&server).open();
    let mut status = events.status();
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    tokio::spawn(async move {
        let handler = |_: Item, _: Option<crate::Position>| {
            let is_first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if is_first { Err("the database is locked") } else { Ok(()) } }
        };
        events.run(8, handler).await
    });
    let (mut peer, _) = server.accept_with(2).await;
    peer.send(event(2)).await;
    assert_eq!(peer.closed_with().await, 1000);
    wait(&mut status).await;
    let (mut peer, first) = server.accept_with(2).await;
    assert_eq!(first["after"], "e-1");
    peer.send(event(2)).await;
    assert_eq!(peer.ack().await, json!({ "id": "e-2" }));
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_says_what_to_store() {
    let server = Server::start().await;
    let mut events = worker(&server).lanes(8).open();
    let (mut peer, first) = server.accept_with(256).await;
    assert_eq!((&first["consumer"], &first["lanes"]), (&"billing".into(), &8.into()));
    let mut status = events.status();
    status.wait_for(|status| *status == Status::Standby).await.unwrap();
    peer.assign(5, 1_700_000_000_000, json!("e-1")).await;
    status.wait_for(|status| *status == Status::Live).await.unwrap();
    peer.send(event_in(5, 2)).await;
    let position = next(&mut events).await.position().unwrap();
    assert_eq!((position.consumer.as_str(), position.lane, position.id.as_str()), ("billing", 5, "e-2"));
    assert_eq!(position.lease, 1_700_000_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_worker_says_that_it_still_works() {
    let server = Server::start().await;
    let mut events = worker(&server).ack_timeout(Duration::from_secs(30)).open();
    let (mut peer, first) = server.accept_with(256).await;
    assert_eq!(first["ackTimeoutMs"], 30_000);
    peer.assign(0, 7, json!("e-1")).await;
    peer.send(event(2)).await;
    let slow = next(&mut events).await;
    for _ in 0..2 {
        tokio::time::advance(Duration::from_millis(10_001)).await;
        assert_eq!(peer.ack().await, json!({ "id": "e-1" }));
    }
    slow.ack();
    tokio::time::advance(Duration::from_millis(101)).await;
    assert_eq!(peer.ack().await, json!({ "id": "e-2" }));
}

#[tokio::test(start_paused = true)]
async fn the_key_is_asked_for_before_each_connection() {
    let server = Server::start().await;
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let key = move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        async move { if number == 1 { Err("the vault is closed".into()) } else { Ok(format!("pa_dev_{number}")) } }
    };
    let accounts = Accounts::connect(server.url(), key).unwrap();
    let mut events = accounts.events().after("e-1").open();
    let (peer, first) = server.accept_with(256).await;
    assert_eq!(first["apiKey"], "pa_dev_0");
    peer.close(4502, r#"{"error":"keyExpired"}"#).await;
    // Asked about the refused key, the provider fails: that is no other key.
    let error = events.next().await.expect("an ending").expect_err("an error");
    assert_eq!(error.code(), Code::KeyExpired);

    let mut events = accounts.events().after("e-1").open();
    let (peer, first) = server.accept_with(256).await;
    assert_eq!(first["apiKey"], "pa_dev_2");
    peer.close(4501, "").await;
    wait(&mut events.status()).await;
    let (mut peer, first) = server.accept_with(256).await;
    assert_eq!(first["apiKey"], "pa_dev_4", "3 was the answer to the refusal");
    peer.send(event(2)).await;
    assert_eq!(id(&next(&mut events).await), "e-2");
}

#[tokio::test(start_paused = true)]
async fn a_position_store_that_does_not_answer_leaves_the_lane_to_others() {
    struct Silent;
    impl super::PositionStore for Silent {
        async fn claim(&self, _: &str, _: u32, _: u64) -> Result<Option<String>, super::BoxError> {
            pending().await
        }
    }
    let server = Server::start().await;
    let events = worker(&server).positions(Silent).open();
    let (mut peer, _) = server.accept_with(256).await;
    peer.send(r#"{"type":"assigned","data":{"lease":7},"lane":0,"id":null}"#).await;
    // The ping is answered: from here on the offer has been read.
    peer.0.send(Message::Ping(Vec::new().into())).await.unwrap();
    assert!(peer.0.next().await.unwrap().unwrap().is_pong());
    tokio::time::advance(Duration::from_millis(10_001)).await;
    assert_eq!(peer.closed_with().await, 1000);
    drop(events);
}

#[tokio::test]
async fn an_address_that_cannot_work_is_the_first_and_last_item() {
    let mut events = Events::builder("ws://auth.example/", "pa_dev_x").open();
    assert_eq!(events.next().await.unwrap().unwrap_err().code(), Code::BadAddress);
    assert!(events.next().await.is_none());
    assert_eq!(*events.status().borrow(), Status::Closed);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_crash_between_effect_and_acknowledgement_gives_one_effect() {
    use sqlx::sqlite::SqlitePoolOptions;

    let database = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::query("CREATE TABLE effects (id TEXT NOT NULL)").execute(&database).await.unwrap();
    let positions = super::SqlitePositions::open(database.clone()).await.unwrap();
    let handle = async |delivery: &Delivery| {
        let mut transaction = database.begin().await.unwrap();
        let position = delivery.position().unwrap();
        sqlx::query("INSERT INTO effects VALUES (?)")
            .bind(&position.id)
            .execute(&mut *transaction)
            .await
            .unwrap();
        positions.save(&mut transaction, &position).await?;
        transaction.commit().await.map_err(super::SaveError::from)
    };

    let server = Server::start().await;
    let mut dies = worker(&server).positions(positions.clone()).open();
    let (mut peer, _) = server.accept_with(2).await;
    assert_eq!(peer.assign(0, 7, json!("e-1")).await["id"], "e-1");
    peer.send(event(2)).await;
    let handled = next(&mut dies).await;
    handle(&handled).await.unwrap();

    // The server has heard of nothing and offers the lane to the next process, while the first one sleeps.
    let mut follows = worker(&server).positions(positions.clone()).open();
    let (mut next_peer, _) = server.accept_with(2).await;
    assert_eq!(next_peer.assign(0, 8, json!("e-1")).await["id"], "e-2", "the effect is known");

    // It wakes up with another item, too late.
    peer.send(event(3)).await;
    handled.ack();
    let late = next(&mut dies).await;
    assert!(matches!(handle(&late).await, Err(super::SaveError::Fenced { .. })));
    late.fail();

    next_peer.send(event(3)).await;
    let delivery = next(&mut follows).await;
    handle(&delivery).await.unwrap();
    delivery.ack();
    assert_eq!(next_peer.ack().await["id"], "e-3");
    let effects: Vec<String> =
        sqlx::query_scalar("SELECT id FROM effects").fetch_all(&database).await.unwrap();
    assert_eq!(effects, ["e-2", "e-3"]);
}
