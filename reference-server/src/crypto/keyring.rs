//! The keyring: one root key that is never in the database, and the keys derived from it, one per purpose.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, RandomizedNonceKey},
    hkdf, hmac,
};
use data_encoding::HEXLOWER_PERMISSIVE;
use passkey_accounts::protocol::AppID;
use zeroize::Zeroizing;

use super::{Email, HeadSigner};
use crate::clock::make_random;

/// Length of a root key.
pub const ROOT_KEY_BYTES: usize = 32;

/// The derived keys. The root key itself is forgotten after derivation.
pub struct Keyring {
    pub(super) seal: RandomizedNonceKey,
    email_index: hmac::Key,
    credential_index: hmac::Key,
    decoy: hmac::Key,
    head: HeadSigner,
}

impl Keyring {
    /// Derives the keys (HKDF-SHA-256, RFC 5869, one label per purpose).
    pub fn new(root: &[u8; ROOT_KEY_BYTES]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"passkey-accounts/keyring/v1").extract(root);
        let derive = |label: &'static str| {
            let mut key = Zeroizing::new([0; 32]);
            root.expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|output| output.fill(&mut *key))
                .expect("HKDF-SHA-256 can give 32 bytes");
            key
        };
        let index = |label| hmac::Key::new(hmac::HMAC_SHA256, &*derive(label));
        Self {
            seal: RandomizedNonceKey::new(&AES_256_GCM, &*derive("seal"))
                .expect("a 32-byte key fits AES-256"),
            email_index: index("email-index"),
            credential_index: index("credential-index"),
            decoy: index("decoy"),
            head: HeadSigner::new(&derive("log-head")),
        }
    }

    /// Reads the root key, 64 hexadecimal digits, from `path`; makes one there if `create` and there is none.
    ///
    /// # Errors
    /// [`KeyringError`] when the file is missing, readable by others, or not a key.
    pub fn load(path: &Path, create: bool) -> Result<Self, KeyringError> {
        let shown = || path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                let text = Zeroizing::new(
                    HEXLOWER_PERMISSIVE.encode(&*Zeroizing::new(make_random::<ROOT_KEY_BYTES>())),
                );
                write_secret(path, &text).map_err(|error| KeyringError::Unreadable(shown(), error))?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyringError::Missing(shown()));
            }
            Err(error) => return Err(KeyringError::Unreadable(shown(), error)),
        };
        refuse_if_others_can_read(path)?;
        let bytes = Zeroizing::new(
            HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| KeyringError::NotAKey(shown()))?,
        );
        let root: &[u8; ROOT_KEY_BYTES] =
            bytes.as_slice().try_into().map_err(|_| KeyringError::NotAKey(shown()))?;
        Ok(Self::new(root))
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

    /// 32 bytes that an unknown address always gets, and nobody else can compute.
    pub fn derive_decoy(&self, email_index: &[u8; 32]) -> [u8; 32] {
        tag(&self.decoy, &[email_index])
    }
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// The operating system's; also when the file exists.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_if_others_can_read(path: &Path) -> Result<(), KeyringError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = || path.display().to_string();
    let mode =
        fs::metadata(path).map_err(|error| KeyringError::Unreadable(shown(), error))?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyringError::Exposed(shown())) }
}

#[cfg(not(unix))]
fn refuse_if_others_can_read(_: &Path) -> Result<(), KeyringError> {
    Ok(())
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

/// Why there is no keyring. Each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file does not exist.
    #[error("there is no root key at {0}; make one with: (umask 077; openssl rand -hex 32 > {0})")]
    Missing(String),
    /// The operating system says no.
    #[error("the root key at {0} cannot be read or written: {1}")]
    Unreadable(String, #[source] io::Error),
    /// The file is not a key.
    #[error("the root key at {0} is not 64 hexadecimal digits (32 bytes)")]
    NotAKey(String),
    /// Other users of the machine can read it.
    #[error("the root key at {0} can be read by other users; run: chmod 600 {0}")]
    Exposed(String),
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(hidden)")
    }
}
