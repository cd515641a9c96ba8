//! The replayers can fail: every value of every line that one of them checks is changed, and the change is noticed there.

use serde_json::{Value, json};

use super::{
    client::{self, is_expected_of_the_client},
    server::{self, is_expected_of_the_server},
    transcript::{self, Difference, Kind, Line, Role, Transcript},
};

type Replay = fn(&Transcript) -> Result<(), Difference>;

/// Changes every value of every line that is expected of one end. Returns how many changes were made, and those that
/// were not noticed at their line.
fn mutate(transcript: &Transcript, is_expected: fn(&Line) -> bool, replay: Replay) -> (usize, Vec<String>) {
    let mut changes = 0;
    let mut unnoticed = Vec::new();
    let expected = (0..).zip(&transcript.lines).filter(|(_, line)| is_expected(line));
    for (index, line) in expected {
        for mutated in mutations(line) {
            changes += 1;
            let mut changed = transcript.clone();
            changed.lines.truncate(index);
            changed.lines.push(mutated.clone());
            let noticed = replay(&changed).err();
            if noticed.as_ref().is_none_or(|difference| difference.line != line.number) {
                let was = noticed.map_or_else(|| "nothing".into(), |difference| difference.to_string());
                let Transcript { file, .. } = transcript;
                let Line { number, text, .. } = &mutated;
                unnoticed.push(format!("{file}:{number}: changed to {text}; noticed was {was}"));
            }
        }
    }
    (changes, unnoticed)
}

/// The line with one value changed, for each of its values; and the line a little later.
fn mutations(line: &Line) -> Vec<Line> {
    let mut mutated: Vec<Line> = changed_values(&line.value)
        .into_iter()
        .map(|value| Line { text: value.to_string(), value, ..line.clone() })
        .collect();
    match line.within {
        None => mutated.push(Line { t: line.t + 1, ..line.clone() }),
        Some((from, _)) => mutated.push(Line { within: Some((from, from)), ..line.clone() }),
    }
    mutated
}

fn changed_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let changes = members.iter().flat_map(|(name, member)| {
                changed_values(member).into_iter().map(move |changed| (name.clone(), changed))
            });
            changes
                .map(|(name, changed)| {
                    let mut members = members.clone();
                    members.insert(name, changed);
                    Value::Object(members)
                })
                .collect()
        }
        // Bounds of a wait: other bounds.
        Value::Array(values) if values.len() == 2 && values.iter().all(Value::is_u64) => {
            let other = values.iter().map(|value| json!(value.as_u64().unwrap_or(0) + 2_000_000));
            vec![Value::Array(other.collect())]
        }
        Value::Array(values) => {
            let mut changed = vec![Value::Array(values.iter().chain([&Value::Null]).cloned().collect())];
            for (index, value) in values.iter().enumerate() {
                changed.extend(changed_values(value).into_iter().map(|other| {
                    let mut values = values.clone();
                    values[index] = other;
                    Value::Array(values)
                }));
            }
            changed
        }
        Value::String(text) if text == "…" => Vec::new(),
        Value::String(text) => vec![json!(format!("{text}x"))],
        Value::Number(number) => vec![json!(number.as_u64().unwrap_or(0) + 1)],
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Null => vec![json!("not null")],
    }
}

fn report(all: &[(usize, Vec<String>)]) -> usize {
    let unnoticed: Vec<_> = all.iter().flat_map(|(_, unnoticed)| unnoticed.clone()).collect();
    let first: Vec<_> = unnoticed.iter().take(40).cloned().collect();
    assert!(unnoticed.is_empty(), "{} changes were not noticed:\n{}", unnoticed.len(), first.join("\n"));
    all.iter().map(|(changes, _)| changes).sum()
}

#[test]
fn the_client_replayer_notices_every_changed_value_at_its_line() {
    let transcripts = transcript::all();
    let clients = transcripts.iter().filter(|transcript| transcript.header.role != Role::Server);
    let is_expected =
        |line: &Line| is_expected_of_the_client(line) && !matches!(line.word().0, "settled" | "released");
    let all = clients.map(|transcript| mutate(transcript, is_expected, |changed| client::replay(changed, 1)));
    assert!(report(&all.collect::<Vec<_>>()) > 500);
}

#[test]
fn the_server_replayer_notices_every_changed_value_at_its_line() {
    let transcripts = transcript::all();
    let servers = transcripts.iter().filter(|transcript| transcript.header.role != Role::Client);
    let is_expected = |line: &Line| {
        is_expected_of_the_server(line)
            && (line.kind != Kind::Application || matches!(line.word().0, "settled" | "released"))
    };
    let all = servers.map(|transcript| mutate(transcript, is_expected, server::replay));
    assert!(report(&all.collect::<Vec<_>>()) > 500);
}
