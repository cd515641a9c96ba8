//! Encryption at rest: a ring of root keys, the keys derived from them, sealed fields, keyed indexes.

mod email;
mod head;
mod keyring;
mod ring;
mod root_keys;
mod seal;

pub use email::{Email, NotAnEmail};
pub use head::HeadSigner;
pub use keyring::Keyring;
pub use ring::Ring;
pub use root_keys::{
    ROOT_KEY_BYTES, RootKeyError, RootKeyID, RootKeySource, RootKeys, replace_secret, write_secret,
};
pub use seal::{DataKey, Sealed, Tampered};

/// Joins parts so that no two lists of parts give the same bytes: each goes after its length.
fn join<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}
