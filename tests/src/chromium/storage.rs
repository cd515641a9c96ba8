//! Every place in which a browser can keep something for a page.

use anyhow::Context;
use serde_json::Value;

/// The names of what is kept, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Cookies, `HttpOnly` ones too.
    pub cookies: Vec<String>,
    /// `localStorage`.
    pub local_storage: Vec<String>,
    /// `sessionStorage`.
    pub session_storage: Vec<String>,
    /// IndexedDB databases.
    pub databases: Vec<String>,
    /// Caches of the Cache API.
    pub caches: Vec<String>,
    /// Scopes of service workers.
    pub service_workers: Vec<String>,
    /// Files in the origin private file system.
    pub files: Vec<String>,
}

/// Lists the names that scripts can see.
pub(crate) const SCRIPT: &str = "(async () => ({
    localStorage: Object.keys(localStorage),
    sessionStorage: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).map((database) => database.name),
    caches: await caches.keys(),
    serviceWorkers: (await navigator.serviceWorker.getRegistrations()).map((worker) => worker.scope),
    files: await Array.fromAsync((await navigator.storage.getDirectory()).keys()),
}))()";

pub(crate) fn read(cookies: &Value, scripted: &Value) -> anyhow::Result<Stored> {
    let cookies = cookies["cookies"].as_array().context("no list of cookies")?;
    let names = |place: &str| {
        let list = scripted[place].as_array().with_context(|| format!("no list of {place}"))?;
        Ok::<_, anyhow::Error>(list.iter().map(|name| name.as_str().unwrap_or("?").to_owned()).collect())
    };
    Ok(Stored {
        cookies: cookies.iter().map(|cookie| cookie["name"].to_string()).collect(),
        local_storage: names("localStorage")?,
        session_storage: names("sessionStorage")?,
        databases: names("databases")?,
        caches: names("caches")?,
        service_workers: names("serviceWorkers")?,
        files: names("files")?,
    })
}
