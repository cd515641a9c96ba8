//! The TLS side of the server: TLS 1.3, aws-lc-rs chosen by name, no session tickets, certificates that are renewed under
//! way.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use serde::Deserialize;

use super::Tls;
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

/// Reads certificate and key. [`Identity::keep_renewing`] reads them again when they change.
///
/// # Errors
/// [`TlsError`] says which file is wrong.
pub fn load(tls: &Tls) -> Result<(Arc<ServerConfig>, Arc<Identity>), TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let identity = Arc::new(Identity::read(tls.clone(), Arc::clone(&provider))?);
    let unfit = |error| TlsError::Unfit(tls.cert_file.clone(), tls.key_file.clone(), error);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&tls.min_version.spoken())
        .map_err(unfit)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<Identity>::clone(&identity));
    // A ticket saves less than a tenth of a handshake and is a secret that lives on.
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), identity))
}

/// The server's certificate and key, as they were last read.
#[derive(Debug)]
pub struct Identity {
    files: Tls,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    read: RwLock<Stamp>,
}

/// When both files were changed last.
type Stamp = [Option<SystemTime>; 2];

impl Identity {
    fn read(files: Tls, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let stamp = stamp(&files);
        let current = RwLock::new(Arc::new(certified(&files, &provider)?));
        Ok(Self { files, provider, current, read: RwLock::new(stamp) })
    }

    /// Looks at the files now and then, and takes over what has changed in them: connections that begin from then on get
    /// the new certificate, those that are open stay. A pair that does not fit is logged, and the old one stays.
    pub async fn keep_renewing(self: Arc<Self>, clock: Clock) {
        loop {
            clock.sleep_until(clock.now().plus(CERTIFICATE_LOOK_MS)).await;
            let now = stamp(&self.files);
            if *self.read.read().unwrap_or_else(PoisonError::into_inner) == now {
                continue;
            }
            // Noted also when it fails: it is tried again, and logged, when the files change again.
            *self.read.write().unwrap_or_else(PoisonError::into_inner) = now;
            match certified(&self.files, &self.provider) {
                Ok(key) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                    tracing::info!("the certificate was renewed");
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate was changed and cannot be used; the old one stays");
                }
            }
        }
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn stamp(files: &Tls) -> Stamp {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    [changed(&files.cert_file), changed(&files.key_file)]
}

fn certified(tls: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let pem_error = |path: &PathBuf| {
        let path = path.clone();
        move |error: pem::Error| match error {
            pem::Error::Io(error) => TlsError::Unreadable(path, error),
            error => TlsError::NotPem(path, error),
        }
    };
    let chain = CertificateDer::pem_file_iter(&tls.cert_file)
        .map_err(pem_error(&tls.cert_file))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem_error(&tls.cert_file))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(pem_error(&tls.key_file))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| TlsError::Unfit(tls.cert_file.clone(), tls.key_file.clone(), error))
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system says no.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, #[source] io::Error),
    /// No PEM inside.
    #[error("{} is not a PEM file of the kind expected: {:?}", .0.display(), .1)]
    NotPem(PathBuf, pem::Error),
    /// Certificate and key do not go together.
    #[error("{} and {} do not make a TLS identity: {}", .0.display(), .1.display(), .2)]
    Unfit(PathBuf, PathBuf, #[source] rustls::Error),
}
