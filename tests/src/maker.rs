//! A maker of authenticators, for attestation: a root, and attestation certificates (WebAuthn Level 3 section 8.2.1).

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// Somebody who makes authenticators.
#[derive(Debug)]
pub struct Maker {
    issuer: Issuer<'static, KeyPair>,
    /// The root certificate, DER.
    pub root: Vec<u8>,
}

/// What an authenticator signs new passkeys with.
#[derive(Debug)]
pub struct Attestation {
    /// The certificate of the key, then those that lead to a root; DER.
    pub chain: Vec<Vec<u8>>,
    /// P-256.
    pub key: KeyPair,
}

impl Default for Maker {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Maker Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the machine has randomness");
        let root = params.self_signed(&key).expect("the parameters fit").der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }
}

impl Maker {
    /// Somebody whom this one lets vouch: `root` is signed by this one.
    pub fn found(&self) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Maker Between");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the machine has randomness");
        let root = params.signed_by(&key, &self.issuer).expect("the parameters fit").der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A certificate as section 8.2.1 wants it, valid for the whole of 2026 and 2027, and its key.
    pub fn attest(&self, aaguid: &[u8; 16]) -> Attestation {
        self.attest_with(aaguid, |_| {})
    }

    /// The same, and `edit` may change the certificate before it is signed.
    pub fn attest_with(&self, aaguid: &[u8; 16], edit: impl FnOnce(&mut CertificateParams)) -> Attestation {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2028, 1, 1));
        let subject = &mut params.distinguished_name;
        subject.remove(DnType::CommonName);
        subject.push(DnType::CountryName, "AA");
        subject.push(DnType::OrganizationName, "Maker");
        subject.push(DnType::OrganizationalUnitName, "Authenticator Attestation");
        subject.push(DnType::CommonName, "Maker Key");
        params.is_ca = IsCa::ExplicitNoCa;
        params.custom_extensions = vec![aaguid_extension(aaguid)];
        edit(&mut params);
        let key = KeyPair::generate().expect("the machine has randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters fit");
        Attestation { chain: vec![certificate.der().to_vec()], key }
    }
}

/// `id-fido-gen-ce-aaguid`: an OCTET STRING.
pub fn aaguid_extension(aaguid: &[u8; 16]) -> CustomExtension {
    let octets = [&[0x04, 16], &aaguid[..]].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45_724, 1, 1, 4], octets)
}
