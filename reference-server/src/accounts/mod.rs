//! Accounts and their passkeys: registration, sign-in, removal and erasure, each one transaction with its events.

mod erase;
mod known;
mod passkey;
mod register;
mod sign_in;

pub use erase::{Removal, erase, remove_passkey};
pub use known::KnownAccount;
pub use passkey::Passkey;
pub use register::{RegisterError, Registration, register};
pub use sign_in::{SignIn, SignInError, sign_in};
