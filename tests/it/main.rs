//! Whole-system tests, one file per noun.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where something is off"
)]

mod browser;
mod ceremony;
mod connection;
mod examples;
mod log;
mod python;
mod serve;
mod sessions;
mod simulation;
mod stream;
mod threats;
mod verification;
mod view;
mod worker;
