//! Sockets: the rim that carries out what the state machines ask for.

mod address;
mod native;

pub(crate) use address::Address;
pub(crate) use native::{Connector, drive};
