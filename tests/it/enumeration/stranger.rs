//! A stranger who looks at addresses, learns from those of which they know whether they have an account, and guesses.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use passkey_accounts::protocol::gateway::{ClientMessage, Failure, ServerMessage};
use passkey_accounts_server::limits::FRAMES_PER_SECOND;
use passkey_accounts_tests::{Page, TestServer};
use serde_json::Value;

/// What is to be seen of an address: by name, in words.
pub(super) type Features = BTreeMap<&'static str, String>;

/// What was answered about an address.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    credentials: Vec<(String, Vec<String>)>,
    refused: Option<String>,
    bytes: usize,
}

/// Looks at what is answered about an address, no faster than a page may ask.
pub(super) async fn look(server: &TestServer, page: &mut Page, email: &str) -> Answer {
    server.clock().advance(1_000 / u64::from(FRAMES_PER_SECOND));
    let reply = page.ask(ClientMessage::SignInBegin(page.begin(email))).await;
    let bytes = page.heard_bytes;
    let ceremony = match reply {
        ServerMessage::CeremonyGet(ceremony) => ceremony,
        ServerMessage::Error(Failure { code, .. }) => {
            return Answer { credentials: Vec::new(), refused: Some(code), bytes };
        }
        other => panic!("{other:?}"),
    };
    let options: Value = serde_json::from_str(&ceremony.public_key.0).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let credentials = options["allowCredentials"].as_array().unwrap().iter().map(|credential| {
        let transports = credential["transports"].as_array().into_iter().flatten();
        (text(&credential["id"]), transports.map(text).collect())
    });
    Answer { credentials: credentials.collect(), refused: None, bytes }
}

/// What two looks at once, and one after some time, show.
pub(super) fn features(first: &Answer, again: &Answer, later: &Answer) -> Features {
    let ids: BTreeSet<_> = first.credentials.iter().map(|(id, _)| id).collect();
    let kept = later.credentials.iter().filter(|(id, _)| ids.contains(id)).count();
    let change = match (first.credentials.len(), kept, later.credentials.len()) {
        (before, kept, after) if before == kept && kept == after => "none",
        (before, kept, _) if before == kept => "more",
        (_, kept, after) if kept == after => "less",
        (_, 0, _) => "all others",
        _ => "some others",
    };
    let lengths: Vec<_> = first.credentials.iter().map(|(id, _)| id.len()).collect();
    let transports: Vec<_> = first.credentials.iter().map(|(_, transports)| transports).collect();
    let newest = later.credentials.last().map(|(id, transports)| (id.len(), transports));
    [
        ("refused", format!("{:?}", first.refused)),
        ("count", first.credentials.len().to_string()),
        ("length", first.bytes.to_string()),
        ("id lengths", format!("{lengths:?}")),
        ("transports", format!("{transports:?}")),
        ("order", format!("{}", lengths.is_sorted())),
        ("newest", format!("{newest:?}")),
        ("repeatability", (first == again).to_string()),
        ("change", change.to_owned()),
        ("length later", later.bytes.to_string()),
    ]
    .into()
}

/// How a guess came out: of so many, so many were right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    pub(super) right: u32,
    pub(super) all: u32,
}

impl Score {
    pub(super) fn share(self) -> f64 {
        f64::from(self.right) / f64::from(self.all)
    }

    /// Half the width of the 99.9 % confidence interval around the share.
    pub(super) fn margin(self) -> f64 {
        3.29 * 0.5 / f64::from(self.all).sqrt()
    }

    pub(super) fn is_chance(self) -> bool {
        (self.share() - 0.5).abs() <= self.margin()
    }
}

/// Learns from one half of the addresses and guesses the other (naive Bayes, add-one smoothing).
pub(super) fn play(rng: &mut Rng, mut addresses: Vec<(bool, Features)>) -> Score {
    rng.shuffle(&mut addresses);
    let (known, unknown) = addresses.split_at(addresses.len() / 2);
    let mut counts: BTreeMap<(&str, &str), [f64; 2]> = BTreeMap::new();
    for (has_account, features) in known {
        for (name, value) in features {
            counts.entry((name, value)).or_insert([1.0; 2])[usize::from(*has_account)] += 1.0;
        }
    }
    let right = unknown.iter().filter(|(has_account, features)| {
        let odds: f64 = features
            .iter()
            .filter_map(|(name, value)| counts.get(&(*name, value.as_str())))
            .map(|[without, with]| (with / without).ln())
            .sum();
        (odds > 0.0) == *has_account
    });
    Score { right: u32::try_from(right.count()).unwrap(), all: u32::try_from(unknown.len()).unwrap() }
}
