//! A batch of items as one text, for languages that read a text faster than records (Python).
//!
//! Records are separated by U+001E. The fields of a record are separated by U+001F; neither can stand unescaped in JSON:
//!
//! | field | |
//! | --- | --- |
//! | receipt, lane, lease | decimal |
//! | kind | `event`, `snapshot`, `gap` or `bookmark` |
//! | of an event: seq | decimal |
//! | of an event: time | milliseconds since 1970, decimal |
//! | of an event: known | `1`, or `0` for a type that is newer than this version |
//! | of an event: id, name | JSON strings |
//! | of an event: data | JSON, byte for byte as the log's hash chain covers it |
//! | of anything else | its members as on the wire (docs/protocol.md section 2), a JSON object; `id` beside them |

use std::fmt::Write;

use passkey_accounts::{
    Item,
    protocol::stream::{GapData, SnapshotPage},
    stream::Bookmark,
};
use serde::Serialize;
use serde_json::json;

const RECORD: char = '\u{1e}';
const FIELD: char = '\u{1f}';

/// Each with its receipt, lane and lease.
pub(crate) fn encode<'a>(items: impl Iterator<Item = (u64, u32, u64, &'a Item)>) -> String {
    let mut text = String::with_capacity(items.size_hint().0 * TYPICAL_BYTES);
    for (receipt, lane, lease, item) in items {
        if !text.is_empty() {
            text.push(RECORD);
        }
        // Writing into a string cannot fail.
        let _ = write!(text, "{receipt}{FIELD}{lane}{FIELD}{lease}{FIELD}");
        encode_item(&mut text, item);
    }
    text
}

fn encode_item(text: &mut String, item: &Item) {
    match item {
        Item::Event(event) => {
            let (seq, time, known) = (event.seq, event.time.0, u8::from(event.kind.is_some()));
            let _ = write!(text, "event{FIELD}{seq}{FIELD}{time}{FIELD}{known}{FIELD}");
            let _ = write!(text, "{}{FIELD}{}{FIELD}", json(&event.id), json(&event.name));
            text.push_str(&event.data);
        }
        Item::Snapshot(page) => {
            let (sessions, first, last) = (page.sessions.clone(), page.first, page.last);
            let page_data = SnapshotPage { sessions, first, last, hash: page.hash.clone() };
            push(text, "snapshot", &json!({"id": page.id, "data": page_data}));
        }
        Item::Gap(gap) => {
            let (reason, next) = (gap.reason, gap.next);
            let data = GapData { reason, after: gap.after.clone(), next, oldest: gap.oldest.clone() };
            push(text, "gap", &json!({"data": data}));
        }
        Item::Bookmark(Bookmark { id, time, hash, head }) => {
            let data = json!({"time": time.0, "hash": hash, "head": head});
            push(text, "bookmark", &json!({"id": id, "data": data}));
        }
    }
}

fn push(text: &mut String, kind: &str, value: &impl Serialize) {
    text.push_str(kind);
    text.push(FIELD);
    text.push_str(&json(value));
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what crosses the boundary holds nothing that JSON cannot")
}

const TYPICAL_BYTES: usize = 512;
