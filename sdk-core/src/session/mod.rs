//! The live replica: which sessions are open now, kept exact by the event stream, asked without a round trip.
//!
//! [`Replica`] is written by one task with what the stream delivers; any number of [`View`]s read it. Neither has a
//! clock: the time is an argument.

mod endings;
mod freshness;
mod live_session;
mod proven;
mod replica;
mod table;
mod view;
mod waiting;

pub use endings::{Endings, Missed, SessionEnd};
pub use freshness::{Moment, Stale};
pub use live_session::{Ended, LiveSession};
pub use proven::Proven;
pub use replica::Replica;
pub use view::View;
pub use waiting::NotLive;
