//! The back-end socket: `GET /v1/events` and `GET /` (docs/protocol.md section 2).

mod consumers;
mod first;
mod full;
mod group;
mod lane;
mod link;
mod machine;
mod shortest;
mod upgrade;

pub use consumers::{Consumers, Membership};
pub use first::{Begin, Refusal, Request, Shown, Types, Wish, Worker, read};
pub use group::{Change, Group, Member};
pub use machine::{Ending, Greeting, Machine, Output};
pub use shortest::Edges;
pub use upgrade::upgrade;
