//! The relying-party verification: what must be accepted is, and nothing else.
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where something is off, also in what tests share"
)]

mod algorithms;
mod attestation;
mod bit_flips;
mod independent;
pub(crate) mod signatures;
mod vectors;
pub(crate) mod wrongly_built;

use passkey_accounts::{
    evidence::{
        Algorithm, AssertionError, AssertionExpectation, AuthenticationResponse, KnownPasskey,
        UserVerification, VerifiedAssertion,
    },
    protocol::{base64url::Base64Url, webauthn},
};
use passkey_accounts_server::ceremony::registration::{
    AttestationPolicy, NewPasskey, RegistrationError, RegistrationExpectation, verify_registration,
};
use passkey_accounts_tests::{SoftwareAuthenticator, Stage};

pub(crate) const ORIGIN: &str = "https://shop.example";
pub(crate) const RP_ID: &str = "shop.example";
pub(crate) const USER_HANDLE: &[u8] = b"user handle of 16";

/// Its base64url has every character that plain base64 writes otherwise.
pub(crate) const CREATE_CHALLENGE: [u8; 32] = [0xfb; 32];
pub(crate) const GET_CHALLENGE: [u8; 32] = {
    let mut challenge = CREATE_CHALLENGE;
    challenge[0] = 0xfa;
    challenge
};

pub(crate) const REGISTRATION: RegistrationExpectation<'_> = RegistrationExpectation {
    challenge: &CREATE_CHALLENGE,
    origin: ORIGIN,
    rp_id: RP_ID,
    user_verification: UserVerification::Required,
    algorithms: &Algorithm::ALL,
    attestation: AttestationPolicy::NoneOrSelf,
};

pub(crate) const SIGN_IN: AssertionExpectation<'_> = AssertionExpectation {
    challenge: &GET_CHALLENGE,
    origin: ORIGIN,
    rp_id: RP_ID,
    user_verification: UserVerification::Required,
    algorithms: &Algorithm::ALL,
};

/// A change to a ceremony in the making.
pub(crate) type Edit = Box<dyn Fn(Stage<'_>)>;

pub(crate) fn unchanged(_: Stage<'_>) {}

pub(crate) fn creation_options() -> String {
    let options = webauthn::PublicKeyCredentialCreationOptionsJSON {
        rp: webauthn::PublicKeyCredentialRpEntity { id: RP_ID.into(), name: "Shop".into() },
        user: webauthn::PublicKeyCredentialUserEntityJSON {
            id: Base64Url(USER_HANDLE.to_vec()),
            name: "you".into(),
            display_name: "you".into(),
        },
        challenge: Base64Url(CREATE_CHALLENGE.to_vec()),
        pub_key_cred_params: Algorithm::ALL
            .into_iter()
            .map(|alg| webauthn::PublicKeyCredentialParameters {
                kind: webauthn::CredentialType::PublicKey,
                alg,
            })
            .collect(),
        timeout: Some(60_000),
        exclude_credentials: Vec::new(),
        authenticator_selection: webauthn::AuthenticatorSelectionCriteria {
            resident_key: webauthn::ResidentKey::Discouraged,
            user_verification: UserVerification::Required,
        },
        hints: Vec::new(),
        attestation: webauthn::AttestationConveyance::None,
        extensions: webauthn::RegistrationExtensions { cred_props: true },
    };
    serde_json::to_string(&options).unwrap()
}

pub(crate) fn request_options(credential_id: &[u8]) -> String {
    let options = webauthn::PublicKeyCredentialRequestOptionsJSON {
        challenge: Base64Url(GET_CHALLENGE.to_vec()),
        timeout: Some(60_000),
        rp_id: RP_ID.into(),
        allow_credentials: vec![webauthn::PublicKeyCredentialDescriptorJSON {
            kind: webauthn::CredentialType::PublicKey,
            id: Base64Url(credential_id.to_vec()),
            transports: Vec::new(),
        }],
        user_verification: UserVerification::Required,
    };
    serde_json::to_string(&options).unwrap()
}

pub(crate) fn authenticator(algorithm: Algorithm) -> SoftwareAuthenticator {
    let mut authenticator = SoftwareAuthenticator::new([42; 32]);
    authenticator.algorithm = Some(algorithm);
    authenticator
}

/// A registration as it should be; the passkey is the authenticator's newest.
pub(crate) fn register(authenticator: &mut SoftwareAuthenticator) -> NewPasskey {
    let answer = authenticator.register(&creation_options(), ORIGIN).unwrap();
    verify_registration(&answer, &REGISTRATION).unwrap()
}

/// The answer of a sign-in with the passkey, changed on the way.
pub(crate) fn sign_in_answer(
    authenticator: &mut SoftwareAuthenticator,
    passkey: &NewPasskey,
    edit: &dyn Fn(Stage<'_>),
) -> String {
    authenticator.sign_in_with(&request_options(&passkey.credential_id), ORIGIN, edit).unwrap()
}

pub(crate) fn known(passkey: &NewPasskey) -> KnownPasskey<'_> {
    KnownPasskey {
        credential_id: &passkey.credential_id,
        public_key: &passkey.public_key,
        sign_count: passkey.sign_count,
        backup_eligible: passkey.backup_eligible,
        user_handle: USER_HANDLE,
    }
}

pub(crate) fn verify_sign_in(
    answer: &str,
    passkey: &NewPasskey,
) -> Result<VerifiedAssertion, AssertionError> {
    AuthenticationResponse::parse(answer)?.verify(&SIGN_IN, &known(passkey))
}

pub(crate) fn verify_new(answer: &str) -> Result<NewPasskey, RegistrationError> {
    verify_registration(answer, &REGISTRATION)
}
