//! The check of a registration: WebAuthn Level 3 section 7.1 from the first step to the last.

use aws_lc_rs::digest;
use passkey_accounts::{
    evidence::{
        Algorithm, Malformed, Part, PublicKey, PublicKeyError, Step, UserVerification,
        authenticator_data::{AttestedCredential, AuthenticatorData},
        client_data::{CREATE, ClientData},
    },
    protocol::{
        base64url,
        webauthn::{RegistrationResponseJSON, Transport},
    },
};

use super::attestation::AttestationObject;
pub use super::attestation::{Attestation, AttestationPolicy};

/// What the answer must fit.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationExpectation<'a> {
    /// The challenge of this ceremony; ours are 32 bytes.
    pub challenge: &'a [u8],
    /// The page's origin, as in its `Origin` header: `https://shop.example`.
    pub origin: &'a str,
    /// The RP ID: `shop.example`.
    pub rp_id: &'a str,
    /// Whether a touch is enough.
    pub user_verification: UserVerification,
    /// The algorithms that were offered.
    pub algorithms: &'a [Algorithm],
    /// Which attestation statements are accepted.
    pub attestation: AttestationPolicy<'a>,
}

/// A passkey that may be stored, unless its credential id is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasskey {
    /// 1 to 1023 bytes. "Verify that the credentialId is not yet registered for any user" is the store's to do.
    pub credential_id: Vec<u8>,
    /// Its key.
    pub public_key: PublicKey,
    /// Its key as the authenticator wrote it: a canonical `COSE_Key`.
    pub public_key_cose: Vec<u8>,
    /// The signature counter; 0 where the authenticator has none.
    pub sign_count: u32,
    /// The authenticator's model, as it claims; all zero when it does not say.
    pub aaguid: [u8; 16],
    /// How the authenticator was reached: hints for later `allowCredentials`, not signed.
    pub transports: Vec<Transport>,
    /// The authenticator checked the person.
    pub user_verified: bool,
    /// The passkey may be backed up; this never changes.
    pub backup_eligible: bool,
    /// The passkey is backed up now.
    pub backed_up: bool,
    /// Whether the passkey is discoverable, where the browser says so (`credProps.rk`); not signed.
    pub discoverable: Option<bool>,
    /// What the attestation statement proved.
    pub attestation: Attestation,
}

/// Why a registration was refused. Tell the person that the passkey was not accepted; log which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The answer is not what a browser makes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It can be read, and this step of section 7.1 fails.
    #[error("this does not hold: {0}")]
    Refused(Step),
    /// The statement may be valid; it was not asked for, or is of a kind that is never asked for.
    #[error("the policy accepts no attestation with certificates of this kind")]
    AttestationNotAccepted,
    /// The passkey is a good one, and not of a kind that the policy `hardware` takes.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

/// What the policy `hardware` misses in a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// It may leave its authenticator.
    #[error("the passkey can be backed up")]
    BackupEligible,
    /// Nobody but itself says what it is: the browser gave no attestation, or the person did not want it to.
    #[error("no maker vouches for the authenticator")]
    Unattested,
    /// The settings do not name its AAGUID.
    #[error("the authenticator's model is not listed")]
    Model,
    /// The settings trust nobody who vouches for it.
    #[error(
        "the authenticator's certificates do not lead to one that is trusted for its model, or are not valid now"
    )]
    Maker,
}

impl From<Step> for RegistrationError {
    fn from(step: Step) -> Self {
        Self::Refused(step)
    }
}

/// Checks a `RegistrationResponseJSON` against what was asked.
///
/// # Errors
/// [`RegistrationError`]: the first step that fails.
pub fn verify_registration(
    json: &str,
    expected: &RegistrationExpectation<'_>,
) -> Result<NewPasskey, RegistrationError> {
    let malformed = |reason| Part::Response.malformed(reason);
    let response = RegistrationResponseJSON::parse(json)
        .map_err(|_| malformed("it is not a RegistrationResponseJSON, or a member comes twice"))?;
    let decode = |text: &str| {
        base64url::decode(text).map_err(|_| malformed("a byte string is not unpadded base64url"))
    };
    let id = decode(&response.id)?;
    let client_data_json = decode(&response.response.client_data_json)?;
    let attestation_object = decode(&response.response.attestation_object)?;

    ClientData::parse(&client_data_json)?.check(CREATE, expected.challenge, expected.origin)?;
    let client_data_hash = digest::digest(&digest::SHA256, &client_data_json);

    let object = AttestationObject::parse(&attestation_object)?;
    let data = AuthenticatorData::parse(&object.authenticator_data)?;
    data.check(expected.rp_id, expected.user_verification)?;
    // Section 6.1: "For attestation signatures, the authenticator MUST set the AT flag."
    let credential =
        data.attested.ok_or(Part::AuthenticatorData.malformed("a registration carries a credential"))?;
    let public_key = check_algorithm(&credential, expected.algorithms)?;
    let attestation =
        object.verify(expected.attestation, credential.aaguid, &public_key, client_data_hash.as_ref())?;
    check_credential_id(&credential, &id)?;
    if matches!(expected.attestation, AttestationPolicy::Hardware { .. }) && data.flags.backup_eligible() {
        return Err(NotAllowed::BackupEligible.into());
    }

    Ok(NewPasskey {
        credential_id: id,
        public_key,
        public_key_cose: credential.public_key_cose.to_vec(),
        sign_count: data.sign_count,
        aaguid: *credential.aaguid,
        transports: response.response.transports,
        user_verified: data.flags.user_verified(),
        backup_eligible: data.flags.backup_eligible(),
        backed_up: data.flags.backed_up(),
        discoverable: response.resident_key,
        attestation,
    })
}

/// "Verify that the alg parameter in the credential public key in authData matches the alg attribute of one of the items
/// in options.pubKeyCredParams", and that the key is one.
fn check_algorithm(
    credential: &AttestedCredential<'_>,
    offered: &[Algorithm],
) -> Result<PublicKey, RegistrationError> {
    let key = PublicKey::from_cose(credential.public_key_cose).map_err(|error| match error {
        PublicKeyError::Algorithm(_) => RegistrationError::Refused(Step::Algorithm),
        PublicKeyError::Malformed(malformed) => RegistrationError::Malformed(malformed),
    })?;
    if offered.contains(&key.algorithm()) { Ok(key) } else { Err(Step::Algorithm.into()) }
}

/// The `id` that the browser names is the one that the authenticator made; its length was checked when it was read.
fn check_credential_id(credential: &AttestedCredential<'_>, id: &[u8]) -> Result<(), Step> {
    if credential.credential_id == id { Ok(()) } else { Err(Step::CredentialId) }
}
