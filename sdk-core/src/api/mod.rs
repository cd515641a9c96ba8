//! The HTTP API's client (docs/protocol.md section 4): one file per noun.

mod accounts;
mod app;
mod error;
mod events;
mod keys;
mod request;
mod sessions;
mod signer;

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Url, header, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

pub use error::ApiError;
pub use events::EventsQuery;
pub use sessions::SessionsQuery;

use self::signer::Signer;
use crate::{key_pair::KeyPair, loopback::is_loopback, protocol::Code};

/// Commands and questions of a back end over HTTP. Cloning is cheap, and clones share their connections.
///
/// What can pass by itself is tried again inside: up to [`Api::TRIES`] times, with growing waits and as the server wishes.
/// A command carries an `Idempotency-Key`, so that it is carried out once however often it is sent.
///
/// ```no_run
/// use passkey_accounts::{Api, api::SessionsQuery};
///
/// # async fn example() -> Result<(), passkey_accounts::ApiError> {
/// let api = Api::new("https://auth.example", "pa_live_...")?;
/// let mut page = SessionsQuery::default();
/// loop {
///     let sessions = api.sessions(&page).await?;
///     for session in &sessions.sessions {
///         println!("{} since {}", session.account_id, session.since);
///     }
///     let Some(next) = sessions.next else { break };
///     page.after = Some(next);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: Arc<Url>,
    signer: Option<Arc<Signer>>,
}

impl Api {
    /// How often a call is tried before its error is handed out.
    pub const TRIES: usize = 4;

    /// A client of the server at `url` (`https://HOST`), with this API key or [key pair](crate::key_pair::KeyPair). Plain `http://` is taken for this machine only.
    ///
    /// # Errors
    /// [`ApiError::Refused`] with [`Code::BadAddress`] or [`Code::BadKey`], when one of the two cannot work.
    pub fn new(url: &str, api_key: &str) -> Result<Self, ApiError> {
        Self::connect(url, api_key, false)
    }

    /// Like [`Api::new`], but sends the API key unencrypted if the address says `http://`: for a network that you trust.
    /// Whoever carries the bytes can read the key and what it brings.
    ///
    /// # Errors
    /// As of [`Api::new`].
    pub fn allowing_plaintext(url: &str, api_key: &str) -> Result<Self, ApiError> {
        Self::connect(url, api_key, true)
    }

    fn connect(url: &str, api_key: &str, plaintext_is_allowed: bool) -> Result<Self, ApiError> {
        let base = read_address(url, plaintext_is_allowed)?;
        let signer = if KeyPair::is_one(api_key) { Some(Arc::new(Signer::read(api_key)?)) } else { None };
        let authorization = if signer.is_some() { None } else { Some(authorization(api_key)?) };
        let client = Client::builder()
            .user_agent(concat!("passkey-accounts-rust/", env!("CARGO_PKG_VERSION")))
            .default_headers(authorization.map(|value| (header::AUTHORIZATION, value)).into_iter().collect())
            .tls_backend_preconfigured(tls())
            // The API has no redirects: following one would take the key to wherever somebody says.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(|error| ApiError::refused(Code::NotSupported, &error.to_string()))?;
        Ok(Self { client, base: Arc::new(base), signer })
    }
}

fn authorization(api_key: &str) -> Result<header::HeaderValue, ApiError> {
    let bad_key = || ApiError::refused(Code::BadKey, "the API key cannot be one; it looks like pa_live_...");
    let mut value = header::HeaderValue::try_from(format!("Bearer {api_key}")).map_err(|_| bad_key())?;
    value.set_sensitive(true);
    if api_key.starts_with("pa_") { Ok(value) } else { Err(bad_key()) }
}

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest wait for one try's whole answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Mozilla's roots, as for the event socket. The provider is named here, so that no other crate's default decides.
fn tls() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn read_address(url: &str, plaintext_is_allowed: bool) -> Result<Url, ApiError> {
    let refuse = |why: &str| ApiError::refused(Code::BadAddress, why);
    let mut base: Url = url.parse().map_err(|_| refuse("that is not a URL; it looks like https://HOST"))?;
    let host = base.host_str().ok_or_else(|| refuse("the URL has no host; it looks like https://HOST"))?;
    match base.scheme() {
        "https" => {}
        "http" if plaintext_is_allowed || is_loopback(host) => {}
        "http" => {
            return Err(refuse(
                "http:// would send the API key in the clear; use https://, or allow plaintext expressly on a network that you trust",
            ));
        }
        _ => return Err(refuse("the URL must start with https://")),
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("the URL must not contain a user or password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refuse("the URL must end with the host, or a path before /v1"));
    }
    let path = base.path().trim_end_matches('/').to_owned();
    base.set_path(&path);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::Api;

    #[test]
    fn a_key_travels_in_the_clear_only_on_this_machine_or_when_allowed() {
        for url in
            ["http://localhost:8080", "http://127.0.0.1:1/", "http://[::1]:8080", "https://auth.example/x/"]
        {
            assert!(Api::new(url, "pa_dev_x").is_ok(), "{url}");
        }
        for url in ["http://auth.example", "http://10.0.0.1/", "http://localhost.example"] {
            let error = Api::new(url, "pa_dev_x").unwrap_err();
            assert!(error.to_string().starts_with("badAddress: http:// would send the API key"), "{error}");
            assert!(Api::allowing_plaintext(url, "pa_dev_x").is_ok(), "{url}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_sentence() {
        for url in [
            "",
            "auth.example",
            "ws://auth.example",
            "https://",
            "https://a:b@auth.example",
            "https://a.example?x",
        ] {
            let error = Api::new(url, "pa_dev_x").unwrap_err();
            assert_eq!(error.code(), "badAddress", "{url}");
            assert!(!error.is_retryable(), "{url}");
        }
        for key in ["", "secret", "pa_\n", "pa_pair_misspelt"] {
            assert_eq!(Api::new("https://auth.example", key).unwrap_err().code(), "badKey", "{key:?}");
        }
    }

    #[test]
    fn a_printed_client_shows_no_key() {
        let api = Api::new("https://auth.example", "pa_dev_secret").unwrap();
        assert!(!format!("{api:?}").contains("pa_dev_secret"));
    }
}
