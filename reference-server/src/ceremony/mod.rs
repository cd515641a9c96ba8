//! Ceremonies: challenge, registration, authentication, decoys. Pure: time and random bytes are arguments.

mod action;
pub mod attestation;
mod authenticators;
mod challenge;
mod decoys;
mod finish;
mod options;
mod pending;
pub mod registration;

pub use action::{Action, NotAnAction};
pub use authenticators::{Authenticators, NotACertificate};
pub use challenge::{Asking, ChallengeRandom, is_on_curve, make_ceremony};
pub use decoys::derive_decoys;
pub use finish::{Asserted, Finishing, Refused};
pub use options::OFFERED;
pub use pending::{PendingCeremony, Purpose};
