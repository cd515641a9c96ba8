//! Who sent this request? Proofs checked against the live sessions.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use http::{HeaderMap, HeaderName, header::HOST, request::Parts};

use super::LiveSessions;
use crate::{
    proof::{NonceWindow, NotServed, Origins, Proof, ProofError, RequestHead},
    protocol::AccountID,
    session::{LiveSession, NotLive, Stale},
};

/// Checks who sent a request or opened a socket, against [`LiveSessions`]. Cheap to clone; clones share what they know of
/// nonces, so a back end has one of these for each app.
///
/// ```no_run
/// use passkey_accounts::{Accounts, ProofError};
///
/// # async fn example(request: http::Request<Vec<u8>>) -> Result<(), Box<dyn std::error::Error>> {
/// let accounts = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let proofs = accounts.live_sessions().proofs().origin("https://app.example").build()?;
///
/// let (parts, body) = request.into_parts();
/// match proofs.verify(&parts, &body).await {
///     Ok(account) => println!("{} asks for {}", account.account_id, parts.uri),
///     Err(refused) => println!("answer {} and {}: {refused}", refused.status(), refused.code()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proofs {
    inner: Arc<Inner>,
}

struct Inner {
    live: LiveSessions,
    origins: Origins,
    window: NonceWindow,
    max_staleness: Duration,
}

impl Proofs {
    /// Checks the proof of a request whose body was read whole; a request without one has an empty one.
    ///
    /// The address that was signed must be that of a served origin, found by the request's host (`Host`, or the address
    /// itself in HTTP/2 and in absolute form; a proxy must hand it on), with path and query byte for byte as they came.
    /// The body must be that which was sent, before any decoding.
    ///
    /// # Errors
    /// [`ProofError`]: [`ProofError::status`] and [`ProofError::code`] say what to answer.
    ///
    /// # Cancel safety
    /// Dropped while it waits for a session, it leaves nothing behind.
    pub async fn verify(&self, parts: &Parts, body: &[u8]) -> Result<Account, ProofError> {
        let checked = self.check_head(parts).await?;
        checked.check_body(body)
    }

    /// Checks the proof for a socket: a token that a page made for this `audience` and the `nonce` that the back end
    /// gave it, at most 256 characters each. Make the nonce random, and forget it after the first try.
    ///
    /// What it proves holds until the session ends: close the socket [then](LiveSession::ended).
    ///
    /// # Errors
    /// [`ProofError`]
    ///
    /// # Cancel safety
    /// As [`Proofs::verify`].
    pub async fn verify_socket(
        &self,
        token: &str,
        audience: &str,
        nonce: &str,
    ) -> Result<Account, ProofError> {
        self.admit(&Proof::of_socket(token, audience, nonce)?).await
    }

    /// Everything but the body: that of a stranger is not even read.
    pub(crate) async fn check_head(&self, parts: &Parts) -> Result<CheckedHead, ProofError> {
        let [content_digest, signature, signature_input] = FIELDS.map(|name| field(&parts.headers, &name));
        if signature.is_none() && signature_input.is_none() {
            return Err(ProofError::Missing);
        }
        let target_uri = self.target_uri(parts)?;
        let proof = Proof::of_request(&RequestHead {
            method: parts.method.as_str(),
            target_uri: &target_uri,
            signature_input: signature_input.as_deref(),
            signature: signature.as_deref(),
            content_digest: content_digest.as_deref(),
        })?;
        let account = self.admit(&proof).await?;
        Ok(CheckedHead { proof, account })
    }

    fn target_uri(&self, parts: &Parts) -> Result<String, ProofError> {
        let mut hosts = parts.headers.get_all(HOST).iter();
        let header = match (hosts.next(), hosts.next()) {
            (None, _) => None,
            (Some(host), None) => Some(host.to_str().map_err(|_| WRONG_HOST)?),
            (Some(_), Some(_)) => return Err(WRONG_HOST),
        };
        let uri = address(parts);
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let path_and_query = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let served = |host| self.inner.origins.target_uri(host, path_and_query);
        match (authority, header) {
            (Some(host), None) | (None, Some(host)) => served(host),
            // Both must say the same, or which one counts would be a matter of taste.
            (Some(authority), Some(header)) => {
                let target_uri = served(authority)?;
                if served(header)? == target_uri { Ok(target_uri) } else { Err(WRONG_HOST) }
            }
            (None, None) => Err(WRONG_HOST),
        }
    }

