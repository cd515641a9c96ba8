//! The TLS side of the server: TLS 1.3, aws-lc-rs chosen by name, no session tickets, certificates that are renewed under
//! way.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use serde::Deserialize;

use crate::{clock::Clock, limits::CERTIFICATE_LOOK_MS};

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// 1.2, with forward secrecy and AEAD only, for back ends that know nothing better.
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3, which every browser with passkeys speaks.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

impl TlsVersion {
    fn spoken(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::V1_2 => vec![&TLS13, &TLS12],
            Self::V1_3 => vec![&TLS13],
        }
    }
}

/// How TLS is spoken, with what `identity` shows at that moment.
///
/// # Errors
/// [`TlsError::Unfit`]
pub fn server_config(
    identity: &Arc<Identity>,
    min_version: TlsVersion,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&min_version.spoken())
        .map_err(|error| TlsError::Unfit("the versions of TLS".to_owned(), error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<Identity>::clone(identity));
    // A ticket saves less than a tenth of a handshake and is a secret that lives on.
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec(), ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}

/// The protocol by which an authority looks at a proof (RFC 8737 section 4).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// What the server shows whoever connects.
#[derive(Debug, Default)]
pub struct Identity {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// By name: what an authority that asks for a proof is shown.
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Identity {
    /// Shows another certificate from now on: connections that begin get it, those that are open stay.
    pub fn show(&self, certificate: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certificate));
    }

    /// Shows this to an authority that asks for a proof for that name.
    pub(crate) fn prove(&self, domain: String, proof: CertifiedKey) {
        self.proofs.write().unwrap_or_else(PoisonError::into_inner).insert(domain, Arc::new(proof));
    }

    /// Has no proofs any more.
    pub(crate) fn forget_proofs(&self) {
        self.proofs.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Whoever asks for a proof offers nothing else, and gets nothing else.
        if hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_TLS)) {
            let proofs = self.proofs.read().unwrap_or_else(PoisonError::into_inner);
            return proofs.get(hello.server_name()?).cloned();
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

impl CertificateFiles {
    /// Reads both and shows them. [`FileWatch::keep_renewing`] reads them again when they change.
    ///
    /// # Errors
    /// [`TlsError`] says which file is wrong.
    pub fn show_in(self, identity: &Arc<Identity>) -> Result<FileWatch, TlsError> {
        let read = self.stamp();
        identity.show(self.read()?);
        Ok(FileWatch { files: self, identity: Arc::clone(identity), read })
    }

    fn stamp(&self) -> Stamp {
        let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        [changed(&self.cert_file), changed(&self.key_file)]
    }

    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let text = |path: &PathBuf| {
            fs::read(path).map_err(|error| TlsError::Unreadable(path.display().to_string(), error))
        };
        let (chain, key) = (text(&self.cert_file)?, text(&self.key_file)?);
        let (cert_file, key_file) =
            (self.cert_file.display().to_string(), self.key_file.display().to_string());
        certified((&cert_file, &chain), (&key_file, &key))
    }
}

/// Files of a certificate that somebody else renews.
#[derive(Debug)]
pub struct FileWatch {
    files: CertificateFiles,
    identity: Arc<Identity>,
    read: Stamp,
}

/// When both files were changed last.
type Stamp = [Option<SystemTime>; 2];

impl FileWatch {
    /// Looks at the files now and then, and shows what has changed in them. A pair that does not fit is logged, and the
    /// old one stays.
    pub async fn keep_renewing(mut self, clock: Clock) {
        loop {
            clock.sleep_until(clock.now().plus(CERTIFICATE_LOOK_MS)).await;
            let now = self.files.stamp();
            if self.read == now {
                continue;
            }
            // Noted also when it fails: it is tried again, and logged, when the files change again.
            self.read = now;
            match self.files.read() {
                Ok(certificate) => {
                    self.identity.show(certificate);
                    tracing::info!("the certificate was renewed");
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate was changed and cannot be used; the old one stays");
                }
            }
        }
    }
}

/// What a chain and a key make, both PEM, each with the name of where it comes from.
///
/// # Errors
/// [`TlsError`]
pub fn certified(chain: (&str, &[u8]), key: (&str, &[u8])) -> Result<CertifiedKey, TlsError> {
    let not_pem = |place: &str| {
        let place = place.to_owned();
        move |error| TlsError::NotPem(place, error)
    };
    let certificates =
        CertificateDer::pem_slice_iter(chain.1).collect::<Result<Vec<_>, _>>().map_err(not_pem(chain.0))?;
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(not_pem(key.0))?;
    CertifiedKey::from_der(certificates, private, &aws_lc_rs::default_provider())
        .map_err(|error| TlsError::Unfit(format!("{} and {}", chain.0, key.0), error))
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system says no.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, #[source] io::Error),
    /// No PEM inside.
    #[error("{0} is not a PEM file of the kind expected: {1:?}")]
    NotPem(String, pem::Error),
    /// Certificate and key do not go together.
    #[error("{0} do not make a TLS identity: {1}")]
    Unfit(String, #[source] rustls::Error),
}
