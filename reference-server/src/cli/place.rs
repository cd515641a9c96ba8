//! Where a command works: on a running server over HTTP, or on the data folder while no server runs.

use std::path::{Path, PathBuf};

use clap::Args;
use passkey_accounts::Api;
use zeroize::Zeroizing;

use crate::{clock::Clock, crypto::RootKeySource, store::Store};

/// Where a command works. With --url on that server; else on the folder, while no server runs on it.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    #[command(flatten)]
    remote: MaybeRemote,
    /// The folder of the database of a server that is stopped
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    root_key: RootKeyPlace,
}

/// Where the root keys of a data folder are; in the folder of a dev server they are found by themselves.
#[derive(Debug, Clone, Args)]
pub(super) struct RootKeyPlace {
    /// The file of the root keys
    #[arg(long, value_name = "FILE", env = "PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_FILE")]
    pub(super) root_key_file: Option<PathBuf>,
    /// A program that prints the root keys, and its arguments
    #[arg(long, value_name = "COMMAND", env = "PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_COMMAND")]
    root_key_command: Option<String>,
}

impl RootKeyPlace {
    /// Where the root keys of that folder are.
    pub(super) fn source(&self, folder: &Path) -> Result<RootKeySource, Box<dyn std::error::Error>> {
        let text = std::env::var("PASSKEY_ACCOUNTS_SERVER__ROOT_KEY").ok();
        let dev = folder.join(DEV_ROOT_KEY);
        match (&self.root_key_file, &self.root_key_command, text) {
            (Some(path), None, None) => Ok(RootKeySource::File(path.clone())),
            (None, Some(command), None) => Ok(RootKeySource::Command(command.clone())),
            (None, None, Some(text)) => Ok(RootKeySource::Text(Zeroizing::new(text))),
            (None, None, None) if dev.exists() => Ok(RootKeySource::File(dev)),
            (None, None, None) => Err("the rows of a data folder are sealed: name the file of the server's root key with --root-key-file".into()),
            _ => Err("the root keys come from several places; name one: --root-key-file, --root-key-command or PASSKEY_ACCOUNTS_SERVER__ROOT_KEY".into()),
        }
    }

    /// Opens the database of that folder.
    pub(super) async fn open(&self, folder: &Path) -> Result<Store, Box<dyn std::error::Error>> {
        let root_keys = self.source(folder)?.read()?;
        Ok(Store::open(folder, Clock::System, &root_keys).await?)
    }
}

#[derive(Debug, Clone, Args)]
struct MaybeRemote {
    /// A running server, for example https://auth.example
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An API key for it; better in the environment, where other users of this machine do not see it
    #[arg(long, value_name = "KEY", env = "PASSKEY_ACCOUNTS_API_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// A running server and a key for it.
#[derive(Debug, Clone, Args)]
pub(super) struct Remote {
    /// The server, for example https://auth.example
    #[arg(long, value_name = "URL", env = "PASSKEY_ACCOUNTS_URL")]
    pub(super) url: String,
    /// An API key for it; better in the environment, where other users of this machine do not see it
    #[arg(long, value_name = "KEY", env = "PASSKEY_ACCOUNTS_API_KEY", hide_env_values = true)]
    pub(super) key: String,
}

/// A place that is decided.
#[derive(Debug)]
pub(super) enum Target {
    /// A running server.
    Server(Api),
    /// The database of a data folder.
    Folder(Store),
}

impl Place {
    /// Decides where the command works.
    pub(super) async fn target(&self) -> Result<Target, Box<dyn std::error::Error>> {
        let Some(url) = &self.remote.url else {
            let folder = self.data_dir.as_deref().unwrap_or(Path::new(DATA_DIRECTORY));
            require_database(folder)?;
            return Ok(Target::Folder(self.root_key.open(folder).await?));
        };
        let key = self.remote.key.as_deref();
        let key =
            key.ok_or("with --url an API key is needed: set PASSKEY_ACCOUNTS_API_KEY, or give --key")?;
        Ok(Target::Server(Api::new(&http_url(url), key)?))
    }
}

/// Only `app create` makes a database: a misspelt folder must not become an empty one.
pub(super) fn require_database(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    if folder.join("accounts.sqlite").exists() {
        return Ok(());
    }
    Err(format!(
        "there is no database in {}; name its folder with --data-dir, or a running server with --url",
        folder.display()
    )
    .into())
}

impl Remote {
    /// The HTTP API's client.
    pub(super) fn api(&self) -> Result<Api, passkey_accounts::ApiError> {
        Api::new(&http_url(&self.url), &self.key)
    }

    /// The address of the event socket.
    pub(super) fn events_url(&self) -> String {
        format!("{}/v1/events", http_url(&self.url)).replacen("http", "ws", 1)
    }
}

/// The root key of a dev server, beside its data.
pub(super) const DEV_ROOT_KEY: &str = "dev-root.key";

/// Where the data lies when nothing is said.
pub(super) const DATA_DIRECTORY: &str = "passkey-accounts-data";

/// The server's address, also where somebody has that of its event socket at hand.
pub(super) fn http_url(url: &str) -> String {
    let url = match url.strip_prefix("ws") {
        Some(rest) if rest.starts_with(':') || rest.starts_with("s:") => format!("http{rest}"),
        _ => url.to_owned(),
    };
    let url = url.trim_end_matches('/');
    url.strip_suffix("/v1/events").unwrap_or(url).to_owned()
}

#[cfg(test)]
mod tests {
    use super::http_url;

    #[test]
    fn the_address_of_the_socket_will_do() {
        for (given, server) in [
            ("https://auth.example", "https://auth.example"),
            ("wss://auth.example/v1/events", "https://auth.example"),
            ("ws://localhost:8080/", "http://localhost:8080"),
            ("http://localhost:8080/v1/events/", "http://localhost:8080"),
        ] {
            assert_eq!(http_url(given), server);
        }
    }
}
