//! The reference server of Passkey Accounts: the browser socket, the back-end socket, the log, the site.
//!
//! ARCHITECTURE.md has the layers. Imports point down; only [`acme`], [`clock`], [`listen`], [`socket`], [`store`] and [`mail`]
//! touch the world.

pub mod accounts;
pub mod acme;
pub mod apps;
mod bucket;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod crypto;
pub mod gateway;
pub mod hosts;
mod key_expiry;
pub mod keys;
pub mod limits;
pub mod listen;
pub mod log;
pub mod mail;
mod news;
pub mod rates;
pub mod recovery;
mod recovery_count;
mod refusals;
pub mod ring_turn;
pub mod routes;
pub mod server;
pub mod sessions;
pub mod socket;
pub mod store;
pub mod stream;
pub mod unheard;
