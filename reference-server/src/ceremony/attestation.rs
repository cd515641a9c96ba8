//! The attestation object of a registration: reading it, and what its statement proves (WebAuthn Level 3 section 8).

use passkey_accounts::{
    evidence::{Algorithm, Malformed, Part, PublicKey, Step, cbor},
    protocol::UnixMillis,
};

use super::{
    authenticators::{Authenticators, Vouched},
    registration::{NotAllowed, RegistrationError},
};

/// Which attestation statements an app accepts.
#[derive(Debug, Clone, Copy, Default)]
pub enum AttestationPolicy<'a> {
    /// No statement, or one by the passkey's own key; nothing about the authenticator's model is believed.
    #[default]
    NoneOrSelf,
    /// One by the maker of an authenticator that is listed, and the passkey cannot be backed up.
    Hardware {
        /// Those that are listed.
        listed: &'a Authenticators,
        /// When certificates must be valid.
        now: UnixMillis,
    },
}

/// A valid statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestation {
    /// None was made (section 8.7).
    None,
    /// The passkey signed its own registration (section 8.2, without certificates).
    SelfSigned,
    /// The authenticator's maker vouches for it (section 8.2, with certificates that lead to one whose word counts).
    Vouched,
}

/// An attestation object (section 6.5), taken apart.
#[derive(Debug)]
pub(super) struct AttestationObject {
    pub(super) authenticator_data: Vec<u8>,
    statement: Statement,
}

#[derive(Debug)]
enum Statement {
    None,
    SelfSigned { alg: i64, signature: Vec<u8> },
    Vouched(Vouched),
    OtherCertificates,
    Invalid,
    UnknownFormat,
}

impl AttestationObject {
    /// "Perform CBOR decoding on the attestationObject field ... to obtain fmt, authData and attStmt": canonical, with
    /// exactly these three members.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |reason| Part::AttestationObject.malformed(reason);
        let object = cbor::parse(bytes).map_err(|_| malformed("it is not canonical CBOR"))?;
        let members = cbor::exact_texts(&object, ["fmt", "attStmt", "authData"])
            .ok_or(malformed("its members are not fmt, attStmt, authData"))?;
        let [format, statement, data] = members;
        let format = format.as_text().ok_or(malformed("fmt is not a text"))?;
        let data = data.as_bytes().ok_or(malformed("authData is not a byte string"))?;
        let statement = Statement::parse(format, statement);
        Ok(Self { authenticator_data: data.clone(), statement })
    }

    /// "Verify that attStmt is a correct attestation statement, conveying a valid attestation signature", and that the
    /// policy accepts its kind.
    pub(super) fn verify(
        &self,
        policy: AttestationPolicy<'_>,
        aaguid: &[u8; 16],
        key: &PublicKey,
        client_data_hash: &[u8],
    ) -> Result<Attestation, RegistrationError> {
        let attestation = match &self.statement {
            Statement::None => Attestation::None,
            Statement::SelfSigned { alg, signature } => {
                self.verify_self_signature(*alg, signature, key, client_data_hash)?;
                Attestation::SelfSigned
            }
            Statement::Vouched(vouched) => {
                let AttestationPolicy::Hardware { listed, now } = policy else {
                    return Err(RegistrationError::AttestationNotAccepted);
                };
                let message = [&self.authenticator_data, client_data_hash].concat();
                vouched.verify(&message, aaguid)?;
                vouched.check(listed, aaguid, now)?;
                Attestation::Vouched
            }
            Statement::OtherCertificates => return Err(RegistrationError::AttestationNotAccepted),
            Statement::Invalid => return Err(Step::AttestationStatement.into()),
            Statement::UnknownFormat => return Err(Step::AttestationFormat.into()),
        };
        match (policy, attestation) {
            (AttestationPolicy::Hardware { .. }, Attestation::None | Attestation::SelfSigned) => {
                Err(NotAllowed::Unattested.into())
            }
            _ => Ok(attestation),
        }
    }

    /// Section 8.2, "If x5c is not present, self attestation is in use": `alg` is the credential's, and `sig` is the
    /// credential key's signature over authenticatorData and clientDataHash.
    fn verify_self_signature(
        &self,
        alg: i64,
        signature: &[u8],
        key: &PublicKey,
        client_data_hash: &[u8],
    ) -> Result<(), Step> {
        if Algorithm::from_cose(alg) != Some(key.algorithm()) {
            return Err(Step::AttestationStatement);
        }
        let message = [&self.authenticator_data, client_data_hash].concat();
        key.verify(&message, signature).map_err(|_| Step::Signature)
    }
}

impl Statement {
    fn parse(format: &str, statement: &cbor::Value) -> Self {
        match format {
            // Section 8.7: "attStmt: emptyMap".
            "none" if statement.as_map().is_some_and(Vec::is_empty) => Self::None,
            "none" => Self::Invalid,
            "packed" => Self::parse_packed(statement),
            "tpm" | "android-key" | "android-safetynet" | "fido-u2f" | "apple" | "compound" => {
                Self::OtherCertificates
            }
            _ => Self::UnknownFormat,
        }
    }

    /// Section 8.2: `{alg, sig}` alone is self attestation; with `x5c` somebody else vouches for the authenticator.
    fn parse_packed(statement: &cbor::Value) -> Self {
        if let Some([alg, sig]) = cbor::exact_texts(statement, ["alg", "sig"]) {
            let alg = alg.as_integer().and_then(|alg| i64::try_from(alg).ok());
            return match (alg, sig.as_bytes()) {
                (Some(alg), Some(sig)) => Self::SelfSigned { alg, signature: sig.clone() },
                _ => Self::Invalid,
            };
        }
        Self::parse_vouched(statement).map_or(Self::Invalid, Self::Vouched)
    }

    fn parse_vouched(statement: &cbor::Value) -> Option<Vouched> {
        let [alg, sig, x5c] = cbor::exact_texts(statement, ["alg", "sig", "x5c"])?;
        let alg = i64::try_from(alg.as_integer()?).ok()?;
        let chain = x5c.as_array()?.iter().map(|certificate| certificate.as_bytes().cloned());
        Vouched::new(alg, sig.as_bytes()?.clone(), chain.collect::<Option<_>>()?)
    }
}
