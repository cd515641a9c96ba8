//! What a page sees of its connection, and what its driver has to do.

use super::{Answer, BoundOptions, CallID};
use crate::protocol::{
    RequestID,
    gateway::{ClientMessage, EndReason, Failure, Session},
};

/// Where the page stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first connection is being made.
    Connecting,
    /// Connected; nobody is signed in.
    SignedOut {
        /// Why the last session ended; `None` when there was none.
        reason: Option<EndReason>,
    },
    /// Connected, with an open session.
    SignedIn(Session),
    /// The connection was lost and is being made anew; nobody is signed in.
    Reconnecting {
        /// Why the last session ended; `None` when there was none.
        reason: Option<EndReason>,
    },
    /// Over for good: closed by the page, or by a server that said that coming back would not help.
    Closed {
        /// What the server said; `None` when the page closed it.
        failure: Option<Failure>,
    },
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a socket. There is none open.
    Connect,
    /// Close the socket, if there is one, and hand in nothing more of it.
    Close,
    /// Send this request.
    Send(RequestID, ClientMessage),
    /// Show the passkey prompt; hand in its result with this call's id.
    CallAuthenticator(CallID, BoundOptions),
    /// Take the passkey prompt away. Its result is not wanted.
    AbortAuthenticator,
    /// The call ended well.
    Resolve(CallID, Answer),
    /// The call ended otherwise.
    Reject(CallID, Failure),
    /// The page stands elsewhere now.
    StateChanged(State),
}
