//! An item as it crosses the boundary: a line of JSON about it, and behind it the JSON that it carries, byte for byte.

use passkey_accounts::{
    protocol::{
        base64url::Base64Url,
        stream::{GapNext, GapReason, SignedHead},
    },
    stream::{Event, InHand, Item},
};
use serde::Serialize;

use crate::json;

/// What the first line says of what is no event. Times are milliseconds since 1970.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Line<'a> {
    Snapshot { id: &'a str, first: bool, last: bool, hash: Option<&'a Base64Url> },
    Gap { reason: GapReason, after: &'a str, next: GapNext, oldest: Option<&'a str> },
    Bookmark { id: &'a str, time: u64, hash: Option<&'a Base64Url>, head: Option<&'a SignedHead> },
}

/// The text of an item. What is no event begins with a space; then come `[token, lane, lease, line]`, a line break, and the
/// JSON that it carries. As we write it it has no line breaks, so the first one ends the line.
pub(crate) fn encode(token: u32, in_hand: &InHand) -> String {
    let InHand { lane, lease, item, .. } = in_hand;
    let (line, sessions) = match item {
        Item::Event(event) => return encode_event(token, *lane, *lease, event),
        Item::Snapshot(page) => {
            let (first, last) = (page.first, page.last);
            (Line::Snapshot { id: &page.id, first, last, hash: page.hash.as_ref() }, json(&page.sessions))
        }
        Item::Gap(gap) => {
            let (after, oldest) = (gap.after.as_str(), gap.oldest.as_deref());
            (Line::Gap { reason: gap.reason, after, next: gap.next, oldest }, String::new())
        }
        Item::Bookmark(mark) => {
            let (hash, head) = (mark.hash.as_ref(), mark.head.as_ref());
            (Line::Bookmark { id: &mark.id, time: mark.time.0, hash, head }, String::new())
        }
    };
    format!(" {}\n{sessions}", json(&(token, lane, lease, line)))
}

/// `[data, length, token, lane, lease, id, seq, time, name, isKnown]`: to be read in one go, and the data's own text is where
/// its length says, which is JavaScript's.
fn encode_event(token: u32, lane: u32, lease: u64, event: &Event) -> String {
    let Event { id, seq, time, name, data, kind } = event;
    let length = if data.is_ascii() { data.len() } else { data.encode_utf16().count() };
    let about = (length, token, lane, lease, id, seq, time.0, name, kind.is_some());
    let mut text = Vec::with_capacity(data.len() + HEAD_BYTES);
    text.push(b'[');
    text.extend_from_slice(data.as_bytes());
    let start = text.len();
    serde_json::to_writer(&mut text, &about).expect("numbers and text go into memory");
    if let Some(bracket) = text.get_mut(start) {
        *bracket = b',';
    }
    String::from_utf8(text).expect("JSON is text")
}

/// Room for what is said of an event.
const HEAD_BYTES: usize = 128;
