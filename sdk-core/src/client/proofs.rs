//! Who sent this request? Proofs checked against the live sessions.

use std::{fmt, sync::Arc, time::Duration};

use http::request::Parts;

use super::LiveSessions;
use crate::{
    defended,
    proof::{NonceWindow, NotServed, Origins, Proof, ProofError},
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
        self.verify_head(parts).await?.verify_body(body)
    }

    /// Checks everything but the body, so that the body of a stranger is not even read. The proof has passed once with
    /// this: the same request cannot be checked again.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     proofs: passkey_accounts::Proofs, parts: http::request::Parts, read: impl AsyncFnOnce() -> Vec<u8>,
    /// # ) -> Result<(), passkey_accounts::ProofError> {
    /// let head = proofs.verify_head(&parts).await?;
    /// let account = head.verify_body(&read().await)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Proofs::verify`].
    ///
    /// # Cancel safety
    /// As [`Proofs::verify`].
    pub async fn verify_head(&self, parts: &Parts) -> Result<VerifiedHead, ProofError> {
        let proof = Proof::of_parts(parts, &self.inner.origins)?;
        let account = self.admit(&proof).await?;
        Ok(VerifiedHead { proof, account })
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

    /// Lets a proof through that a live session's key has made, and that was not let through before.
    async fn admit(&self, proof: &Proof) -> Result<Account, ProofError> {
        let Inner { live, origins: _, window, max_staleness } = &*self.inner;
        live.fresh_within(*max_staleness)?;
        if defended!(ProofTime) {
            proof.check_time(live.server_time())?;
        }
        let session = match live.get(proof.session_id()) {
            Some(session) => session,
            // The request may have overtaken the news of its own sign-in.
            None => live.wait_for(proof.session_id(), WAIT).await?,
        };
        if defended!(ProofSignature) {
            proof.verify_signature(session.key_point().ok_or(ProofError::BAD_SIGNATURE)?)?;
        }
        // One that is past its time is refused here too.
        if defended!(ProofOnce) && defended!(ProofTime) {
            window.remember(proof, live.server_time())?;
        }
        Account { account_id: session.account_id, session }.if_signed_in()
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("origins", &self.inner.origins).finish_non_exhaustive()
    }
}

/// A request of which only the body is still to be checked; see [`Proofs::verify_head`].
#[derive(Debug, Clone)]
#[must_use = "nobody is known before the body is checked"]
pub struct VerifiedHead {
    proof: Proof,
    account: Account,
}

impl VerifiedHead {
    /// Checks that this is the body that was signed, and that the session is still open; a request without a body has an
    /// empty one.
    ///
    /// # Errors
    /// [`ProofError::Invalid`] and [`ProofError::SessionGone`].
    pub fn verify_body(self, body: &[u8]) -> Result<Account, ProofError> {
        if defended!(ProofBody) {
            self.proof.check_body(body)?;
        }
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

/// How long a request waits for its session to appear.
const WAIT: Duration = Duration::from_secs(2);

/// How old the live sessions may be.
const MAX_STALENESS: Duration = Duration::from_secs(30);
