//! A shared worker: evaluate, as its own script could.

use serde_json::{Value, json};

use super::{connection::Connection, page};

/// A shared worker that runs.
pub struct SharedWorker {
    pub(super) connection: Connection,
    pub(super) target: String,
    pub(super) session: String,
}

impl SharedWorker {
    /// Evaluates a JavaScript expression and awaits it if it is a promise. The result is its JSON form.
    ///
    /// # Errors
    /// With what the expression threw.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        page::evaluate(&self.connection, &self.session, expression).await
    }

    /// Ends it, as a crash would.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn kill(self) -> anyhow::Result<()> {
        self.connection.call(None, "Target.closeTarget", json!({"targetId": self.target})).await?;
        // Until then the browser keeps what is left of it.
        let arguments = json!({"sessionId": self.session});
        self.connection.call(None, "Target.detachFromTarget", arguments).await.map(drop)
    }
}
