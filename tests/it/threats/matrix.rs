//! From attacks to verdicts: what was expected, what happened, and what happens without the defence.

use std::{collections::BTreeMap, env, fs, path::PathBuf, sync::LazyLock};

use passkey_accounts::defence::{Defence, without};
use passkey_accounts_tests::shop::Build;
use serde::Deserialize;
use serde_json::{Value, json};

/// `tests/it/threats/threats.toml`
#[derive(Deserialize)]
struct Threats {
    row: Vec<Row>,
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    title: String,
}

/// One attack, and how every build is expected to stand it.
#[derive(Deserialize)]
struct Attack {
    id: String,
    row: String,
    title: String,
    /// Builds by id, separated by spaces.
    #[serde(default)]
    fell: String,
    #[serde(default)]
    held: String,
    /// Where there is nothing to attack.
    #[serde(default)]
    none: String,
    /// By build: the defences without which the attack succeeds, separated by spaces; `all` for every build that held.
    #[serde(default)]
    without: BTreeMap<String, String>,
    /// By build: why no defence can be taken away where it held.
    #[serde(default)]
    why: BTreeMap<String, String>,
}

static THREATS: LazyLock<Threats> = LazyLock::new(|| toml::from_str(include_str!("threats.toml")).unwrap());

/// What came of an attack.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The attacker got what they wanted, and how.
    Fell(String),
    /// They did not, and what stopped them.
    Held(String),
}

pub(crate) fn fell(how: impl Into<String>) -> Outcome {
    Outcome::Fell(how.into())
}

pub(crate) fn held(stopped_by: impl Into<String>) -> Outcome {
    Outcome::Held(stopped_by.into())
}

/// Attacks every build, and every build that held once more without what held it.
pub(crate) async fn attack(id: &str, run: impl AsyncFn(Build) -> Outcome) {
    let attack = THREATS.attack.iter().find(|attack| attack.id == id);
    let attack = attack.unwrap_or_else(|| panic!("threats.toml has no attack {id}"));
    let mut cells = BTreeMap::new();
    for build in Build::ALL {
        let is_in = |list: &str| list.split(' ').any(|name| name == build.id());
        if is_in(&attack.none) {
            continue;
        }
        let outcome = run(build).await;
        let cell = match outcome {
            Outcome::Fell(how) if is_in(&attack.fell) => json!({ "verdict": "fell", "evidence": how }),
            Outcome::Held(by) if is_in(&attack.held) => {
                let control = attack.control(build, &run).await;
                json!({ "verdict": "held", "evidence": by, "control": control })
            }
            other => panic!("{id}, {}: {other:?} is not what threats.toml expects", build.id()),
        };
        cells.insert(build.id(), cell);
    }
    if let Some(folder) = env::var_os("PASSKEY_ACCOUNTS_ATTACKS") {
        let report = json!({ "id": id, "cells": cells });
        fs::write(PathBuf::from(folder).join(format!("{id}.json")), report.to_string()).unwrap();
    }
}

impl Attack {
    /// Takes away what held, and sees the attack succeed.
    async fn control(&self, build: Build, run: &impl AsyncFn(Build) -> Outcome) -> Value {
        let (id, name) = (&self.id, build.id());
        let of = |all: &BTreeMap<String, String>| all.get(name).or_else(|| all.get("all")).cloned();
        let Some(names) = of(&self.without) else {
            let why = of(&self.why).unwrap_or_else(|| panic!("{id}, {name}: what holds it?"));
            return json!({ "none": why });
        };
        let defences: Vec<Defence> = names
            .split(' ')
            .map(|name| name.parse().unwrap_or_else(|error| panic!("{id}, {name}: {error}")))
            .collect();
        let down: Vec<_> = defences.iter().map(|defence| without(*defence)).collect();
        let outcome = run(build).await;
        // In the reverse order, because each restores what it found.
        down.into_iter().rev().for_each(drop);
        let what: Vec<_> = defences.iter().map(|defence| defence.what()).collect();
        match outcome {
            Outcome::Fell(how) => json!({ "without": what, "evidence": how }),
            Outcome::Held(by) => panic!("{id}, {name}: without {names} it still holds: {by}"),
        }
    }
}

#[test]
fn the_table_is_whole() {
    let Threats { row, attack } = &*THREATS;
    let mut named = Vec::new();
    for attack in attack {
        assert!(row.iter().any(|row| row.id == attack.row), "{}: there is no row {}", attack.id, attack.row);
        let mut cells: Vec<_> = [&attack.fell, &attack.held, &attack.none]
            .into_iter()
            .flat_map(|list| list.split_whitespace())
            .collect();
        cells.sort_unstable();
        let mut all = Build::ALL.map(Build::id);
        all.sort_unstable();
        assert_eq!(cells, all, "{}: each build once", attack.id);
        assert!(!attack.title.is_empty(), "{}: no title", attack.id);
        named.extend(attack.without.values().flat_map(|names| names.split(' ')));
    }
    for defence in Defence::ALL {
        assert!(named.contains(&defence.name()), "no attack shows what {defence:?} is for");
    }
    assert!(row.iter().all(|row| !row.title.is_empty()));
}
