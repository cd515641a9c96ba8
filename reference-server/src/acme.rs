//! A certificate from an authority (ACME, RFC 8555), proved by TLS-ALPN-01 (RFC 8737) on the server's own port, and renewed
//! under way.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use data_encoding::HEXLOWER;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use passkey_accounts::protocol::UnixMillis;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{pki_types::PrivateKeyDer, sign::CertifiedKey};

use crate::{
    clock::Clock,
    config::{Acme, Identity, TlsError, certified},
    crypto::replace_secret,
    limits::{ACME_FIRST_WAIT_MS, ACME_LONGEST_WAIT_MS, ACME_ORDER_MS},
};

/// Gets the server's certificate and keeps it from expiring. What was issued is kept in a folder, with keys that only its
/// owner can read; the lock of the data folder sees to it that no second process works there.
#[derive(Debug)]
pub struct Certificates {
    settings: Acme,
    folder: PathBuf,
    identity: Arc<Identity>,
    clock: Clock,
}

impl Certificates {
    /// `folder` is made when it is not there.
    pub const fn new(settings: Acme, folder: PathBuf, identity: Arc<Identity>, clock: Clock) -> Self {
        Self { settings, folder, identity, clock }
    }

    /// Shows what was issued before, and has it renewed when two thirds of its time are over, for ever. Connections that
    /// begin then get the new one; those that are open stay. As long as there is none, no connection can be made, except
    /// by the authority.
    pub async fn keep_renewing(self) {
        let mut shown = self.show_kept();
        let mut waits = waits();
        let mut next = shown.map_or(self.clock.now(), Validity::renewal);
        loop {
            self.clock.sleep_until(next).await;
            match self.renew().await {
                Ok(validity) => {
                    tracing::info!(expires = %validity.until, "the authority has issued a certificate");
                    (shown, waits) = (Some(validity), self::waits());
                    // Not at once, whatever a wrong clock makes of the times: authorities count.
                    next = validity.renewal().max(self.clock.now().plus(ACME_LONGEST_WAIT_MS));
                }
                Err(error) => {
                    let wait = waits.next().unwrap_or(Duration::from_millis(ACME_LONGEST_WAIT_MS));
                    let now = self.clock.now();
                    next = now.plus(u64::try_from(wait.as_millis()).unwrap_or(ACME_LONGEST_WAIT_MS));
                    self.log_failure(&error, shown, now, next);
                }
            }
        }
    }

    fn log_failure(&self, error: &AcmeError, shown: Option<Validity>, now: UnixMillis, next: UnixMillis) {
        let domains = self.settings.domains.join(" ");
        match shown {
            None => tracing::error!(
                %error, %next, %domains,
                "there is no certificate yet, and the authority has issued none: nobody can connect; port 443 of every \
                 domain must lead here from the internet, and this machine must reach tls.acme.directory"
            ),
            Some(Validity { until, .. }) if shown.is_some_and(|validity| validity.is_ending(now)) => {
                tracing::error!(
                    %error, %next, %domains, expires = %until,
                    "the certificate expires soon and was not renewed; port 443 of every domain must lead here from the \
                     internet, and this machine must reach tls.acme.directory"
                )
            }
            Some(Validity { until, .. }) => tracing::warn!(
                %error, %next, %domains, expires = %until,
                "the certificate was not renewed; the old one stays, and it is tried again"
            ),
        }
    }

    fn show_kept(&self) -> Option<Validity> {
        let path = self.kept();
        let kept = match fs::read_to_string(&path) {
            Ok(text) => Issued::read(&text, &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::info!(directory = %self.settings.directory, "the authority is asked for a first certificate");
                return None;
            }
            Err(error) => Err(AcmeError::Folder(path.clone(), error)),
        };
        match kept {
            Ok(Issued { certificate, validity }) => {
                self.identity.show(certificate);
                Some(validity)
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate that was kept cannot be used; another one is asked for");
                None
            }
        }
    }

    async fn renew(&self) -> Result<Validity, AcmeError> {
        let ordering = tokio::time::timeout(Duration::from_millis(ACME_ORDER_MS), self.order());
        let issued = ordering.await.unwrap_or(Err(AcmeError::TooSlow));
        self.identity.forget_proofs();
        let text = issued.inspect_err(|error| self.forget_account(error))?;
        let path = self.kept();
        let Issued { certificate, validity } = Issued::read(&text, "what the authority sent")?;
        // First kept, then shown: authorities do not issue the same certificate often.
        replace_secret(&path, &text).map_err(|error| AcmeError::Folder(path, error))?;
        self.identity.show(certificate);
        Ok(validity)
    }

