//! A passkey's public key: read strictly from COSE, and kept small.

use std::fmt;

use ciborium::Value;
use curve25519_dalek::edwards::CompressedEdwardsY;

use super::{Malformed, Part, cbor, signature};
use crate::protocol::webauthn::Algorithm;

/// A public key of one of the offered algorithms.
///
/// ```
/// use passkey_accounts::evidence::PublicKey;
/// # let cose = data_encoding::HEXLOWER.decode(b"a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220").unwrap();
/// let key = PublicKey::from_cose(&cose)?;
/// assert_eq!(PublicKey::from_bytes(&key.to_bytes())?, key);
/// assert_eq!(key.to_cose(), cose);
/// # Ok::<_, passkey_accounts::evidence::PublicKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Key);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The uncompressed point: a compressed one would cost a square root at every sign-in.
    Es256([u8; P256_POINT_BYTES]),
    /// The compressed point of RFC 8032.
    EdDsa([u8; 32]),
    /// The modulus; the exponent is [`RSA_EXPONENT`].
    Rs256(Box<[u8]>),
}

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// It is of an algorithm that this version does not verify.
    #[error("no support for keys of COSE algorithm {0}")]
    Algorithm(i64),
    /// It is not a key, or not written as CTAP2 demands.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The signature is not this key's over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

impl PublicKey {
    /// Reads a `COSE_Key` (RFC 9052 section 7, as narrowed by WebAuthn section 6.5.1.1 and CTAP2).
    ///
    /// Canonical CBOR with exactly the members that the key type needs; a point on its curve (for Ed25519: in canonical
    /// form and of prime order); an RSA modulus of 2048 to 4096 bits with the exponent 65537.
    ///
    /// # Errors
    /// [`PublicKeyError`]
    pub fn from_cose(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let key = cbor::parse(bytes).map_err(|_| malformed("it is not canonical CBOR"))?;
        match algorithm_of(&key)? {
            Algorithm::Es256 => es256_from_cose(&key),
            Algorithm::EdDsa => eddsa_from_cose(&key),
            Algorithm::Rs256 => rs256_from_cose(&key),
        }
        .map(Self)
        .map_err(PublicKeyError::Malformed)
    }

    /// Writes the `COSE_Key` that [`PublicKey::from_cose`] reads.
    pub fn to_cose(&self) -> Vec<u8> {
        let alg = self.algorithm().cose();
        let members: Vec<(i64, Value)> = match &self.0 {
            Key::Es256(point) => {
                let (x, y) = point.split_at(P256_POINT_BYTES - 32);
                let x = x.get(1..).unwrap_or_default();
                vec![(1, 2.into()), (3, alg.into()), (-1, 1.into()), (-2, bytes(x)), (-3, bytes(y))]
            }
            Key::EdDsa(point) => vec![(1, 1.into()), (3, alg.into()), (-1, 6.into()), (-2, bytes(point))],
            Key::Rs256(modulus) => {
                vec![(1, 3.into()), (3, alg.into()), (-1, bytes(modulus)), (-2, bytes(&RSA_EXPONENT))]
            }
        };
        let members = members.into_iter().map(|(name, value)| (name.into(), value)).collect();
        cbor::encode(&Value::Map(members)).expect("writing to memory does not fail")
    }

    /// Reads the form that [`PublicKey::to_bytes`] writes, from a place that is trusted: the shape is checked, the curve
    /// is not (a point that is off it verifies nothing).
    ///
    /// # Errors
    /// [`PublicKeyError`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let wrong = malformed("the stored form is of another shape");
        let (tag, rest) = bytes.split_first().ok_or(wrong)?;
        Ok(Self(match *tag {
            TAG_ES256 => Key::Es256(rest.try_into().map_err(|_| wrong)?),
            TAG_EDDSA => Key::EdDsa(rest.try_into().map_err(|_| wrong)?),
            TAG_RS256 => Key::Rs256(rsa_modulus(rest)?.into()),
            _ => return Err(wrong.into()),
        }))
    }

    /// The form to keep: one byte for the algorithm, then the point or the modulus (66, 33 or 257 to 513 bytes).
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Key::Es256(point) => [&[TAG_ES256][..], point].concat(),
            Key::EdDsa(point) => [&[TAG_EDDSA][..], point].concat(),
            Key::Rs256(modulus) => [&[TAG_RS256][..], modulus].concat(),
        }
    }

    /// What its signatures are made with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Key::Es256(_) => Algorithm::Es256,
            Key::EdDsa(_) => Algorithm::EdDsa,
            Key::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Checks a signature in the form of WebAuthn section 6.5.5: ECDSA in strict DER, Ed25519 of 64 bytes, RSA as long as
    /// the modulus.
    ///
    /// # Errors
    /// [`BadSignature`]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if signature::is_signed(&self.0, message, signature) { Ok(()) } else { Err(BadSignature) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithm())
    }
}

