//! `passkey-accounts recovery`: the recoveries of a running server. The API key says which operator asks.

use clap::Subcommand;
use passkey_accounts::{
    Api,
    protocol::{AccountID, http::RecoveryApproval},
};
use serde_json::json;

use super::{
    Outcome,
    place::{Remote, http_url},
    print,
};

/// List, approve and cancel the recoveries of accounts on a running server
#[derive(Debug, Subcommand)]
pub enum RecoveryCommand {
    /// List the recoveries that run
    List {
        #[command(flatten)]
        remote: Remote,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve a recovery. Two operators have to, each with a key of their own: its name and the scope recovery:approve.
    /// Prints the recovery code once the second one has
    Approve {
        #[command(flatten)]
        remote: Remote,
        /// The account
        account: AccountID,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel a recovery, or take back an approval
    Cancel {
        #[command(flatten)]
        remote: Remote,
        /// The account
        account: AccountID,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl RecoveryCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List { remote, json } => {
                let recoveries = api(&remote)?.recoveries().await?;
                if json {
                    print::json(&recoveries)?;
                } else {
                    let row = |recovery: &passkey_accounts::protocol::http::RecoveryInfo| {
                        vec![recovery.account_id.to_string(), recovery.until.to_string()]
                    };
                    print::table(&["account", "until"], recoveries.iter().map(row));
                }
            }
            Self::Approve { remote, account, json } => {
                let approval = api(&remote)?.approve_recovery(account).await?;
                if json {
                    print::json(&approval)?;
                    return Ok(());
                }
                match approval {
                    RecoveryApproval { recovery_code: Some(code), until, .. } => {
                        println!("{code}");
                        let until = until.map(|until| until.to_string()).unwrap_or_default();
                        eprintln!(
                            "the recovery has begun and waits until {until}; hand the code over, never by mail"
                        );
                    }
                    RecoveryApproval { approvals: 1, .. } => {
                        println!("approved; another operator has to approve it too");
                    }
                    RecoveryApproval { .. } => println!("a recovery of that account runs already"),
                }
            }
            Self::Cancel { remote, account, json } => {
                api(&remote)?.cancel_recovery(account).await?;
                if json {
                    print::json(&json!({ "cancelled": account }))?;
                } else {
                    println!("cancelled the recovery of {account}");
                }
            }
        }
        Ok(())
    }
}

fn api(remote: &Remote) -> Result<Api, Box<dyn std::error::Error>> {
    Ok(Api::new(&http_url(&remote.url), &remote.key)?)
}
