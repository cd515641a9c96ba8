//! Sessions.

use serde::Serialize;

use super::{Api, ApiError};
use crate::protocol::{AccountID, SessionID, http::SessionsPage};

/// Which sessions to list. The default is the first page of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SessionsQuery {
    /// Those after this one: [`next`](SessionsPage::next) of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<SessionID>,
    /// At most this many, 1 to 500. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Those of this account only.
    #[serde(rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountID>,
}

impl Api {
    /// Lists the open sessions, oldest first. Needs `sessions:read`.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn sessions(&self, query: &SessionsQuery) -> Result<SessionsPage, ApiError> {
        self.read(&["sessions"], query).await
    }

    /// Ends a session: its page is told, its socket is closed. Needs `sessions:write`.
    ///
    /// # Errors
    /// [`ApiError`]; `notFound` when it is not open (any more).
    pub async fn end_session(&self, session_id: SessionID) -> Result<(), ApiError> {
        self.delete(&["sessions", &session_id.to_string()]).await
    }
}
