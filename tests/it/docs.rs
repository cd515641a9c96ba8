//! The documents say what the code does: what can be compared is compared.

use passkey_accounts::protocol::Code;

const PROTOCOL: &str = include_str!("../../docs/protocol.md");

#[test]
fn the_protocol_lists_every_code_as_the_code_has_it() {
    let rows: Vec<&str> = PROTOCOL.lines().filter(|line| line.starts_with("| `")).collect();
    let missing: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let retry = if code.is_retryable() { "yes" } else { "no" };
            format!("| `{code}` | {retry} | {} | {} |", code.close_code(), code.message())
        })
        .filter(|row| !rows.contains(&row.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/protocol.md section 3 lacks these rows:\n{}", missing.join("\n"));
}

#[test]
fn the_protocol_names_every_limit_of_the_first_message() {
    use passkey_accounts::protocol::stream::{
        DEFAULT_ACK_TIMEOUT_MS, DEFAULT_WINDOW, MAX_ACK_TIMEOUT_MS, MAX_CONSUMER_CHARS, MAX_LANES, MAX_TYPES,
        MAX_WINDOW,
    };
    let thousands = |number: u64| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (member, limits) in [
        ("types", vec![MAX_TYPES as u64]),
        ("window", vec![u64::from(MAX_WINDOW), u64::from(DEFAULT_WINDOW)]),
        ("consumer", vec![MAX_CONSUMER_CHARS as u64]),
        ("lanes", vec![u64::from(MAX_LANES)]),
        ("ackTimeoutMs", vec![MAX_ACK_TIMEOUT_MS, DEFAULT_ACK_TIMEOUT_MS]),
    ] {
        let row = PROTOCOL.lines().find(|line| line.starts_with(&format!("| `{member}` |"))).unwrap();
        for limit in limits {
            assert!(row.contains(&thousands(limit)), "{member} does not say {limit}: {row}");
        }
    }
}
