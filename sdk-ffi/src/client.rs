//! One server as a back end sees it: its address and a key for it.

use std::sync::Arc;

use passkey_accounts::Accounts;

use crate::{
    engine::Engine,
    error::Error,
    live::LiveSessions,
    provider::{KeyProvider, ask_key},
    stream::{EventStream, EventsOptions, EvidenceOptions},
};

/// How to connect.
#[derive(Clone, uniffi::Record)]
pub struct ConnectOptions {
    /// `https://HOST[:PORT]`, or the `wss://` address of the event stream.
    pub url: String,
    /// `pa_<env>_<id>_<secret>_<crc32>`, or a key pair (`pa_pair_...`), which signs and is never sent. Absent with a `key_provider`.
    #[uniffi(default = None)]
    pub api_key: Option<String>,
    /// Is asked for the key instead.
    #[uniffi(default = None)]
    pub key_provider: Option<Arc<dyn KeyProvider>>,
    /// Send the API key unencrypted if the address says `http://` or `ws://`. Not needed for this machine itself.
    #[uniffi(default = false)]
    pub allow_plaintext: bool,
}

/// A Passkey Accounts server and the key to it. Has two threads of its own, which end with [`close`](Self::close).
#[derive(Debug, uniffi::Object)]
pub struct Client {
    pub(crate) engine: Arc<Engine>,
    pub(crate) accounts: Accounts,
}

#[uniffi::export]
impl Client {
    /// A handle of the server. Nothing is sent before something is opened or asked.
    ///
    /// # Errors
    /// An address that can never work (`badAddress`), or no threads.
    #[uniffi::constructor]
    pub fn connect(options: ConnectOptions) -> Result<Arc<Self>, Error> {
        let ConnectOptions { url, api_key, key_provider, allow_plaintext } = options;
        let mut accounts = match key_provider {
            Some(provider) => Accounts::connect(url, move || ask_key(Arc::clone(&provider)))?,
            None => Accounts::connect(url, api_key.unwrap_or_default())?,
        };
        if allow_plaintext {
            accounts = accounts.allow_plaintext();
        }
        let engine = Engine::start().map_err(|error| Error::no_thread(&error))?;
        Ok(Arc::new(Self { engine, accounts }))
    }

    /// Starts a stream in the background. An address or key that cannot work is reported by its `take`.
    ///
    /// # Errors
    /// Options that cannot be, or a closed client.
    pub fn events(&self, options: EventsOptions) -> Result<Arc<EventStream>, Error> {
        self.engine.check()?;
        let rest = options.rest();
        let builder = options.build(self.accounts.events())?;
        Ok(EventStream::open(&self.engine, builder, rest))
    }

    /// Starts to follow the sessions that are open, by a connection of its own. With `evidence`, a session is live if and
    /// only if a passkey was seen to open it.
    ///
    /// # Errors
    /// Options that cannot be, or a closed client.
    pub fn live_sessions(&self, evidence: Option<EvidenceOptions>) -> Result<Arc<LiveSessions>, Error> {
        self.engine.check()?;
        let builder = match evidence {
            Some(evidence) => evidence.build(self.accounts.events())?,
            None => self.accounts.events(),
        };
        let live = self.engine.enter(|| builder.live_sessions());
        Ok(LiveSessions::new(&self.engine, live))
    }

    /// Ends everything that was opened from here, and the threads. Blocks until that is done: at once as a rule, some
    /// seconds if a server does not answer or a key provider hangs. Afterwards nothing calls into the foreign program.
    pub fn shut_down(&self) {
        self.engine.close();
    }
}
