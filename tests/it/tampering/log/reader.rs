//! Who reads the log: a back end's stream with its witness, as in production but for the socket.

use std::time::Duration;

use passkey_accounts::{
    Start,
    log::{Checkpoint, Contradiction, Unseen, Watch, head::HeadKey},
    protocol::AppID,
    stream::{Item, Machine, Output, StreamError, Subscription},
};
use serde_json::json;

use super::history::Told;

/// What came of reading.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The stream closed the connection (4009): a message did not follow the one before it.
    Mismatch,
    /// The stream ended for good.
    Ended(StreamError),
    /// The witness contradicts.
    Contradicted(Contradiction),
    /// All was believed.
    Believed(Believed),
}

#[derive(Debug)]
pub(super) struct Believed {
    pub(super) checkpoint: Checkpoint,
    pub(super) unseen: Vec<Unseen>,
    pub(super) events: usize,
}

impl Outcome {
    pub(super) fn believed(self) -> Believed {
        match self {
            Self::Believed(believed) => believed,
            noticed => panic!("{noticed:?}"),
        }
    }
}

/// Reads what a server tells that calls its app `app_id`, from where the memory ends or after another position.
pub(super) fn read(
    keys: Vec<HeadKey>,
    memory: Option<Checkpoint>,
    after: Option<String>,
    app_id: AppID,
    told: &[Told],
) -> Outcome {
    let after = after.or_else(|| memory.as_ref().map(|memory| memory.position.to_string()));
    let subscription = Subscription {
        types: Some(vec!["*".into()]),
        start: Some(Start::Earliest),
        after,
        ..Subscription::default()
    };
    let mut watch = match Watch::new(&subscription, keys, memory) {
        Ok(watch) => watch,
        Err(error) => return Outcome::Ended(error),
    };
    let now = Duration::ZERO;
    let mut machine = Machine::new(subscription, 7, now);
    let asks = |machine: &mut Machine, output: &Output| {
        assert!(std::iter::from_fn(|| machine.poll_output()).any(|asked| asked == *output));
    };
    machine.handle_tick(now);
    asks(&mut machine, &Output::Key);
    machine.handle_key(now, "pa_dev_x".into());
    asks(&mut machine, &Output::Connect { url: None });
    machine.handle_opened(now, "https://auth.example");
    let ready = json!({
        "type": "ready",
        "data": {
            "protocol": 1,
            "connection": "con_00000000000000000000000000",
            "idleMs": 20_000,
            "window": 0,
            "appID": app_id.to_string(),
            "time": "2026-11-22T18:00:00.000Z",
        },
    });
    machine.handle_message(now, &ready.to_string());

    let (mut checkpoint, mut unseen, mut events) = (None, Vec::new(), 0);
    for told in told {
        machine.handle_message(now, &told.message());
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Close { code: 4009, .. } => return Outcome::Mismatch,
                Output::End(error) => return Outcome::Ended(error),
                Output::Key
                | Output::Connect { .. }
                | Output::Send(_)
                | Output::Close { .. }
                | Output::Start { .. }
                | Output::Status(_) => {}
            }
        }
        while let Some(in_hand) = machine.poll_item(now) {
            match watch.check(&in_hand.item, Some(app_id)) {
                Ok(passed) => unseen.extend(passed),
                Err(contradiction) => return Outcome::Contradicted(contradiction),
            }
            events += usize::from(matches!(in_hand.item, Item::Event(_)));
            machine.handle_settled(now, in_hand.token, true);
            checkpoint = watch.settle(true).or(checkpoint);
        }
    }
    Outcome::Believed(Believed { checkpoint: checkpoint.expect("something was told"), unseen, events })
}
