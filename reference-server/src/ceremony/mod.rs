//! Ceremonies: challenge, registration, authentication.
pub mod attestation;
pub mod registration;
