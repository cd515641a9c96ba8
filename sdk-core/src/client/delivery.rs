//! An item in the application's hands, and the word about what became of it.

use std::sync::Arc;

use super::{Position, events::Opened};
use crate::stream::{Item, Token};

/// One item to handle. [`ack`](Self::ack) it when that is done; dropped without, it counts as not handled.
///
/// What was not handled comes again: the connection is made anew, after a delay that grows while items keep failing,
/// and resumes before it.
///
/// ```no_run
/// use passkey_accounts::{Delivery, Item};
///
/// async fn handle(delivery: Delivery) -> std::io::Result<()> {
///     if let Item::Event(event) = &delivery.item {
///         std::fs::write(format!("events/{}", event.seq), &event.data)?; // on error: dropped, delivered again
///     }
///     delivery.ack();
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "an item that is dropped without `ack` counts as not handled and comes again"]
pub struct Delivery {
    /// What to handle.
    pub item: Item,
    receipt: Receipt,
}

impl Delivery {
    pub(super) const fn new(item: Item, receipt: Receipt) -> Self {
        Self { item, receipt }
    }

    /// What to handle.
    pub const fn item(&self) -> &Item {
        &self.item
    }

    /// What to store together with the item's effect: see [`PositionStore`](super::PositionStore). `None` for what is no
    /// position: a gap, and every snapshot page but the last.
    pub fn position(&self) -> Option<Position> {
        self.item.position().map(|id| self.receipt.position(id))
    }

    /// It is handled.
    pub fn ack(self) {
        self.receipt.ack();
    }

    /// It is not handled and is to come again; the same as dropping it.
    pub fn fail(self) {
        self.receipt.fail();
    }

    /// The item, and apart from it the word that is owed about it.
    pub fn into_parts(self) -> (Item, Receipt) {
        (self.item, self.receipt)
    }
}

/// The word that is owed about one [`Delivery`]. Dropped without [`ack`](Self::ack), the item counts as not handled.
///
/// ```no_run
/// # fn example(delivery: passkey_accounts::Delivery, queue: &mut Vec<passkey_accounts::Item>) {
/// let (item, receipt) = delivery.into_parts();
/// queue.push(item);
/// receipt.ack();
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an item whose receipt is dropped without `ack` counts as not handled and comes again"]
pub struct Receipt {
    opened: Arc<Opened>,
    token: Token,
    lane: u32,
    lease: u64,
    is_settled: bool,
}

impl Receipt {
    pub(super) const fn new(opened: Arc<Opened>, token: Token, lane: u32, lease: u64) -> Self {
        Self { opened, token, lane, lease, is_settled: false }
    }

    /// The item is handled.
    pub fn ack(mut self) {
        self.settle(true);
    }

    /// The items are handled: as [`ack`](Self::ack) of one after the other, and cheaper where many are of one stream.
    pub fn ack_all(receipts: impl IntoIterator<Item = Self>) {
        let mut receipts: Vec<_> = receipts.into_iter().collect();
        for of_one_stream in receipts.chunk_by_mut(|one, other| Arc::ptr_eq(&one.opened, &other.opened)) {
            let tokens: Vec<_> =
                of_one_stream.iter_mut().filter_map(|receipt| receipt.conclude(true)).collect();
            if let Some(Self { opened, .. }) = of_one_stream.first() {
                opened.shared.settle_all(&tokens);
            }
        }
    }

    /// The item is not handled and is to come again.
    pub fn fail(mut self) {
        self.settle(false);
    }

    /// The lane of the item; 0 where there is one only.
    pub const fn lane(&self) -> u32 {
        self.lane
    }

    /// The number of the ownership of the lane, the fencing token; 0 for a view.
    pub const fn lease(&self) -> u64 {
        self.lease
    }

    fn position(&self, id: &str) -> Position {
        Position {
            consumer: self.opened.consumer.clone(),
            lane: self.lane,
            id: id.to_owned(),
            lease: self.lease,
        }
    }

    fn settle(&mut self, is_handled: bool) {
        if let Some(token) = self.conclude(is_handled) {
            self.opened.shared.settle(token, is_handled);
        }
    }

    /// What the stream's machine is to be told about, unless it was told.
    #[cfg_attr(not(feature = "verify"), expect(unused_variables, reason = "nobody reads along"))]
    fn conclude(&mut self, is_handled: bool) -> Option<Token> {
        if std::mem::replace(&mut self.is_settled, true) {
            return None;
        }
        #[cfg(feature = "verify")]
        if let Some(witnessed) = &self.opened.witnessed {
            witnessed.settle(is_handled);
        }
        #[cfg(feature = "verify")]
        if let Some(guarded) = &self.opened.guarded {
            guarded.settle(is_handled);
        }
        Some(self.token)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.settle(false);
    }
}
