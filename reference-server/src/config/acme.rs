//! `[tls.acme]`: the certificate that the server gets by itself.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use url::Host;

use crate::crypto::Email;

/// Which authority is asked for which names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// The names in the certificate. Default: the host of `public_url`.
    #[serde(default, deserialize_with = "words")]
    pub domains: Vec<String>,
    /// Email addresses that the authority may write to. Default: none.
    #[serde(default, deserialize_with = "words")]
    pub contact: Vec<String>,
    /// The authority's directory (RFC 8555 section 7.1.1). Default: Let's Encrypt.
    #[serde(default = "lets_encrypt")]
    pub directory: String,
    /// The operator has read the authority's terms of service and agrees to them.
    #[serde(default)]
    pub accept_terms: bool,
    /// The certificate, as PEM, that the authority's own server is trusted by, where the machine does not know it: a
    /// private authority. It says nothing about who trusts the certificates that it issues.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Acme {
    /// The same with its names filled in.
    pub(super) fn checked(&self, public_host: &str, is_behind_proxy: bool) -> Result<Self, BadAcme> {
        if is_behind_proxy {
            return Err(BadAcme::BehindProxy);
        }
        if !self.accept_terms {
            return Err(BadAcme::Terms(self.directory.clone()));
        }
        if !self.directory.starts_with("https://") {
            return Err(BadAcme::Directory(self.directory.clone()));
        }
        if let Some(contact) = self.contact.iter().find(|contact| contact.parse::<Email>().is_err()) {
            return Err(BadAcme::Contact(contact.clone()));
        }
        let mut acme = self.clone();
        if acme.domains.is_empty() {
            acme.domains.push(public_host.to_owned());
        }
        if let Some(domain) = acme.domains.iter().find(|domain| !is_name(domain)) {
            return Err(BadAcme::Domain(domain.clone()));
        }
        if !acme.domains.iter().any(|domain| domain == public_host) {
            return Err(BadAcme::OtherHost(public_host.to_owned()));
        }
        Ok(acme)
    }
}

/// A DNS name in the spelling of browsers, and no wildcard: TLS-ALPN-01 proves single names (RFC 8737 section 3).
fn is_name(domain: &str) -> bool {
    let is_one = Host::parse(domain).is_ok_and(|host| matches!(host, Host::Domain(name) if name == domain));
    is_one && !domain.contains('*') && !domain.ends_with('.')
}

fn lets_encrypt() -> String {
    instant_acme::LetsEncrypt::Production.url().to_owned()
}

/// A list, or, from the environment, one text with commas.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        List(Vec<String>),
        Text(String),
    }
    let said = match Said::deserialize(deserializer)? {
        Said::List(list) => list,
        Said::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(said.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// Why no authority would give a certificate, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum BadAcme {
    /// The authority would speak with the proxy.
    #[error("behind_tls_proxy is true: the proxy needs the certificate, not this server; remove [tls.acme]")]
    BehindProxy,
    /// Nobody has agreed.
    #[error(
        "tls.acme.accept_terms is not true: read the terms of service that {0} names under \"meta\", and set it if you agree"
    )]
    Terms(String),
    /// Whoever listens could answer.
    #[error("tls.acme.directory is {0:?}; it must start with https://")]
    Directory(String),
    /// Nobody would get the mail.
    #[error("tls.acme.contact: {0:?} is not an email address; write it like ops@example.org")]
    Contact(String),
    /// It cannot be proved on the server's own port.
    #[error(
        "tls.acme.domains: {0:?} is not a DNS name in lower case; wildcards and addresses cannot be had this way"
    )]
    Domain(String),
    /// Browsers would refuse the certificate.
    #[error(
        "tls.acme.domains does not have {0}, the host of public_url: browsers would refuse the certificate"
    )]
    OtherHost(String),
}
