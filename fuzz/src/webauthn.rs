//! What authenticators and browsers make: CBOR, COSE keys, client data, authenticator data, both answers.

use passkey_accounts::{
    evidence::{
        Algorithm, AssertionExpectation, AuthenticationResponse, KnownPasskey, PublicKey, UserVerification,
        authenticator_data::AuthenticatorData,
        cbor as canonical,
        client_data::{CREATE, ClientData, GET},
    },
    protocol::base64url,
};
use passkey_accounts_server::ceremony::registration::{
    AttestationPolicy, NewPasskey, RegistrationError, RegistrationExpectation, verify_registration,
};
use serde_json::Value;

use crate::{
    edits::one_edited,
    world::{ATTESTED, Attested, NOW, ORIGIN, RP_ID, SIGN_IN, SignIn, text},
};

const CHALLENGE: [u8; 32] = [7; 32];

/// Canonical CBOR: what was read is written as the same bytes.
pub(crate) fn cbor(bytes: &[u8]) {
    let first = canonical::parse_first(bytes);
    if let Ok((value, length)) = &first {
        assert_eq!(canonical::encode(value).as_deref(), Ok(&bytes[..*length]));
        assert_eq!(canonical::parse(&bytes[..*length]).as_ref(), Ok(value));
    }
    let whole = first.ok().filter(|(_, length)| *length == bytes.len()).map(|(value, _)| value);
    assert_eq!(canonical::parse(bytes).ok(), whole);
}

/// Public keys in both forms, and signatures that were never made.
pub(crate) fn cose_key(bytes: &[u8]) {
    if let Ok(key) = PublicKey::from_cose(bytes) {
        assert_eq!(key.to_cose(), bytes);
        assert_eq!(PublicKey::from_bytes(&key.to_bytes()).as_ref(), Ok(&key));
        assert!(key.verify(b"message", bytes).is_err());
    }
    if let Ok(key) = PublicKey::from_bytes(bytes) {
        assert_eq!(key.to_bytes(), bytes);
        assert!(key.verify(b"message", &[0; 64]).is_err());
    }
    assert!(SIGN_IN.key.verify(b"message", bytes).is_err());
}

/// Client data, held against what another reader makes of the same text.
pub(crate) fn client_data(bytes: &[u8]) {
    let Ok(data) = ClientData::parse(bytes) else { return };
    let other: Value = serde_json::from_slice(bytes).expect("the other reader takes it too");
    for kind in [CREATE, GET] {
        if data.check(kind, &CHALLENGE, ORIGIN).is_ok() {
            assert_eq!(other["type"], kind);
            assert_eq!(other["origin"], ORIGIN);
            assert_eq!(other["challenge"], base64url::encode(CHALLENGE));
            assert!(other.get("crossOrigin").is_none_or(|cross| *cross == Value::Bool(false)));
            assert!(other.get("topOrigin").is_none());
        }
    }
}

/// Authenticator data: every byte is accounted for.
pub(crate) fn authenticator_data(bytes: &[u8]) {
    let Ok(data) = AuthenticatorData::parse(bytes) else { return };
    let mut known = [&data.rp_id_hash[..], &bytes[32..33], &data.sign_count.to_be_bytes()].concat();
    if let Some(attested) = data.attested {
        let length = u16::try_from(attested.credential_id.len()).expect("ids are short");
        known.extend([attested.aaguid, &length.to_be_bytes()[..], attested.credential_id].concat());
        known.extend(attested.public_key_cose);
        assert!((1..=1023).contains(&length));
        assert!(canonical::parse(attested.public_key_cose).is_ok());
    }
    let extensions = bytes.strip_prefix(known.as_slice()).expect("it begins with what was read");
    let has_extensions = bytes[32] & 0x80 != 0;
    assert_eq!(has_extensions, !extensions.is_empty());
    assert!(!has_extensions || canonical::parse(extensions).is_ok_and(|value| value.is_map()));
    let _ = data.check(RP_ID, UserVerification::Required);
}

/// A registration: as a browser hands it in, or an attestation object in an answer that is right otherwise.
pub(crate) fn registration(bytes: &[u8]) {
    if bytes.first() == Some(&b'{') {
        if let Some(json) = text(bytes) {
            let _ = verify(json);
        }
        return;
    }
    let client_data = format!(
        r#"{{"type":"{CREATE}","challenge":"{}","origin":"{ORIGIN}"}}"#,
        base64url::encode(CHALLENGE)
    );
    // The id is wherever the object says, so that the last check can pass.
    let at = bytes.windows(RP_HASH_FLAGS_COUNT.len()).position(|part| part == RP_HASH_FLAGS_COUNT);
    let attested = at.and_then(|at| bytes.get(at + 53..));
    let length = attested.and_then(|rest| rest.first_chunk()).map_or(0, |length| u16::from_be_bytes(*length));
    let id = attested.and_then(|rest| rest.get(2..2 + usize::from(length))).unwrap_or_default();
    let json = answer(id, client_data.as_bytes(), bytes);
    if let Ok(passkey) = verify(&json) {
        assert_eq!(passkey.credential_id, id);
        assert_eq!(PublicKey::from_cose(&passkey.public_key_cose).as_ref(), Ok(&passkey.public_key));
        assert!(passkey.backup_eligible || !passkey.backed_up);
    }
}

