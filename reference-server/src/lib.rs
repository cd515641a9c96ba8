//! The reference server of Passkey Accounts.
pub mod ceremony;
