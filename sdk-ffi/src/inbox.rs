//! What waits for the foreign side, in two phases: to wait carries nothing, and to fetch never waits. So a wait that is
//! cancelled cannot lose what it waited for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{engine::Waker, error::Error};

/// A bounded queue between a task that fills it and a foreign program that empties it.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    waker: Waker,
    held: Mutex<Held<T>>,
    /// Something for the foreign side. Only the waking thread notifies it.
    arrived: Notify,
    /// Room for more.
    room: Notify,
    /// The foreign side wants no more.
    stopping: Notify,
}

#[derive(Debug)]
struct Held<T> {
    items: VecDeque<T>,
    state: State,
    /// How often whoever waits was told to come back, and whether that was for a wait that had not begun yet.
    wakes: u64,
    is_woken: bool,
    /// Whether somebody waits for items, and for room: nobody else is woken. To wake is most of what an item costs.
    is_awaited: bool,
    is_full: bool,
}

/// Whether anything more will come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// The foreign side wants no more.
    Stopped,
    /// The error comes after what is left; `None`: nothing does.
    Ended(Option<Error>),
}

impl<T: Send + 'static> Inbox<T> {
    pub(crate) fn new(waker: Waker) -> Arc<Self> {
        let held = Mutex::new(Held {
            items: VecDeque::new(),
            state: State::Open,
            wakes: 0,
            is_woken: false,
            is_awaited: false,
            is_full: false,
        });
        Arc::new(Self { waker, held, arrived: Notify::new(), room: Notify::new(), stopping: Notify::new() })
    }

    /// Waits until there is room for another item.
    pub(crate) async fn room(&self, most: usize) {
        loop {
            // Before the look: from its making on it counts as waiting, so no notification falls in between.
            let notified = self.room.notified();
            {
                let mut held = self.lock();
                held.is_full = held.items.len() >= most;
                if !held.is_full {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Waits until the foreign side wants no more.
    pub(crate) async fn stopped(&self) {
        loop {
            let notified = self.stopping.notified();
            if self.lock().state == State::Stopped {
                return;
            }
            notified.await;
        }
    }

    /// Adds what has come, and wakes the foreign side if it waits: whether it did.
    pub(crate) fn push(self: &Arc<Self>, items: impl IntoIterator<Item = T>) -> bool {
        let mut held = self.lock();
        if held.state != State::Open {
            return false;
        }
        held.items.extend(items);
        let is_awaited = !held.items.is_empty() && std::mem::take(&mut held.is_awaited);
        drop(held);
        if is_awaited {
            self.notify();
        }
        is_awaited
    }

    /// Nothing more will come.
    pub(crate) fn end(self: &Arc<Self>, error: Option<Error>) {
        let mut held = self.lock();
        if held.state == State::Open {
            held.state = State::Ended(error);
        }
        drop(held);
        self.notify();
    }

    /// Nothing more is wanted. What waits is kept until it is [cleared](Self::clear).
    pub(crate) fn stop(self: &Arc<Self>) {
        self.lock().state = State::Stopped;
        self.stopping.notify_waiters();
        self.notify();
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        let left = std::mem::take(&mut self.lock().items);
        drop(left);
    }

    /// Waits until [`take`](Self::take) has something to say, or until somebody [wakes](Self::wake) it.
    pub(crate) async fn ready(&self) {
        let wakes = self.lock().wakes;
        loop {
            let notified = self.arrived.notified();
            {
                let mut held = self.lock();
                let is_woken = std::mem::take(&mut held.is_woken) || held.wakes != wakes;
                if is_woken || !held.items.is_empty() || held.state != State::Open {
                    return;
                }
                held.is_awaited = true;
            }
            notified.await;
        }
    }

    /// Makes every wait return; if there is none, the next one.
    pub(crate) fn wake(self: &Arc<Self>) {
        let mut held = self.lock();
        held.wakes = held.wakes.wrapping_add(1);
        held.is_woken = true;
        drop(held);
        self.notify();
    }

    /// Makes whoever waits look once more.
    fn notify(self: &Arc<Self>) {
        let inbox = Arc::clone(self);
        self.waker.call(move || inbox.arrived.notify_waiters());
    }

    /// Up to `most` of what is there, possibly none; `None` when it was stopped or has ended without an error.
    pub(crate) fn take(&self, most: u32) -> Result<Option<Vec<T>>, Error> {
        let mut held = self.lock();
        if held.state == State::Stopped {
            return Ok(None);
        }
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(held.items.len());
        let taken: Vec<_> = held.items.drain(..count).collect();
        if taken.is_empty() {
            match &held.state {
                State::Open | State::Stopped => {}
                State::Ended(None) => return Ok(None),
                State::Ended(Some(error)) => return Err(error.clone()),
            }
        }
        self.make_room(held);
        Ok(Some(taken))
    }

    /// Takes out those that wait and are not wanted.
    pub(crate) fn retain(&self, is_wanted: impl FnMut(&T) -> bool) {
        let mut held = self.lock();
        held.items.retain(is_wanted);
        self.make_room(held);
    }

    /// There are fewer items than before.
    fn make_room(&self, mut held: MutexGuard<'_, Held<T>>) {
        let was_full = std::mem::take(&mut held.is_full);
        drop(held);
        if was_full {
            self.room.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::Inbox;
    use crate::{engine::Engine, error::Error};

    fn inbox() -> (Arc<Engine>, Arc<Inbox<u32>>) {
        let engine = Engine::start().unwrap();
        let inbox = Inbox::new(engine.waker());
        (engine, inbox)
    }

    #[test]
    fn a_wait_that_is_given_up_takes_nothing() {
        let (engine, inbox) = inbox();
        for item in 0..100 {
            let mut ready = Box::pin(inbox.ready());
            assert!(ready.as_mut().now_or_never().is_none(), "there is nothing yet");
            inbox.push([item]);
            engine.waker().settle();
            // Woken, and dropped without having been asked again.
            drop(ready);
            assert!(inbox.ready().now_or_never().is_some());
            assert_eq!(inbox.take(10).unwrap(), Some(vec![item]));
        }
        engine.close();
    }

    #[test]
    fn what_is_left_comes_before_the_error() {
        let (engine, inbox) = inbox();
        inbox.push([1]);
        inbox.push([2]);
        inbox.end(Some(Error::closed()));
        inbox.push([3]);
        assert_eq!(inbox.take(1).unwrap(), Some(vec![1]));
        assert_eq!(inbox.take(9).unwrap(), Some(vec![2]));
        assert_eq!(inbox.take(9), Err(Error::closed()));
        assert!(inbox.ready().now_or_never().is_some());
        engine.close();
    }

    #[test]
    fn a_stopped_inbox_hands_nothing_out_and_takes_no_more() {
        let (engine, inbox) = inbox();
        inbox.push([1]);
        inbox.stop();
        inbox.push([2]);
        assert_eq!(inbox.take(9).unwrap(), None);
        assert_eq!(inbox.lock().items, [1]);
        inbox.clear();
        assert!(inbox.lock().items.is_empty());
        assert!(inbox.stopped().now_or_never().is_some());
        engine.close();
    }

    #[test]
    fn a_full_inbox_holds_back_whoever_fills_it() {
        let (engine, inbox) = inbox();
        inbox.push([1]);
        inbox.push([2]);
        assert!(inbox.room(2).now_or_never().is_none());
        assert_eq!(inbox.take(1).unwrap(), Some(vec![1]));
        assert!(inbox.room(2).now_or_never().is_some());
        engine.close();
    }

    #[test]
    fn who_does_not_wait_is_not_woken() {
        let (engine, inbox) = inbox();
        assert!(!inbox.push([1]));
        assert_eq!(inbox.take(9).unwrap(), Some(vec![1]));
        let mut ready = Box::pin(inbox.ready());
        assert!(ready.as_mut().now_or_never().is_none());
        assert!(inbox.push([2]));
        assert!(!inbox.push([3]), "it is woken already");
        engine.waker().settle();
        assert!(ready.now_or_never().is_some());
        assert_eq!(inbox.take(9).unwrap(), Some(vec![2, 3]));
        engine.close();
    }

    #[test]
    fn to_wake_counts_for_the_wait_that_begins_next() {
        let (engine, inbox) = inbox();
        inbox.wake();
        assert!(inbox.ready().now_or_never().is_some());
        assert!(inbox.ready().now_or_never().is_none());
        engine.close();
    }
}
