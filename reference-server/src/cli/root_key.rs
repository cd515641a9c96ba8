//! `passkey-accounts root-key`: the ring of keys by which a database opens.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{
    Outcome,
    place::{DATA_DIRECTORY, RootKeyPlace, require_database},
    print,
};
use crate::{
    clock::make_random,
    crypto::{RootKeyID, RootKeySource, RootKeys},
    store::count_by_root_key,
};

/// List the root keys, and let another one seal. All of it works while a server runs on the folder.
#[derive(Debug, Subcommand)]
pub enum RootKeyCommand {
    /// List the root keys by their ids, and how much of a database still needs each
    List {
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a new key in front of the others in their file. A server takes it over at its start, or on SIGHUP
    Rotate {
        /// The file of the root keys
        #[arg(long, value_name = "FILE", env = "PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_FILE")]
        root_key_file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a key from its file once nothing in the database needs it
    Retire {
        /// Its id, as listed
        id: RootKeyID,
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: PathBuf,
        /// The file of the root keys
        #[arg(long, value_name = "FILE", env = "PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_FILE")]
        root_key_file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl RootKeyCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List { data_dir, root_key, json } => {
                list(&data_dir, &root_key.source(&data_dir)?.read()?, json).await
            }
            Self::Rotate { root_key_file, json } => {
                let keys = RootKeySource::File(root_key_file.clone()).read()?.turned(&make_random())?;
                keys.store(&root_key_file)?;
                let ids = shown(&keys);
                if json {
                    print::json(&json!({ "sealing": ids.first(), "keys": ids }))?;
                } else {
                    let sealing = ids.first().map_or("", String::as_str);
                    println!("{sealing} seals from the server's next start on, or after: kill -HUP");
                }
                Ok(())
            }
            Self::Retire { id, data_dir, root_key_file, json } => {
                require_database(&data_dir)?;
                let count = count_by_root_key(&data_dir).await?.get(&id).copied().unwrap_or(0);
                if count > 0 {
                    return Err(format!("{count} values are still sealed by {id}; start the server, or kill -HUP it, and wait until passkey-accounts root-key list says that nothing needs it").into());
                }
                let keys = RootKeySource::File(root_key_file.clone()).read()?;
                if keys.ids().first() == Some(&id) {
                    return Err(format!("{id} is the key that seals; put another one in front of it first: passkey-accounts root-key rotate").into());
                }
                let left =
                    keys.without(id).ok_or_else(|| format!("there is no root key {id} in the file"))?;
                left.store(&root_key_file)?;
                if json {
                    print::json(&json!({ "retired": id.to_string(), "keys": shown(&left) }))?;
                } else {
                    println!("retired {id}; backups from before still need it");
                }
                Ok(())
            }
        }
    }
}

async fn list(folder: &Path, keys: &RootKeys, json: bool) -> Outcome {
    require_database(folder)?;
    let counts = count_by_root_key(folder).await?;
    let mut rows: Vec<(RootKeyID, &str, u64)> = Vec::new();
    for id in keys.ids() {
        let role = if rows.is_empty() { "seals" } else { "opens" };
        rows.push((id, role, counts.get(&id).copied().unwrap_or(0)));
    }
    let mut missing: Vec<_> = counts.iter().filter(|(id, _)| !keys.ids().contains(id)).collect();
    missing.sort();
    rows.extend(missing.into_iter().map(|(id, count)| (*id, "missing", *count)));
    if json {
        let row = |(id, role, values): &(RootKeyID, &str, u64)| json!({ "id": id.to_string(), "role": role, "values": values });
        print::json(&rows.iter().map(row).collect::<Vec<_>>())?;
    } else {
        let row = |(id, role, values): (RootKeyID, &str, u64)| {
            vec![id.to_string(), role.to_owned(), values.to_string()]
        };
        print::table(&["root key", "", "values"], rows.into_iter().map(row));
    }
    Ok(())
}

fn shown(keys: &RootKeys) -> Vec<String> {
    keys.ids().iter().map(ToString::to_string).collect()
}
