//! The app that the key speaks for.

use super::{Api, ApiError};
use crate::protocol::http::AppInfo;

impl Api {
    /// The app that the key speaks for. A good first call: it needs no scope.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn app(&self) -> Result<AppInfo, ApiError> {
        self.read(&["app"], &()).await
    }
}
