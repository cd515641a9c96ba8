//! Whether evidence in an event is what the event says: a passkey's signature over exactly this.

use super::{
    Algorithm, AssertionError, AssertionExpectation, KnownPasskey, PublicKey, PublicKeyError,
    UserVerification, VerifiedAssertion, authenticator_data::AuthenticatorData, verify_assertion,
};
use crate::{
    ceremony::{
        action,
        binding::{Binding, thumbprint},
    },
    protocol::{
        AppID,
        event::{Confirmed, Evidence, LoggedIn, PasskeyAdded, PasskeyRemoved},
        gateway::{CeremonyKind, SessionKey},
    },
};

/// What a back end knows of its own app. It comes from the back end's configuration, never from the server: these are
/// the parts of a signature that the server could otherwise choose.
///
/// ```
/// use passkey_accounts::{evidence::{Expected, PublicKey}, protocol::event::LoggedIn};
///
/// fn is_real(expected: &Expected, login: &LoggedIn, pinned: &PublicKey) -> bool {
///     expected.check_login(login, pinned).is_ok()
/// }
///
/// let expected = Expected {
///     app_id: "app_081040g2081040g2081040g208".parse()?,
///     rp_id: "shop.example".into(),
///     origins: vec!["https://shop.example".into()],
/// };
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The app.
    pub app_id: AppID,
    /// Its WebAuthn RP ID: `shop.example`.
    pub rp_id: String,
    /// The origins that its pages have, character for character: `https://shop.example`.
    pub origins: Vec<String>,
}

/// What evidence is said to be for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The purpose.
    pub kind: CeremonyKind,
    /// The action, in its RFC 8785 form; `None` for a sign-in.
    pub action: Option<&'a str>,
    /// The key of the session that asked, where the event or what is known of its session tells it.
    pub session_key: Option<&'a SessionKey>,
}

/// What evidence has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// The challenge that was signed. An honest one never comes twice.
    pub challenge: [u8; 32],
    /// What the authenticator said besides. The counter is not compared: that is the server's event `counterRegressed`.
    pub assertion: VerifiedAssertion,
}

