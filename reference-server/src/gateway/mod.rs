//! The browser socket: `GET /v1/gateway?app=app_...` (docs/protocol.md section 1).

mod conversation;
mod finish;
#[cfg(feature = "planted")]
mod leaked;
mod manage;
mod recovery;
mod release;
mod requests;
mod socket;
mod upgrade;

pub use upgrade::upgrade;
