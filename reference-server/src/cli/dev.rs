//! `passkey-accounts dev`: everything on localhost, nothing to configure.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use axum::{Router, extract::Request, routing::any};
use clap::Args;
use passkey_accounts::{
    evidence::Expected,
    log::Epoch,
    protocol::{AppID, gateway::Policy},
};
use passkey_accounts_notes::{NotesApp, evil};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Outcome, place::DEV_ROOT_KEY, stop_signal};
use crate::{
    apps::App,
    ceremony::Authenticators,
    clock::{Clock, make_random},
    crypto::{RootKeySource, RootKeys, write_secret},
    hosts::by_host,
    keys::{ApiKey, KeyEnvironment},
    log::Retention,
    mail::{Mailer, Outbox},
    rates::Rates,
    routes::{Mode, Site},
    server::{Prepared, Settings},
    sessions::SessionLimits,
    store::{OpenError, Store},
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

/// The dev apps and their keys, kept beside the database so that a restart changes neither.
#[derive(Serialize, Deserialize)]
struct DevFile {
    #[serde(flatten)]
    site: DevApp,
    port: u16,
    /// The notes app; absent in files of earlier versions.
    #[serde(default)]
    notes: Option<DevApp>,
}

/// An app, and a key for its back end.
#[derive(Clone, Serialize, Deserialize)]
struct DevApp {
    #[serde(rename = "appID")]
    app_id: AppID,
    #[serde(rename = "apiKey")]
    api_key: String,
}

impl Dev {
    pub(super) async fn run(self) -> Outcome {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("port {} cannot be used ({error}); choose another with --port", self.port)
        })?;
        let port = listener.local_addr()?.port();
        std::fs::create_dir_all(&self.data_dir)?;
        let root_keys = RootKeySource::read_or_make(&self.data_dir.join(DEV_ROOT_KEY))?;
        let settings = Settings {
            data_directory: self.data_dir.clone(),
            clock: Clock::System,
            root_keys: RootKeySource::Keys(root_keys.clone()),
            mailer: Mailer::Outbox(Outbox::default()),
            authenticators: Authenticators::default(),
            session_limits: SessionLimits::default(),
            rates: Rates::off(),
            retention: Retention::default(),
            drain_ms: 0,
            tls: None,
        };
        seal(&self.data_dir, &root_keys).await?;
        let prepared = Prepared::open(settings).await?;
        let origin = format!("http://localhost:{port}");
        let (dev, notes_app) = self.dev_apps(prepared.store(), &origin, port).await?;
        let site = Site::new(Mode::Dev, &origin).with_app(dev.app_id, APP_NAME).with_api_key(&dev.api_key);
        let events_url = site.events_url.clone();
        let notes = self.start_notes(notes_app, port)?;
        let hosts = |server: Router| {
            let routes = [(NOTES_HOST, notes.routes(shared(&server))), (EVIL_HOST, evil(shared(&server)))];
            by_host(routes.map(|(host, routes)| (format!("{host}:{port}"), routes)), server)
        };
        let running = prepared.start_behind(listener, site, hosts).await?;
        let notes_url = format!("http://{NOTES_HOST}:{port}");
        let evil_url = format!("http://{EVIL_HOST}:{port}");
        if self.json {
            let line = serde_json::json!({
                "url": origin, "eventsURL": events_url, "appID": dev.app_id, "apiKey": dev.api_key,
                "notesURL": notes_url, "evilURL": evil_url,
            });
            println!("{line}");
        } else {
            println!("{}", welcome(&origin, &events_url, [&notes_url, &evil_url], &dev));
        }
        stop_signal().await;
        running.stop().await;
        Ok(())
    }

    /// The site's app and the notes app of an earlier run, or new ones.
    async fn dev_apps(
        &self,
        store: &Store,
        origin: &str,
        port: u16,
    ) -> Result<(DevApp, DevApp), Box<dyn std::error::Error>> {
        let path = self.data_dir.join(format!("dev-{port}.json"));
        let mut known: Option<DevFile> = None;
        if let Ok(text) = std::fs::read_to_string(&path) {
            known = Some(serde_json::from_str(&text).map_err(|error| {
                format!("{} cannot be read ({error}); delete the folder to start afresh", path.display())
            })?);
        }
        if let Some(DevFile { site, notes: Some(notes), .. }) = known {
            return Ok((site, notes));
        }
        let site = match known {
            Some(known) => known.site,
            None => {
                let made = make_app(store, APP_NAME, "localhost", origin).await?;
                // To be tried: a wait as short as it may be.
                store.set_recovery(made.app_id, Some(RECOVERY_HOLD_MS)).await?;
                made
            }
        };
        let notes = make_app(store, NOTES_NAME, NOTES_HOST, &format!("http://{NOTES_HOST}:{port}")).await?;
        let file = DevFile { site: site.clone(), port, notes: Some(notes.clone()) };
        write_secret(&path, &serde_json::to_string_pretty(&file)?)?;
        Ok((site, notes))
    }

    /// The notes app, which is a back end like any other: it reaches the server by its address and has a key.
    fn start_notes(&self, app: DevApp, port: u16) -> Result<NotesApp, Box<dyn std::error::Error>> {
        let origin = format!("http://{NOTES_HOST}:{port}");
        let folder = self.data_dir.join(format!("notes-{port}"));
        std::fs::create_dir_all(&folder)?;
        Ok(NotesApp::start(passkey_accounts_notes::Settings {
            server: format!("http://localhost:{port}"),
            api_key: app.api_key,
            gateway_url: format!("ws://{AUTH_HOST}:{port}/v1/gateway"),
            outbox_url: Some(format!("http://localhost:{port}/outbox")),
            expected: Expected {
                app_id: app.app_id,
                rp_id: NOTES_HOST.to_owned(),
                origins: vec![origin.clone()],
            },
            origin,
            folder,
        })?)
    }
}

