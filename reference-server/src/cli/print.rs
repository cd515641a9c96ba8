//! What commands print: a table for people, JSON for programs.

use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use passkey_accounts::protocol::{Scope, UnixMillis, http::KeyInfo};
use serde::Serialize;

/// One line of JSON on standard output.
pub(super) fn json(value: &impl Serialize) -> Result<(), serde_json::Error> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// A table on standard output.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    println!("{table}");
}

/// What others wrote, without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Keys as a table.
pub(super) fn keys(keys: &[KeyInfo]) {
    let time = |time: Option<UnixMillis>| time.map_or_else(String::new, |time| time.to_string());
    let row = |key: &KeyInfo| {
        vec![
            key.key_id.clone(),
            key.name.clone(),
            scopes(&key.scopes),
            key.created_at.to_string(),
            time(key.expires_at),
            time(key.revoked_at),
        ]
    };
    table(&["key", "name", "scopes", "created", "expires", "revoked"], keys.iter().map(row));
}

fn scopes(scopes: &[Scope]) -> String {
    if scopes == Scope::DEFAULT {
        return "all".to_owned();
    }
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}
