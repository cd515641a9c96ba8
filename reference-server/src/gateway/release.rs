//! When an answer leaves that could tell an address with an account from one without: a whole number of ticks after its
//! request, in one of few sizes. Whoever measures it learns how busy the server is.

use passkey_accounts::{planted, protocol::gateway::ClientMessage};

use crate::{
    clock::{Clock, Moment},
    limits::{RELEASE_BYTES, RELEASE_TICK_MS},
};

/// How the answer to a message leaves.
pub(super) struct Release {
    arrived: Moment,
    telling: Telling,
}

/// Which answers say something about an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    Every,
    /// A success is its owner's, who need not wait.
    Failures,
    None,
}

impl Release {
    /// For an answer to this message, which has just arrived.
    pub(super) fn new(message: Option<&ClientMessage>, clock: &Clock) -> Self {
        let telling = match message {
            Some(
                ClientMessage::SignUpBegin(_)
                | ClientMessage::SignInBegin(_)
                | ClientMessage::RecoveryBegin(_),
            ) => Telling::Every,
            Some(ClientMessage::CeremonyFinish(_) | ClientMessage::RecoveryVerify(_)) => Telling::Failures,
            Some(_) | None => Telling::None,
        };
        Self { arrived: clock.moment(), telling }
    }

    /// Holds the answer until its tick, and fills it up. Not longer than one tick after it is ready.
    ///
    /// # Cancel safety
    /// The answer is lost when it is dropped, nothing else.
    pub(super) async fn hold(self, mut answer: String, is_failure: bool, clock: &Clock) -> String {
        let is_held = match self.telling {
            Telling::Every => true,
            Telling::Failures => is_failure,
            Telling::None => false,
        };
        if !is_held || planted!(AnsweredAtOnce) {
            return answer;
        }
        // Spaces after a JSON text belong to it (RFC 8259 section 2).
        let size_bytes = answer.len().next_multiple_of(RELEASE_BYTES);
        answer.extend(std::iter::repeat_n(' ', size_bytes - answer.len()));
        clock.whole_ticks_since(self.arrived, RELEASE_TICK_MS).await;
        answer
    }
}
