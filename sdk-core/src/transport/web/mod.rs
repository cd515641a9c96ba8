//! The browser socket: drives the ceremony machine over `WebSocket`.

mod codec;
mod driver;
mod json;

pub use codec::read_options;
pub use driver::Driver;
