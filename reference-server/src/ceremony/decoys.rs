//! Decoys: credentials for addresses that have none, the same every time, so that an unknown address looks like a known one.

use passkey_accounts::protocol::webauthn::Transport;

use crate::crypto::Keyring;

/// Credential id lengths and transports of common platforms, so that decoys look like their passkeys.
const SHAPES: [(usize, &[Transport]); 4] = [
    (16, &[Transport::Hybrid, Transport::Internal]),
    (20, &[Transport::Hybrid, Transport::Internal]),
    (32, &[Transport::Internal]),
    (32, &[Transport::Hybrid, Transport::Internal]),
];

/// The decoy of an address: one credential.
pub(super) fn derive(keyring: &Keyring, email_index: &[u8; 32]) -> Option<(Vec<u8>, Vec<Transport>)> {
    let bytes = keyring.derive_decoy(email_index);
    let shape = keyring.derive_decoy(&bytes);
    let (length, transports) = SHAPES.get(usize::from(shape[0]) % SHAPES.len())?;
    Some((bytes.iter().copied().take(*length).collect(), transports.to_vec()))
}
