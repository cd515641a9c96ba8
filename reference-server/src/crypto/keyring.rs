//! The keyring: the ring of root keys, and the keys that stay the same when it turns.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use passkey_accounts::protocol::{AccountID, AppID};

use super::{
    Email, HeadSigner, ROOT_KEY_BYTES, Ring, RootKeys,
    ring::{expand, extract},
};

/// The keys of a running server.
pub struct Keyring {
    ring: RwLock<Arc<Ring>>,
    email_index: hmac::Key,
    credential_index: hmac::Key,
    decoy: hmac::Key,
    recovery: hmac::Key,
    roll: hmac::Key,
    head: HeadSigner,
}

impl Keyring {
    /// The keyring of this ring. `index_root` is the database's own secret, which the ring wraps: what is looked up by a
    /// keyed index, and who checks signed heads, must not notice that the ring turns.
    pub fn new(ring: Ring, index_root: &[u8; 32]) -> Self {
        let prk = extract(index_root);
        let index = |label| hmac::Key::new(hmac::HMAC_SHA256, &*expand(&prk, label));
        Self {
            ring: RwLock::new(Arc::new(ring)),
            email_index: index("email-index"),
            credential_index: index("credential-index"),
            decoy: index("decoy"),
            recovery: index("recovery-code"),
            roll: index("roll"),
            head: HeadSigner::new(&expand(&prk, "log-head")),
        }
    }

    /// The keyring of one root key that is its own index root.
    pub fn of(root: &[u8; ROOT_KEY_BYTES]) -> Self {
        Self::new(Ring::new(&RootKeys::one(root)), root)
    }

    /// The ring as it is now.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another ring from now on.
    pub fn turn(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// The keyed index that an address is looked up by: 32 bytes that say nothing without the key.
    pub fn derive_email_index(&self, app_id: AppID, email: &Email) -> [u8; 32] {
        tag(&self.email_index, &[app_id.as_bytes(), email.normalized().as_bytes()])
    }

    /// The keyed index that a credential id is looked up by.
    pub fn derive_credential_index(&self, app_id: AppID, credential_id: &[u8]) -> [u8; 32] {
        tag(&self.credential_index, &[app_id.as_bytes(), credential_id])
    }

    /// What signs the heads of logs.
    pub const fn head_signer(&self) -> &HeadSigner {
        &self.head
    }

    /// 32 bytes for a part of an unknown address's decoys: the same always, and nobody without the key can compute them.
    pub fn derive_decoy(&self, email_index: &[u8; 32], label: &'static str, name: &[u8]) -> [u8; 32] {
        tag(&self.decoy, &[&super::join([email_index.as_slice(), label.as_bytes(), name])])
    }

    /// What is kept of an account's recovery code.
    pub fn derive_recovery_hash(&self, account_id: AccountID, code: &[u8; 16]) -> [u8; 32] {
        tag(&self.recovery, &[account_id.as_bytes(), code])
    }

    /// What a row adds to the roll: 32 bytes that nobody without the key can compute, or choose rows for.
    pub fn derive_roll_tag(&self, label: &'static str, parts: &[&[u8]]) -> [u8; 32] {
        let message = super::join(std::iter::once(label.as_bytes()).chain(parts.iter().copied()));
        tag(&self.roll, &[&message])
    }
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(hidden)")
    }
}
