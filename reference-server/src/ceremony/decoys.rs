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

/// How many passkeys an account is made to look to have: of 16 addresses, most have one, as accounts do. Several must not
/// mean that the address is known.
const COUNTS: [usize; 16] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3];

/// The decoys of an address: one to three credentials.
pub(super) fn derive(keyring: &Keyring, email_index: &[u8; 32]) -> Vec<(Vec<u8>, Vec<Transport>)> {
    let [_, count, ..] = keyring.derive_decoy(&keyring.derive_decoy(email_index));
    let count = COUNTS.get(usize::from(count) % COUNTS.len()).copied().unwrap_or(1);
    let mut decoys = Vec::with_capacity(count);
    let mut index = *email_index;
    while decoys.len() < count {
        let bytes = keyring.derive_decoy(&index);
        index = keyring.derive_decoy(&bytes);
        let [shape, ..] = index;
        let (length, transports) = SHAPES.get(usize::from(shape) % SHAPES.len()).unwrap_or(&SHAPES[0]);
        decoys.push((bytes.iter().copied().take(*length).collect(), transports.to_vec()));
    }
    decoys
}
