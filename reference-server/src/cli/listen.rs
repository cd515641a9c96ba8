//! `passkey-accounts listen`: events as they come, on the terminal or as webhooks.

use clap::{Args, ValueEnum};
use passkey_accounts::{Events, Item, api::EventsQuery, stream::Event};
use serde_json::{Value, json};

use super::{Outcome, forward::Forward, place::Remote, print, stop_signal};

/// Print events as they come, and forward them to a URL.
#[derive(Debug, Args)]
pub struct Listen {
    #[command(flatten)]
    remote: Remote,
    /// Which events, separated by commas; * for all
    #[arg(long, value_delimiter = ',', default_value = "loggedIn,loggedOut")]
    types: Vec<String>,
    /// Go on after this position: one that was printed before
    #[arg(long, value_name = "ID", conflicts_with = "start")]
    after: Option<String>,
    /// Where to begin without --after
    #[arg(long, value_enum, default_value_t)]
    start: Start,
    /// Send each event there by POST, in the form of Standard Webhooks, in order, until it is taken
    #[arg(long, value_name = "URL")]
    forward_to: Option<String>,
    /// The secret that forwarded events are signed with; a new one is printed if it is left out
    #[arg(
        long,
        value_name = "WHSEC",
        env = "PASSKEY_ACCOUNTS_WEBHOOK_SECRET",
        hide_env_values = true,
        requires = "forward_to"
    )]
    secret: Option<String>,
    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Start {
    /// What happens from now on.
    #[default]
    Now,
    /// Everything that is kept.
    Earliest,
}

impl Listen {
    pub(super) async fn run(self) -> Outcome {
        let mut position = match &self.after {
            Some(after) => after.clone(),
            None => {
                let query = EventsQuery { limit: Some(1), ..EventsQuery::default() };
                let page = self.remote.api()?.events(&query).await?;
                match self.start {
                    Start::Now => page.head,
                    Start::Earliest => page.oldest,
                }
            }
        };
        let forward = match &self.forward_to {
            Some(url) => Some(Forward::new(url, self.secret.as_deref())?),
            None => None,
        };
        if let Some(forward) = &forward {
            eprintln!("forwarding to {}, signed with {}", forward.url(), forward.secret());
        }
        let outcome = tokio::select! {
            outcome = self.follow(&mut position, forward.as_ref()) => outcome,
            () = stop_signal() => Ok(()),
        };
        eprintln!("to go on from here: passkey-accounts listen --after {position}");
        outcome
    }

    /// Hands on what comes. `position` moves only past what was handed on.
    async fn follow(&self, position: &mut String, forward: Option<&Forward>) -> Outcome {
        let mut events = Events::builder(self.remote.events_url(), self.remote.key.clone())
            .types(self.types.clone())
            .after(position.clone())
            .open();
        eprintln!("listening after {position}; Ctrl-C stops");
        while let Some(delivery) = events.next().await {
            let delivery = delivery?;
            match &delivery.item {
                Item::Event(event) => {
                    if let Some(forward) = forward {
                        forward.send(event).await?;
                    }
                    self.print(event)?;
                }
                Item::Gap(gap) => {
                    let reason = serde_json::to_value(gap.reason)?;
                    eprintln!(
                        "events are missing after {}: {}",
                        print::plain(&gap.after),
                        reason.as_str().unwrap_or_default()
                    );
                    if self.json {
                        print::json(
                            &json!({ "type": "gap", "data": { "reason": reason, "after": gap.after } }),
                        )?;
                    }
                }
                Item::Snapshot(_) | Item::Bookmark(_) => {}
            }
            if let Some(reached) = delivery.item.position() {
                reached.clone_into(position);
            }
            delivery.ack();
        }
        Ok(())
    }

    fn print(&self, event: &Event) -> Outcome {
        let data: Value = serde_json::from_str(&event.data)?;
        if self.json {
            let Event { id, seq, time, name, .. } = event;
            print::json(&json!({ "type": name, "data": data, "id": id, "seq": seq, "time": time }))?;
            return Ok(());
        }
        let members = ["accountID", "sessionID", "passkeyID", "keyID", "reason"];
        let said = members.iter().filter_map(|name| data.get(name)?.as_str()).map(print::plain);
        println!("{}  {:<14} {}", event.time, print::plain(&event.name), said.collect::<Vec<_>>().join("  "));
        Ok(())
    }
}
