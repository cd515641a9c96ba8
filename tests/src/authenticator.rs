//! A passkey authenticator and its browser in software: real answers from options and an origin, for tests and the demo.
//!
//! It is written apart from the code that checks it: bytes are laid out by hand, from the specification.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    digest,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaPublicKeyComponents,
    },
};
use passkey_accounts::protocol::{
    base64url::encode,
    webauthn::{
        Algorithm, AttestationConveyance, PublicKeyCredentialCreationOptionsJSON,
        PublicKeyCredentialDescriptorJSON, PublicKeyCredentialRequestOptionsJSON,
    },
};
use serde_json::{Value, json};

use crate::{
    draft::{AttestationDraft, AuthenticatorDataDraft, Stage},
    maker::Attestation,
};
use rcgen::SigningKey as _;

/// An authenticator with the passkeys that it made.
///
/// ```
/// use passkey_accounts_tests::SoftwareAuthenticator;
/// # let options = r#"{"rp":{"id":"shop.example","name":"Shop"},"user":{"id":"AQ","name":"you","displayName":"you"},"challenge":"AAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"authenticatorSelection":{"residentKey":"discouraged","userVerification":"required"}}"#;
/// let mut authenticator = SoftwareAuthenticator::new([7; 32]);
/// let answer = authenticator.register(options, "https://shop.example")?;
/// # assert!(answer.contains("attestationObject"));
/// # Ok::<_, passkey_accounts_tests::Refused>(())
/// ```
#[derive(Debug)]
pub struct SoftwareAuthenticator {
    /// Sets UP. True at first, like the next two.
    pub user_present: bool,
    /// Sets UV.
    pub user_verified: bool,
    /// Hands out the user handle at sign-in.
    pub sends_user_handle: bool,
    /// Sets BE in new passkeys; each keeps its own.
    pub backup_eligible: bool,
    /// Sets BS.
    pub backed_up: bool,
    /// What every use adds to the signature counter; 0 means no counter.
    pub counter_step: u32,
    /// Its model.
    pub aaguid: [u8; 16],
    /// Signs new passkeys with their own key (packed self attestation).
    pub attests_itself: bool,
    /// Signs new passkeys with a key that its maker vouches for (packed attestation), where that is asked for.
    pub attestation: Option<Attestation>,
    /// Makes passkeys of this algorithm only; otherwise of the first that is offered.
    pub algorithm: Option<Algorithm>,
    /// What it holds, oldest first.
    pub passkeys: Vec<Passkey>,
    seed: [u8; 32],
    made: u32,
}

/// A passkey with its private key.
#[derive(Debug)]
pub struct Passkey {
    /// 32 bytes.
    pub credential_id: Vec<u8>,
    /// The RP ID that it answers for.
    pub rp_id: String,
    /// The account that it was made for.
    pub user_handle: Vec<u8>,
    /// The signature counter.
    pub sign_count: u32,
    /// Sets BE.
    pub backup_eligible: bool,
    signer: Signer,
}

/// Why the authenticator did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The options are not WebAuthn options in JSON.
    #[error("these are not WebAuthn options")]
    BadOptions,
    /// None of the offered algorithms is one that this authenticator has.
    #[error("no algorithm that this authenticator has was offered")]
    NoAlgorithm,
    /// It holds one of the excluded passkeys.
    #[error("a passkey of this authenticator is registered already")]
    AlreadyRegistered,
    /// It holds none of the allowed passkeys.
    #[error("no passkey of this authenticator was asked for")]
    NoPasskey,
}

impl Default for SoftwareAuthenticator {
    /// An authenticator that shares no passkey with another of the process: seeds are counted up.
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        Self::new(sha256(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes()))
    }
}

