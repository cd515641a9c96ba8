//! `passkey-accounts trigger`: makes something happen on a dev server.

use clap::{Args, ValueEnum};
use passkey_accounts::protocol::AccountID;
use serde_json::{Value, json};

use super::{
    Outcome,
    place::{Remote, http_url},
    print,
};

/// Make a test account sign in or out on a dev server.
#[derive(Debug, Args)]
pub struct Trigger {
    #[command(flatten)]
    remote: Remote,
    /// What is to happen
    #[arg(value_enum)]
    event: Event,
    /// Whose, for example of an earlier trigger; a new test account if it is left out
    #[arg(long)]
    account: Option<AccountID>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What can be made to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// A session opens. Nobody carries it, so it ends by itself after its grace time.
    #[value(name = "loggedIn")]
    LoggedIn,
    /// The account's newest session ends; where none is open, one opens first.
    #[value(name = "loggedOut")]
    LoggedOut,
}

impl Trigger {
    pub(super) async fn run(self) -> Outcome {
        let name = match self.event {
            Event::LoggedIn => "loggedIn",
            Event::LoggedOut => "loggedOut",
        };
        // The same checks of address and key as everywhere, before the key is sent.
        self.remote.api()?;
        let request = reqwest::Client::new()
            .post(format!("{}/dev/trigger", http_url(&self.remote.url)))
            .bearer_auth(&self.remote.key)
            .json(&json!({ "type": name, "accountID": self.account }));
        let response = request.send().await?;
        let status = response.status();
        let body: Value = serde_json::from_str(&response.text().await?).unwrap_or_default();
        if !status.is_success() {
            return Err(match body.get("detail").and_then(Value::as_str) {
                Some(detail) => print::plain(detail),
                None => "only a dev server does this: start one with: passkey-accounts dev".to_owned(),
            }
            .into());
        }
        if self.json {
            print::json(&body)?;
        } else {
            let member =
                |name: &str| print::plain(body.get(name).and_then(Value::as_str).unwrap_or_default());
            println!("{name}  {}  {}", member("accountID"), member("sessionID"));
        }
        Ok(())
    }
}
