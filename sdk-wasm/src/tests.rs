//! The words that TypeScript repeats are those of the core.

use std::collections::BTreeSet;

use passkey_accounts::protocol::{Code, gateway::EndReason};

/// The string literals of the union type `name` in a TypeScript file.
fn union(source: &str, name: &str) -> BTreeSet<String> {
    let (_, after) = source.split_once(&format!("export type {name} =")).unwrap();
    let (body, _) = after.split_once(';').unwrap();
    body.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn typescript_knows_exactly_the_codes_of_the_table() {
    let codes = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(union(include_str!("../npm/src/error.ts"), "Code"), codes);
}

#[test]
fn typescript_knows_exactly_the_reasons_of_a_sessions_end() {
    let known = EndReason::ALL.into_iter().chain([EndReason::Other]);
    let reasons = known.map(|reason| reason.as_str().to_owned()).collect();
    assert_eq!(union(include_str!("../npm/src/types.ts"), "EndReason"), reasons);
}