/// What a browser hands in.
fn answer(id: &[u8], client_data: &[u8], object: &[u8]) -> String {
    format!(
        r#"{{"id":"{id}","rawId":"{id}","type":"public-key","response":{{"clientDataJSON":"{}","attestationObject":"{}"}}}}"#,
        base64url::encode(client_data),
        base64url::encode(object),
        id = base64url::encode(id),
    )
}

/// SHA-256 of [`RP_ID`]: the first 32 bytes of its authenticator data.
const RP_HASH_FLAGS_COUNT: [u8; 32] = [
    0xbf, 0xab, 0xc3, 0x74, 0x32, 0x95, 0x8b, 0x06, 0x33, 0x60, 0xd3, 0xad, 0x64, 0x61, 0xc9, 0xc4, 0x73,
    0x5a, 0xe7, 0xf8, 0xed, 0xd4, 0x65, 0x92, 0xa5, 0xe0, 0xf0, 0x14, 0x52, 0xb2, 0xe4, 0xb5,
];

fn verify(json: &str) -> Result<NewPasskey, RegistrationError> {
    let expected = RegistrationExpectation {
        challenge: &CHALLENGE,
        origin: ORIGIN,
        rp_id: RP_ID,
        user_verification: UserVerification::Preferred,
        algorithms: &Algorithm::ALL,
        attestation: AttestationPolicy::NoneOrSelf,
    };
    verify_registration(json, &expected)
}

/// A registration that an authenticator's maker vouches for, changed. The real one alone is accepted.
pub(crate) fn attestation(bytes: &[u8]) {
    let Attested { challenge, client_data_json, object, credential_id, listed } = &*ATTESTED;
    let [edited, client_data] = one_edited([object.as_slice(), client_data_json], bytes);
    let json = answer(credential_id, &client_data, &edited);
    let expected = RegistrationExpectation {
        challenge,
        origin: ORIGIN,
        rp_id: RP_ID,
        user_verification: UserVerification::Preferred,
        algorithms: &Algorithm::ALL,
        attestation: AttestationPolicy::Hardware { listed, now: NOW },
    };
    let is_real = [&edited, &client_data] == [object, client_data_json];
    let verdict = verify_registration(&json, &expected);
    assert_eq!(verdict.is_ok(), is_real, "{verdict:?}");
}

/// A sign-in: as a browser hands it in, or a real one that was changed. The real one alone is accepted.
pub(crate) fn assertion(bytes: &[u8]) {
    let SignIn { challenge, client_data_json, authenticator_data, signature, credential_id, key } = &*SIGN_IN;
    let flags = AuthenticatorData::parse(authenticator_data).expect("it is published").flags;
    let expected = AssertionExpectation {
        challenge,
        origin: ORIGIN,
        rp_id: RP_ID,
        user_verification: UserVerification::Preferred,
        algorithms: &Algorithm::ALL,
    };
    let passkey = KnownPasskey {
        credential_id,
        public_key: key,
        sign_count: 0,
        backup_eligible: flags.backup_eligible(),
        user_handle: &[1; 16],
    };
    let real = [client_data_json, authenticator_data, signature, credential_id];
    let answer = if bytes.first() == Some(&b'{') {
        let Some(Ok(answer)) = text(bytes).map(AuthenticationResponse::parse) else { return };
        answer
    } else {
        let [client_data_json, authenticator_data, signature, credential_id] =
            one_edited(real.map(Vec::as_slice), bytes);
        AuthenticationResponse {
            credential_id,
            client_data_json,
            authenticator_data,
            signature,
            user_handle: None,
        }
    };
    let AuthenticationResponse { credential_id, client_data_json, authenticator_data, signature, .. } =
        &answer;
    let is_real = [client_data_json, authenticator_data, signature, credential_id] == real;
    let is_accepted = answer.verify(&expected, &passkey).is_ok();
    assert!(is_real || !is_accepted, "a sign-in that nobody signed is accepted");
    assert!(is_accepted || !is_real || answer.user_handle.is_some(), "the real sign-in is refused");
}