pub(super) const P256_POINT_BYTES: usize = 65;

/// 65537. The only exponent that authenticators use; others are slow, or weak with sloppy padding checks.
pub(super) const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

const TAG_ES256: u8 = 1;
const TAG_EDDSA: u8 = 2;
const TAG_RS256: u8 = 3;

fn malformed(reason: &'static str) -> Malformed {
    Part::PublicKey.malformed(reason)
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

/// The `alg` member (label 3), which WebAuthn demands of every credential key.
fn algorithm_of(key: &Value) -> Result<Algorithm, PublicKeyError> {
    let members = key.as_map().ok_or(malformed("it is not a map"))?;
    let alg = members.iter().find(|(label, _)| *label == Value::from(3)).map(|(_, alg)| alg);
    let number = alg.and_then(Value::as_integer).and_then(|number| i64::try_from(number).ok());
    let number = number.ok_or(malformed("it names no algorithm"))?;
    Algorithm::from_cose(number).ok_or(PublicKeyError::Algorithm(number))
}

fn es256_from_cose(key: &Value) -> Result<Key, Malformed> {
    let members = cbor::exact_members(key, [1, 3, -1, -2, -3])
        .ok_or(malformed("its members are not kty, alg, crv, x, y"))?;
    let [kty, _, crv, Value::Bytes(x), Value::Bytes(y)] = members else {
        return Err(malformed("x and y are not byte strings"));
    };
    if *kty != Value::from(2) || *crv != Value::from(1) {
        return Err(malformed("it is not a P-256 key"));
    }
    let point = [&[4][..], x, y].concat();
    let point = <[u8; P256_POINT_BYTES]>::try_from(point).ok().filter(|_| x.len() == 32);
    let key = Key::Es256(point.ok_or(malformed("x and y are not 32 bytes each"))?);
    if signature::is_key(&key) { Ok(key) } else { Err(malformed("the point is not on P-256")) }
}

fn eddsa_from_cose(key: &Value) -> Result<Key, Malformed> {
    let members =
        cbor::exact_members(key, [1, 3, -1, -2]).ok_or(malformed("its members are not kty, alg, crv, x"))?;
    let [kty, _, crv, Value::Bytes(x)] = members else {
        return Err(malformed("x is not a byte string"));
    };
    if *kty != Value::from(1) || *crv != Value::from(6) {
        return Err(malformed("it is not an Ed25519 key"));
    }
    let point = <[u8; 32]>::try_from(x.as_slice()).map_err(|_| malformed("x is not 32 bytes"))?;
    // Libraries take any 32 bytes. With a point of small order, one signature would fit many messages.
    let is_sound = CompressedEdwardsY(point)
        .decompress()
        .is_some_and(|p| p.compress().0 == point && !p.is_small_order() && p.is_torsion_free());
    if is_sound {
        Ok(Key::EdDsa(point))
    } else {
        Err(malformed("the point is not one of prime order on Ed25519"))
    }
}

fn rs256_from_cose(key: &Value) -> Result<Key, Malformed> {
    let members =
        cbor::exact_members(key, [1, 3, -1, -2]).ok_or(malformed("its members are not kty, alg, n, e"))?;
    let [kty, _, Value::Bytes(n), Value::Bytes(e)] = members else {
        return Err(malformed("n and e are not byte strings"));
    };
    if *kty != Value::from(3) {
        return Err(malformed("it is not an RSA key"));
    }
    if e.as_slice() != RSA_EXPONENT {
        return Err(malformed("the exponent is not 65537"));
    }
    let key = Key::Rs256(rsa_modulus(n)?.into());
    if signature::is_key(&key) { Ok(key) } else { Err(malformed("the modulus is no modulus")) }
}

/// A modulus without leading zeros, of 2048 to 4096 bits, odd.
fn rsa_modulus(n: &[u8]) -> Result<&[u8], Malformed> {
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let is_minimal = n.first().is_some_and(|first| *first != 0);
    let is_odd = n.last().is_some_and(|last| last & 1 == 1);
    if is_minimal && is_odd && (2048..=4096).contains(&bits) {
        Ok(n)
    } else {
        Err(malformed("the modulus is not odd with 2048 to 4096 bits"))
    }
}
