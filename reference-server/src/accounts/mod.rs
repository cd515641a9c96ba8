//! Accounts and their passkeys: registration and sign-in, each one transaction with its events.

mod known;
mod passkey;
mod register;
mod sign_in;

pub use known::KnownAccount;
pub use passkey::Passkey;
pub use register::{RegisterError, Registration, register};
pub use sign_in::{SignIn, sign_in};
