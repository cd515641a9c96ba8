//! A sign-in's answer, and the check of WebAuthn Level 3 section 7.2 from the first step to the last.

use sha2::{Digest, Sha256};

use super::{
    AssertionError, Malformed, Part, PublicKey, Step, UserVerification,
    authenticator_data::{AuthenticatorData, MAX_CREDENTIAL_ID_BYTES},
    client_data::{ClientData, GET},
};
use crate::protocol::{
    base64url,
    webauthn::{Algorithm, AuthenticationResponseJSON},
};

/// What an authenticator answered, decoded and not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationResponse {
    /// The passkey that claims to answer, 1 to 1023 bytes.
    pub credential_id: Vec<u8>,
    /// As the browser made it.
    pub client_data_json: Vec<u8>,
    /// As the authenticator made it.
    pub authenticator_data: Vec<u8>,
    /// Over authenticatorData and SHA-256(clientDataJSON).
    pub signature: Vec<u8>,
    /// The account, where the authenticator remembers it.
    pub user_handle: Option<Vec<u8>>,
}

/// What the answer must fit.
#[derive(Debug, Clone, Copy)]
pub struct AssertionExpectation<'a> {
    /// The challenge of this ceremony; ours are 32 bytes.
    pub challenge: &'a [u8],
    /// The page's origin, as in its `Origin` header: `https://shop.example`.
    pub origin: &'a str,
    /// The RP ID: `shop.example`.
    pub rp_id: &'a str,
    /// Whether a touch is enough.
    pub user_verification: UserVerification,
    /// The algorithms that the app accepts.
    pub algorithms: &'a [Algorithm],
}

/// The passkey that was chosen, by its id, from those that the ceremony allowed.
#[derive(Debug, Clone, Copy)]
pub struct KnownPasskey<'a> {
    /// The credential id.
    pub credential_id: &'a [u8],
    /// Its key.
    pub public_key: &'a PublicKey,
    /// The counter of its last use.
    pub sign_count: u32,
    /// BE of its registration.
    pub backup_eligible: bool,
    /// The user handle that it was registered for.
    pub user_handle: &'a [u8],
}

/// What a valid assertion says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the counter and the backup state are to be stored"]
pub struct VerifiedAssertion {
    /// The authenticator checked the person.
    pub user_verified: bool,
    /// The passkey is backed up now.
    pub backed_up: bool,
    /// The authenticator's counter, to be stored.
    pub sign_count: u32,
    /// How it compares with the one that was stored.
    pub counter: Counter,
}

/// What the signature counter says (section 6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// The authenticator has none.
    NotUsed,
    /// It rose, as it must.
    Advanced,
    /// It did not rise: a signal, not a proof, that the passkey was copied.
    Regressed,
}

impl Counter {
    /// Compares the counter that was stored with the one that was received.
    ///
    /// "If authData.signCount is nonzero or credentialRecord.signCount is nonzero ..." Reported, not refused: the
    /// specification leaves it to the relying party, and a race of two tabs looks the same.
    pub const fn compare(stored: u32, received: u32) -> Self {
        if stored == 0 && received == 0 {
            Self::NotUsed
        } else if received > stored {
            Self::Advanced
        } else {
            Self::Regressed
        }
    }
}

impl AuthenticationResponse {
    /// Reads an `AuthenticationResponseJSON`.
    ///
    /// # Errors
    /// [`Malformed`], wrapped
    pub fn parse(json: &str) -> Result<Self, AssertionError> {
        let malformed = |reason| Part::Response.malformed(reason);
        let text = AuthenticationResponseJSON::parse(json)
            .map_err(|_| malformed("it is not an AuthenticationResponseJSON, or a member comes twice"))?;
        let decode = |text: &str| -> Result<Vec<u8>, Malformed> {
            base64url::decode(text).map_err(|_| malformed("a byte string is not unpadded base64url"))
        };
        Ok(Self {
            credential_id: decode(&text.id)?,
            client_data_json: decode(&text.response.client_data_json)?,
            authenticator_data: decode(&text.response.authenticator_data)?,
            signature: decode(&text.response.signature)?,
            user_handle: text.response.user_handle.as_deref().map(decode).transpose()?,
        })
    }