    /// Lets a proof through that a live session's key has made, and that was not let through before.
    async fn admit(&self, proof: &Proof) -> Result<Account, ProofError> {
        let Inner { live, origins: _, window, max_staleness } = &*self.inner;
        live.fresh_within(*max_staleness)?;
        proof.check_time(live.server_time())?;
        let session = match live.get(proof.session_id()) {
            Some(session) => session,
            // The request may have overtaken the news of its own sign-in.
            None => live.wait_for(proof.session_id(), WAIT).await?,
        };
        let key = session.key_point().ok_or(ProofError::BAD_SIGNATURE)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(proof.signed(), proof.signature())
            .map_err(|_| ProofError::BAD_SIGNATURE)?;
        window.remember(proof, live.server_time())?;
        Account { account_id: session.account_id, session }.if_signed_in()
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("origins", &self.inner.origins).finish_non_exhaustive()
    }
}

/// A request of which only the body is still to be checked.
pub(crate) struct CheckedHead {
    proof: Proof,
    account: Account,
}

impl CheckedHead {
    pub(crate) fn check_body(self, body: &[u8]) -> Result<Account, ProofError> {
        self.proof.check_body(body)?;
        // It may have taken its time to arrive.
        self.account.if_signed_in()
    }
}

/// Who sent a request: an account, and the session that proved it.
///
/// ```
/// # use passkey_accounts::Account;
/// fn greet(account: &Account) -> String {
///     format!("hello {}, signed in since {}", account.account_id, account.session.since)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub account_id: AccountID,
    /// The session whose key has signed. Whoever holds it is told when it ends.
    pub session: Arc<LiveSession>,
}

impl Account {
    fn if_signed_in(self) -> Result<Self, ProofError> {
        if self.session.end().is_some() { Err(ProofError::SessionGone) } else { Ok(self) }
    }
}

/// [`Proofs`] to be made; see [`LiveSessions::proofs`].
#[derive(Debug, Clone)]
#[must_use = "nothing is checked before it is built"]
pub struct ProofsBuilder {
    live: LiveSessions,
    origins: Vec<String>,
    max_staleness: Duration,
}

impl ProofsBuilder {
    pub(super) const fn new(live: LiveSessions) -> Self {
        Self { live, origins: Vec::new(), max_staleness: MAX_STALENESS }
    }

    /// Adds an origin that this back end is reached at, as browsers write it: `https://app.example`. At least one is
    /// needed; a proof for any other address is refused.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// How old the knowledge of who is signed in may be; from then on everything is refused (`stale`). By default 30
    /// seconds; less than 25 makes it fail now and then, because a quiet server speaks every 20.
    pub const fn fresh_within(mut self, max_staleness: Duration) -> Self {
        self.max_staleness = max_staleness;
        self
    }

    /// Makes the proofs ready to be checked.
    ///
    /// # Errors
    /// [`NotServed`]: the origins cannot be these.
    pub fn build(self) -> Result<Proofs, NotServed> {
        let Self { live, origins, max_staleness } = self;
        let origins = Origins::new(origins)?;
        Ok(Proofs { inner: Arc::new(Inner { live, origins, window: NonceWindow::new(), max_staleness }) })
    }
}

impl From<Stale> for ProofError {
    fn from(_: Stale) -> Self {
        Self::Stale
    }
}

impl From<NotLive> for ProofError {
    fn from(error: NotLive) -> Self {
        match error {
            NotLive::NoSession => Self::SessionGone,
            NotLive::TooManyWaiting => Self::Overloaded,
            NotLive::Unfollowed => Self::Stale,
        }
    }
}

/// The address as the browser asked for it: axum shortens it where routers are nested, and keeps the whole one aside.
fn address(parts: &Parts) -> &http::Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    &parts.uri
}

/// The value of a field: its lines, joined (RFC 9110 section 5.3).
fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = lines.next()?;
    match lines.next() {
        None => Some(Cow::Borrowed(first)),
        Some(second) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(lines).collect();
            Some(Cow::Owned(all.join(&b", "[..])))
        }
    }
}

/// As [`crate::proof::FIELDS`].
const FIELDS: [HeaderName; 3] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
];

const WRONG_HOST: ProofError = ProofError::Invalid("its host is missing, or there twice and not the same");

/// How long a request waits for its session to appear.
const WAIT: Duration = Duration::from_secs(2);

/// How old the live sessions may be.
const MAX_STALENESS: Duration = Duration::from_secs(30);
