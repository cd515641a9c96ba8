//! What a page may hand to its authenticator: options whose challenge binds its own key and origin, and no others.

use super::binding;
use crate::protocol::{
    AppID, CeremonyID, Code,
    gateway::{Ceremony, CeremonyKind, Failure, RawJson, SessionKey},
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
    pub(super) kind: CeremonyKind,
    pub(super) app_id: AppID,
    pub(super) origin: &'a str,
    pub(super) session_key: &'a SessionKey,
    pub(super) rp_id: &'a str,
}

/// Options that were checked. There is no other way to make one, so nothing else can reach an authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundOptions {
    kind: CeremonyKind,
    ceremony_id: CeremonyID,
    public_key: RawJson,
}

impl BoundOptions {
    /// Recomputes the challenge and compares (docs/protocol.md, "Challenge binding").
    ///
    /// A server, or who sits between, cannot have a signature made here that signs in elsewhere, with another key or
    /// for another purpose. `options` must have been read from `ceremony.public_key`.
    ///
    /// # Errors
    /// [`Code::ChallengeMismatch`].
    pub(super) fn check(
        ceremony: Ceremony,
        options: Option<&Options>,
        expected: &Expected<'_>,
    ) -> Result<Self, Failure> {
        let Some(options) = options else { return Err(Code::ChallengeMismatch.into()) };
        let challenge = binding::Binding {
            random: &ceremony.binding.random.0,
            kind: expected.kind,
            app_id: expected.app_id,
            origin: expected.origin,
            thumbprint: &binding::thumbprint(expected.session_key),
            action: None,
        }
        .derive_challenge();
        // An empty allow list would let the platform offer any passkey of the site.
        let names_passkeys = match expected.kind {
            CeremonyKind::SignUp | CeremonyKind::AddPasskey => true,
            CeremonyKind::SignIn | CeremonyKind::Confirm | CeremonyKind::RemovePasskey => {
                options.allow_credentials > 0
            }
        };
        let is_bound = ceremony.binding.kind == expected.kind
            && ceremony.binding.random.0.len() == 32
            && options.challenge == challenge
            && options.rp_id == expected.rp_id
            && names_passkeys;
        if !is_bound {
            return Err(Code::ChallengeMismatch.into());
        }
        let Ceremony { ceremony_id, public_key, .. } = ceremony;
        Ok(Self { kind: expected.kind, ceremony_id, public_key })
    }

    /// Sign-up makes a passkey (`navigator.credentials.create`), sign-in uses one (`get`).
    pub const fn kind(&self) -> CeremonyKind {
        self.kind
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
