//! What whole-system tests share: a server on port 0, a software authenticator, socket clients.

mod authenticator;
mod draft;

pub use authenticator::{Passkey, Refused, SoftwareAuthenticator};
pub use draft::{
    AttestationDraft, AuthenticatorDataDraft, Stage, bytes as cbor_bytes, integer as cbor_integer,
    text as cbor_text,
};
