//! Pages of the log.

use serde::Serialize;

use super::{Api, ApiError};
use crate::protocol::http::{Checkpoint, EventsPage};

/// Which events to read. The default is the first page of sign-ins and sign-outs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// Those after this position: [`next`](EventsPage::next) of the page before, or any event's id.
    pub after: Option<String>,
    /// At most this many, 1 to 500. Default 100.
    pub limit: Option<usize>,
    /// Those of these types; `["*"]` for all that the key may read. Empty: sign-ins and sign-outs.
    pub types: Vec<String>,
}

impl Api {
    /// Reads the log from a position on. Needs `events:read`; events about keys need `audit:read` besides.
    ///
    /// For what happens from now on, a stream of [`Events`](crate::Events) is faster and cheaper.
    ///
    /// # Errors
    /// [`ApiError`]; `gone`, with [`ApiError::gap`], when the position cannot be continued.
    pub async fn events(&self, query: &EventsQuery) -> Result<EventsPage, ApiError> {
        #[derive(Serialize)]
        struct Asked<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            after: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit: Option<usize>,
            #[serde(skip_serializing_if = "Option::is_none")]
            types: Option<String>,
        }
        let types = (!query.types.is_empty()).then(|| query.types.join(","));
        self.read(&["events"], &Asked { after: query.after.as_deref(), limit: query.limit, types }).await
    }

    /// The newest signed head of the log. Needs `events:read`. Whoever keeps it can prove later that history was changed.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn checkpoint(&self) -> Result<Checkpoint, ApiError> {
        self.read(&["checkpoint"], &()).await
    }
}
