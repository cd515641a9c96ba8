//! Signed heads: the server's word for how long its log is and what it says (docs/protocol.md, "Tamper evidence").

#[cfg(feature = "witness")]
use std::fmt;

#[cfg(feature = "verify")]
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::{ChainHash, Epoch};
#[cfg(feature = "verify")]
use crate::protocol::base64url::Base64Url;
use crate::protocol::{AppID, UnixMillis, base64url::encode};
#[cfg(feature = "witness")]
use crate::{
    key_pair::{self, PublicKey},
    protocol::stream::SignedHead,
};

/// The end of a log at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log's lineage.
    pub epoch: Epoch,
    /// The number of its last entry; 0 for an empty log.
    pub seq: u64,
    /// The hash chain up to it.
    pub hash: ChainHash,
    /// When it was signed.
    pub time: UnixMillis,
}

/// What is signed: `passkey-events-head-v1\n<appID>\n<epoch>\n<seq>\n<hash>\n<time>\n`, the hash in unpadded base64url,
/// the time in RFC 3339 with milliseconds.
///
/// # Panics
/// With a time after the year 9999, which no head that was read can have.
pub fn signing_input(app_id: AppID, head: &Head) -> String {
    let Head { epoch, seq, hash, time } = head;
    format!("passkey-events-head-v1\n{app_id}\n{}\n{seq}\n{}\n{time}\n", epoch.as_str(), encode(hash.0))
}

/// Signs a head.
///
/// # Panics
/// As [`signing_input`].
#[cfg(feature = "verify")]
pub fn sign(app_id: AppID, head: &Head, key: &Ed25519KeyPair) -> SignedHead {
    let sig = key.sign(signing_input(app_id, head).as_bytes());
    let x = key.public_key().as_ref();
    SignedHead {
        epoch: head.epoch.as_str().to_owned(),
        seq: head.seq,
        hash: Base64Url(head.hash.0.to_vec()),
        time: head.time,
        key_id: encode(key_pair::thumbprint(x)),
        sig: Base64Url(sig.as_ref().to_vec()),
    }
}

/// Checks that one of `keys` signed this head for this app's log.
///
/// # Errors
/// [`BadHead`]
#[cfg(feature = "witness")]
pub fn verify(app_id: AppID, signed: &SignedHead, keys: &[HeadKey]) -> Result<Head, BadHead> {
    let epoch = signed.epoch.parse().map_err(|_| BadHead::Malformed("its epoch is not four of 0-9a-v"))?;
    let hash = <[u8; 32]>::try_from(signed.hash.0.as_slice());
    let hash = ChainHash(hash.map_err(|_| BadHead::Malformed("its hash is not 32 bytes"))?);
    let head = Head { epoch, seq: signed.seq, hash, time: signed.time };
    let key = keys.iter().find(|key| key.id == signed.key_id).ok_or(BadHead::UnknownKey)?;
    let input = signing_input(app_id, &head);
    key.x.verify(input.as_bytes(), &signed.sig.0).map_err(|_| BadHead::Signature)?;
    Ok(head)
}

/// The public key of a server that signs heads, to be pinned: written down where the server cannot change it.
///
/// ```
/// use passkey_accounts::log::head::HeadKey;
///
/// // The member `x` of the server's key in `/.well-known/jwks.json`.
/// let key = HeadKey::from_jwk_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")?;
/// assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<_, passkey_accounts::log::head::NotAHeadKey>(())
/// ```
#[cfg(feature = "witness")]
#[derive(Clone, PartialEq, Eq)]
pub struct HeadKey {
    x: PublicKey,
    id: String,
}

#[cfg(feature = "witness")]
impl HeadKey {
    /// The Ed25519 key whose JWK (`kty` `OKP`, RFC 8037) has this `x`: 43 characters of unpadded base64url.
    ///
    /// # Errors
    /// [`NotAHeadKey`]
    pub fn from_jwk_x(x: &str) -> Result<Self, NotAHeadKey> {
        PublicKey::parse(x).map(Self::of).map_err(|_| NotAHeadKey)
    }

