//! The app: its connections to the server, and what its handlers share.

use std::{path::PathBuf, sync::Arc};

use axum::Router;
use passkey_accounts::{
    Accounts, Proofs, StreamError,
    evidence::{Expected, FilePins},
    proof::NotServed,
};

use crate::{confirmations::Confirmations, live::Sockets, notes::Notes, routes};

/// The notes app of one process. Dropped, with its routes, it lets go of its connections.
#[derive(Debug)]
pub struct NotesApp {
    parts: Arc<Parts>,
}

/// Where the app is, and whom it believes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The origin of the app's pages: `http://app.localhost:8080`.
    pub origin: String,
    /// The Passkey Accounts server, as this back end reaches it: `https://auth.example`.
    pub server: String,
    /// The app's API key there, with the scope `events:read`.
    pub api_key: String,
    /// The server's browser socket, as browsers reach it: `wss://auth.example/v1/gateway`.
    pub gateway_url: String,
    /// Where mails are shown that a server in development does not send; `None` in production.
    pub outbox_url: Option<String>,
    /// What the app knows of itself.
    pub expected: Expected,
    /// A folder that exists, for what is pinned.
    pub folder: PathBuf,
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) proofs: Proofs,
    pub(crate) notes: Notes,
    pub(crate) confirmations: Confirmations,
    pub(crate) sockets: Sockets,
}

/// Why the app cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The server's address is none.
    #[error(transparent)]
    Server(#[from] StreamError),
    /// The app's origin is none.
    #[error(transparent)]
    Origin(#[from] NotServed),
}

impl NotesApp {
    /// The app, with its connections to the server, which begin now. A server that is not there yet is waited for.
    ///
    /// # Errors
    /// [`SetupError`] for addresses that cannot be.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn start(settings: Settings) -> Result<Self, SetupError> {
        let accounts = Accounts::connect(&settings.server, settings.api_key.clone())?;
        let believing = |name: &str| {
            let pins = FilePins::new(settings.folder.join(name));
            accounts.events().evidence(settings.expected.clone(), pins)
        };
        let live = believing("sessions.pins").live_sessions();
        let parts = Parts {
            proofs: live.proofs().origin(&settings.origin).build()?,
            confirmations: Confirmations::listen(believing("confirmed.pins").open()),
            notes: Notes::default(),
            sockets: Sockets::default(),
            settings,
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// Its routes. `shared` serves what the pages load from their own origin: `/sdk/` (the browser package) and `/assets/`
    /// (the look).
    pub fn routes(&self, shared: Router) -> Router {
        routes::router(Arc::clone(&self.parts), shared)
    }
}
