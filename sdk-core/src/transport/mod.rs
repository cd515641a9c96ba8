//! Drivers: each drains a state machine, carries out what it asks for, and waits for the world.

#[cfg(feature = "native")]
mod address;
#[cfg(feature = "native")]
mod native;
#[cfg(feature = "web")]
pub mod web;

#[cfg(feature = "native")]
pub(crate) use address::Address;
#[cfg(feature = "native")]
pub use address::elsewhere;
#[cfg(all(test, feature = "native"))]
pub(crate) use native::peer;
#[cfg(feature = "native")]
pub(crate) use native::{Answer, Application, Connector, Shared, drive};
