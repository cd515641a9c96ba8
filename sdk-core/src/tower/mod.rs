//! A layer for tower, and so for axum: requests are let through when their proof holds.

#[cfg(feature = "axum")]
mod axum;
mod refusal;

use std::{
    error::Error,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CACHE_CONTROL};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "axum")]
pub use self::axum::Refused;
use crate::{Account, Proofs, VerifiedHead, proof::ProofError};

/// Lets a request through when a live session has signed it, and puts the [`Account`] into its extensions. Everything
/// else is answered with problem details (RFC 9457) and a code of the one table.
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # async fn example(listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::get};
/// use passkey_accounts::{Account, Accounts, tower::ProofLayer};
///
/// async fn whoami(account: Account) -> String {
///     account.account_id.to_string()
/// }
///
/// let accounts = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let proofs = accounts.live_sessions().proofs().origin("https://app.example").build()?;
/// let app = Router::new().route("/whoami", get(whoami)).layer(ProofLayer::new(proofs));
/// # let _: Router = app;
/// # Ok(())
/// # }
/// ```
///
/// - The body is read whole, up to [`body_limit`](Self::body_limit), and only after the signature was found good. Put the
///   layer outside of whatever decodes or changes requests, and a deadline for slow senders outside of the layer.
/// - Where pages of another origin call this back end, CORS must allow the fields of
///   [`proof::FIELDS`](crate::proof::FIELDS), and its answer to `OPTIONS` must come from outside of this layer: with
///   tower-http, `.layer(CorsLayer::new().allow_headers(FIELDS.map(HeaderName::from_static)))` after this one.
/// - A response without `Cache-Control` gets `no-store`: a shared cache does not know that a signature says whose it is.
/// - 401 comes with `WWW-Authenticate: passkey-accounts`, because RFC 9110 section 15.5.2 wants a challenge and RFC 9421
///   names none.
#[derive(Debug, Clone)]
pub struct ProofLayer {
    proofs: Proofs,
    body_limit: usize,
    is_optional: bool,
}

impl ProofLayer {
    /// A layer that refuses whatever has no proof.
    pub const fn new(proofs: Proofs) -> Self {
        Self { proofs, body_limit: DEFAULT_BODY_LIMIT, is_optional: false }
    }

    /// How large a body may be, in bytes; a larger one is refused (413, `tooLarge`). By default 1 MiB.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Lets requests without any proof through, without an [`Account`]. One that does not hold is refused all the same.
    ///
    /// Each handler then has to ask: in axum, the extractor `Account` refuses and `Option<Account>` does not.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Reads the body of a request whose head holds.
    async fn check_body<B>(&self, head: VerifiedHead, body: B) -> Result<(Account, B), ProofError>
    where
        B: Body + From<Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = match Limited::new(body, self.body_limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(ProofError::TooLarge),
            Err(_) => return Err(ProofError::Invalid("its body did not arrive whole")),
        };
        let account = head.verify_body(&body)?;
        Ok((account, B::from(body)))
    }

    fn check_size(&self, body: &impl Body) -> Result<(), ProofError> {
        let limit = u64::try_from(self.body_limit).unwrap_or(u64::MAX);
        if body.size_hint().lower() > limit { Err(ProofError::TooLarge) } else { Ok(()) }
    }
}

impl<S> Layer<S> for ProofLayer {
    type Service = ProofService<S>;

    fn layer(&self, inner: S) -> ProofService<S> {
        ProofService { inner, layer: self.clone() }
    }
}

/// The service that [`ProofLayer`] makes.
#[derive(Debug, Clone)]
pub struct ProofService<S> {
    inner: S,
    layer: ProofLayer,
}

impl<S, B, R> Service<Request<B>> for ProofService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    R: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was asked whether it is ready serves; the clone waits for its turn.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            // A layer outside of this one has checked it, and a proof passes once.
            if request.extensions().get::<Account>().is_some() {
                return inner.call(request).await;
            }
            let (mut parts, body) = request.into_parts();
            let head = match layer.proofs.verify_head(&parts).await {
                Err(ProofError::Missing) if layer.is_optional => {
                    return inner.call(Request::from_parts(parts, body)).await;
                }
                head => head,
            };
            let checked = match head.and_then(|head| layer.check_size(&body).map(|()| head)) {
                Ok(head) => layer.check_body(head, body).await,
                Err(error) => Err(error),
            };
            let body = match checked {
                Ok((account, body)) => {
                    parts.extensions.insert(account);
                    body
                }
                Err(error) => return Ok(refusal::response(error)),
            };
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            Ok(response)
        })
    }
}

/// 1 MiB.
const DEFAULT_BODY_LIMIT: usize = 1 << 20;
