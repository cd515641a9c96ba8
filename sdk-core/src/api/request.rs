//! One call: sent, tried again where that can help, and read.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde::{Serialize, de::DeserializeOwned};

use super::{Api, ApiError};
use crate::protocol::{Code, base64url::encode, http::Problem};

/// The longest wait that a server's wish is followed for inside a call; a longer one is handed out.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Api {
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ApiError> {
        let response = self.call(|| self.client.get(self.address(path)).query(query)).await?;
        parse(response).await
    }

    pub(super) async fn command<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let key = make_idempotency_key()?;
        let post = || self.client.post(self.address(path)).header("idempotency-key", &key).json(body);
        parse(self.call(post).await?).await
    }

    pub(super) async fn delete(&self, path: &[&str]) -> Result<(), ApiError> {
        let key = make_idempotency_key()?;
        let delete =
            || self.client.request(Method::DELETE, self.address(path)).header("idempotency-key", &key);
        self.call(delete).await.map(drop)
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = Url::clone(&self.base);
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each is percent-encoded: whatever an id holds, it stays one segment.
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    async fn call(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, ApiError> {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(Self::TRIES - 1)
            .with_jitter();
        (async || self.send(request()).await)
            .retry(waits)
            .when(|error: &ApiError| {
                error.is_retryable() && error.retry_after().is_none_or(|wait| wait <= LONGEST_WAIT)
            })
            .adjust(|error, wait| wait.map(|wait| error.retry_after().map_or(wait, |wish| wish.max(wait))))
            .notify(log)
            .await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let mut request = request.build().map_err(unreachable)?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request)?;
        }
        check(self.client.execute(request).await.map_err(unreachable)?).await
    }
}

#[cfg(feature = "native")]
fn log(error: &ApiError, wait: Duration) {
    tracing::debug!(%error, ?wait, "a call is tried again");
}

#[cfg(not(feature = "native"))]
const fn log(_: &ApiError, _: Duration) {}

async fn check(response: Response) -> Result<Response, ApiError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
    let text = response.text().await.map_err(unreachable)?;
    Err(match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => ApiError::Refused(Box::new(problem)),
        Err(error) => ApiError::Unreadable { status, why: error.to_string(), retry_after },
    })
}

async fn parse<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
    let status = response.status().as_u16();
    let text = response.text().await.map_err(unreachable)?;
    serde_json::from_str(&text).map_err(|error| {
        let why = format!("{error}; update this client");
        ApiError::Unreadable { status, why, retry_after: None }
    })
}

/// The address is taken out: it may name an account, and errors end up in logs.
fn unreachable(error: reqwest::Error) -> ApiError {
    ApiError::Unreachable(error.without_url())
}

/// Seconds; a date, which RFC 9110 allows too, is a proxy's and left to the usual waits.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

fn make_idempotency_key() -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    // One that is not unique would get the answer to another command.
    getrandom::fill(&mut bytes)
        .map_err(|_| ApiError::refused(Code::NotSupported, "this machine has no source of randomness"))?;
    Ok(encode(bytes))
}
