//! Proofs of back ends: which key pair sent this request to the HTTP API (docs/protocol.md, "Key pairs")?

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::{Owner, ProofError, RequestHead, Signed, base::signature_base, fields};
use crate::{
    key_pair::{KeyPair, PublicKey},
    protocol::{UnixMillis, base64url::encode},
};

/// The proof of a request by a key pair, that was read and fits what it came with; whether the key made it is not known
/// yet. The steps are those of [the module](super): read, check the time, look the key up, verify, remember, check the body.
#[derive(Debug, Clone)]
pub struct KeyProof {
    owner: Owner,
    signed: Signed,
}

impl KeyProof {
    /// Signs a request: the values of the fields to send along, by their names. `created` is in seconds since 1970, `nonce`
    /// random. `body` is `None` when there is none.
    pub fn sign(
        pair: &KeyPair,
        method: &str,
        target_uri: &str,
        body: Option<&[u8]>,
        created: u64,
        nonce: &[u8; 16],
    ) -> Vec<(&'static str, String)> {
        let digest = body.map(|body| format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body))));
        let covered = [
            Some(("\"@method\"", method)),
            Some(("\"@target-uri\"", target_uri)),
            digest.as_deref().map(|digest| ("\"content-digest\"", digest)),
        ];
        let names: Vec<_> = covered.iter().flatten().map(|(name, _)| *name).collect();
        let params = format!(
            r#"({});created={created};keyid="{}";nonce="{}";tag="{}""#,
            names.join(" "),
            pair.public_key().key_id(),
            encode(nonce),
            FORM.tag,
        );
        let signature = pair.sign(signature_base(covered.into_iter().flatten(), &params).as_bytes());
        let label = fields::LABEL;
        let mut fields = vec![
            ("signature-input", format!("{label}={params}")),
            ("signature", format!("{label}=:{}:", BASE64.encode(&signature))),
        ];
        fields.extend(digest.map(|digest| ("content-digest", digest)));
        fields
    }

    /// Reads the proof of a request: an RFC 9421 signature labelled `pa` with the tag `passkey-accounts-key`.
    ///
    /// # Errors
    /// [`ProofError::Missing`] when there is none, [`ProofError::Invalid`] when it is not one.
    pub fn of_request(head: &RequestHead<'_>) -> Result<Self, ProofError> {
        let claim = fields::read(head, FORM)?;
        let owner = Owner::try_from(claim.key_id.as_str().as_bytes());
        let owner = owner.map_err(|_| ProofError::Invalid("keyid is not that of a key pair"))?;
        Ok(Self { owner, signed: Signed::of_request(claim, owner) })
    }

    /// The public name of the key pair that it claims to be of.
    pub fn key_id(&self) -> &str {
        str::from_utf8(&self.owner).unwrap_or_default()
    }

    /// When it claims to be made, in milliseconds since 1970.
    pub const fn created(&self) -> UnixMillis {
        UnixMillis(self.signed.created.saturating_mul(1_000))
    }

    /// As [`Proof::check_time`](super::Proof::check_time).
    ///
    /// # Errors
    /// [`ProofError::Expired`]
    pub const fn check_time(&self, now: UnixMillis) -> Result<(), ProofError> {
        self.signed.check_time(now)
    }

    /// Checks that this key has signed exactly this.
    ///
    /// # Errors
    /// [`ProofError::Invalid`]
    pub fn verify(&self, key: &PublicKey) -> Result<(), ProofError> {
        let verified = key.verify(&self.signed.bytes, &self.signed.signature);
        verified.map_err(|_| ProofError::Invalid("the key pair has not signed exactly this"))
    }

    /// As [`Proof::check_body`](super::Proof::check_body).
    ///
    /// # Errors
    /// [`ProofError::Invalid`]
    pub fn check_body(&self, body: &[u8]) -> Result<(), ProofError> {
        self.signed.check_body(body)
    }

    pub(super) const fn owner(&self) -> Owner {
        self.owner
    }

    pub(super) const fn signed(&self) -> &Signed {
        &self.signed
    }
}

/// How a key pair signs.
const FORM: fields::Form = fields::Form { tag: "passkey-accounts-key", algorithm: "ed25519" };

#[cfg(test)]
mod tests {
    use super::{KeyPair, KeyProof, ProofError, RequestHead, UnixMillis};

    const URI: &str = "https://auth.example/v1/keys";

    fn signed(body: Option<&[u8]>) -> Vec<(&'static str, String)> {
        KeyProof::sign(&KeyPair::from_seed(&[7; 32]), "POST", URI, body, 1_795_370_400, &[3; 16])
    }

    fn read(fields: &[(&str, String)], method: &str, uri: &str) -> Result<KeyProof, ProofError> {
        let field = |name| fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_bytes());
        KeyProof::of_request(&RequestHead {
            method,
            target_uri: uri,
            signature_input: field("signature-input"),
            signature: field("signature"),
            content_digest: field("content-digest"),
        })
    }

    #[test]
    fn a_request_that_was_signed_verifies_with_its_key_only() {
        let pair = KeyPair::from_seed(&[7; 32]);
        for body in [None, Some(&b"{}"[..])] {
            let proof = read(&signed(body), "POST", URI).unwrap();
            assert_eq!(proof.key_id(), pair.public_key().key_id());
            assert_eq!(proof.created(), UnixMillis(1_795_370_400_000));
            assert!(proof.verify(&pair.public_key()).is_ok());
            assert!(proof.verify(&KeyPair::from_seed(&[8; 32]).public_key()).is_err());
            assert!(proof.check_body(body.unwrap_or_default()).is_ok());
            assert!(proof.check_body(b"other").is_err());
        }
    }

    #[test]
    fn another_method_address_or_digest_does_not_verify() {
        let key = KeyPair::from_seed(&[7; 32]).public_key();
        let fields = signed(Some(b"{}"));
        for (method, uri) in [("GET", URI), ("POST", "https://evil.example/v1/keys")] {
            assert!(read(&fields, method, uri).unwrap().verify(&key).is_err());
        }
        let mut other = fields.clone();
        other[2] = signed(Some(b"[]")).remove(2);
        assert!(read(&other, "POST", URI).unwrap().verify(&key).is_err());
        let tag = fields[0].1.replace("passkey-accounts-key", "passkey-accounts");
        assert!(
            read(&[("signature-input", tag), fields[1].clone(), fields[2].clone()], "POST", URI).is_err()
        );
        assert_eq!(read(&[], "GET", URI).unwrap_err(), ProofError::Missing);
    }
}
