//! Encryption at rest: keys derived from one root key, sealed fields, keyed indexes.

mod email;
mod head;
mod keyring;
mod seal;

pub use email::{Email, NotAnEmail};
pub use head::HeadSigner;
pub use keyring::{Keyring, KeyringError, ROOT_KEY_BYTES, write_secret};
pub use seal::{Sealed, Tampered};
