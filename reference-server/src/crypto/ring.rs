//! The ring: what each root key does. It wraps small keys and signs what the database as a whole must be; the id of the
//! root key stands before both.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::{DataKey, RootKeyID, RootKeys, Sealed, Tampered, join};

/// The root keys at work. The first one seals, all of them open.
pub struct Ring {
    first: RingKey,
    others: Vec<RingKey>,
}

struct RingKey {
    id: RootKeyID,
    wrap: DataKey,
    sign: hmac::Key,
    /// What sealed fields before accounts had keys of their own.
    field: DataKey,
}

impl Ring {
    /// The ring of these keys.
    pub fn new(keys: &RootKeys) -> Self {
        let mut keys = keys.iter().map(|(id, root)| {
            let prk = extract(root);
            RingKey {
                id,
                wrap: DataKey::new(&expand(&prk, "wrap")),
                sign: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&prk, "sign")),
                field: DataKey::new(&expand(&prk, "seal")),
            }
        });
        let first = keys.next().expect("there is at least one root key");
        Self { first, others: keys.collect() }
    }

    /// The key that seals.
    pub const fn sealing(&self) -> RootKeyID {
        self.first.id
    }

    /// All keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = RootKeyID> {
        self.keys().map(|key| key.id)
    }

    /// The root key that something was wrapped or signed with, as it says itself.
    pub fn id_of(sealed: &[u8]) -> Option<RootKeyID> {
        sealed.first_chunk().copied().map(RootKeyID)
    }

    /// `id (4) || sealed field`, for keys alone: what they open is sealed under them.
    pub fn wrap(&self, field: Sealed<'_>, key: &[u8; 32]) -> Vec<u8> {
        [&self.first.id.0[..], &field.seal(&self.first.wrap, key)].concat()
    }

    /// The wrapped key.
    ///
    /// # Errors
    /// [`Tampered`] when no key of the ring wrapped these bytes for this very field of this very row.
    pub fn unwrap(&self, field: Sealed<'_>, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Tampered> {
        let (key, sealed) = self.find(wrapped)?;
        let plain = field.open(&key.wrap, sealed)?;
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| Tampered)?))
    }

    /// `id (4) || HMAC-SHA-256`
    pub fn sign(&self, label: &'static str, parts: &[&[u8]]) -> Vec<u8> {
        let tag = hmac::sign(&self.first.sign, &message(label, parts));
        [&self.first.id.0[..], tag.as_ref()].concat()
    }

    /// Checks a signature in constant time.
    ///
    /// # Errors
    /// [`Tampered`] when no key of the ring made it for these parts.
    pub fn verify(&self, label: &'static str, parts: &[&[u8]], signature: &[u8]) -> Result<(), Tampered> {
        let (key, tag) = self.find(signature)?;
        hmac::verify(&key.sign, &message(label, parts), tag).map_err(|_| Tampered)
    }

    /// Opens a field that was sealed before accounts had keys of their own.
    ///
    /// # Errors
    /// [`Tampered`] when none of the keys sealed it.
    pub fn open_field(&self, field: Sealed<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Tampered> {
        self.keys().find_map(|key| field.open(&key.field, sealed).ok()).ok_or(Tampered)
    }

    fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn find<'a>(&self, sealed: &'a [u8]) -> Result<(&RingKey, &'a [u8]), Tampered> {
        let (id, rest) = sealed.split_first_chunk().ok_or(Tampered)?;
        let key = self.keys().find(|key| key.id == RootKeyID(*id)).ok_or(Tampered)?;
        Ok((key, rest))
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// What keys of one root are derived from (HKDF-SHA-256, RFC 5869, one label per purpose).
pub(super) fn extract(root: &[u8; 32]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"passkey-accounts/keyring/v1").extract(root)
}

pub(super) fn expand(prk: &hkdf::Prk, label: &'static str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *key))
        .expect("HKDF-SHA-256 can give 32 bytes");
    key
}

fn message(label: &'static str, parts: &[&[u8]]) -> Vec<u8> {
    join(std::iter::once(label.as_bytes()).chain(parts.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::{Ring, RootKeys, Sealed, Tampered};

    const FIELD: Sealed<'_> = Sealed { label: "account-key", owner: &[b"app", b"account"] };

    #[test]
    fn what_an_older_key_wrapped_or_signed_is_good_as_long_as_the_ring_has_it() {
        let old = RootKeys::one(&[1; 32]);
        let (wrapped, signed) =
            (Ring::new(&old).wrap(FIELD, &[9; 32]), Ring::new(&old).sign("roll", &[b"x"]));
        let turned = old.turned(&[2; 32]).unwrap();
        let ring = Ring::new(&turned);
        assert_eq!(*ring.unwrap(FIELD, &wrapped).unwrap(), [9; 32]);
        assert_eq!(ring.verify("roll", &[b"x"], &signed), Ok(()));
        assert_eq!(Ring::id_of(&ring.wrap(FIELD, &[9; 32])), Some(ring.sealing()));
        let ring = Ring::new(&turned.without(old.ids()[0]).unwrap());
        assert_eq!(ring.unwrap(FIELD, &wrapped), Err(Tampered));
        assert_eq!(ring.verify("roll", &[b"x"], &signed), Err(Tampered));
    }

    #[test]
    fn a_changed_bit_of_a_signature_or_of_what_is_signed_is_noticed() {
        let ring = Ring::new(&RootKeys::one(&[1; 32]));
        let signed = ring.sign("roll", &[b"a", b"b"]);
        for index in 0..signed.len() {
            let mut changed = signed.clone();
            changed[index] ^= 1;
            assert_eq!(ring.verify("roll", &[b"a", b"b"], &changed), Err(Tampered), "byte {index}");
        }
        assert_eq!(ring.verify("roll", &[b"ab", b""], &signed), Err(Tampered));
        assert_eq!(ring.verify("api-key", &[b"a", b"b"], &signed), Err(Tampered));
    }
}
