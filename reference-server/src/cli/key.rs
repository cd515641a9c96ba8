//! `passkey-accounts key`: API keys of an app.

use std::time::Duration;

use clap::Subcommand;
use passkey_accounts::{
    key_pair::{KeyPair, PublicKey},
    protocol::{
        AppID, Scope, UnixMillis,
        http::{CreatedKey, DEFAULT_OVERLAP_MS, NewKey, NewKeyPair},
    },
};

use super::{
    Outcome, app,
    place::{Place, Target},
    print,
};
use crate::{
    clock::{Clock, make_random},
    keys::{ApiKey, KeyEnvironment},
    store::{KeyRow, NewKeyRow},
};

/// Make, rotate, revoke and list API keys, on a running server or in the data folder of a stopped one.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once: only its hash is stored
    Create {
        #[command(flatten)]
        place: Place,
        /// The app that it speaks for, in a data folder with several
        #[arg(long)]
        app: Option<AppID>,
        /// What it is for, for people
        #[arg(long, default_value = "")]
        name: String,
        /// What it may be used for, separated by commas: events:read, audit:read, sessions:read, sessions:write,
        /// accounts:read, accounts:write, keys:write, recovery:approve. Default: all but recovery:approve, or what the
        /// key that asks may
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// After this many days it stops working
        #[arg(long)]
        days: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key pair, on the machine that will use it: prints the private half, which never leaves it, to standard
    /// output, and the public half, to be registered, to standard error
    Generate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Register the public half of a key pair
    Register {
        #[command(flatten)]
        place: Place,
        /// The public half: 43 characters, as `key generate` printed them
        public_key: String,
        /// The app that it speaks for, in a data folder with several
        #[arg(long)]
        app: Option<AppID>,
        /// What it is for, for people
        #[arg(long, default_value = "")]
        name: String,
        /// What it may be used for, as for `key create`
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// After this many days it stops working
        #[arg(long)]
        days: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key like another one, which still works for a while
    Rotate {
        #[command(flatten)]
        place: Place,
        /// The key's public name: the part after pa_live_
        id: String,
        /// How long the old one still works, in hours
        #[arg(long, default_value_t = DEFAULT_OVERLAP_MS / HOUR_MS)]
        overlap_hours: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a key back: it stops working, and a running server closes its sockets
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The key's public name: the part after pa_live_
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys of an app, without their secrets
    List {
        #[command(flatten)]
        place: Place,
        /// The app, in a data folder with several
        #[arg(long)]
        app: Option<AppID>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;

impl KeyCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create { place, app, name, scopes, days, json } => {
                let expires_at = expiry(days);
                let created = match place.target().await? {
                    Target::Server(api) => {
                        let scopes = (!scopes.is_empty()).then_some(scopes);
                        api.create_key(&NewKey { name, scopes, expires_at }).await?
                    }
                    Target::Folder(store) => {
                        let app_id = app::find(&store, app)?.app_id;
                        let scopes = if scopes.is_empty() { Scope::DEFAULT.to_vec() } else { scopes };
                        let key = make_key();
                        let new = NewKeyRow::secret(app_id, &key, name, scopes, expires_at);
                        created(&key, &store.issue_key(new).await?)
                    }
                };
                show(&created, json)?;
            }
            Self::Generate { json } => {
                let pair = KeyPair::from_seed(&make_random());
                let public_key = pair.public_key();
                if json {
                    print::json(&serde_json::json!({
                        "keyPair": pair.reveal().as_str(), "publicKey": public_key.to_string(), "keyID": public_key.key_id(),
                    }))?;
                } else {
                    println!("{}", pair.reveal().as_str());
                    eprintln!("register its public half with: passkey-accounts key register {public_key}");
                }
            }
            Self::Register { place, public_key, app, name, scopes, days, json } => {
                let expires_at = expiry(days);
                let key = match place.target().await? {
                    Target::Server(api) => {
                        let scopes = (!scopes.is_empty()).then_some(scopes);
                        api.register_key_pair(&NewKeyPair { public_key, name, scopes, expires_at }).await?
                    }
                    Target::Folder(store) => {
                        let app_id = app::find(&store, app)?.app_id;
                        let scopes = if scopes.is_empty() { Scope::DEFAULT.to_vec() } else { scopes };
                        let key = PublicKey::parse(&public_key)?;
                        store.issue_key(NewKeyRow::pair(app_id, key, name, scopes, expires_at)).await?.info()
                    }
                };
                if json { print::json(&key)? } else { println!("registered {}", key.key_id) }
            }
            Self::Rotate { place, id, overlap_hours, json } => {
                let overlap_ms = overlap_hours.saturating_mul(HOUR_MS);
                let created = match place.target().await? {
                    Target::Server(api) => api.rotate_key(&id, Duration::from_millis(overlap_ms)).await?,
                    Target::Folder(store) => {
                        let old = store.key(&id).ok_or_else(|| no_key(&id))?;
                        let key = make_key();
                        created(&key, &store.rotate_key(old.app_id, id, key.clone(), overlap_ms).await?)
                    }
                };
                show(&created, json)?;
            }
            Self::Revoke { place, id, json } => {
                match place.target().await? {
                    Target::Server(api) => api.revoke_key(&id).await?,
                    Target::Folder(store) => {
                        if !store.revoke_key(&id).await? {
                            return Err(no_key(&id).into());
                        }
                    }
                }
                if json {
                    print::json(&serde_json::json!({ "revoked": id }))?;
                } else {
                    println!("revoked {id}");
                }
            }
            Self::List { place, app, json } => {
                let keys = match place.target().await? {
                    Target::Server(api) => api.keys().await?,
                    Target::Folder(store) => {
                        let app_id = app::find(&store, app)?.app_id;
                        store.keys_of(app_id).iter().map(|row| row.info()).collect()
                    }
                };
                if json { print::json(&keys)? } else { print::keys(&keys) }
            }
        }
        Ok(())
    }
}

fn expiry(days: Option<u64>) -> Option<UnixMillis> {
    days.map(|days| Clock::System.now().plus(days.saturating_mul(DAY_MS)))
}

fn make_key() -> ApiKey {
    ApiKey::new(KeyEnvironment::Live, &make_random())
}

fn created(key: &ApiKey, row: &KeyRow) -> CreatedKey {
    CreatedKey { api_key: key.reveal().to_owned(), key: row.info() }
}

fn show(created: &CreatedKey, json: bool) -> Result<(), serde_json::Error> {
    if json {
        return print::json(created);
    }
    println!("{}", created.api_key);
    Ok(())
}

fn no_key(id: &str) -> String {
    format!("there is no key {id}; give the part after pa_live_, up to the next _")
}
