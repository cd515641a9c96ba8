//! One server as a back end sees it: its address and a key for it.

use std::sync::Arc;

use super::{EventsBuilder, KeyProvider, Keys, LiveSessions};
use crate::{
    stream::StreamError,
    transport::{not_an_address, read_origin},
};

/// A Passkey Accounts server and the key to it. Cheap to clone; everything else is opened from here.
///
/// ```no_run
/// use passkey_accounts::Accounts;
///
/// # async fn example() -> Result<(), passkey_accounts::StreamError> {
/// let accounts = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let mut events = accounts.events().open();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Accounts {
    /// `SCHEME://HOST[:PORT]` with `http` or `https`.
    origin: Arc<str>,
    keys: Keys,
    plaintext_is_allowed: bool,
}

impl Accounts {
    /// A handle of the server at `https://HOST[:PORT]`, or at the `wss://` address of its event stream. Nothing is sent
    /// before something is opened or asked.
    ///
    /// # Errors
    /// An address that can never work (`badAddress`).
    pub fn connect(url: impl AsRef<str>, api_key: impl KeyProvider) -> Result<Self, StreamError> {
        let origin = read_origin(url.as_ref()).ok_or_else(not_an_address)?;
        Ok(Self { origin: origin.into(), keys: Keys::new(api_key), plaintext_is_allowed: false })
    }

    /// Send the API key unencrypted, with everything that is opened from here, if the address says `http://`. Not needed
    /// for this machine itself; elsewhere, whoever carries the bytes can read the key and the events.
    #[must_use]
    pub const fn allow_plaintext(mut self) -> Self {
        self.plaintext_is_allowed = true;
        self
    }

    /// The event stream, to be configured and opened.
    pub fn events(&self) -> EventsBuilder {
        let socket = self.origin.replacen("http", "ws", 1);
        let builder = EventsBuilder::new(format!("{socket}/v1/events"), self.keys.clone());
        if self.plaintext_is_allowed { builder.allow_plaintext() } else { builder }
    }

    /// The sessions that are open now, kept by a connection of their own. Look-ups wait for nothing.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn live_sessions(&self) -> LiveSessions {
        self.events().live_sessions()
    }

    /// The HTTP API, with the key that is to be used now.
    ///
    /// ```no_run
    /// # async fn example(accounts: passkey_accounts::Accounts) -> Result<(), passkey_accounts::ApiError> {
    /// let checkpoint = accounts.api().await?.checkpoint().await?;
    /// println!("the log has {} entries", checkpoint.head.seq);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `badKey` when the key provider has none, or what it has cannot be one.
    #[cfg(feature = "http")]
    pub async fn api(&self) -> Result<crate::Api, crate::ApiError> {
        let key = self.keys.ask().await.map_err(|error| {
            crate::ApiError::refused(crate::protocol::Code::BadKey, &format!("no API key: {error}"))
        })?;
        if self.plaintext_is_allowed {
            crate::Api::allowing_plaintext(&self.origin, &key)
        } else {
            crate::Api::new(&self.origin, &key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Accounts;

    #[test]
    fn what_is_no_address_is_refused_at_once() {
        for url in ["", "auth.example", "https://", "ftp://auth.example", "https://a:b@auth.example"] {
            let error = Accounts::connect(url, "pa_live_x").unwrap_err();
            assert_eq!(error.code().as_str(), "badAddress", "{url}");
        }
    }

    #[test]
    fn the_key_is_not_in_debug_output() {
        let accounts = Accounts::connect("https://auth.example", "pa_live_secret").unwrap();
        assert!(!format!("{accounts:?}").contains("secret"));
    }
}
