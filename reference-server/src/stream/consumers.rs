//! The workers that are connected now, by app and consumer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::AppID;
use tokio::sync::watch;

use super::group::{Change, Group, Member};

/// The groups of all consumers that somebody works for.
#[derive(Debug, Clone, Default)]
pub struct Consumers(Arc<Mutex<HashMap<Key, Shared>>>);

type Key = (AppID, String);

#[derive(Debug)]
struct Shared {
    group: Group,
    /// Wakes every worker of the group; each looks for what concerns it.
    changed: watch::Sender<()>,
}

impl Consumers {
    /// A worker comes to a consumer with that many lanes.
    pub fn join(&self, app_id: AppID, name: &str, lanes: u32) -> Membership {
        let key = (app_id, name.to_owned());
        let mut groups = self.lock();
        let shared = groups
            .entry(key.clone())
            .or_insert_with(|| Shared { group: Group::new(lanes), changed: watch::Sender::new(()) });
        let member = shared.group.join();
        shared.changed.send_replace(());
        let mut changed = shared.changed.subscribe();
        changed.mark_changed();
        Membership { consumers: self.clone(), key, member, changed }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's place in its group. Dropping it frees its lanes.
#[derive(Debug)]
pub struct Membership {
    consumers: Consumers,
    key: Key,
    member: Member,
    changed: watch::Receiver<()>,
}

impl Membership {
    /// Waits until the group has changed.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What this worker has to be told, once; and whether others work for the consumer.
    pub fn take_changes(&self) -> (Vec<Change>, bool) {
        let mut groups = self.consumers.lock();
        let Some(shared) = groups.get_mut(&self.key) else { return (Vec::new(), false) };
        (shared.group.take_changes(self.member), shared.group.is_contested())
    }

    /// The worker has let go of a lane.
    pub fn release(&self, lane: u32) {
        self.change(|group, member| group.release(member, lane));
    }

    fn change(&self, change: impl FnOnce(&mut Group, Member)) {
        let mut groups = self.consumers.lock();
        let Some(shared) = groups.get_mut(&self.key) else { return };
        change(&mut shared.group, self.member);
        shared.changed.send_replace(());
        if shared.group.is_empty() {
            groups.remove(&self.key);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.change(Group::leave);
    }
}
