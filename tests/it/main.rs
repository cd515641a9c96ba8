//! Whole-system tests, one file per noun.

mod browser;
mod ceremony;
mod connection;
mod examples;
mod python;
mod sessions;
mod stream;
mod threats;
mod verification;
mod view;
