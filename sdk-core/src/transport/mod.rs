//! Drivers: each drains a state machine, carries out what it asks for, and waits for the world.

mod address;
mod native;

pub(crate) use address::Address;
pub use address::elsewhere;
#[cfg(test)]
pub(crate) use native::peer;
pub(crate) use native::{Answer, Application, Connector, Shared, drive};
