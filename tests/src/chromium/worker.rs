//! A shared worker: evaluate, as its own script could.

use anyhow::Context;
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

    /// Finds every private key in the worker's memory, as a debugger does, and tries to export it; returns what came of
    /// each.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn export_keys(&self) -> anyhow::Result<Vec<String>> {
        let call = async |method: &str, arguments: Value| {
            self.connection.call(Some(&self.session), method, arguments).await
        };
        let prototype = call("Runtime.evaluate", json!({"expression": "CryptoKey.prototype"})).await?;
        let asked = json!({"prototypeObjectId": prototype["result"]["objectId"]});
        let found = call("Runtime.queryObjects", asked).await?;
        let export = "async function () {
            const tried = [...this].filter(({ type }) => type === 'private').map((key) =>
                crypto.subtle.exportKey('jwk', key).then(({ d }) => d, ({ name }) => name));
            return Promise.all(tried);
        }";
        let asked = json!({
            "objectId": found["objects"]["objectId"], "functionDeclaration": export,
            "awaitPromise": true, "returnByValue": true,
        });
        let tried = call("Runtime.callFunctionOn", asked).await?;
        let tried = tried["result"]["value"].as_array().context("no list of keys")?;
        Ok(tried.iter().map(|said| said.as_str().unwrap_or_default().to_owned()).collect())
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
