//! Whole-system tests, one file per noun.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where something is off"
)]

mod acme;
mod api;
mod asyncapi;
mod browser;
mod ceremony;
mod cli;
mod confirm;
mod connection;
mod differential;
mod dist;
mod docs;
mod enumeration;
mod evidence;
mod examples;
mod faults;
mod hardware;
mod headers;
mod hostile;
mod key_pair;
mod kotlin;
mod live;
mod log;
mod management;
mod node;
mod notes;
mod npm;
mod proof;
mod python;
mod rates;
mod recovery;
mod resume;
mod revocation;
mod rfc6455;
mod root_key;
mod serve;
mod sessions;
mod simulation;
mod stream;
mod swift;
mod tampering;
mod threats;
mod vectors;
mod verification;
mod view;
mod witness;
mod worker;
