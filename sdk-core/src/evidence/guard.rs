//! Pins between a stream and whoever handles its items, one after the other.

use super::{Change, Expected, PINNED_TYPES, PinError, Pins};
use crate::{
    protocol::{Code, stream::Start},
    stream::{Item, StreamError, Subscription},
};

/// Holds a stream against [`Pins`]: an item is checked before it is handed over, and remembered once it is handled.
///
/// What was handed over and not handled comes again, and is checked again.
#[derive(Debug)]
pub struct Guard {
    expected: Expected,
    pins: Pins,
    /// What the item that the application has will change.
    in_hand: Option<Change>,
}

impl Guard {
    /// A guard over the stream of this subscription, which from now on begins where the pins end (the first time with the
    /// oldest event that is kept) and, unless it names types, asks for those that pins are about.
    ///
    /// # Errors
    /// `unexpected`: the stream is a worker's, has several items in hand, leaves out types that pins are about, or is to
    /// begin elsewhere.
    pub fn new(
        expected: Expected,
        pins: Option<Pins>,
        subscription: &mut Subscription,
    ) -> Result<Self, StreamError> {
        let refused = |why: &str| Err(StreamError::refused(Code::Unexpected, Some(why.to_owned())));
        if subscription.is_worker() || subscription.in_hand > 1 {
            return refused(
                "evidence is checked in a view, one item after the other; give the consumer none",
            );
        }
        match &subscription.types {
            None => subscription.types = Some(PINNED_TYPES.map(str::to_owned).to_vec()),
            Some(types) => {
                let has = |name: &str| types.iter().any(|asked| asked == name || asked == "*");
                if !PINNED_TYPES.into_iter().all(has) {
                    return refused(
                        "a stream with evidence needs all event types: leave `types` out, or ask for \"*\"",
                    );
                }
            }
        }
        let pins = pins.unwrap_or_default();
        match (&subscription.after, pins.position()) {
            (Some(after), pinned) if pinned != Some(after) => {
                return refused("a stream with evidence begins where its pins end: leave `after` out");
            }
            (_, Some(pinned)) => subscription.after = Some(pinned.to_owned()),
            (None, None) if subscription.start.is_none() => subscription.start = Some(Start::Earliest),
            (_, None) => {}
        }
        Ok(Self { expected, pins, in_hand: None })
    }

    /// Checks an item before it is handed over. Of a snapshot's page, what is not proven is taken out; how many sessions
    /// that were is said beside it.
    ///
    /// # Errors
    /// [`PinError`]: nothing may be handed over any more.
    pub fn check(&mut self, item: Item) -> Result<(Item, usize), PinError> {
        let (item, change) = self.pins.check(&self.expected, item)?;
        let unproven = change.unproven;
        self.in_hand = Some(change);
        Ok((item, unproven))
    }

    /// The item handed over last is handled, or not; then it comes again. `true`: the pins are to be kept anew.
    pub fn settle(&mut self, is_handled: bool) -> bool {
        match self.in_hand.take() {
            Some(change) if is_handled => {
                self.pins.apply(change);
                true
            }
            Some(_) | None => false,
        }
    }

    /// What is known by now, of what was handled.
    pub const fn pins(&self) -> &Pins {
        &self.pins
    }
}

impl From<&PinError> for StreamError {
    fn from(found: &PinError) -> Self {
        Self::refused(found.code(), Some(found.to_string()))
    }
}
