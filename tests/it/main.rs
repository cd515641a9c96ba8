//! Whole-system tests, one file per noun.

mod browser;
mod ceremony;
mod connection;
mod sessions;
mod threats;
mod verification;
mod view;