/// Why an event is not believed. Its code is [`EvidenceForged`](crate::protocol::Code::EvidenceForged).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// Only a signature could show it, and there is none.
    #[error("it has no evidence")]
    NoEvidence,
    /// The event says one thing and its evidence another.
    #[error("its evidence is for another {0}")]
    Differs(&'static str),
    /// A page of this origin does not belong to the app.
    #[error("its evidence is from an origin that is not the app's")]
    Origin,
    /// The account is not known to have the passkey.
    #[error("no passkey is known that could have signed it")]
    UnknownPasskey,
    /// It says that something begins which has begun long ago.
    #[error("the account or the passkey is known already, or was erased")]
    AlreadyKnown,
    /// The signature is real and was used before.
    #[error("its evidence was used before")]
    Replayed,
    /// The passkey's public key cannot be used.
    #[error("its public key is of no use: {0}")]
    Key(#[from] PublicKeyError),
    /// The signature does not fit: of another key, app, RP ID, action or session, or broken.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
}

impl Expected {
    /// Checks that `key` signed for this claim and this app: the challenge is computed from the claim, the person was
    /// verified, and every step of WebAuthn Level 3 section 7.2 holds.
    ///
    /// # Errors
    /// [`Forged`]: the first thing that does not hold.
    pub fn check(&self, evidence: &Evidence, claim: Claim<'_>, key: &PublicKey) -> Result<Proven, Forged> {
        if evidence.kind != claim.kind {
            return Err(Forged::Differs("purpose"));
        }
        // The browser wrote the origin into what was signed, so the evidence cannot lie about it. But the server
        // could let its own page be an origin of the app.
        if !self.origins.contains(&evidence.origin) {
            return Err(Forged::Origin);
        }
        let signed_for: &[u8; 32] =
            evidence.thumbprint.0.as_slice().try_into().map_err(|_| Forged::Differs("session key"))?;
        if claim.session_key.is_some_and(|key| thumbprint(key) != *signed_for) {
            return Err(Forged::Differs("session key"));
        }
        let binding = Binding {
            random: &evidence.random.0,
            kind: claim.kind,
            app_id: self.app_id,
            origin: &evidence.origin,
            thumbprint: signed_for,
            action: claim.action,
        };
        let challenge = binding.derive_challenge();
        let assertion = self.verify(evidence, &challenge, key)?;
        Ok(Proven { challenge, assertion })
    }

    /// Checks a `loggedIn` against the public key of the passkey that it names. That of a sign-up has no evidence and is
    /// refused here: [`Pins`](super::Pins) believe it with the events before it.
    ///
    /// # Errors
    /// [`Forged`]
    pub fn check_login(&self, login: &LoggedIn, key: &PublicKey) -> Result<Proven, Forged> {
        let evidence = login.evidence.as_ref().ok_or(Forged::NoEvidence)?;
        if evidence.origin != login.origin {
            return Err(Forged::Differs("origin"));
        }
        let claim = Claim { kind: CeremonyKind::SignIn, action: None, session_key: Some(&login.session_key) };
        let proven = self.check(evidence, claim, key)?;
        let VerifiedAssertion { user_verified, backed_up, .. } = proven.assertion;
        if (login.user_verified, login.backed_up) != (user_verified, backed_up) {
            return Err(Forged::Differs("state of the passkey"));
        }
        Ok(proven)
    }

    /// Checks a `confirmed` against the public key of the passkey that it names and the key of the session.
    ///
    /// # Errors
    /// [`Forged`]
    pub fn check_confirmation(
        &self,
        confirmed: &Confirmed,
        session_key: &SessionKey,
        key: &PublicKey,
    ) -> Result<Proven, Forged> {
        // The text of the event is what was hashed, byte for byte: another spelling is another action.
        let action = Some(confirmed.action.0.as_str());
        let claim = Claim { kind: CeremonyKind::Confirm, action, session_key: Some(session_key) };
        self.check(&confirmed.evidence, claim, key)
    }

    /// Checks that the passkey with this public key vouched for the one that was added.
    ///
    /// # Errors
    /// [`Forged`]
    pub fn check_voucher(&self, added: &PasskeyAdded, voucher: &PublicKey) -> Result<Proven, Forged> {
        let evidence = added.evidence.as_deref().ok_or(Forged::NoEvidence)?;
        let action = action::add_passkey(added.passkey_id, &added.public_key.0);
        let claim = Claim { kind: CeremonyKind::AddPasskey, action: Some(&action), session_key: None };
        self.check(evidence, claim, voucher)
    }

    /// Checks that the passkey with this public key signed the removal.
    ///
    /// # Errors
    /// [`Forged`]
    pub fn check_removal(&self, removed: &PasskeyRemoved, key: &PublicKey) -> Result<Proven, Forged> {
        let evidence = removed.evidence.as_deref().ok_or(Forged::NoEvidence)?;
        let action = action::remove_passkey(removed.passkey_id);
        let claim = Claim { kind: CeremonyKind::RemovePasskey, action: Some(&action), session_key: None };
        self.check(evidence, claim, key)
    }

    fn verify(
        &self,
        evidence: &Evidence,
        challenge: &[u8; 32],
        key: &PublicKey,
    ) -> Result<VerifiedAssertion, AssertionError> {
        // No event tells the BE flag of the registration, so there is nothing to hold this one against.
        let flags = AuthenticatorData::parse(&evidence.authenticator_data.0)?.flags;
        let expected = AssertionExpectation {
            challenge,
            origin: &evidence.origin,
            rp_id: &self.rp_id,
            user_verification: UserVerification::Required,
            algorithms: &Algorithm::ALL,
        };
        let passkey = KnownPasskey {
            credential_id: &evidence.credential_id.0,
            public_key: key,
            sign_count: 0,
            backup_eligible: flags.backup_eligible(),
            user_handle: &[],
        };
        verify_assertion(
            &evidence.client_data_json.0,
            &evidence.authenticator_data.0,
            &evidence.signature.0,
            &expected,
            &passkey,
        )
    }
}
