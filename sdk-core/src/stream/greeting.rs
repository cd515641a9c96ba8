//! What the server said of itself when it took the connection.

use std::time::Duration;

use crate::protocol::{AppID, UnixMillis};

/// The parts of the newest `ready` that matter beyond the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The app whose log this is; absent from servers that do not say it.
    pub app_id: Option<AppID>,
    /// The server's clock.
    pub time: UnixMillis,
    /// When that was heard.
    pub heard_at: Duration,
}
