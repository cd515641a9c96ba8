//! The back-end socket: `GET /v1/events` and `GET /` (docs/protocol.md section 2).

mod first;
mod shortest;
mod socket;
mod upgrade;
mod view;

pub use upgrade::upgrade;
