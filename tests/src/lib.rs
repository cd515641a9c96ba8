//! What whole-system tests share: a server on port 0, a software authenticator, socket clients.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where something is off"
)]

pub mod audit;
mod authenticator;
mod back_end;
pub mod build;
pub mod chaos;
pub mod chromium;
pub mod consumer;
pub mod control;
pub mod crowd;
mod draft;
mod example;
pub mod firefox;
mod http;
pub mod installation;
mod line;
pub mod made_up;
mod maker;
pub mod npm;
mod page;
pub mod pebble;
pub mod proof;
pub mod raw;
pub mod rewrite;
mod server;
pub mod shop;
pub mod simulation;
mod tls;
pub mod vectors;

pub use authenticator::{Passkey, Refused, SoftwareAuthenticator};
pub use back_end::BackEnd;
pub use draft::{
    AttestationDraft, AuthenticatorDataDraft, Stage, bytes as cbor_bytes, integer as cbor_integer,
    text as cbor_text,
};
pub use example::Example;
pub use http::{Answer, Http};
pub use line::Line;
pub use maker::{Attestation, Maker, aaguid_extension};
pub use page::{Closed, Page, PageKey};
pub use server::{START, TestServer, root_keys};
pub use tls::TlsFront;