impl SoftwareAuthenticator {
    /// An authenticator without passkeys. ES256 and EdDSA keys and credential ids follow from the seed; RS256 keys are
    /// drawn fresh.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            user_present: true,
            user_verified: true,
            sends_user_handle: true,
            backup_eligible: false,
            backed_up: false,
            counter_step: 1,
            aaguid: [0x5a; 16],
            attests_itself: false,
            attestation: None,
            algorithm: None,
            passkeys: Vec::new(),
            seed,
            made: 0,
        }
    }

    /// Makes a passkey: `navigator.credentials.create` in JSON.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn register(&mut self, options: &str, origin: &str) -> Result<String, Refused> {
        self.register_with(options, origin, &|_| {})
    }

    /// Uses a passkey: `navigator.credentials.get` in JSON.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn sign_in(&mut self, options: &str, origin: &str) -> Result<String, Refused> {
        self.sign_in_with(options, origin, &|_| {})
    }

    /// Like [`register`](Self::register), and `edit` may change every part before it is signed or sent.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn register_with(
        &mut self,
        options: &str,
        origin: &str,
        edit: &dyn Fn(Stage<'_>),
    ) -> Result<String, Refused> {
        let options: PublicKeyCredentialCreationOptionsJSON =
            serde_json::from_str(options).map_err(|_| Refused::BadOptions)?;
        if self.find(&options.rp.id, &options.exclude_credentials).is_some() {
            return Err(Refused::AlreadyRegistered);
        }
        let offered = options.pub_key_cred_params.iter().map(|offered| offered.alg);
        let algorithm = offered
            .into_iter()
            .find(|alg| self.algorithm.is_none_or(|only| only == *alg))
            .ok_or(Refused::NoAlgorithm)?;
        let passkey = Passkey {
            credential_id: self.derive("credential id").to_vec(),
            rp_id: options.rp.id,
            user_handle: options.user.id.0,
            sign_count: 0,
            backup_eligible: self.backup_eligible,
            signer: Signer::new(algorithm, self.derive("private key")),
        };
        self.made += 1;

        let client_data = client_data("webauthn.create", &options.challenge.0, origin, edit);
        let mut data = AuthenticatorDataDraft {
            aaguid: self.aaguid.to_vec(),
            credential_id_length: u16::try_from(passkey.credential_id.len())
                .expect("32 fits")
                .to_be_bytes()
                .to_vec(),
            credential_id: passkey.credential_id.clone(),
            public_key_cose: passkey.signer.public_key_cose(),
            ..self.authenticator_data(&passkey)
        };
        data.flags |= AT;
        edit(Stage::AuthenticatorData(&mut data));
        let mut attestation = AttestationDraft::none(data.to_bytes());
        let signed = [&attestation.authenticator_data, &sha256(&client_data)[..]].concat();
        match &self.attestation {
            Some(Attestation { chain, key }) if options.attestation == AttestationConveyance::Direct => {
                let signature = key.sign(&signed).expect("signing works");
                attestation.sign_for_maker(Algorithm::Es256, &signature, chain);
            }
            _ if self.attests_itself => {
                attestation.sign_itself(algorithm, &passkey.signer.sign(&signed));
            }
            _ => {}
        }
        edit(Stage::Attestation(&mut attestation));
        let mut object = attestation.to_bytes();
        edit(Stage::AttestationObject(&mut object));

        let mut answer = credential_json(
            &passkey.credential_id,
            &json!({
                "attestationObject": encode(object),
                "authenticatorData": encode(&attestation.authenticator_data),
                "clientDataJSON": encode(client_data),
                "publicKeyAlgorithm": algorithm.cose(),
                "transports": ["internal", "hybrid"],
            }),
            &json!({"credProps": {"rk": false}}),
        );
        self.passkeys.push(passkey);
        edit(Stage::Answer(&mut answer));
        Ok(answer)
    }

    /// Like [`sign_in`](Self::sign_in), and `edit` may change every part before it is signed or sent.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn sign_in_with(
        &mut self,
        options: &str,
        origin: &str,
        edit: &dyn Fn(Stage<'_>),
    ) -> Result<String, Refused> {
        let options: PublicKeyCredentialRequestOptionsJSON =
            serde_json::from_str(options).map_err(|_| Refused::BadOptions)?;
        let index = self.find(&options.rp_id, &options.allow_credentials).ok_or(Refused::NoPasskey)?;
        let step = self.counter_step;
        let passkey = self.passkeys.get_mut(index).ok_or(Refused::NoPasskey)?;
        passkey.sign_count += step;
        let passkey = self.passkeys.get(index).ok_or(Refused::NoPasskey)?;

        let client_data = client_data("webauthn.get", &options.challenge.0, origin, edit);
        let mut data = self.authenticator_data(passkey);
        edit(Stage::AuthenticatorData(&mut data));
        let data = data.to_bytes();
        let mut signature = passkey.signer.sign(&[&data[..], &sha256(&client_data)].concat());
        edit(Stage::Signature(&mut signature));
        let mut response = json!({
            "authenticatorData": encode(data),
            "clientDataJSON": encode(client_data),
            "signature": encode(signature),
        });
        if self.sends_user_handle
            && let Some(response) = response.as_object_mut()
        {
            response.insert("userHandle".into(), encode(&passkey.user_handle).into());
        }
        let mut answer = credential_json(&passkey.credential_id, &response, &json!({}));
        edit(Stage::Answer(&mut answer));
        Ok(answer)
    }

    fn find(&self, rp_id: &str, wanted: &[PublicKeyCredentialDescriptorJSON]) -> Option<usize> {
        self.passkeys.iter().position(|passkey| {
            passkey.rp_id == rp_id && wanted.iter().any(|wanted| wanted.id.0 == passkey.credential_id)
        })
    }

    fn authenticator_data(&self, passkey: &Passkey) -> AuthenticatorDataDraft {
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        AuthenticatorDataDraft {
            rp_id_hash: sha256(passkey.rp_id.as_bytes()).to_vec(),
            flags: flag(self.user_present, UP)
                | flag(self.user_verified, UV)
                | flag(passkey.backup_eligible, BE)
                | flag(self.backed_up, BS),
            sign_count: passkey.sign_count.to_be_bytes().to_vec(),
            ..AuthenticatorDataDraft::default()
        }
    }

    fn derive(&self, what: &str) -> [u8; 32] {
        sha256(&[&self.seed[..], &self.made.to_be_bytes(), what.as_bytes()].concat())
    }
}

