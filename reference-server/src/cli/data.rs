//! `passkey-accounts data`: whether the rows of a data folder are those that the server wrote.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{
    Outcome,
    place::{DATA_DIRECTORY, RootKeyPlace, require_database},
    print,
};
use crate::{clock::Clock, store::Store};

/// Check the rows of a data folder, and accept them as they are. No server may run on it.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Open every sealed row and name those that are not what the server wrote
    Check {
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take which rows there are for right: of a database from a version that did not seal them, or of one that you have
    /// looked at. The logs tell of the latter. Rows whose own seal is broken stay refused
    Accept {
        /// The folder of the database
        #[arg(long, default_value = DATA_DIRECTORY, value_name = "FOLDER")]
        data_dir: PathBuf,
        #[command(flatten)]
        root_key: RootKeyPlace,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl DataCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Check { data_dir, root_key, json } => {
                require_database(&data_dir)?;
                let report = Store::check(&data_dir, &root_key.source(&data_dir)?.read()?).await?;
                if json {
                    print::json(
                        &json!({ "accounts": report.accounts, "keys": report.keys, "problems": report.problems }),
                    )?;
                } else {
                    println!("{} accounts, {} API keys", report.accounts, report.keys);
                    for problem in &report.problems {
                        println!("{problem}");
                    }
                }
                if report.problems.is_empty() {
                    Ok(())
                } else {
                    Err("the database is not as the server left it".into())
                }
            }
            Self::Accept { data_dir, root_key, json } => {
                require_database(&data_dir)?;
                let root_keys = root_key.source(&data_dir)?.read()?;
                let store = Store::accept(&data_dir, Clock::System, &root_keys).await?;
                store.close().await;
                if json {
                    print::json(&json!({ "accepted": data_dir }))?;
                } else {
                    println!("accepted the rows of {}", data_dir.display());
                }
                Ok(())
            }
        }
    }
}
