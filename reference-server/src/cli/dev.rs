//! `passkey-accounts dev`: everything on localhost, nothing to configure.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, gateway::Policy},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{Outcome, stop_signal};
use crate::{
    apps::App,
    clock::{Clock, make_random},
    crypto::{Keyring, write_secret},
    keys::{ApiKey, KeyEnvironment},
    log::Retention,
    mail::{Mailer, Outbox},
    routes::{Mode, Site},
    server::{Prepared, Settings},
    sessions::SessionLimits,
    store::Store,
};

/// Start on localhost with no configuration.
#[derive(Debug, Args)]
pub struct Dev {
    /// The port on localhost; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the dev database is kept; delete the folder to start afresh
    #[arg(long, default_value = "passkey-accounts-data", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Print the URLs and the key as one line of JSON instead of the box
    #[arg(long)]
    json: bool,
}

/// The dev app and its key, kept beside the database so that a restart changes neither.
#[derive(Serialize, Deserialize)]
struct DevFile {
    #[serde(rename = "appID")]
    app_id: AppID,
    #[serde(rename = "apiKey")]
    api_key: String,
    port: u16,
}

impl Dev {
    pub(super) async fn run(self) -> Outcome {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("port {} cannot be used ({error}); choose another with --port", self.port)
        })?;
        let port = listener.local_addr()?.port();
        std::fs::create_dir_all(&self.data_dir)?;
        let settings = Settings {
            data_directory: self.data_dir.clone(),
            clock: Clock::System,
            keyring: Keyring::load(&self.data_dir.join("dev-root.key"), true)?,
            mailer: Mailer::Outbox(Outbox::default()),
            session_limits: SessionLimits::default(),
            retention: Retention::default(),
            drain_ms: 0,
            tls: None,
        };
        let prepared = Prepared::open(settings).await?;
        let origin = format!("http://localhost:{port}");
        let dev = self.dev_file(prepared.store(), &origin, port).await?;
        let site = Site::new(Mode::Dev, &origin).with_app(dev.app_id, APP_NAME).with_api_key(&dev.api_key);
        let events_url = site.events_url.clone();
        let running = prepared.start(listener, site).await?;
        if self.json {
            let line = serde_json::json!({
                "url": origin, "eventsURL": events_url, "appID": dev.app_id, "apiKey": dev.api_key,
            });
            println!("{line}");
        } else {
            println!("{}", welcome(&origin, &events_url, &dev));
        }
        stop_signal().await;
        running.stop().await;
        Ok(())
    }

    /// The app and key of an earlier run, or new ones.
    async fn dev_file(
        &self,
        store: &Store,
        origin: &str,
        port: u16,
    ) -> Result<DevFile, Box<dyn std::error::Error>> {
        let path = self.data_dir.join(format!("dev-{port}.json"));
        if let Ok(text) = std::fs::read_to_string(&path) {
            return serde_json::from_str(&text).map_err(|error| {
                format!("{} cannot be read ({error}); delete the folder to start afresh", path.display())
                    .into()
            });
        }
        let app_id = AppID::from_bytes(make_random());
        let origins = vec![origin.parse()?];
        let app = App::new(app_id, APP_NAME.to_owned(), "localhost".to_owned(), origins, Policy::Strict)?;
        store.create_app(app, Epoch::from_random(u32::from_be_bytes(make_random()))).await?;
        let key = ApiKey::new(KeyEnvironment::Dev, &make_random());
        store.create_key(app_id, &key, "dev".to_owned(), None).await?;
        let dev = DevFile { app_id, api_key: key.reveal().to_owned(), port };
        write_secret(&path, &serde_json::to_string_pretty(&dev)?)?;
        Ok(dev)
    }
}

const APP_NAME: &str = "Passkey Accounts";

fn welcome(origin: &str, events_url: &str, dev: &DevFile) -> String {
    let lines = [
        "Passkey Accounts is running. Try this:".to_owned(),
        String::new(),
        format!("1. Sign up and in      {origin}/login"),
        format!("   The mailed code is  {origin}/outbox"),
        "2. Watch it on a back end, in another terminal:".to_owned(),
        String::new(),
        "   cd examples/node && npm install".to_owned(),
        format!("   PASSKEY_ACCOUNTS_URL={events_url} \\"),
        "   PASSKEY_ACCOUNTS_API_KEY=<the key below> \\".to_owned(),
        "   node print-sign-ins.mjs".to_owned(),
        String::new(),
        "   or without writing anything, with the key in PASSKEY_ACCOUNTS_API_KEY:".to_owned(),
        format!("   passkey-accounts listen --url {origin}"),
        String::new(),
        format!("3. Write your own      {origin}/quickstart"),
        String::new(),
        "Ctrl-C stops it. This is for developing: mail is shown, not sent.".to_owned(),
    ];
    let width = lines.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("┌{}┐\n", "─".repeat(width + 2));
    for line in &lines {
        text.push_str(&format!("│ {line:width$} │\n"));
    }
    text.push_str(&format!("└{}┘\n", "─".repeat(width + 2)));
    text.push_str(&format!("app      {}\nAPI key  {}\n", dev.app_id, dev.api_key));
    text
}
