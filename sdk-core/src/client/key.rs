//! Where the API key comes from: a string, or something that is asked whenever a connection is made.

use std::{error::Error, fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;

/// Any error of the application's own code.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Gives the API key for the next connection, so that keys can be rotated under a running process.
///
/// A string is a key that never changes. A closure is asked before each connection, and once more when the server has
/// refused its key: a different one is tried, the same one ends the stream.
///
/// ```no_run
/// use passkey_accounts::Accounts;
///
/// # fn example() -> Result<(), passkey_accounts::StreamError> {
/// let fixed = Accounts::connect("https://auth.example", "pa_live_...")?;
/// let rotated = Accounts::connect("https://auth.example", || async {
///     Ok(std::fs::read_to_string("/run/secrets/passkey-accounts")?.trim().to_owned())
/// })?;
/// # Ok(())
/// # }
/// ```
pub trait KeyProvider: Send + Sync + 'static {
    /// The key to use now: `pa_<env>_<id>_<secret>_<crc32>`, or a [key pair](crate::key_pair::KeyPair), which signs and is
    /// never sent.
    ///
    /// # Errors
    /// The provider's own. The connection is tried again later.
    fn key(&self) -> impl Future<Output = Result<String, BoxError>> + Send;
}

impl KeyProvider for String {
    async fn key(&self) -> Result<String, BoxError> {
        Ok(self.clone())
    }
}

impl KeyProvider for &'static str {
    async fn key(&self) -> Result<String, BoxError> {
        Ok((*self).to_owned())
    }
}

impl<F, K> KeyProvider for F
where
    F: Fn() -> K + Send + Sync + 'static,
    K: Future<Output = Result<String, BoxError>> + Send,
{
    fn key(&self) -> impl Future<Output = Result<String, BoxError>> + Send {
        self()
    }
}

/// A key provider behind a handle that clones cheaply. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Keys(Arc<dyn Fn() -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>);

impl Keys {
    pub(crate) fn new(provider: impl KeyProvider) -> Self {
        let provider = Arc::new(provider);
        Self(Arc::new(move || {
            let provider = Arc::clone(&provider);
            Box::pin(async move { provider.key().await })
        }))
    }

    /// The key to use now.
    pub(crate) fn ask(&self) -> BoxFuture<'static, Result<String, BoxError>> {
        (self.0)()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}