    /// Checks the answer against what was asked and the passkey that it names.
    ///
    /// # Errors
    /// [`AssertionError`]: the first step that fails.
    pub fn verify(
        &self,
        expected: &AssertionExpectation<'_>,
        passkey: &KnownPasskey<'_>,
    ) -> Result<VerifiedAssertion, AssertionError> {
        self.check_credential_id(passkey)?;
        self.check_user_handle(passkey)?;
        verify_assertion(&self.client_data_json, &self.authenticator_data, &self.signature, expected, passkey)
    }

    /// "Verify that credential.id identifies one of the public key credentials listed in options.allowCredentials": the
    /// passkey was chosen from that list.
    fn check_credential_id(&self, passkey: &KnownPasskey<'_>) -> Result<(), Step> {
        let has_length = (1..=MAX_CREDENTIAL_ID_BYTES).contains(&self.credential_id.len());
        if has_length && self.credential_id == passkey.credential_id {
            Ok(())
        } else {
            Err(Step::CredentialId)
        }
    }

    /// "If response.userHandle is present, verify that it equals the user handle of the user account."
    fn check_user_handle(&self, passkey: &KnownPasskey<'_>) -> Result<(), Step> {
        match &self.user_handle {
            Some(user_handle) if user_handle != passkey.user_handle => Err(Step::UserHandle),
            Some(_) | None => Ok(()),
        }
    }
}

/// Checks the signed part of an assertion: the steps of section 7.2 after the passkey is found. Of `passkey`, the
/// credential id and the user handle are not looked at.
///
/// # Errors
/// [`AssertionError`]: the first step that fails.
pub fn verify_assertion(
    client_data_json: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
    expected: &AssertionExpectation<'_>,
    passkey: &KnownPasskey<'_>,
) -> Result<VerifiedAssertion, AssertionError> {
    ClientData::parse(client_data_json)?.check(GET, expected.challenge, expected.origin)?;

    let data = AuthenticatorData::parse(authenticator_data)?;
    // Section 6.1: "For assertion signatures, the AT flag MUST NOT be set and the attestedCredentialData MUST NOT be
    // included." Otherwise a registration's bytes could pass for a sign-in's.
    if data.attested.is_some() {
        return Err(Part::AuthenticatorData.malformed("an assertion carries no credential").into());
    }
    data.check(expected.rp_id, expected.user_verification)?;
    check_backup_eligible(&data, passkey)?;
    check_algorithm(expected.algorithms, passkey)?;
    check_signature(client_data_json, authenticator_data, signature, passkey.public_key)?;
    Ok(VerifiedAssertion {
        user_verified: data.flags.user_verified(),
        backed_up: data.flags.backed_up(),
        sign_count: data.sign_count,
        counter: Counter::compare(passkey.sign_count, data.sign_count),
    })
}

/// "If credentialRecord.backupEligible is set, verify that currentBe is set", and the reverse. "This value MUST NOT
/// change": if it does, another authenticator is answering.
fn check_backup_eligible(data: &AuthenticatorData<'_>, passkey: &KnownPasskey<'_>) -> Result<(), Step> {
    if data.flags.backup_eligible() == passkey.backup_eligible { Ok(()) } else { Err(Step::BackupEligible) }
}

/// An app that stops accepting an algorithm stops accepting the passkeys that use it.
fn check_algorithm(accepted: &[Algorithm], passkey: &KnownPasskey<'_>) -> Result<(), Step> {
    if accepted.contains(&passkey.public_key.algorithm()) { Ok(()) } else { Err(Step::Algorithm) }
}

/// "Using credentialRecord.publicKey, verify that sig is a valid signature over the binary concatenation of authData
/// and hash."
fn check_signature(
    client_data_json: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
    key: &PublicKey,
) -> Result<(), Step> {
    let hash = Sha256::digest(client_data_json);
    let message = [authenticator_data, &hash].concat();
    key.verify(&message, signature).map_err(|_| Step::Signature)
}

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn only_a_counter_that_rises_advances() {
        for (stored, received, verdict) in [
            (0, 0, Counter::NotUsed),
            (0, 1, Counter::Advanced),
            (1, 2, Counter::Advanced),
            (0, u32::MAX, Counter::Advanced),
            (1, 1, Counter::Regressed),
            (2, 1, Counter::Regressed),
            (1, 0, Counter::Regressed),
            (u32::MAX, 0, Counter::Regressed),
        ] {
            assert_eq!(Counter::compare(stored, received), verdict, "{stored} -> {received}");
        }
    }
}
