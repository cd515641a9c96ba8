//! Checking what the authenticator made. Nothing is stored here.

use passkey_accounts::{
    evidence::{AssertionExpectation, AuthenticationResponse, KnownPasskey, UserVerification},
    protocol::{
        Code, UnixMillis,
        base64url::Base64Url,
        event::Evidence,
        gateway::{CeremonyKind, Policy},
    },
};

use super::{
    Authenticators,
    options::OFFERED,
    registration::{
        AttestationPolicy, NewPasskey, NotAllowed, RegistrationError, RegistrationExpectation,
        verify_registration,
    },
};
use crate::{
    accounts::{KnownAccount, Passkey, Usage},
    apps::{App, Origin},
};

/// What the answer of a ceremony is checked in the light of.
#[derive(Debug, Clone, Copy)]
pub struct Finishing<'a> {
    /// The app.
    pub app: &'a App,
    /// The authenticators that it takes if its policy is `hardware`.
    pub authenticators: &'a Authenticators,
    /// The time.
    pub now: UnixMillis,
    /// The page's origin, from the `Origin` header of its socket.
    pub origin: &'a Origin,
    /// What the ceremony is for.
    pub kind: CeremonyKind,
    /// The challenge.
    pub challenge: &'a [u8; 32],
    /// The server's part of it.
    pub random: &'a [u8; 32],
    /// Thumbprint of the session key.
    pub thumbprint: &'a [u8; 32],
}

/// An assertion that holds.
#[derive(Debug)]
pub struct Asserted {
    /// The passkey that signed, and what it said of itself.
    pub usage: Usage,
    /// The authenticator checked the person.
    pub user_verified: bool,
    /// What the authenticator signed.
    pub evidence: Evidence,
}

/// Why a ceremony was refused.
#[derive(Debug)]
pub struct Refused {
    /// What the page learns: one code whatever failed, but for a good passkey of the wrong kind.
    pub code: Code,
    /// For the log alone.
    pub reason: String,
}

impl Refused {
    fn rejected(reason: impl ToString) -> Self {
        Self { code: Code::PasskeyRejected, reason: reason.to_string() }
    }
}

impl From<NotAllowed> for Refused {
    fn from(reason: NotAllowed) -> Self {
        Self { code: Code::PasskeyNotAllowed, reason: reason.to_string() }
    }
}

impl Finishing<'_> {
    /// Checks a new passkey.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn registration(&self, credential: &str) -> Result<NewPasskey, Refused> {
        let expected = RegistrationExpectation {
            challenge: self.challenge,
            origin: self.origin.as_str(),
            rp_id: &self.app.rp_id,
            user_verification: UserVerification::Required,
            algorithms: OFFERED,
            attestation: match self.app.policy {
                Policy::Strict | Policy::Recoverable => AttestationPolicy::NoneOrSelf,
                Policy::Hardware => {
                    AttestationPolicy::Hardware { listed: self.authenticators, now: self.now }
                }
            },
        };
        verify_registration(credential, &expected).map_err(|error| match error {
            RegistrationError::NotAllowed(reason) => reason.into(),
            error => Refused::rejected(error),
        })
    }

    /// Checks an assertion against the passkeys that were allowed; decoys (`None`) allow none.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn assertion(&self, credential: &str, account: Option<&KnownAccount>) -> Result<Asserted, Refused> {
        let response = AuthenticationResponse::parse(credential).map_err(Refused::rejected)?;
        let KnownAccount { account_id, passkeys } =
            account.ok_or_else(|| Refused::rejected("the address is unknown"))?;
        let (passkey_id, passkey) = passkeys
            .iter()
            .find(|(_, passkey)| passkey.credential_id == response.credential_id)
            .ok_or_else(|| Refused::rejected("the credential is not one of those allowed"))?;
        let expected = AssertionExpectation {
            challenge: self.challenge,
            origin: self.origin.as_str(),
            rp_id: &self.app.rp_id,
            user_verification: UserVerification::Required,
            algorithms: OFFERED,
        };
        let known = KnownPasskey {
            credential_id: &passkey.credential_id,
            public_key: &passkey.public_key,
            sign_count: passkey.sign_count,
            backup_eligible: passkey.backup_eligible,
            user_handle: account_id.as_bytes(),
        };
        let verified = response.verify(&expected, &known).map_err(Refused::rejected)?;
        // Only now: whoever does not hold the passkey must not learn of what kind it is.
        self.check_kind(passkey)?;
        // How the counter compares is asked again in the transaction: another use may have come between.
        let usage = Usage {
            account_id: *account_id,
            passkey_id: *passkey_id,
            sign_count: verified.sign_count,
            backed_up: verified.backed_up,
        };
        Ok(Asserted { usage, user_verified: verified.user_verified, evidence: self.evidence(response) })
    }

    /// The policy may have changed since the passkey was made, and the list of models.
    fn check_kind(&self, passkey: &Passkey) -> Result<(), NotAllowed> {
        match self.app.policy {
            Policy::Strict | Policy::Recoverable => Ok(()),
            Policy::Hardware if passkey.backup_eligible => Err(NotAllowed::BackupEligible),
            Policy::Hardware if !passkey.is_vouched_for => Err(NotAllowed::Unattested),
            Policy::Hardware if !self.authenticators.has(&passkey.aaguid) => Err(NotAllowed::Model),
            Policy::Hardware => Ok(()),
        }
    }

    fn evidence(&self, response: AuthenticationResponse) -> Evidence {
        Evidence {
            random: Base64Url(self.random.to_vec()),
            kind: self.kind,
            origin: self.origin.as_str().to_owned(),
            thumbprint: Base64Url(self.thumbprint.to_vec()),
            credential_id: Base64Url(response.credential_id),
            authenticator_data: Base64Url(response.authenticator_data),
            client_data_json: Base64Url(response.client_data_json),
            signature: Base64Url(response.signature),
        }
    }
}
