//! The event stream as a back end sees it: connect, take the state, follow the log, come back after a loss.
//!
//! [`Machine`] decides and does nothing: no socket, clock or randomness of its own. A driver tells it what the world
//! did (`handle_*`), then carries out what it asks for ([`Machine::poll_output`]) until there is nothing more, then
//! waits for the socket or for [`Machine::poll_timeout`], whichever comes first. The application fetches items with
//! [`Machine::poll_item`] and tells what became of them with [`Machine::handle_settled`]. The rules are
//! docs/protocol.md section 2.
//!
//! | file | what it is |
//! | --- | --- |
//! | `machine.rs` | the connection: back-off, key, hello; `machine/live.rs`: live, drain |
//! | `lane.rs` | one lane: received, in hand, acknowledged |
//! | `cursor.rs` | what may follow what |
//! | `acks.rs`, `done.rs` | acknowledgements gathered; what this process has handled lately |
//! | `backoff.rs`, `ending.rs` | when to come back, and whether |

mod acks;
mod backoff;
mod credential;
mod cursor;
mod done;
mod ending;
mod error;
mod greeting;
mod item;
mod lane;
mod machine;
mod status;
mod subscription;

pub use ending::Lost;
pub use error::StreamError;
pub use greeting::Greeting;
pub use item::{Bookmark, Event, Item};
pub use lane::{InHand, Token};
pub use machine::{Machine, Output};
pub use status::Status;
pub use subscription::Subscription;