const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;
const AT: u8 = 0x40;

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 is 32 bytes")
}

/// The serialisation of section 5.8.1.1: the order of members is fixed.
fn client_data(kind: &str, challenge: &[u8], origin: &str, edit: &dyn Fn(Stage<'_>)) -> Vec<u8> {
    let (challenge, origin) = (encode(challenge), Value::from(origin));
    let mut json =
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":{origin},"crossOrigin":false}}"#)
            .into_bytes();
    edit(Stage::ClientData(&mut json));
    json
}

fn credential_json(id: &[u8], response: &Value, extensions: &Value) -> String {
    json!({
        "id": encode(id),
        "rawId": encode(id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": extensions,
        "response": response,
    })
    .to_string()
}

#[derive(Debug)]
enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    fn new(algorithm: Algorithm, secret: [u8; 32]) -> Self {
        match algorithm {
            Algorithm::Es256 => {
                let private = PrivateKey::from_private_key(&ECDH_P256, &secret).expect("a scalar below n");
                let public = private.compute_public_key().expect("every scalar has a point");
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_ASN1_SIGNING,
                    &secret,
                    public.as_ref(),
                );
                Self::Es256(pair.expect("the two belong together"))
            }
            Algorithm::EdDsa => {
                Self::EdDsa(Ed25519KeyPair::from_seed_unchecked(&secret).expect("any 32 bytes are a seed"))
            }
            Algorithm::Rs256 => {
                Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("the machine has randomness"))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).expect("signing works").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signing works");
                signature
            }
        }
    }

    /// `COSE_Key` in the canonical form of CTAP2.
    fn public_key_cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref().split_at(33);
                let x = x.get(1..).unwrap_or_default();
                [&[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..], x, &[0x22, 0x58, 0x20], y]
                    .concat()
            }
            Self::EdDsa(pair) => [
                &[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20][..],
                pair.public_key().as_ref(),
            ]
            .concat(),
            Self::Rs256(pair) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                [
                    &[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, 0x01, 0x00][..],
                    &parts.n,
                    &[0x21, 0x43],
                    &parts.e,
                ]
                .concat()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Refused, SoftwareAuthenticator};

    const CREATE: &str = r#"{"rp":{"id":"shop.example","name":"Shop"},"user":{"id":"AQ","name":"you","displayName":"you"},"challenge":"AAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"excludeCredentials":[EXCLUDED],"authenticatorSelection":{"residentKey":"discouraged","userVerification":"required"}}"#;

    #[test]
    fn it_answers_only_for_passkeys_that_are_asked_for() {
        let mut authenticator = SoftwareAuthenticator::new([1; 32]);
        let ask = |rp_id: &str, id: &str| {
            format!(
                r#"{{"challenge":"AAAA","rpId":"{rp_id}","allowCredentials":[{{"type":"public-key","id":"{id}"}}]}}"#
            )
        };
        authenticator.register(&CREATE.replace("EXCLUDED", ""), "https://shop.example").unwrap();
        let id = super::encode(&authenticator.passkeys[0].credential_id);
        let mut sign_in =
            |options: String| authenticator.sign_in(&options, "https://shop.example").map(|_| ());
        assert_eq!(sign_in(ask("shop.example", &id)), Ok(()));
        assert_eq!(sign_in(ask("shop.example", "AAAA")), Err(Refused::NoPasskey));
        assert_eq!(sign_in(ask("other.example", &id)), Err(Refused::NoPasskey));
        assert_eq!(sign_in("{}".into()), Err(Refused::BadOptions));

        let excluded = CREATE.replace("EXCLUDED", &format!(r#"{{"type":"public-key","id":"{id}"}}"#));
        let again = authenticator.register(&excluded, "https://shop.example");
        assert_eq!(again.unwrap_err(), Refused::AlreadyRegistered);
    }
}
