//! Checking what the authenticator made. Nothing is stored here.

use passkey_accounts::{
    evidence::{AssertionExpectation, AuthenticationResponse, KnownPasskey, UserVerification},
    protocol::{base64url::Base64Url, event::Evidence, gateway::CeremonyKind},
};

use super::{
    options::OFFERED,
    registration::{AttestationPolicy, NewPasskey, RegistrationExpectation, verify_registration},
};
use crate::{
    accounts::{KnownAccount, Usage},
    apps::{App, Origin},
};

/// What the answer of a ceremony is checked in the light of.
#[derive(Debug, Clone, Copy)]
pub struct Finishing<'a> {
    /// The app.
    pub app: &'a App,
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

/// Why a ceremony was refused: for the log alone. The page learns only that it was.
pub type Refused = String;

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
            attestation: AttestationPolicy::default(),
        };
        verify_registration(credential, &expected).map_err(|error| error.to_string())
    }

    /// Checks an assertion against the passkeys that were allowed; decoys (`None`) allow none.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn assertion(&self, credential: &str, account: Option<&KnownAccount>) -> Result<Asserted, Refused> {
        let response = AuthenticationResponse::parse(credential).map_err(|error| error.to_string())?;
        let KnownAccount { account_id, passkeys } = account.ok_or("the address is unknown")?;
        let (passkey_id, passkey) = passkeys
            .iter()
            .find(|(_, passkey)| passkey.credential_id == response.credential_id)
            .ok_or("the credential is not one of those allowed")?;
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
        let verified = response.verify(&expected, &known).map_err(|error| error.to_string())?;
        // How the counter compares is asked again in the transaction: another use may have come between.
        let usage = Usage {
            account_id: *account_id,
            passkey_id: *passkey_id,
            sign_count: verified.sign_count,
            backed_up: verified.backed_up,
        };
        Ok(Asserted { usage, user_verified: verified.user_verified, evidence: self.evidence(response) })
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
