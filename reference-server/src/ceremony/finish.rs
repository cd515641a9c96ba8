//! Checking what the authenticator made, and what is to be stored when it holds.

use passkey_accounts::{
    evidence::{AssertionExpectation, AuthenticationResponse, Counter, KnownPasskey, UserVerification},
    protocol::{
        AccountID, PasskeyID, SessionID, UnixMillis,
        base64url::Base64Url,
        event::Evidence,
        gateway::{CeremonyKind, SessionKey},
    },
};

use super::{
    options::OFFERED,
    registration::{AttestationPolicy, NewPasskey, RegistrationExpectation, verify_registration},
};
use crate::{
    accounts::{KnownAccount, Passkey, Registration, SignIn},
    apps::{App, Origin},
    crypto::{Email, Keyring},
    sessions::{Opening, Session, SessionLimits},
};

/// What a finished ceremony is checked in the light of.
#[derive(Debug, Clone, Copy)]
pub struct Finishing<'a> {
    /// The app.
    pub app: &'a App,
    /// The page's origin, from the `Origin` header of its socket.
    pub origin: &'a Origin,
    /// Keys for what is encrypted at rest.
    pub keyring: &'a Keyring,
    /// How long the session lasts.
    pub limits: SessionLimits,
    /// The time.
    pub now: UnixMillis,
    /// Random bits for the session's id.
    pub session_random: [u8; 16],
    /// The challenge.
    pub challenge: &'a [u8; 32],
    /// The server's part of it.
    pub random: &'a [u8; 32],
    /// Thumbprint of the session key.
    pub thumbprint: &'a [u8; 32],
}

/// Why a ceremony was refused: for the log alone. The page learns only that it was.
pub type Refused = String;

impl Finishing<'_> {
    /// Checks a sign-up's answer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn registration(
        &self,
        credential: &str,
        email: Email,
        account_id: AccountID,
        passkey_random: [u8; 16],
        session_key: SessionKey,
    ) -> Result<Registration, Refused> {
        let expected = RegistrationExpectation {
            challenge: self.challenge,
            origin: self.origin.as_str(),
            rp_id: &self.app.rp_id,
            user_verification: UserVerification::Required,
            algorithms: OFFERED,
            attestation: AttestationPolicy::default(),
        };
        let new = verify_registration(credential, &expected).map_err(|error| error.to_string())?;
        let NewPasskey { public_key_cose, user_verified, backed_up, .. } = new;
        let passkey = Passkey {
            credential_id: new.credential_id,
            public_key: new.public_key,
            sign_count: new.sign_count,
            aaguid: new.aaguid,
            transports: new.transports,
            backup_eligible: new.backup_eligible,
            backed_up,
        };
        let session = self.session(account_id, PasskeyID::from_bytes(passkey_random), session_key);
        // WebAuthn signs nothing at registration without attestation, so there is no evidence to hand on.
        let opening = Opening { session, user_verified, backed_up, evidence: None };
        Ok(Registration { email, passkey, public_key_cose, opening })
    }

    /// Checks a sign-in's answer against the passkeys that were allowed; decoys allow none.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn sign_in(
        &self,
        credential: &str,
        known: Option<KnownAccount>,
        session_key: SessionKey,
    ) -> Result<SignIn, Refused> {
        let response = AuthenticationResponse::parse(credential).map_err(|error| error.to_string())?;
        let KnownAccount { account_id, passkeys } = known.ok_or("the address is unknown")?;
        let (passkey_id, mut passkey) = passkeys
            .into_iter()
            .find(|(_, passkey)| passkey.credential_id == response.credential_id)
            .ok_or("the credential is not one of those allowed")?;
        let expected = AssertionExpectation {
            challenge: self.challenge,
            origin: self.origin.as_str(),
            rp_id: &self.app.rp_id,
            user_verification: UserVerification::Required,
            algorithms: OFFERED,
        };
        let stored = KnownPasskey {
            credential_id: &passkey.credential_id,
            public_key: &passkey.public_key,
            sign_count: passkey.sign_count,
            backup_eligible: passkey.backup_eligible,
            user_handle: account_id.as_bytes(),
        };
        let verified = response.verify(&expected, &stored).map_err(|error| error.to_string())?;
        let regressed =
            (verified.counter == Counter::Regressed).then_some((passkey.sign_count, verified.sign_count));
        let has_changed = verified.counter == Counter::Advanced || passkey.backed_up != verified.backed_up;
        let passkey_sealed = has_changed.then(|| {
            // A counter that fell is not taken over: the higher one is the better witness.
            passkey.sign_count = passkey.sign_count.max(verified.sign_count);
            passkey.backed_up = verified.backed_up;
            passkey.seal(self.keyring, self.app.app_id, account_id, passkey_id)
        });
        let opening = Opening {
            session: self.session(account_id, passkey_id, session_key),
            user_verified: verified.user_verified,
            backed_up: verified.backed_up,
            evidence: Some(self.evidence(response)),
        };
        Ok(SignIn { opening, passkey_sealed, regressed })
    }

    fn session(&self, account_id: AccountID, passkey_id: PasskeyID, session_key: SessionKey) -> Session {
        Session {
            session_id: SessionID::time_ordered(self.now, self.session_random),
            app_id: self.app.app_id,
            account_id,
            passkey_id,
            origin: self.origin.as_str().to_owned(),
            session_key,
            started_at: self.now,
            expires_at: self.now.plus(self.limits.absolute_ms),
            idle_ms: self.limits.idle_ms,
            grace_ms: self.limits.grace_ms,
        }
    }

    fn evidence(&self, response: AuthenticationResponse) -> Evidence {
        Evidence {
            random: Base64Url(self.random.to_vec()),
            kind: CeremonyKind::SignIn,
            origin: self.origin.as_str().to_owned(),
            thumbprint: Base64Url(self.thumbprint.to_vec()),
            credential_id: Base64Url(response.credential_id),
            authenticator_data: Base64Url(response.authenticator_data),
            client_data_json: Base64Url(response.client_data_json),
            signature: Base64Url(response.signature),
        }
    }
}
