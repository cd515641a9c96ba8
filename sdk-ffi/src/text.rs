//! A batch of items as one text, for languages that read a text faster than records (Python). What is read of every item is
//! gathered, so that one call of the language's own decoder reads it for all.
//!
//! Three parts, separated by U+001D; no items are no text. Within a part, items are separated by U+001E and the fields of an
//! item by U+001F. None of them can stand unescaped in JSON.
//!
//! | part | |
//! | --- | --- |
//! | receipt | of the first item, decimal; those of the others follow it one by one |
//! | records | lane and lease, decimal; `event`, `snapshot`, `gap` or `bookmark` |
//! | | of an event then: seq and time (milliseconds since 1970), decimal; id and name, JSON strings; the data, JSON byte for byte as the log's hash chain covers it |
//! | | of anything else: its members as on the wire (docs/protocol.md section 2), a JSON object; `id` beside them |
//! | members | one JSON array. Of an event that is known and has no bytes in it: its name, and its members in the order of [`EventKind`](crate::EventKind). `null` for every other event, and `false` for what is none: they are read from their records |

use passkey_accounts::{
    Item,
    protocol::{
        event::EventKind,
        stream::{GapData, SnapshotPage},
    },
    stream::Bookmark,
};
use serde::Serialize;
use serde_json::json;

/// Each with its receipt, lane and lease. Receipts rise by one.
pub(crate) fn encode<'a>(items: impl Iterator<Item = (u64, u32, u64, &'a Item)>) -> String {
    let mut items = items.peekable();
    let Some((first, ..)) = items.peek() else { return String::new() };
    let mut text = Text::new(*first, items.size_hint().0);
    for (_, lane, lease, item) in items {
        text.push(lane, lease, item);
    }
    text.end()
}

struct Text {
    records: Vec<u8>,
    members: Vec<u8>,
}

impl Text {
    fn new(receipt: u64, items: usize) -> Self {
        let part = |bytes: usize| Vec::with_capacity(items.saturating_mul(bytes));
        // Room for the members, too, which follow in the end.
        let mut text = Self { records: part(RECORD_BYTES + MEMBERS_BYTES), members: part(MEMBERS_BYTES) };
        write(&mut text.records, &receipt);
        text.records.push(PART);
        text.members.push(b'[');
        text
    }

    fn push(&mut self, lane: u32, lease: u64, item: &Item) {
        if self.members.len() > 1 {
            self.records.push(RECORD);
            self.members.push(b',');
        }
        write(&mut self.records, &lane);
        self.field(&lease);
        let (kind, data) = match item {
            Item::Event(event) => {
                self.records.extend_from_slice(b"\x1fevent");
                self.field(&event.seq);
                self.field(&event.time.0);
                self.records.push(FIELD);
                string(&mut self.records, &event.id);
                self.records.push(FIELD);
                string(&mut self.records, &event.name);
                self.records.push(FIELD);
                self.records.extend_from_slice(event.data.as_bytes());
                self.members(event.kind.as_ref());
                return;
            }
            Item::Snapshot(page) => {
                let (sessions, first, last) = (page.sessions.clone(), page.first, page.last);
                let page_data = SnapshotPage { sessions, first, last, hash: page.hash.clone() };
                ("snapshot", json!({"id": page.id, "data": page_data}))
            }
            Item::Gap(gap) => {
                let (reason, next) = (gap.reason, gap.next);
                let data = GapData { reason, after: gap.after.clone(), next, oldest: gap.oldest.clone() };
                ("gap", json!({"data": data}))
            }
            Item::Bookmark(Bookmark { id, time, hash, head }) => {
                let data = json!({"time": time.0, "hash": hash, "head": head});
                ("bookmark", json!({"id": id, "data": data}))
            }
        };
        self.records.push(FIELD);
        self.records.extend_from_slice(kind.as_bytes());
        self.field(&data);
        write(&mut self.members, &false);
    }

    fn field(&mut self, value: &impl Serialize) {
        self.records.push(FIELD);
        write(&mut self.records, value);
    }

    fn members(&mut self, kind: Option<&EventKind>) {
        let to = &mut self.members;
        match kind {
            Some(EventKind::Registered(data)) => write(to, &("registered", data.account_id)),
            Some(EventKind::LoggedOut(data)) => {
                // What there is most of: as `write` would, which looks at each character of names that have nothing to escape.
                to.extend_from_slice(b"[\"loggedOut\",\"");
                data.account_id.write_to(to);
                to.extend_from_slice(b"\",\"");
                data.session_id.write_to(to);
                to.extend_from_slice(b"\",\"");
                to.extend_from_slice(data.reason.as_str().as_bytes());
                to.extend_from_slice(b"\",");
                write(to, &data.account_sessions);
                to.push(b']');
            }
            Some(EventKind::PasskeyRenamed(data)) => {
                write(to, &("passkeyRenamed", data.account_id, data.passkey_id));
            }
            Some(EventKind::AccountErased(data)) => write(to, &("accountErased", data.account_id)),
            Some(EventKind::CounterRegressed(data)) => {
                let ids = (data.account_id, data.passkey_id);
                write(to, &("counterRegressed", ids.0, ids.1, data.stored, data.received));
            }
            Some(EventKind::ApiKeyCreated(data)) => {
                write(to, &("apiKeyCreated", &data.key_id, &data.name, &data.scopes));
            }
            Some(EventKind::ApiKeyRevoked(data)) => write(to, &("apiKeyRevoked", &data.key_id)),
            Some(
                EventKind::LoggedIn(_)
                | EventKind::PasskeyAdded(_)
                | EventKind::Confirmed(_)
                | EventKind::PasskeyRemoved(_)
                | EventKind::TamperingDetected(_)
                | EventKind::RecoveryStarted(_)
                | EventKind::RecoveryCancelled(_)
                | EventKind::RecoveryCompleted(_),
            )
            | None => write(to, &()),
        }
    }

    fn end(mut self) -> String {
        self.records.push(PART);
        self.records.append(&mut self.members);
        self.records.push(b']');
        String::from_utf8(self.records).expect("JSON is text")
    }
}

fn write(to: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(to, value).expect("what crosses the boundary holds nothing that JSON cannot");
}

/// A JSON string. Nearly all of them have nothing to escape, which is seen faster than it is looked for.
fn string(to: &mut Vec<u8>, text: &str) {
    // Without a way out early, which would be slower.
    if text.bytes().fold(true, |is_plain, byte| is_plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'))
    {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else {
        write(to, &text);
    }
}

/// Instead of a batch: the stream was stopped. Not an absent text, which would cost a copy of those that are there.
pub(crate) const STOPPED: &str = "\u{4}";

const PART: u8 = 0x1d;
const RECORD: u8 = 0x1e;
const FIELD: u8 = 0x1f;

// Of a typical event.
const RECORD_BYTES: usize = 320;
const MEMBERS_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::{string, write};

    #[test]
    fn a_text_is_written_as_the_library_writes_it() {
        for text in
            ["", "k3f9-7-Q7hB2cX0", "\"", "a\\b", "\u{1f}", "a\nb", "\u{7f}\u{80}é€😀", "loggedOut\u{0}"]
        {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            string(&mut ours, text);
            write(&mut theirs, &text);
            assert_eq!(ours, theirs, "{text:?}");
        }
    }
}
