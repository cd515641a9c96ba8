//! `passkey-accounts app`: the customer sites.

use clap::{Args, Subcommand, ValueEnum};
use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, gateway::Policy, http::AppInfo},
};

use super::{
    Outcome,
    place::{DATA_DIRECTORY, Place, RootKeyPlace, Target, require_database},
    print,
};
use crate::{
    apps::{App, Origin},
    clock::make_random,
    store::Store,
};

/// Make, list and show apps. Making and listing is for the data folder of a server that is stopped.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Make an app and print its id
    Create {
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: std::path::PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// For people
        #[arg(long)]
        name: String,
        /// The domain that its passkeys belong to, for example shop.example
        #[arg(long)]
        rp_id: String,
        /// Where its pages are, for example <https://shop.example>; may be given more than once
        #[arg(long = "origin", required = true)]
        origins: Vec<Origin>,
        /// strict: asks for passkeys that are not discoverable; recoverable: for ones that show in the platform's list;
        /// hardware: only for ones that cannot leave an authenticator of the settings' list
        #[arg(long, value_enum, default_value_t)]
        policy: PolicyArgument,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the apps
    List {
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: std::path::PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set how much of an app's log is kept; without --days and --events, as the server's configuration says
    Retention {
        #[command(flatten)]
        stored: Stored,
        /// Longest age of an event, in days
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_650))]
        days: Option<u64>,
        /// Largest number of events
        #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
        events: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let accounts be recovered by a code and a mail, after a wait; without --hold-hours by another passkey only
    Recovery {
        #[command(flatten)]
        stored: Stored,
        /// How long a recovery waits and can be cancelled, in hours; 72 is a good choice
        #[arg(long, value_parser = clap::value_parser!(u64).range(24..=720))]
        hold_hours: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set which passkeys an app takes from now on. After `hardware`, those that are not on listed authenticators sign in no more
    Policy {
        #[command(flatten)]
        stored: Stored,
        /// The new policy
        #[arg(value_enum)]
        policy: PolicyArgument,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an app: the one that the key speaks for, or one of the data folder
    Show {
        #[command(flatten)]
        place: Place,
        /// Which one, in a data folder
        #[arg(long)]
        app: Option<AppID>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How passkeys are asked for.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum PolicyArgument {
    /// Not discoverable.
    #[default]
    Strict,
    /// Discoverable where the platform can.
    Recoverable,
    /// On security keys that the settings list.
    Hardware,
}

/// An app in the data folder of a server that is stopped.
#[derive(Debug, Args)]
pub struct Stored {
    /// The folder of the database; no server may run on it
    #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
    data_dir: std::path::PathBuf,
    #[command(flatten)]
    root_key: RootKeyPlace,
    /// Which one, in a data folder with several
    #[arg(long)]
    app: Option<AppID>,
}

impl Stored {
    async fn open(self) -> Result<(Store, AppID), Box<dyn std::error::Error>> {
        let store = self.root_key.open(&self.data_dir).await?;
        let app_id = find(&store, self.app)?.app_id;
        Ok((store, app_id))
    }
}

impl From<PolicyArgument> for Policy {
    fn from(policy: PolicyArgument) -> Self {
        match policy {
            PolicyArgument::Strict => Self::Strict,
            PolicyArgument::Recoverable => Self::Recoverable,
            PolicyArgument::Hardware => Self::Hardware,
        }
    }
}

impl AppCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create { data_dir, root_key, name, rp_id, origins, policy, json } => {
                let app = App::new(AppID::from_bytes(make_random()), name, rp_id, origins, policy.into())?;
                let (app_id, info) = (app.app_id, info(&app));
                let store = root_key.open(&data_dir).await?;
                store.create_app(app, Epoch::from_random(u32::from_be_bytes(make_random()))).await?;
                if json { print::json(&info)? } else { println!("{app_id}") }
            }
            Self::List { data_dir, root_key, json } => {
                require_database(&data_dir)?;
                let apps = root_key.open(&data_dir).await?.apps();
                show(&apps.iter().map(info).collect::<Vec<_>>(), json)?;
            }
            Self::Retention { stored, days, events, json } => {
                let (store, app_id) = stored.open().await?;
                store.set_retention(app_id, days.map(|days| days * DAY_MS), events).await?;
                if json {
                    print::json(&serde_json::json!({ "appID": app_id, "days": days, "events": events }))?;
                } else {
                    let said =
                        |limit: Option<u64>| limit.map_or("as configured".to_owned(), |n| n.to_string());
                    println!("{app_id}  days: {}  events: {}", said(days), said(events));
                }
            }
            Self::Recovery { stored, hold_hours, json } => {
                let (store, app_id) = stored.open().await?;
                store.set_recovery(app_id, hold_hours.map(|hours| hours * HOUR_MS)).await?;
                if json {
                    print::json(&serde_json::json!({ "appID": app_id, "holdHours": hold_hours }))?;
                } else {
                    let said = hold_hours.map_or("by another passkey only".to_owned(), |hours| {
                        format!("by a code and a mail, after {hours} hours")
                    });
                    println!("{app_id}  recovery: {said}");
                }
            }
            Self::Policy { stored, policy, json } => {
                let (store, app_id) = stored.open().await?;
                store.set_policy(app_id, policy.into()).await?;
                show(&[find(&store, Some(app_id))?], json)?;
            }
            Self::Show { place, app, json } => {
                let shown = match place.target().await? {
                    Target::Server(api) => api.app().await?,
                    Target::Folder(store) => find(&store, app)?,
                };
                if json { print::json(&shown)? } else { show(&[shown], false)? }
            }
        }
        Ok(())
    }
}

/// The app that is meant: the one named, or the only one.
pub(super) fn find(store: &Store, wanted: Option<AppID>) -> Result<AppInfo, Box<dyn std::error::Error>> {
    let apps = store.apps();
    match (wanted, apps.as_slice()) {
        (None, [only]) => Ok(info(only)),
        (None, []) => Err("there is no app yet; make one with: passkey-accounts app create --help".into()),
        (None, _) => {
            Err("there are several apps; say which one with --app, see: passkey-accounts app list".into())
        }
        (Some(wanted), apps) => match apps.iter().find(|app| app.app_id == wanted) {
            Some(app) => Ok(info(app)),
            None => Err(format!("there is no app {wanted}; see: passkey-accounts app list").into()),
        },
    }
}

fn show(apps: &[AppInfo], json: bool) -> Result<(), serde_json::Error> {
    if json {
        return print::json(&apps);
    }
    let row = |app: &AppInfo| {
        let policy = match app.policy {
            Policy::Strict => "strict",
            Policy::Recoverable => "recoverable",
            Policy::Hardware => "hardware",
        };
        vec![
            app.app_id.to_string(),
            app.name.clone(),
            app.rp_id.clone(),
            app.origins.join(" "),
            policy.to_owned(),
        ]
    };
    print::table(&["app", "name", "domain", "origins", "policy"], apps.iter().map(row));
    Ok(())
}

fn info(app: &App) -> AppInfo {
    AppInfo {
        app_id: app.app_id,
        name: app.name.clone(),
        rp_id: app.rp_id.clone(),
        origins: app.origins.iter().map(Origin::as_str).map(str::to_owned).collect(),
        policy: app.policy,
    }
}