/// Seals a database of an earlier version: here nobody else needs to look at it first.
async fn seal(folder: &Path, root_keys: &RootKeys) -> Result<(), OpenError> {
    let store = match Store::open(folder, Clock::System, root_keys).await {
        Err(OpenError::Unsealed) => Store::accept(folder, Clock::System, root_keys).await,
        opened => opened,
    };
    store?.close().await;
    Ok(())
}

/// Makes an app of one origin, and a key for its back end.
async fn make_app(
    store: &Store,
    name: &str,
    rp_id: &str,
    origin: &str,
) -> Result<DevApp, Box<dyn std::error::Error>> {
    let app_id = AppID::from_bytes(make_random());
    let app = App::new(app_id, name.to_owned(), rp_id.to_owned(), vec![origin.parse()?], Policy::Strict)?;
    store.create_app(app, Epoch::from_random(u32::from_be_bytes(make_random()))).await?;
    let key = ApiKey::new(KeyEnvironment::Dev, &make_random());
    store.create_key(app_id, &key, "dev".to_owned(), None).await?;
    Ok(DevApp { app_id, api_key: key.reveal().to_owned() })
}

/// What pages of other origins load from their own: the browser package (a SharedWorker must be of the page's origin),
/// and the look of the site.
fn shared(server: &Router) -> Router {
    let server = server.clone();
    let pass_on = any(async move |request: Request| server.oneshot(request).await);
    Router::new().route("/sdk/{*path}", pass_on.clone()).route("/assets/{*path}", pass_on)
}

/// 24 hours.
const RECOVERY_HOLD_MS: u64 = 24 * 60 * 60 * 1_000;

const APP_NAME: &str = "Passkey Accounts";
const NOTES_NAME: &str = "Notes";

/// The server under another name: for pages of other origins it is one.
const AUTH_HOST: &str = "auth.localhost";
const NOTES_HOST: &str = "app.localhost";
const EVIL_HOST: &str = "evil.localhost";

fn welcome(origin: &str, events_url: &str, [notes_url, evil_url]: [&str; 2], dev: &DevApp) -> String {
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
        format!("4. See a whole app     {notes_url}"),
        format!("   and its attacker    {evil_url}"),
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
