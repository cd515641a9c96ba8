//! The TLS side of the server: TLS 1.3, aws-lc-rs chosen by name, no session tickets.

use std::{io, path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    version::TLS13,
};

use super::Tls;

/// Reads certificate and key.
///
/// # Errors
/// [`TlsError`] says which file is wrong.
pub fn load(tls: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
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
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Unfit(tls.cert_file.clone(), tls.key_file.clone(), error))?;
    // A ticket saves less than a tenth of a handshake and is a secret that lives on.
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
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
