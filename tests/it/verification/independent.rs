//! Answers of an authenticator and client that others wrote (1Password's passkey-rs) are accepted.

use passkey_accounts::evidence::{Algorithm, AuthenticationResponse, UserVerification};
use passkey_accounts_server::ceremony::registration::{RegistrationExpectation, verify_registration};
use passkey_authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey_client::{Client, DefaultClientData};
use passkey_crypto::aws_lc_rs::AwsLcRsBackend;
use passkey_types::{
    Passkey,
    ctap2::{Aaguid, Ctap2Error},
    webauthn,
};
use url::Url;

use super::{ORIGIN, REGISTRATION, SIGN_IN, creation_options, known, request_options};

/// Somebody who always agrees.
struct Person;

#[async_trait::async_trait]
impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Self::PasskeyItem>,
        _: bool,
        _: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification: true })
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_passkey_of_another_implementation_registers_and_signs_in() {
    let store: Option<Passkey> = None;
    let authenticator = Authenticator::new(Aaguid::new_empty(), store, Person, AwsLcRsBackend);
    let mut client = Client::new(authenticator);
    let origin = Url::parse(ORIGIN).unwrap();

    let options: webauthn::PublicKeyCredentialCreationOptions =
        serde_json::from_str(&creation_options()).unwrap();
    let options = webauthn::CredentialCreationOptions { public_key: options };
    let created = client.register(&origin, options, DefaultClientData).await.unwrap();
    let answer = serde_json::to_string(&created).unwrap();
    let passkey =
        verify_registration(&answer, &REGISTRATION).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!(passkey.public_key.algorithm(), Algorithm::Es256);
    assert!(passkey.user_verified);
    let touch = RegistrationExpectation { user_verification: UserVerification::Preferred, ..REGISTRATION };
    assert_eq!(verify_registration(&answer, &touch).as_ref(), Ok(&passkey));

    let options: webauthn::PublicKeyCredentialRequestOptions =
        serde_json::from_str(&request_options(&passkey.credential_id)).unwrap();
    let options = webauthn::CredentialRequestOptions { public_key: options };
    let asserted = client.authenticate(&origin, options, DefaultClientData).await.unwrap();
    let answer = serde_json::to_string(&asserted).unwrap();
    let response = AuthenticationResponse::parse(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let verified =
        response.verify(&SIGN_IN, &known(&passkey)).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(verified.user_verified);
}