    /// The private key and the chain, as PEM.
    async fn order(&self) -> Result<String, AcmeError> {
        let account = self.account().await?;
        let names: Vec<_> = self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge = challenge.ok_or(AcmeError::NoChallenge)?;
            let domain = challenge.identifier().to_string();
            let proof = make_proof(&domain, challenge.key_authorization().digest().as_ref())?;
            self.identity.prove(domain, proof);
            challenge.set_ready().await?;
        }
        let patience = RetryPolicy::new().timeout(Duration::from_millis(ACME_ORDER_MS));
        if order.poll_ready(&patience).await? != OrderStatus::Ready {
            return Err(AcmeError::NotProven(why(&mut order).await));
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&patience).await?;
        Ok([key, chain].concat())
    }

    /// The account with the authority, made the first time.
    async fn account(&self) -> Result<Account, AcmeError> {
        let Acme { directory, contact, accept_terms, ca_file, .. } = &self.settings;
        let builder = || match ca_file {
            Some(path) => Account::builder_with_root(path),
            None => Account::builder(),
        };
        let path = self.account_file();
        let folder = |error| AcmeError::Folder(path.clone(), error);
        match fs::read(&path) {
            Ok(text) => {
                let credentials: AccountCredentials =
                    serde_json::from_slice(&text).map_err(|error| folder(error.into()))?;
                Ok(builder()?.from_credentials(credentials).await?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let contact: Vec<_> = contact.iter().map(|address| format!("mailto:{address}")).collect();
                let new = NewAccount {
                    contact: &contact.iter().map(String::as_str).collect::<Vec<_>>(),
                    terms_of_service_agreed: *accept_terms,
                    only_return_existing: false,
                };
                let (account, credentials) = builder()?.create(&new, directory.clone(), None).await?;
                let text = serde_json::to_string(&credentials).map_err(|error| folder(error.into()))?;
                fs::create_dir_all(&self.folder).map_err(folder)?;
                replace_secret(&path, &text).map_err(folder)?;
                Ok(account)
            }
            Err(error) => Err(folder(error)),
        }
    }

    /// An account that the authority does not have any more is made anew the next time.
    fn forget_account(&self, error: &AcmeError) {
        let AcmeError::Authority(instant_acme::Error::Api(problem)) = error else { return };
        if problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist") {
            let _ = fs::remove_file(self.account_file());
        }
    }

    /// Where the account is kept: each authority has its own.
    fn account_file(&self) -> PathBuf {
        self.folder.join(format!("account-{}.json", name_of([&self.settings.directory])))
    }

    /// Where the certificate is kept: another authority or other names have another place.
    fn kept(&self) -> PathBuf {
        let Acme { directory, domains, .. } = &self.settings;
        let mut domains = domains.clone();
        domains.sort_unstable();
        self.folder.join(format!("certificate-{}.pem", name_of([directory].into_iter().chain(&domains))))
    }
}

/// A certificate that can be shown.
struct Issued {
    certificate: CertifiedKey,
    validity: Validity,
}

impl Issued {
    /// Reads key and chain; `place` says where they come from.
    fn read(pem: &str, place: &str) -> Result<Self, AcmeError> {
        let certificate = certified((place, pem.as_bytes()), (place, pem.as_bytes()))?;
        let unusable = || AcmeError::NoTimes(place.to_owned());
        let leaf = certificate.cert.first().ok_or_else(unusable)?;
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| unusable())?;
        let millis = |time: x509_parser::time::ASN1Time| {
            u64::try_from(time.timestamp())
                .ok()
                .and_then(|seconds| seconds.checked_mul(1_000))
                .map(UnixMillis)
        };
        let validity = leaf.validity();
        let (from, until) =
            millis(validity.not_before).zip(millis(validity.not_after)).ok_or_else(unusable)?;
        Ok(Self { certificate, validity: Validity { from, until } })
    }
}

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy)]
struct Validity {
    from: UnixMillis,
    until: UnixMillis,
}

impl Validity {
    /// When two thirds are over: the last third is for authorities that are away.
    const fn renewal(self) -> UnixMillis {
        self.from.plus(self.until.since(self.from) / 3 * 2)
    }

    /// Whether half of the time for renewals is over.
    const fn is_ending(self, now: UnixMillis) -> bool {
        self.until.since(now) < self.until.since(self.from) / 6
    }
}

/// What an authority is shown that asks whether we have a name (RFC 8737 section 3).
fn make_proof(domain: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key)
        .map_err(|error| TlsError::Unfit("a proof and its key".to_owned(), error))?;
    // Not looked at: no certificate with the critical extension of a proof is one that could be used.
    Ok(CertifiedKey::new(vec![certificate], key))
}

/// What the authority has found wrong.
async fn why(order: &mut Order) -> String {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(problems.map(ToString::to_string));
        }
    }
    if reasons.is_empty() { "it does not say why".to_owned() } else { reasons.join("; ") }
}

/// Longer and longer, with some chance in it, so that many servers do not come back at once.
fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(ACME_FIRST_WAIT_MS))
        .with_max_delay(Duration::from_millis(ACME_LONGEST_WAIT_MS))
        .with_factor(3.0)
        .with_jitter()
        .without_max_times()
        .build()
}

/// A file's name for these texts.
fn name_of<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for text in texts {
        hash.update(text.as_bytes());
        hash.update(b"\n");
    }
    HEXLOWER.encode(hash.finish().as_ref()).chars().take(16).collect()
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    /// It cannot be reached, or refuses.
    #[error("the authority says or does: {0}")]
    Authority(#[from] instant_acme::Error),
    /// It has looked, and has not found the proof.
    #[error("the authority has not found the proof that a domain is ours: {0}")]
    NotProven(String),
    /// It wants another proof.
    #[error("the authority does not offer TLS-ALPN-01")]
    NoChallenge,
    /// It does not come to an end.
    #[error("the authority has taken too long")]
    TooSlow,
    /// The operating system says no, or something else is in the file.
    #[error("{} cannot be read or written: {}", .0.display(), .1)]
    Folder(PathBuf, #[source] io::Error),
    /// What was issued is of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A certificate without times.
    #[error("{0} is not a certificate with times")]
    NoTimes(String),
    /// No proof can be made.
    #[error("no proof can be made: {0}")]
    Proof(#[from] rcgen::Error),
}
