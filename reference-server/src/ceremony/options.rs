//! What a page is asked to put before its authenticator (WebAuthn Level 3 sections 5.4 and 5.5).

use passkey_accounts::protocol::{
    AccountID,
    base64url::Base64Url,
    gateway::{Policy, RawJson},
    webauthn::{
        Algorithm, AttestationConveyance, AuthenticatorSelectionCriteria, CredentialType, Hint,
        PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialDescriptorJSON,
        PublicKeyCredentialParameters, PublicKeyCredentialRequestOptionsJSON, PublicKeyCredentialRpEntity,
        PublicKeyCredentialUserEntityJSON, RegistrationExtensions, ResidentKey, Transport, UserVerification,
    },
};

use crate::{apps::App, crypto::Email, limits::CHALLENGE_MS};

/// The algorithms offered, the preferred first.
pub const OFFERED: &[Algorithm] = &Algorithm::ALL;

/// Credential ids, each with how its authenticator was reached.
type Credentials = Vec<(Vec<u8>, Vec<Transport>)>;

/// Options of `navigator.credentials.create`. An authenticator that holds one of `exclude` makes no other for the account.
pub(super) fn creation(
    app: &App,
    account_id: AccountID,
    email: &Email,
    exclude: Credentials,
    challenge: &[u8; 32],
) -> RawJson {
    let resident_key = match app.policy {
        Policy::Strict | Policy::Hardware => ResidentKey::Discouraged,
        Policy::Recoverable => ResidentKey::Preferred,
    };
    let (hints, attestation) = match app.policy {
        Policy::Strict | Policy::Recoverable => (vec![], AttestationConveyance::None),
        Policy::Hardware => (vec![Hint::SecurityKey], AttestationConveyance::Direct),
    };
    let parameters = OFFERED
        .iter()
        .map(|alg| PublicKeyCredentialParameters { kind: CredentialType::PublicKey, alg: *alg });
    raw(&PublicKeyCredentialCreationOptionsJSON {
        rp: PublicKeyCredentialRpEntity { id: app.rp_id.clone(), name: app.name.clone() },
        user: PublicKeyCredentialUserEntityJSON {
            id: Base64Url(account_id.as_bytes().to_vec()),
            name: email.as_typed().to_owned(),
            display_name: email.as_typed().to_owned(),
        },
        challenge: Base64Url(challenge.to_vec()),
        pub_key_cred_params: parameters.collect(),
        timeout: Some(TIMEOUT_MS),
        exclude_credentials: descriptors(exclude),
        authenticator_selection: AuthenticatorSelectionCriteria {
            resident_key,
            user_verification: UserVerification::Required,
        },
        hints,
        attestation,
        extensions: RegistrationExtensions { cred_props: true },
    })
}

/// Options of `navigator.credentials.get`.
pub(super) fn request(app: &App, allow: Credentials, challenge: &[u8; 32]) -> RawJson {
    raw(&PublicKeyCredentialRequestOptionsJSON {
        challenge: Base64Url(challenge.to_vec()),
        timeout: Some(TIMEOUT_MS),
        rp_id: app.rp_id.clone(),
        allow_credentials: descriptors(allow),
        user_verification: UserVerification::Required,
    })
}

fn descriptors(credentials: Credentials) -> Vec<PublicKeyCredentialDescriptorJSON> {
    let descriptor = |(id, transports)| PublicKeyCredentialDescriptorJSON {
        kind: CredentialType::PublicKey,
        id: Base64Url(id),
        transports,
    };
    credentials.into_iter().map(descriptor).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "five minutes fit")]
const TIMEOUT_MS: u32 = CHALLENGE_MS as u32;

fn raw(options: &impl serde::Serialize) -> RawJson {
    RawJson(serde_json::to_string(options).expect("options hold nothing that JSON cannot"))
}
