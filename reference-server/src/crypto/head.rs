//! The key that signs the heads of logs: who has seen one head can prove later that history was changed.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use passkey_accounts::{
    log::head::{self, Head, HeadKey},
    protocol::{AppID, UnixMillis, stream::SignedHead},
};

use crate::log::Place;

/// Signs heads. `Debug` hides the key.
pub struct HeadSigner {
    pair: Ed25519KeyPair,
    public: HeadKey,
}

impl HeadSigner {
    /// The signer with this seed.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 seed");
        let x = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        let public = HeadKey::from_bytes(x).expect("a key made from a seed is sound");
        Self { pair, public }
    }

    /// The public key.
    pub const fn public(&self) -> &HeadKey {
        &self.public
    }

    /// Signs the head of an app's log.
    pub fn sign(&self, app_id: AppID, place: Place, now: UnixMillis) -> SignedHead {
        let head = Head { epoch: place.id.epoch, seq: place.id.seq, hash: place.hash, time: now };
        head::sign(app_id, &head, &self.pair)
    }
}

impl fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadSigner({})", self.public.id())
    }
}
