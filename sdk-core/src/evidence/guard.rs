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

#[cfg(test)]
mod tests {
    use super::Guard;
    use crate::{
        evidence::{Expected, PINNED_TYPES, Pins},
        protocol::{
            AccountID, AppID, Code, UnixMillis,
            event::{EventKind, Registered},
            stream::Start,
        },
        stream::{Bookmark, Event, Item, StreamError, Subscription},
    };

    fn guard(pins: Option<Pins>, subscription: &mut Subscription) -> Result<Guard, StreamError> {
        let app_id = AppID::from_bytes([2; 16]);
        let origins = vec!["https://shop.example".into()];
        Guard::new(Expected { app_id, rp_id: "shop.example".into(), origins }, pins, subscription)
    }

    fn registered(seq: u64) -> Item {
        let account_id = AccountID::from_bytes([1; 16]);
        let kind = EventKind::Registered(Registered { account_id });
        let (name, data) = (kind.name().to_owned(), kind.data_json());
        let id = format!("0001-{seq}-AAAAAAAA");
        Item::Event(Event { id, seq, time: UnixMillis(0), name, data, kind: Some(kind) })
    }

    /// Pins that have come as far as this position.
    fn pinned_up_to(id: &str) -> Pins {
        let mut guard = guard(None, &mut Subscription::default()).unwrap();
        let mark = Bookmark { id: id.into(), time: UnixMillis(0), hash: None, head: None };
        guard.check(Item::Bookmark(mark)).unwrap();
        assert!(guard.settle(true));
        guard.pins().clone()
    }

    #[test]
    fn without_pins_the_log_is_read_from_its_beginning_and_with_some_from_where_they_end() {
        let mut subscription = Subscription::default();
        guard(None, &mut subscription).unwrap();
        assert_eq!((subscription.start, &subscription.after), (Some(Start::Earliest), &None));
        assert_eq!(subscription.types, Some(PINNED_TYPES.map(str::to_owned).to_vec()));

        let id = "0001-7-AAAAAAAA";
        let mut subscription = Subscription { types: Some(vec!["*".into()]), ..Subscription::default() };
        guard(Some(pinned_up_to(id)), &mut subscription).unwrap();
        assert_eq!((subscription.start, subscription.after.as_deref()), (None, Some(id)));
        assert_eq!(subscription.types, Some(vec!["*".into()]));
    }

    #[test]
    fn a_stream_that_pins_cannot_follow_is_refused() {
        let plain = Subscription::default;
        let pins = || Some(pinned_up_to("0001-7-AAAAAAAA"));
        for (pins, mut subscription) in [
            (None, Subscription { consumer: Some("billing".into()), ..plain() }),
            (None, Subscription { in_hand: 2, ..plain() }),
            (None, Subscription { types: Some(vec!["loggedIn".into()]), ..plain() }),
            (None, Subscription { after: Some("0001-7-AAAAAAAA".into()), ..plain() }),
            (pins(), Subscription { after: Some("0001-8-AAAAAAAA".into()), ..plain() }),
        ] {
            let refused = guard(pins, &mut subscription).unwrap_err();
            assert_eq!(refused.code(), Code::Unexpected, "{subscription:?}");
        }
    }

    #[test]
    fn what_was_not_handled_comes_again_and_what_was_handled_does_not() {
        let mut guard = guard(None, &mut Subscription::default()).unwrap();
        guard.check(registered(1)).unwrap();
        assert!(!guard.settle(false));
        assert_eq!(guard.pins(), &Pins::default());
        guard.check(registered(1)).unwrap();
        assert!(guard.settle(true));
        assert!(!guard.settle(true), "only its first outcome counts");
        let refused = guard.check(registered(2)).unwrap_err();
        assert_eq!(StreamError::from(&refused).code(), Code::EvidenceForged);
        assert_eq!(guard.pins().position(), Some("0001-1-AAAAAAAA"));
    }
}
