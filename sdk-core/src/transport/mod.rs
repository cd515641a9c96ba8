//! The drivers: each drains a state machine, then waits for its socket or its clock.

#[cfg(feature = "web")]
pub mod web;
