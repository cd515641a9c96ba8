//! Drivers: each drains a state machine, carries out what it asks for, and waits for the world.

mod address;
#[cfg(feature = "native")]
mod native;

#[cfg(feature = "native")]
pub(crate) use address::{Address, not_an_address, read_origin};
pub use address::{elsewhere, events_address, origin_of};
#[cfg(all(test, feature = "native"))]
pub(crate) use native::peer;
#[cfg(feature = "native")]
pub(crate) use native::{Answer, Application, Connector, Shared, drive};
