//! The parts of a ceremony while it is made, so that tests can build a wrong one and still have it correctly signed.

use passkey_accounts::protocol::webauthn::Algorithm;

/// A moment in the making of an answer at which its newest part may be changed.
#[derive(Debug)]
pub enum Stage<'a> {
    /// The client data, before it is hashed.
    ClientData(&'a mut Vec<u8>),
    /// The authenticator data, before it is signed.
    AuthenticatorData(&'a mut AuthenticatorDataDraft),
    /// The parts of the attestation object; at registration only.
    Attestation(&'a mut AttestationDraft),
    /// The attestation object; at registration only.
    AttestationObject(&'a mut Vec<u8>),
    /// The signature; at sign-in only.
    Signature(&'a mut Vec<u8>),
    /// The answer in JSON.
    Answer(&'a mut String),
}

/// Authenticator data field by field (WebAuthn Level 3 section 6.1). At sign-in, those of the credential are empty.
#[derive(Debug, Clone, Default)]
pub struct AuthenticatorDataDraft {
    /// 32 bytes.
    pub rp_id_hash: Vec<u8>,
    /// UP 0x01, UV 0x04, BE 0x08, BS 0x10, AT 0x40, ED 0x80.
    pub flags: u8,
    /// 4 bytes, big-endian.
    pub sign_count: Vec<u8>,
    /// 16 bytes.
    pub aaguid: Vec<u8>,
    /// 2 bytes, big-endian.
    pub credential_id_length: Vec<u8>,
    /// 32 bytes.
    pub credential_id: Vec<u8>,
    /// `COSE_Key`.
    pub public_key_cose: Vec<u8>,
    /// A CBOR map, or nothing.
    pub extensions: Vec<u8>,
}

impl AuthenticatorDataDraft {
    /// The fields one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            &self.rp_id_hash[..],
            &[self.flags],
            &self.sign_count,
            &self.aaguid,
            &self.credential_id_length,
            &self.credential_id,
            &self.public_key_cose,
            &self.extensions,
        ]
        .concat()
    }
}

/// An attestation object member by member (section 6.5).
#[derive(Debug, Clone)]
pub struct AttestationDraft {
    /// `fmt`.
    pub format: String,
    /// `attStmt` in CBOR.
    pub statement: Vec<u8>,
    /// `authData`. In a packed statement it is signed already.
    pub authenticator_data: Vec<u8>,
}

impl AttestationDraft {
    /// Without a statement (section 8.7).
    pub fn none(authenticator_data: Vec<u8>) -> Self {
        Self { format: "none".into(), statement: vec![0xa0], authenticator_data }
    }

    /// With a statement by the passkey itself (section 8.2).
    pub fn sign_itself(&mut self, algorithm: Algorithm, signature: &[u8]) {
        self.format = "packed".into();
        self.statement =
            [&[0xa2][..], &text("alg"), &integer(algorithm.cose()), &text("sig"), &bytes(signature)].concat();
    }

    /// With a statement by a key that the authenticator's maker vouches for (section 8.2).
    pub fn sign_for_maker(&mut self, algorithm: Algorithm, signature: &[u8], chain: &[Vec<u8>]) {
        self.format = "packed".into();
        let certificates = chain.iter().flat_map(|certificate| bytes(certificate)).collect::<Vec<_>>();
        self.statement = [
            &[0xa3][..],
            &text("alg"),
            &integer(algorithm.cose()),
            &text("sig"),
            &bytes(signature),
            &text("x5c"),
            &head(4, chain.len() as u64),
            &certificates,
        ]
        .concat();
    }

    /// The attestation object in canonical CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            &[0xa3][..],
            &text("fmt"),
            &text(&self.format),
            &text("attStmt"),
            &self.statement,
            &text("authData"),
            &bytes(&self.authenticator_data),
        ]
        .concat()
    }
}

/// A CBOR text string.
pub fn text(text: &str) -> Vec<u8> {
    [&head(3, text.len() as u64)[..], text.as_bytes()].concat()
}

/// A CBOR byte string.
pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len() as u64)[..], bytes].concat()
}

/// A CBOR integer.
pub fn integer(number: i64) -> Vec<u8> {
    match u64::try_from(number) {
        Ok(number) => head(0, number),
        Err(_) => head(1, number.unsigned_abs() - 1),
    }
}

/// The first bytes of a CBOR value: its major type and its length or number, in the shortest form.
fn head(major: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let (additional, length) = match number {
        0..=23 => (bytes[7], 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    let (_, number) = bytes.split_at(bytes.len() - length);
    [&[major << 5 | additional][..], number].concat()
}
