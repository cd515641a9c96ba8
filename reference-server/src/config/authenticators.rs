//! `[[authenticators]]`: the models that apps with the policy `hardware` take.

use std::{fs, path::PathBuf};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use uuid::Uuid;

use crate::ceremony::Authenticators;

/// A model of authenticator, and who vouches for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticator {
    /// What its maker calls the model: `ee882879-721c-4913-9775-3dfcce97072a`.
    pub aaguid: Uuid,
    /// PEM: the maker's root certificates for it, or attestation certificates themselves.
    pub ca_file: PathBuf,
}

/// Reads the certificates.
///
/// # Errors
/// [`BadAuthenticator`]
pub(super) fn read(listed: &[Authenticator]) -> Result<Authenticators, BadAuthenticator> {
    let mut authenticators = Authenticators::default();
    for Authenticator { aaguid, ca_file } in listed {
        let bad = |reason: String| BadAuthenticator { aaguid: *aaguid, ca_file: ca_file.clone(), reason };
        let pem = fs::read(ca_file).map_err(|error| bad(error.to_string()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("it is not PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(bad("there is no certificate in it".to_owned()));
        }
        for certificate in certificates {
            authenticators.trust(aaguid.into_bytes(), certificate).map_err(|error| bad(error.to_string()))?;
        }
    }
    Ok(authenticators)
}

/// A model that nobody could vouch for.
#[derive(Debug, thiserror::Error)]
#[error("the ca_file {} of the authenticator {aaguid} cannot be used: {reason}", .ca_file.display())]
pub struct BadAuthenticator {
    aaguid: Uuid,
    ca_file: PathBuf,
    reason: String,
}
