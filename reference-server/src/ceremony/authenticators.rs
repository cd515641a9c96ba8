//! Authenticators that their makers vouch for: packed attestation with certificates (WebAuthn Level 3 section 8.2), and whose
//! word counts for which model.

use std::{collections::HashMap, time::Duration};

use passkey_accounts::{evidence::Step, protocol::UnixMillis};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{
        OID_X509_COMMON_NAME, OID_X509_COUNTRY_NAME, OID_X509_ORGANIZATION_NAME,
        OID_X509_ORGANIZATIONAL_UNIT, Oid, asn1_rs::oid,
    },
    parse_x509_certificate,
    x509::{X509Name, X509Version},
};

use super::registration::NotAllowed;

/// `id-fido-gen-ce-aaguid` (section 8.2.1).
const AAGUID_EXTENSION: Oid<'static> = oid!(1.3.6.1.4.1.45724.1.1.4);
/// Within a certificate that asserts no purpose, which is how makers write them; `clientAuth` where one is asserted.
const USAGE: KeyUsage = KeyUsage::client_auth();

/// The models that apps with the policy `hardware` accept, each by its AAGUID, and the certificates that vouch for it.
#[derive(Debug, Clone, Default)]
pub struct Authenticators(HashMap<[u8; 16], Makers>);

/// The certificates whose word counts, and each as what a chain may end in.
#[derive(Debug, Clone, Default)]
struct Makers {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl Authenticators {
    /// Lists a model, or adds to those who vouch for it. `certificate` is a root or, as metadata services have it for makers
    /// without one, the attestation certificate itself.
    ///
    /// # Errors
    /// [`NotACertificate`]
    pub fn trust(
        &mut self,
        aaguid: [u8; 16],
        certificate: CertificateDer<'static>,
    ) -> Result<(), NotACertificate> {
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| NotACertificate)?.to_owned();
        let makers = self.0.entry(aaguid).or_default();
        makers.certificates.push(certificate);
        makers.anchors.push(anchor);
        Ok(())
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a model is listed.
    pub fn has(&self, aaguid: &[u8; 16]) -> bool {
        self.0.contains_key(aaguid)
    }

    /// Whether the chain leads to somebody whose word counts for this model.
    fn vouched_for(
        &self,
        aaguid: &[u8; 16],
        chain: &[CertificateDer<'_>],
        now: UnixMillis,
    ) -> Result<(), NotAllowed> {
        let makers = self.0.get(aaguid).ok_or(NotAllowed::Model)?;
        let (leaf, others) = chain.split_first().ok_or(NotAllowed::Maker)?;
        if makers.certificates.contains(leaf) {
            return Ok(());
        }
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| NotAllowed::Maker)?;
        leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &makers.anchors, others, now, USAGE, None, None)
            .map(drop)
            .map_err(|_| NotAllowed::Maker)
    }
}

/// Not an X.509 certificate that could vouch for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotACertificate;

/// A packed statement with certificates: `{alg, sig, x5c}`.
#[derive(Debug)]
pub(super) struct Vouched {
    alg: i64,
    signature: Vec<u8>,
    /// The attestation certificate, then those that lead to a root.
    chain: Vec<CertificateDer<'static>>,
}

impl Vouched {
    /// `None` without a certificate.
    pub(super) fn new(alg: i64, signature: Vec<u8>, chain: Vec<Vec<u8>>) -> Option<Self> {
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        (!chain.is_empty()).then_some(Self { alg, signature, chain })
    }

    /// Section 8.2, "If x5c is present", step by step: the signature is the attestation certificate's, the certificate is as
    /// section 8.2.1 demands, and names the same model as the authenticator data.
    pub(super) fn verify(&self, message: &[u8], aaguid: &[u8; 16]) -> Result<(), Step> {
        let leaf = self.chain.first().ok_or(Step::AttestationStatement)?;
        let algorithm = signature_algorithm(self.alg).ok_or(Step::AttestationStatement)?;
        let certificate = EndEntityCert::try_from(leaf).map_err(|_| Step::AttestationStatement)?;
        certificate.verify_signature(algorithm, message, &self.signature).map_err(|_| Step::Signature)?;
        let (rest, certificate) = parse_x509_certificate(leaf).map_err(|_| Step::AttestationStatement)?;
        let is_fit = rest.is_empty() && is_attestation_certificate(&certificate).unwrap_or(false);
        if is_fit && names(&certificate, aaguid) { Ok(()) } else { Err(Step::AttestationStatement) }
    }

    /// Whether somebody vouches whose word counts for this model.
    pub(super) fn check(
        &self,
        authenticators: &Authenticators,
        aaguid: &[u8; 16],
        now: UnixMillis,
    ) -> Result<(), NotAllowed> {
        authenticators.vouched_for(aaguid, &self.chain, now)
    }
}

/// The algorithm of a COSE number, among those that makers sign with.
const fn signature_algorithm(cose: i64) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match cose {
        -7 => Some(algorithms::ECDSA_P256_SHA256),
        -8 => Some(algorithms::ED25519),
        -35 => Some(algorithms::ECDSA_P384_SHA384),
        -257 => Some(algorithms::RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

/// Section 8.2.1: version 3; a country, a maker, "Authenticator Attestation" and a name as subject; no authority itself.
/// `None` where one of them is missing or comes twice.
fn is_attestation_certificate(certificate: &X509Certificate<'_>) -> Option<bool> {
    let subject = certificate.subject();
    let is_named = only(subject, &OID_X509_COUNTRY_NAME)?.len() == 2
        && !only(subject, &OID_X509_ORGANIZATION_NAME)?.is_empty()
        && only(subject, &OID_X509_ORGANIZATIONAL_UNIT)? == "Authenticator Attestation"
        && !only(subject, &OID_X509_COMMON_NAME)?.is_empty();
    let is_authority = certificate.basic_constraints().ok()??.value.ca;
    Some(certificate.version() == X509Version::V3 && is_named && !is_authority)
}

/// The only value of an attribute.
fn only<'a>(name: &'a X509Name<'_>, attribute: &'a Oid<'_>) -> Option<&'a str> {
    let mut values = name.iter_by_oid(attribute);
    let value = values.next()?.as_str().ok()?;
    values.next().is_none().then_some(value)
}

/// "If attestnCert contains an extension with OID id-fido-gen-ce-aaguid verify that the value of this extension matches
/// the aaguid in authenticatorData." It is an OCTET STRING in the extension's own, and "MUST NOT be marked as critical".
fn names(certificate: &X509Certificate<'_>, aaguid: &[u8; 16]) -> bool {
    match certificate.get_extension_unique(&AAGUID_EXTENSION) {
        Ok(None) => true,
        Ok(Some(extension)) => {
            !extension.critical && extension.value.strip_prefix(&[0x04, 16]) == Some(aaguid.as_slice())
        }
        Err(_) => false,
    }
}
