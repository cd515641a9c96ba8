//! `passkey-accounts key`: API keys of an app.

use clap::Subcommand;
use passkey_accounts::protocol::AppID;

use super::{DataDirectory, Outcome};
use crate::{
    clock::{Clock, make_random},
    keys::{ApiKey, KeyEnvironment},
    store::Store,
};

/// Make and revoke API keys. Stop the server first.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once: only its hash is stored
    Create {
        #[command(flatten)]
        data: DataDirectory,
        /// The app that it speaks for
        #[arg(long)]
        app: AppID,
        /// What it is for, for people
        #[arg(long, default_value = "")]
        name: String,
        /// After this many days it stops working
        #[arg(long)]
        days: Option<u64>,
    },
    /// Take a key back
    Revoke {
        #[command(flatten)]
        data: DataDirectory,
        /// The key's public name: the part after pa_live_
        id: String,
    },
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl KeyCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create { data, app, name, days } => {
                let store = Store::open(&data.data_dir, Clock::System).await?;
                if store.logs().tail(app).is_none() {
                    return Err(format!("there is no app {app}; see: passkey-accounts app list").into());
                }
                let key = ApiKey::new(KeyEnvironment::Live, &make_random());
                let expires_at = days.map(|days| Clock::System.now().plus(days.saturating_mul(DAY_MS)));
                store.create_key(app, &key, name, expires_at).await?;
                println!("{}", key.reveal());
            }
            Self::Revoke { data, id } => {
                let store = Store::open(&data.data_dir, Clock::System).await?;
                if !store.revoke_key(&id).await? {
                    return Err(format!(
                        "there is no key {id}; give the part after pa_live_, up to the next _"
                    )
                    .into());
                }
                println!("revoked {id}");
            }
        }
        Ok(())
    }
}
