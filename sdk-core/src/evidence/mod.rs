//! Checking what an authenticator signed: WebAuthn Level 3 section 7.2, the same code on the server and on back ends;
//! and, on back ends, whether events are what the passkeys of their accounts signed ([`Expected`], [`Pins`]).
//!
//! Everything here is a pure function of its arguments, and refuses rather than guesses: a structure has one accepted
//! spelling, and bytes that nothing accounts for are an error. Registration (section 7.1) is the server's
//! `ceremony::registration`, built from these parts.

pub mod assertion;
pub mod authenticator_data;
pub mod cbor;
mod check;
pub mod client_data;
mod guard;
#[cfg(feature = "verify")]
mod pin_store;
mod pins;
pub mod public_key;
mod refusal;
mod signature;

pub use assertion::{
    AssertionExpectation, AuthenticationResponse, Counter, KnownPasskey, VerifiedAssertion, verify_assertion,
};
pub use check::{Claim, Expected, Forged, Proven};
pub use guard::Guard;
#[cfg(feature = "verify")]
pub use pin_store::{FilePins, MemoryPins, PinStore};
pub use pins::{Change, MAX_ACCOUNTS, MAX_SESSIONS, MAX_USED, PINNED_TYPES, PinError, Pins};
pub use public_key::{PublicKey, PublicKeyError};
pub use refusal::{AssertionError, Malformed, Part, Step};

pub use crate::protocol::webauthn::{Algorithm, UserVerification};
