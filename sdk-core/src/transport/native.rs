//! The driver on tokio: carries out what the stream machine asks for and tells it what happens.

mod link;
#[cfg(test)]
pub(crate) mod peer;
mod shared;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, error::Error, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use self::link::{Happened, Link};
pub(crate) use self::{link::Connector, shared::Shared};
use crate::stream::{Lost, Output, Status};

/// An answer of the application's own code.
pub(crate) type Answer<T> = BoxFuture<'static, Result<T, Box<dyn Error + Send + Sync>>>;

/// What the application is asked while a stream runs.
pub(crate) struct Application {
    /// For the API key.
    pub(crate) key: Box<dyn Fn() -> Answer<String> + Send + Sync>,
    /// For its own position in a lane that begins under a lease.
    pub(crate) position: Box<dyn Fn(u32, u64) -> Answer<Option<String>> + Send + Sync>,
}

/// Runs one stream until it ends or nobody wants it any more.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    connector: Connector,
    application: Application,
    status: watch::Sender<Status>,
) {
    let _whatever_happens = AbandonOnDrop(Arc::clone(&shared));
    let mut link = Link::None;
    let mut outbox = VecDeque::new();
    let mut key: Option<Answer<String>> = None;
    let mut positions = FuturesUnordered::new();
    loop {
        while let Some(output) = shared.poll_output() {
            match output {
                Output::Key => key = Some(in_time((application.key)())),
                Output::Connect { url } => link = connector.connect(url.as_deref()),
                Output::Send(text) => outbox.push_back(Message::text(text)),
                Output::Close { code, reason } => {
                    let outbox = std::mem::take(&mut outbox);
                    std::mem::replace(&mut link, Link::None).close(outbox, code, reason).await;
                }
                Output::Start { lane, lease } => {
                    let asked = in_time((application.position)(lane, lease));
                    positions.push(async move { (lane, asked.await) });
                }
                Output::Status(now) => report(&status, now),
                Output::End(error) => {
                    shared.end(error);
                    return;
                }
            }
        }
        if *status.borrow() == Status::Closed {
            return;
        }
        if shared.is_stopped() {
            shared.step(|machine, now| machine.handle_stopped(now));
            continue;
        }
        let plan = shared.plan();
        let deadline = shared.instant(plan.deadline.unwrap_or_default());
        tokio::select! {
            () = shared.is_wanted() => {}
            () = sleep_until(deadline) => shared.step(|machine, now| machine.handle_tick(now)),
            answer = async { key.as_mut().expect("looked at beforehand").await }, if key.is_some() => {
                key = None;
                shared.step(|machine, now| match answer {
                    Ok(key) => machine.handle_key(now, key),
                    Err(error) => machine.handle_key_failed(now, &error.to_string()),
                });
            }
            Some((lane, answer)) = positions.next(), if !positions.is_empty() => {
                shared.step(|machine, now| match answer {
                    Ok(position) => machine.handle_position(now, lane, position),
                    Err(error) => machine.handle_position_failed(now, lane, &error.to_string()),
                });
            }
            happened = link.next(&mut outbox, plan.is_reading) => match happened {
                Happened::Opened(socket, origin) => {
                    link = Link::Open(socket);
                    shared.step(|machine, now| machine.handle_opened(now, &origin));
                }
                Happened::Message(text) => {
                    if let Some(lost) = take_messages(&shared, &mut link, &text) {
                        lose(&shared, &mut link, &mut outbox, lost).await;
                    }
                }
                Happened::SignOfLife => shared.step(|machine, now| machine.handle_heard(now)),
                Happened::Lost(lost) => lose(&shared, &mut link, &mut outbox, lost).await,
            },
        }
    }
}

/// Takes a message, and those that have arrived along with it: the waits around them are not made anew for each. Says how
/// the connection was lost, if it was meanwhile.
fn take_messages(shared: &Shared, link: &mut Link, first: &str) -> Option<Lost> {
    let mut goes_on = shared.handle_message(first);
    for _ in 0..BURST_MESSAGES {
        if !goes_on {
            break;
        }
        goes_on = match link.arrived()? {
            Happened::Message(text) => shared.handle_message(&text),
            Happened::SignOfLife => {
                shared.step(|machine, now| machine.handle_heard(now));
                true
            }
            Happened::Lost(lost) => return Some(lost),
            // A link that is open does not open.
            Happened::Opened(..) => false,
        };
    }
    None
}

async fn lose(shared: &Shared, link: &mut Link, outbox: &mut VecDeque<Message>, lost: Lost) {
    outbox.clear();
    std::mem::replace(link, Link::None).release().await;
    shared.step(|machine, now| machine.handle_lost(now, lost));
}

/// The application's code on a task of its own, so that it can neither hold up heartbeats nor take the stream down.
fn in_time<T: Send + 'static>(asked: Answer<T>) -> Answer<T> {
    let task = tokio::spawn(timeout(ANSWER_TIMEOUT, asked));
    Box::pin(async move { task.await?? })
}

fn report(to: &watch::Sender<Status>, status: Status) {
    match &status {
        Status::Waiting { retry_in, why } => {
            let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                stream.retry_in_ms = retry_in_ms,
                why,
                "the event stream is interrupted, it will resume"
            );
        }
        Status::Live => tracing::info!("the event stream is live"),
        Status::Standby => tracing::info!("the event stream is connected, other workers have all lanes"),
        Status::Connecting | Status::Closed => {}
    }
    to.send_replace(status);
}

/// Whoever waits for an item is told that none comes, also when the runtime takes the driver away.
struct AbandonOnDrop(Arc<Shared>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Messages that are taken before anything else has its turn.
const BURST_MESSAGES: usize = 64;

/// For a key or a position.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