    /// The Ed25519 key with these bytes (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`NotAHeadKey`]
    pub fn from_bytes(x: [u8; 32]) -> Result<Self, NotAHeadKey> {
        PublicKey::from_bytes(x).map(Self::of).map_err(|_| NotAHeadKey)
    }

    fn of(x: PublicKey) -> Self {
        Self { x, id: encode(key_pair::thumbprint(x.as_bytes())) }
    }

    /// The key's id: its RFC 7638 thumbprint, 43 characters of unpadded base64url.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The member `x` of its JWK, unpadded base64url.
    pub fn jwk_x(&self) -> String {
        self.x.to_string()
    }
}

#[cfg(feature = "witness")]
impl fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadKey({})", self.id)
    }
}

/// The text or bytes are not an Ed25519 public key of prime order.
#[cfg(feature = "witness")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the x of an Ed25519 public key")]
pub struct NotAHeadKey;

/// Why a head proves nothing.
#[cfg(feature = "witness")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// It is not a head.
    #[error("the signed head cannot be read: {0}")]
    Malformed(&'static str),
    /// It is signed with a key that is not pinned. After a rotation, pin the new key too.
    #[error("the head is signed with a key that is not pinned")]
    UnknownKey,
    /// The signature is not the key's over this head.
    #[error("the head's signature does not verify")]
    Signature,
}

#[cfg(feature = "verify")]
#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::{BadHead, Head, HeadKey, sign, signing_input, verify};
    use crate::{
        log::{ChainHash, Epoch},
        protocol::{AppID, UnixMillis, stream::SignedHead},
    };

    const APP: AppID = AppID::from_bytes([2; 16]);

    fn head() -> Head {
        let time = UnixMillis(1_795_370_400_123);
        Head { epoch: Epoch::from_random(7), seq: 42, hash: ChainHash([9; 32]), time }
    }

    fn pair(seed: u8) -> (Ed25519KeyPair, HeadKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let x = pair.public_key().as_ref().try_into().unwrap();
        (pair, HeadKey::from_bytes(x).unwrap())
    }

    #[test]
    fn the_signed_text_is_the_one_of_the_protocol() {
        assert_eq!(
            signing_input(APP, &head()),
            "passkey-events-head-v1\napp_081040g2081040g2081040g208\n0007\n42\n\
             CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\n2026-11-22T18:00:00.123Z\n"
        );
    }

    #[test]
    fn a_head_verifies_with_the_key_that_signed_it_for_its_app_only() {
        let (signer, key) = pair(1);
        let (_, other_key) = pair(2);
        let signed = sign(APP, &head(), &signer);
        assert_eq!(signed.key_id, key.id());
        assert_eq!(verify(APP, &signed, &[other_key.clone(), key.clone()]), Ok(head()));
        assert_eq!(verify(APP, &signed, &[other_key]), Err(BadHead::UnknownKey));
        assert_eq!(verify(AppID::from_bytes([3; 16]), &signed, &[key]), Err(BadHead::Signature));
    }

    #[test]
    fn a_head_with_any_member_changed_does_not_verify() {
        let (signer, key) = pair(1);
        let (impostor, _) = pair(2);
        let signed = sign(APP, &head(), &signer);
        let check = |change: &dyn Fn(&mut SignedHead)| {
            let mut changed = signed.clone();
            change(&mut changed);
            verify(APP, &changed, std::slice::from_ref(&key)).unwrap_err()
        };
        assert_eq!(check(&|head| head.epoch = "0008".into()), BadHead::Signature);
        assert_eq!(check(&|head| head.seq += 1), BadHead::Signature);
        assert_eq!(check(&|head| head.hash.0[31] ^= 1), BadHead::Signature);
        assert_eq!(check(&|head| head.time.0 += 1), BadHead::Signature);
        assert_eq!(check(&|head| head.sig.0[0] ^= 1), BadHead::Signature);
        assert_eq!(check(&|head| head.sig.0.truncate(63)), BadHead::Signature);
        assert_eq!(check(&|signed| signed.sig = sign(APP, &head(), &impostor).sig), BadHead::Signature);
        assert!(matches!(check(&|head| head.epoch = "7".into()), BadHead::Malformed(_)));
        assert!(matches!(check(&|head| head.hash.0.truncate(31)), BadHead::Malformed(_)));
    }
}
