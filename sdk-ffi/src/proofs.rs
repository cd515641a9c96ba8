//! Who sent this request?

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};
use passkey_accounts::{ProofError, Proofs as CoreProofs, VerifiedHead as CoreVerifiedHead};

use crate::{engine::Engine, error::Error, live::LiveSession};

/// The checking of proofs against the live sessions. Every proof passes once.
#[derive(Debug, uniffi::Object)]
pub struct Proofs {
    engine: Arc<Engine>,
    proofs: CoreProofs,
}

impl Proofs {
    pub(crate) fn new(engine: &Arc<Engine>, proofs: CoreProofs) -> Arc<Self> {
        Arc::new(Self { engine: Arc::clone(engine), proofs })
    }

    fn head(&self, head: CoreVerifiedHead) -> Arc<VerifiedHead> {
        Arc::new(VerifiedHead { engine: Arc::clone(&self.engine), head: Mutex::new(Some(head)) })
    }

    fn account(&self, account: passkey_accounts::Account) -> Account {
        Account::new(&self.engine, account)
    }

    /// What the check says without waiting; nothing if it would wait for its session to appear. Then it has changed
    /// nothing: a nonce is remembered after that.
    fn at_once<T>(&self, check: impl Future<Output = Result<T, ProofError>>) -> Result<Option<T>, Error> {
        self.engine.check()?;
        Ok(self.engine.enter(|| check.now_or_never()).transpose()?)
    }
}

#[uniffi::export]
impl Proofs {
    /// Checks the proof of a request whose body was read whole; a request without one has an empty one. Waits up to 2 s
    /// for a session that is not there yet. Cancelling it leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Proof`], as everything here: its `status` and `code` say what to answer.
    pub async fn verify(&self, request: RequestHead, body: Vec<u8>) -> Result<Account, Error> {
        let (proofs, parts) = (self.proofs.clone(), request.into_parts()?);
        let account = self.engine.run(async move { proofs.verify(&parts, &body).await }).await??;
        Ok(self.account(account))
    }

    /// As `verify`, if it can say so at once; nothing if it would have to wait: then call `verify`.
    pub fn verify_at_once(&self, request: RequestHead, body: &[u8]) -> Result<Option<Account>, Error> {
        let parts = request.into_parts()?;
        Ok(self.at_once(self.proofs.verify(&parts, body))?.map(|account| self.account(account)))
    }

    /// Checks everything but the body, so that the body of a stranger is not even read.
    pub async fn verify_head(&self, request: RequestHead) -> Result<Arc<VerifiedHead>, Error> {
        let (proofs, parts) = (self.proofs.clone(), request.into_parts()?);
        let head = self.engine.run(async move { proofs.verify_head(&parts).await }).await??;
        Ok(self.head(head))
    }

    /// As `verify_head`, if it can say so at once; nothing if it would have to wait: then call `verify_head`.
    pub fn verify_head_at_once(&self, request: RequestHead) -> Result<Option<Arc<VerifiedHead>>, Error> {
        let parts = request.into_parts()?;
        Ok(self.at_once(self.proofs.verify_head(&parts))?.map(|head| self.head(head)))
    }

    /// Checks the proof for a socket: a token that a page made for this `audience` and the `nonce` that the back end gave
    /// it, at most 256 characters each. Make the nonce random, and forget it after the first try.
    pub async fn verify_socket(
        &self,
        token: String,
        audience: String,
        nonce: String,
    ) -> Result<Account, Error> {
        let proofs = self.proofs.clone();
        let check = async move { proofs.verify_socket(&token, &audience, &nonce).await };
        let account = self.engine.run(check).await??;
        Ok(self.account(account))
    }
}

/// A request, apart from its body.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RequestHead {
    /// As it was sent: `POST`.
    pub method: String,
    /// The request's target: path and query byte for byte as they came, or the absolute address.
    pub target: String,
    /// Its fields, one for each line as it came. Needed are `host` (or `:authority`), `signature-input`, `signature` and
    /// `content-digest`; others are not looked at.
    pub fields: Vec<Field>,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Field {
    /// In any case.
    pub name: String,
    /// As it came.
    pub value: Vec<u8>,
}

impl RequestHead {
    pub(crate) fn into_parts(self) -> Result<Parts, Error> {
        let Self { method, target, fields } = self;
        let odd = |why: &'static str| Error::from(ProofError::Invalid(why));
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| odd("its method is not one"))?;
        parts.uri = target.parse::<Uri>().map_err(|_| odd("its address is not one"))?;
        for Field { name, value } in fields {
            let name = if name == ":authority" { "host" } else { &name };
            // Others cannot matter, and need not be well-formed.
            let Some(name) = NEEDED.iter().find(|needed| needed.as_str().eq_ignore_ascii_case(name)) else {
                continue;
            };
            let value = HeaderValue::from_bytes(&value).map_err(|_| odd("a field's value is not one"))?;
            parts.headers.append(name, value);
        }
        Ok(parts)
    }
}

static NEEDED: [HeaderName; 4] = [
    http::header::HOST,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
];

/// A request of which only the body is still to be checked.
#[derive(Debug, uniffi::Object)]
pub struct VerifiedHead {
    engine: Arc<Engine>,
    head: Mutex<Option<CoreVerifiedHead>>,
}

#[uniffi::export]
impl VerifiedHead {
    /// Checks that this is the body that was signed, and that the session is still open. Once.
    ///
    /// # Errors
    /// [`Error::Proof`]
    pub fn verify_body(&self, body: &[u8]) -> Result<Account, Error> {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        let account = head.ok_or(ProofError::Replayed)?.verify_body(body)?;
        Ok(Account::new(&self.engine, account))
    }
}

/// Who sent a request: an account, and the session that proved it.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Account {
    /// The account.
    pub account_id: String,
    /// The session whose key has signed.
    pub session: LiveSession,
}

impl Account {
    fn new(engine: &Arc<Engine>, account: passkey_accounts::Account) -> Self {
        let passkey_accounts::Account { account_id, session } = account;
        Self { account_id: account_id.to_string(), session: LiveSession::new(engine, session) }
    }
}

/// What to answer when the body of a request is larger than is read to check it.
#[uniffi::export]
pub fn body_too_large() -> ProofRefusal {
    ProofError::TooLarge.into()
}

/// What an answer to a refused request says.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ProofRefusal {
    /// The word of the one table of codes.
    pub code: String,
    /// The sentence.
    pub reason: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether another request can succeed.
    pub retryable: bool,
}

impl From<ProofError> for ProofRefusal {
    fn from(error: ProofError) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            reason: error.to_string(),
            status: error.status(),
            retryable: error.code().is_retryable(),
        }
    }
}
