//! Key pairs of back ends: in place of an API key, which works for whoever reads it once, a key that signs and never
//! travels (docs/protocol.md, "Key pairs").

use std::fmt;

use data_encoding::{BASE32_DNSSEC, HEXLOWER};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::protocol::base64url::{decode_array, encode};

/// The private half of a key pair, Ed25519. It stands wherever an API key may stand, and the SDK notices by its beginning
/// that it has to sign.
///
/// ```
/// use passkey_accounts::key_pair::KeyPair;
///
/// let pair = KeyPair::from_seed(&[7; 32]);
/// let text = pair.reveal();
/// assert!(text.starts_with("pa_pair_") && KeyPair::is_one(&text));
/// assert_eq!(KeyPair::parse(&text)?.public_key(), pair.public_key());
/// # Ok::<_, passkey_accounts::key_pair::NotAKeyPair>(())
/// ```
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The key pair with this seed (RFC 8032 section 5.1.5): 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Whether a text means to be one: it begins with `pa_pair_`. Such a text must never be sent.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads `pa_pair_<seed>_<checksum>`: the seed in base32hex, 52 lower-case characters, and the beginning of the SHA-256
    /// of all before the last `_`, 8 hexadecimal characters.
    ///
    /// # Errors
    /// [`NotAKeyPair`]
    pub fn parse(text: &str) -> Result<Self, NotAKeyPair> {
        let (body, sum) = text.rsplit_once('_').ok_or(NotAKeyPair)?;
        let seed = body.strip_prefix(PREFIX).filter(|_| sum == checksum(body)).ok_or(NotAKeyPair)?;
        let seed = Zeroizing::new(BASE32_DNSSEC.decode(seed.as_bytes()).map_err(|_| NotAKeyPair)?);
        let seed = <&[u8; 32]>::try_from(seed.as_slice()).map_err(|_| NotAKeyPair)?;
        Ok(Self::from_seed(seed))
    }

    /// The whole private half, to be kept where secrets are kept.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(PREFIX.to_owned());
        text.push_str(&Zeroizing::new(BASE32_DNSSEC.encode(self.0.as_bytes())));
        let sum = checksum(&text);
        text.push('_');
        text.push_str(&sum);
        text
    }

    /// The half that the server knows.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Answers the challenge of the server at this origin (`https://host[:port]`): 64 bytes.
    pub fn answer(&self, origin: &str, nonce: &str) -> [u8; 64] {
        self.sign(signing_input(origin, nonce).as_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, seed hidden)", self.public_key().key_id())
    }
}

/// The public half of a key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 43 characters of unpadded base64url: the `x` of the key's JWK (RFC 8037).
    ///
    /// # Errors
    /// [`NotAPublicKey`]
    pub fn parse(text: &str) -> Result<Self, NotAPublicKey> {
        Self::from_bytes(decode_array(text).map_err(|_| NotAPublicKey)?)
    }

    /// The key with these bytes (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`NotAPublicKey`]
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, NotAPublicKey> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| NotAPublicKey)?;
        // With a point of small order, one signature would fit many messages.
        let point = key.to_edwards();
        let is_sound = point.compress().0 == bytes && !point.is_small_order() && point.is_torsion_free();
        if is_sound { Ok(Self(key)) } else { Err(NotAPublicKey) }
    }

    /// 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's public name, by which the server finds it: 16 characters, the beginning of its RFC 7638 thumbprint in
    /// base32hex.
    pub fn key_id(&self) -> String {
        let thumbprint = thumbprint(self.as_bytes());
        BASE32_DNSSEC.encode(&thumbprint[..KEY_ID_BYTES])
    }

    /// Checks the answer to a challenge.
    ///
    /// # Errors
    /// [`BadSignature`]
    pub fn check_answer(&self, origin: &str, nonce: &str, signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(signing_input(origin, nonce).as_bytes(), signature)
    }

    /// Checks that the key has signed exactly this.
    ///
    /// # Errors
    /// [`BadSignature`]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The text is no private half of a key pair, or is misspelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no key pair, or it is misspelt; it looks like pa_pair_..., as `passkey-accounts key generate` printed it"
)]
pub struct NotAKeyPair;

/// The text or bytes are not an Ed25519 public key of prime order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no Ed25519 public key; it has 43 characters of base64url")]
pub struct NotAPublicKey;

/// The key has not signed this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key has not signed exactly this")]
pub struct BadSignature;

/// The RFC 7638 thumbprint of the Ed25519 JWK with this `x`: SHA-256.
pub(crate) fn thumbprint(x: &[u8]) -> [u8; 32] {
    Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))).into()
}

/// What is signed to answer a challenge. The origin is in it, so that a server in the middle, which hands on another one's
/// challenge, gets an answer that is good with nobody.
fn signing_input(origin: &str, nonce: &str) -> String {
    format!("passkey-accounts-key-v1\n{origin}\n{nonce}\n")
}

fn checksum(body: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(body).into();
    HEXLOWER.encode(&hash[..4])
}

const PREFIX: &str = "pa_pair_";
const KEY_ID_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::{KeyPair, PublicKey};

    #[test]
    fn a_key_pair_reads_back() {
        let pair = KeyPair::from_seed(&[9; 32]);
        let text = pair.reveal();
        let read = KeyPair::parse(&text).unwrap();
        assert_eq!(read.public_key(), pair.public_key());
        assert_eq!(PublicKey::parse(&pair.public_key().to_string()), Ok(pair.public_key()));
        assert_eq!(pair.public_key().key_id().len(), 16);
        assert!(!format!("{pair:?}").contains(&text[8..40]));
    }

    #[test]
    fn a_misspelt_one_is_noticed() {
        let text = KeyPair::from_seed(&[9; 32]).reveal();
        for index in 0..text.len() {
            let mut wrong = text.to_string();
            let replacement = if &text[index..=index] == "0" { "1" } else { "0" };
            wrong.replace_range(index..=index, replacement);
            assert!(KeyPair::parse(&wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "pa_pair_", "pa_pair__", &format!("{}0", *text), &format!(" {}", *text)] {
            assert!(KeyPair::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_good_for_one_server_and_one_nonce() {
        let pair = KeyPair::from_seed(&[9; 32]);
        let answer = pair.answer("https://auth.example", "nonce");
        let key = pair.public_key();
        assert!(key.check_answer("https://auth.example", "nonce", &answer).is_ok());
        assert!(key.check_answer("https://evil.example", "nonce", &answer).is_err());
        assert!(key.check_answer("https://auth.example", "other", &answer).is_err());
        assert!(key.check_answer("https://auth.example", "nonce", &answer[..63]).is_err());
        let other = KeyPair::from_seed(&[8; 32]).public_key();
        assert!(other.check_answer("https://auth.example", "nonce", &answer).is_err());
    }

    #[test]
    fn a_point_that_fits_many_signatures_is_no_key() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey::from_bytes(identity).is_err());
        assert!(PublicKey::from_bytes([0xff; 32]).is_err());
        assert!(PublicKey::parse("AQ").is_err());
    }
}
