//! Ceremonies: challenge, registration, authentication, decoys. Pure: time and random bytes are arguments.

mod attestation;
mod challenge;
mod decoys;
mod finish;
mod options;
pub mod registration;

pub use challenge::{ChallengeRandom, is_on_curve, make_ceremony};
pub use finish::{Finishing, Refused};
pub use options::OFFERED;
