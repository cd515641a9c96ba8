//! Decoys: credentials for addresses that have none, the same every time, so that an unknown address looks like a known one.

use passkey_accounts::protocol::webauthn::Transport;

use crate::{
    accounts::{Look, Population},
    crypto::Keyring,
};

/// The decoys of an address, at least one: as many and such as an account of the app could have, with ids that nobody
/// without the server's key can tell from random ones.
pub fn derive_decoys(
    keyring: &Keyring,
    email_index: &[u8; 32],
    population: &Population,
) -> Vec<(Vec<u8>, Vec<Transport>)> {
    let looks = population.draw(&keyring.derive_decoy(email_index, "looks", &[]));
    let decoys = looks.into_iter().enumerate().map(|(place, Look { id_bytes, transports })| {
        // What a decoy has at this place, with this length, it has whatever comes before and after it.
        let name = format!("{place} {id_bytes}");
        let blocks = (0..id_bytes.div_ceil(32))
            .flat_map(|block| keyring.derive_decoy(email_index, "id", format!("{name} {block}").as_bytes()));
        (blocks.take(id_bytes).collect(), transports)
    });
    decoys.collect()
}
