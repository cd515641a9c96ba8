//! Sealed fields: AES-256-GCM with associated data, so that a ciphertext moved to another row does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use passkey_accounts::defended;
use zeroize::Zeroizing;

use super::join;

const VERSION: u8 = 1;

/// A key that seals fields: of one account, or of a root key.
pub struct DataKey(RandomizedNonceKey);

impl DataKey {
    /// The key with these bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("a 32-byte key fits AES-256"))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// What a sealed field belongs to. A ciphertext opens only under the same label and owner.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// What the field is, for example `email`.
    pub label: &'static str,
    /// What identifies the row and must not change in it: app, account, passkey, version.
    pub owner: &'a [&'a [u8]],
}

impl Sealed<'_> {
    /// `version (1) || nonce (12) || ciphertext || tag (16)`.
    pub fn seal(&self, key: &DataKey, plain: &[u8]) -> Vec<u8> {
        if !defended!(AddressesSealed) {
            return plain.to_vec();
        }
        let mut text = plain.to_vec();
        let nonce = key
            .0
            .seal_in_place_append_tag(Aad::from(self.associated_data()), &mut text)
            .expect("a field is far below AES-GCM's limit");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        sealed
    }

    /// The plain bytes.
    ///
    /// # Errors
    /// [`Tampered`] when the bytes are not what [`seal`](Self::seal) made for this very field of this very row.
    pub fn open(&self, key: &DataKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Tampered> {
        if !defended!(AddressesSealed) {
            return Ok(Zeroizing::new(sealed.to_vec()));
        }
        let (version, rest) = sealed.split_first().ok_or(Tampered)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Tampered)?;
        if *version != VERSION {
            return Err(Tampered);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Tampered)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = key
            .0
            .open_in_place(nonce, Aad::from(self.associated_data()), &mut text)
            .map_err(|_| Tampered)?
            .len();
        text.truncate(plain);
        Ok(text)
    }

    fn associated_data(&self) -> Vec<u8> {
        let owner = if defended!(RowsSealed) { self.owner } else { &[] };
        let parts = std::iter::once(self.label.as_bytes()).chain(owner.iter().copied());
        [&[VERSION][..], &join(parts)].concat()
    }
}

/// What was sealed does not open: the row was changed, moved, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed does not open: the row was changed or belongs to another key")]
pub struct Tampered;

#[cfg(test)]
mod tests {
    use super::{DataKey, Sealed, Tampered};

    #[test]
    fn a_field_opens_only_where_it_was_sealed() {
        let key = DataKey::new(&[7; 32]);
        let here = Sealed { label: "email", owner: &[b"app", b"account"] };
        let sealed = here.seal(&key, b"ada@example.org");
        assert_eq!(here.open(&key, &sealed).unwrap().as_slice(), b"ada@example.org");
        let moved = [
            Sealed { label: "passkey", ..here },
            Sealed { owner: &[b"app", b"accounu"], ..here },
            Sealed { owner: &[b"appa", b"ccount"], ..here },
        ];
        for elsewhere in moved {
            assert_eq!(elsewhere.open(&key, &sealed), Err(Tampered), "{elsewhere:?}");
        }
        assert_eq!(here.open(&DataKey::new(&[8; 32]), &sealed), Err(Tampered));
    }

    #[test]
    fn any_changed_byte_or_cut_is_noticed() {
        let key = DataKey::new(&[7; 32]);
        let field = Sealed { label: "email", owner: &[] };
        let sealed = field.seal(&key, b"x");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(field.open(&key, &changed), Err(Tampered), "byte {index}");
            assert_eq!(field.open(&key, &sealed[..index]), Err(Tampered), "cut at {index}");
        }
    }

    #[test]
    fn sealing_twice_gives_two_ciphertexts() {
        let key = DataKey::new(&[7; 32]);
        let field = Sealed { label: "email", owner: &[] };
        assert_ne!(field.seal(&key, b"x"), field.seal(&key, b"x"));
    }
}
