//! What people have confirmed with a passkey: heard from the event stream, each used once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use passkey_accounts::{
    Account, Events, Item,
    protocol::{
        CeremonyID,
        event::{Confirmed, EventKind},
    },
};
use serde_json::Value;
use tokio::{sync::Notify, task::AbortHandle, time::timeout};

/// The confirmations that were heard and not used. Dropped, it stops listening.
#[derive(Debug)]
pub(crate) struct Confirmations {
    heard: Arc<Heard>,
    listening: AbortHandle,
}

#[derive(Debug, Default)]
struct Heard {
    unused: Mutex<VecDeque<Box<Confirmed>>>,
    more: Notify,
}

impl Confirmations {
    /// Listens to a stream, which must check evidence: an event without a passkey's signature never gets here then.
    pub(crate) fn listen(events: Events) -> Self {
        let heard = Arc::new(Heard::default());
        let listening = tokio::spawn(listen(events, Arc::clone(&heard))).abort_handle();
        Self { heard, listening }
    }

    /// Uses a confirmation up: whether this account has confirmed exactly this action, in this very session. The page's
    /// request may overtake the event, so it is waited for a little.
    pub(crate) async fn use_up(&self, named: CeremonyID, account: &Account, action: &Value) -> bool {
        let Ok(confirmed) = timeout(WAIT, self.heard.take(named)).await else { return false };
        confirmed.account_id == account.account_id
            && confirmed.session_id == account.session.session_id
            && serde_json::from_str::<Value>(&confirmed.action.0).is_ok_and(|confirmed| confirmed == *action)
    }
}

impl Drop for Confirmations {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Heard {
    /// Takes one out. Whatever comes of it, it is good for one try.
    async fn take(&self, named: CeremonyID) -> Box<Confirmed> {
        loop {
            // Made before looking: woken by everything that is heard after that.
            let more = self.more.notified();
            {
                let mut unused = self.lock();
                let found = unused.iter().position(|confirmed| confirmed.ceremony_id == named);
                if let Some(confirmed) = found.and_then(|index| unused.remove(index)) {
                    return confirmed;
                }
            }
            more.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Box<Confirmed>>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(mut events: Events, heard: Arc<Heard>) {
    while let Some(delivery) = events.next().await {
        match delivery {
            Ok(delivery) => {
                let (item, receipt) = delivery.into_parts();
                if let Item::Event(event) = item
                    && let Some(EventKind::Confirmed(confirmed)) = event.kind
                {
                    let mut unused = heard.lock();
                    unused.truncate(MAX_UNUSED - 1);
                    unused.push_front(confirmed);
                    drop(unused);
                    heard.more.notify_waiters();
                }
                receipt.ack();
            }
            Err(error) => {
                tracing::error!(%error, "confirmations are not heard any more, nothing can be deleted");
            }
        }
    }
}

/// How long a request waits for its confirmation.
const WAIT: Duration = Duration::from_secs(2);

/// Confirmations that nobody came for are forgotten, the oldest first.
const MAX_UNUSED: usize = 1_000;
