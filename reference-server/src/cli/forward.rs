//! Events as webhooks: the form of Standard Webhooks 1.0, one after the other, each until it is taken.

use std::time::Duration;

use aws_lc_rs::hmac;
use backon::{ExponentialBuilder, Retryable};
use data_encoding::BASE64;
use passkey_accounts::stream::Event;
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::value::RawValue;

use crate::clock::{Clock, make_random};

/// A target and the secret that it checks with.
#[derive(Debug)]
pub(super) struct Forward {
    client: Client,
    url: Url,
    secret: Vec<u8>,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    /// The address is none.
    #[error("--forward-to: {0:?} is not an http:// or https:// URL")]
    BadAddress(String),
    /// The secret is none.
    #[error("the secret must be whsec_ and 24 to 64 bytes in base64")]
    BadSecret,
    /// It does not want events any more.
    #[error("the target answered 410 Gone: it wants no more events")]
    Gone,
    /// It may take it later.
    #[error("the target answered {0}")]
    Status(StatusCode),
    /// It could not be reached.
    #[error("the target cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The event cannot be written down.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Forward {
    /// A target with this secret, or a new one.
    pub(super) fn new(url: &str, secret: Option<&str>) -> Result<Self, ForwardError> {
        let bad_address = || ForwardError::BadAddress(url.to_owned());
        let address: Url = url.parse().map_err(|_| bad_address())?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(bad_address());
        }
        let secret = match secret {
            None => make_random::<32>().to_vec(),
            Some(text) => {
                let bytes = text.strip_prefix("whsec_").and_then(|text| BASE64.decode(text.as_bytes()).ok());
                bytes.filter(|bytes| (24..=64).contains(&bytes.len())).ok_or(ForwardError::BadSecret)?
            }
        };
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(ANSWER).build()?;
        Ok(Self { client, url: address, secret })
    }

    /// Where it goes.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// `whsec_...`, for the target.
    pub(super) fn secret(&self) -> String {
        format!("whsec_{}", BASE64.encode(&self.secret))
    }

    /// Sends an event until it is taken. While the target is down nothing behind it is sent, and nothing is skipped.
    pub(super) async fn send(&self, event: &Event) -> Result<(), ForwardError> {
        let data: &RawValue = serde_json::from_str(&event.data)?;
        let time = event.time.to_string();
        let body = serde_json::to_string(&Webhook { kind: &event.name, timestamp: &time, data })?;
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(30))
            .without_max_times()
            .with_jitter();
        (async || self.post(&event.id, &body).await)
            .retry(waits)
            .when(|error| matches!(error, ForwardError::Status(_) | ForwardError::Unreachable(_)))
            .notify(|error, wait| eprintln!("{error}; {} is sent again in {wait:.1?}", event.id))
            .await
    }

    async fn post(&self, id: &str, body: &str) -> Result<(), ForwardError> {
        let timestamp = (Clock::System.now().0 / 1_000).to_string();
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", self.sign(id, &timestamp, body))
            .body(body.to_owned());
        match request.send().await?.status() {
            StatusCode::GONE => Err(ForwardError::Gone),
            status if status.is_success() => Ok(()),
            status => Err(ForwardError::Status(status)),
        }
    }

    fn sign(&self, id: &str, timestamp: &str, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(tag.as_ref()))
    }
}

/// The body: `type`, `timestamp` of the event, `data` as the log has it.
#[derive(serde::Serialize)]
struct Webhook<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: &'a str,
    data: &'a RawValue,
}

/// Longest wait for one try.
const ANSWER: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::Forward;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the specification's reference libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let forward = Forward::new("http://localhost/", Some(secret)).unwrap();
        let signature = forward.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(forward.secret(), secret);
    }

    #[test]
    fn what_cannot_be_a_target_or_a_secret_is_refused() {
        for url in ["", "localhost:3000", "ftp://x/", "file:///etc/passwd"] {
            assert!(Forward::new(url, None).is_err(), "{url}");
        }
        for secret in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Forward::new("http://localhost/", Some(secret)).is_err(), "{secret}");
        }
    }
}
