//! A witness of one stream: what it says to items before they are handed over, and what it remembers once they are handled.

use std::fmt;

use super::{Checkpoint, Contradiction, Sees, Unseen, Witness, head::HeadKey};
use crate::{
    protocol::{AppID, Code},
    stream::{Item, StreamError, Subscription},
};

/// A [`Witness`] between a stream and whoever handles its items, one after the other.
///
/// What was handed over and not handled comes again, and must be what it was.
pub struct Watch {
    witness: Witness,
    /// The last position that the application has handled.
    handled: Option<String>,
    in_hand: Option<Held>,
}

/// What the application has.
struct Held {
    position: Option<String>,
    /// It gave it back: the stream resumes before it.
    is_failed: bool,
}

impl Watch {
    /// A watch over this stream with these pinned keys, which remembers the checkpoint.
    ///
    /// # Errors
    /// The stream is a worker's or has several items in hand (`unexpected`), or is to resume after a position that
    /// contradicts the checkpoint (`logRewritten`).
    pub fn new(
        subscription: &Subscription,
        keys: Vec<HeadKey>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Self, StreamError> {
        if subscription.is_worker() || subscription.in_hand > 1 {
            let why = "a witness reads a view, one item after the other; give the consumer no witness";
            return Err(StreamError::refused(Code::Unexpected, Some(why.to_owned())));
        }
        let mut types = subscription.types.iter().flatten();
        let sees = if types.any(|name| name == "*") { Sees::Everything } else { Sees::Some };
        let mut witness = Witness::new(sees, keys, checkpoint);
        if let Some(after) = &subscription.after {
            witness.handle_resume(after).map_err(|found| StreamError::from(&found))?;
        }
        Ok(Self { witness, handled: subscription.after.clone(), in_hand: None })
    }

    /// Checks an item before it is handed over. `Some` are entries that it passed over.
    ///
    /// # Errors
    /// [`Contradiction`]: nothing may be handed over any more.
    pub fn check(&mut self, item: &Item, app_id: Option<AppID>) -> Result<Option<Unseen>, Contradiction> {
        if let Some(app_id) = app_id {
            self.witness.handle_app(app_id)?;
        }
        if self.in_hand.take().is_some_and(|held| held.is_failed)
            && let Some(handled) = &self.handled
        {
            self.witness.handle_resume(handled)?;
        }
        let unseen = self.witness.check(item)?;
        self.in_hand = Some(Held { position: item.position().map(str::to_owned), is_failed: false });
        Ok(unseen)
    }

    /// The item handed over last is handled, or not. `Some` is what to keep from now on.
    pub fn settle(&mut self, is_handled: bool) -> Option<Checkpoint> {
        let held = self.in_hand.take()?;
        if is_handled {
            self.handled = Some(held.position?);
            return self.witness.checkpoint();
        }
        self.in_hand = Some(Held { is_failed: true, ..held });
        None
    }
}

impl From<&Contradiction> for StreamError {
    fn from(found: &Contradiction) -> Self {
        Self::refused(found.code(), Some(found.to_string()))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.witness.fmt(f)
    }
}
