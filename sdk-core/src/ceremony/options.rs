//! What a page may hand to its authenticator: options whose challenge binds its own key, origin and action, and no others.

use alloc::{string::String, vec::Vec};

use super::{Offer, action, binding, call::Purpose};
use crate::protocol::{
    AppID, CeremonyID,
    gateway::{AddedPasskey, RawJson, SessionKey},
};

/// The members of WebAuthn options that are checked, read from their JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `challenge`.
    pub challenge: Vec<u8>,
    /// `rp.id` of creation options, `rpId` of request options.
    pub rp_id: String,
    /// The length of `allowCredentials`; 0 for creation options.
    pub allow_credentials: usize,
}

/// What the page knows of itself: the other half of a challenge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) purpose: &'a Purpose,
    pub(super) app_id: AppID,
    pub(super) origin: &'a str,
    pub(super) session_key: &'a SessionKey,
    pub(super) rp_id: &'a str,
}

/// Options that were checked. There is no other way to make one, so nothing else can reach an authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundOptions {
    is_creation: bool,
    ceremony_id: CeremonyID,
    public_key: RawJson,
}

impl BoundOptions {
    /// Recomputes the challenge and compares (docs/protocol.md, "Challenge binding"). The action that it covers is the
    /// page's own, never one that the server says.
    ///
    /// A server, or who sits between, cannot have a signature made here that signs in elsewhere, with another key or
    /// for another purpose.
    ///
    /// `None` is a mismatch.
    pub(super) fn check(offer: Offer, expected: &Expected<'_>) -> Option<Self> {
        let Offer { is_creation, ceremony_id, public_key, options, binding: said } = offer;
        let action = match expected.purpose {
            Purpose::SignUp(_)
            | Purpose::SignIn(_)
            | Purpose::AddPasskey
            | Purpose::MakeRecoveryCode
            | Purpose::Recover(_) => None,
            Purpose::Confirm { action } => Some(action.clone()),
            Purpose::Vouch { made } => {
                let added = said.added.filter(|added| is_key_of(&added.public_key.0, made));
                let AddedPasskey { passkey_id, public_key } = added?;
                Some(action::add_passkey(passkey_id, &public_key.0))
            }
            Purpose::RemovePasskey(passkey_id) => Some(action::remove_passkey(*passkey_id)),
        };
        let challenge = binding::Binding {
            random: &said.random.0,
            kind: expected.purpose.kind(),
            app_id: expected.app_id,
            origin: expected.origin,
            thumbprint: &binding::thumbprint(expected.session_key),
            action: action.as_deref(),
        }
        .derive_challenge();
        let is_bound = is_creation == expected.purpose.is_creation()
            && said.kind == expected.purpose.kind()
            && said.random.0.len() == 32
            && options.is_some_and(|options| {
                options.challenge == challenge
                    && options.rp_id == expected.rp_id
                    // An empty allow list would let the platform offer any passkey of the site.
                    && (is_creation || options.allow_credentials > 0)
            });
        is_bound.then_some(Self { is_creation, ceremony_id, public_key })
    }

    /// A passkey is made (`navigator.credentials.create`), not used (`get`).
    pub const fn is_creation(&self) -> bool {
        self.is_creation
    }

    /// The ceremony that the authenticator's answer belongs to.
    pub const fn ceremony_id(&self) -> CeremonyID {
        self.ceremony_id
    }

    /// The very text that was checked.
    pub const fn public_key(&self) -> &RawJson {
        &self.public_key
    }
}

/// Where the credential id begins in attested authenticator data (WebAuthn Level 3 section 6.5.2): RP ID hash, flags,
/// counter, AAGUID and the id's length come before it.
const CREDENTIAL_ID_AT: usize = 32 + 1 + 4 + 16 + 2;
/// The flag that says that extensions follow the public key.
const HAS_EXTENSIONS: u8 = 0x80;

/// Whether `public_key` (`COSE_Key` bytes) is the one in `authenticator_data`. It stands there between the credential
/// id and the extensions; looking at just that place leaves no way to have a part of something else vouched for.
fn is_key_of(public_key: &[u8], authenticator_data: &[u8]) -> bool {
    let Some((head, rest)) = authenticator_data.split_at_checked(CREDENTIAL_ID_AT) else { return false };
    let (Some(flags), Some([high, low])) = (head.get(32), head.last_chunk()) else { return false };
    let id_length = usize::from(u16::from_be_bytes([*high, *low]));
    let Some((_, from_key)) = rest.split_at_checked(id_length) else { return false };
    if flags & HAS_EXTENSIONS == 0 {
        from_key == public_key
    } else {
        // What follows must be the map of the extensions: a key cut short would leave other bytes there.
        from_key.strip_prefix(public_key).and_then(<[u8]>::first).is_some_and(|first| first >> 5 == 5)
            && !public_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::is_key_of;

    fn authenticator_data(flags: u8, id: &[u8], key: &[u8], extensions: &[u8]) -> Vec<u8> {
        let mut data = vec![1; 32];
        data.push(flags);
        data.extend([0; 4 + 16]);
        data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        for part in [id, key, extensions] {
            data.extend(part);
        }
        data
    }

    #[test]
    fn only_the_whole_key_at_its_place_is_the_key_that_was_made() {
        let key = [0xa5, 1, 2, 3, 0x26];
        let plain = authenticator_data(0x45, b"credential", &key, &[]);
        assert!(is_key_of(&key, &plain));
        let extended = authenticator_data(0xc5, b"credential", &key, &[0xa1, 0x61, 0x78, 0xf5]);
        assert!(is_key_of(&key, &extended));
        for data in [&plain, &extended] {
            for other in [&key[..4], &key[1..], &[], b"credential", &[0xa5, 1, 2, 3, 0x26, 0xa1]] {
                assert!(!is_key_of(other, data), "{other:?}");
            }
        }
        for length in 0..plain.len() {
            assert!(!is_key_of(&key, &plain[..length]), "{length}");
        }
    }
}
