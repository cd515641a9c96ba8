//! `passkey-accounts app`: the customer sites.

use clap::{Subcommand, ValueEnum};
use passkey_accounts::{
    log::Epoch,
    protocol::{AppID, gateway::Policy},
};

use super::{DataDirectory, Outcome};
use crate::{
    apps::{App, Origin},
    clock::{Clock, make_random},
    store::Store,
};

/// Make and list apps. Stop the server first.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Make an app and print its id
    Create {
        #[command(flatten)]
        data: DataDirectory,
        /// For people
        #[arg(long)]
        name: String,
        /// The domain that its passkeys belong to, for example shop.example
        #[arg(long)]
        rp_id: String,
        /// Where its pages are, for example https://shop.example; may be given more than once
        #[arg(long = "origin", required = true)]
        origins: Vec<Origin>,
        /// strict: asks for passkeys that are not discoverable; recoverable: for ones that show in the platform's list
        #[arg(long, value_enum, default_value_t)]
        policy: PolicyArgument,
    },
    /// List the apps
    List {
        #[command(flatten)]
        data: DataDirectory,
    },
}

/// How passkeys are asked for.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum PolicyArgument {
    /// Not discoverable.
    #[default]
    Strict,
    /// Discoverable where the platform can.
    Recoverable,
}

impl AppCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create { data, name, rp_id, origins, policy } => {
                let policy = match policy {
                    PolicyArgument::Strict => Policy::Strict,
                    PolicyArgument::Recoverable => Policy::Recoverable,
                };
                let app = App::new(AppID::from_bytes(make_random()), name, rp_id, origins, policy)?;
                let app_id = app.app_id;
                let store = Store::open(&data.data_dir, Clock::System).await?;
                store.create_app(app, Epoch::from_random(u32::from_be_bytes(make_random()))).await?;
                println!("{app_id}");
            }
            Self::List { data } => {
                for app in Store::open(&data.data_dir, Clock::System).await?.apps().await? {
                    let origins: Vec<_> = app.origins.iter().map(Origin::as_str).collect();
                    println!("{}  {}  {}  {}", app.app_id, app.name, app.rp_id, origins.join(" "));
                }
            }
        }
        Ok(())
    }
}
