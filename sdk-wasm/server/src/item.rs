//! Items as they cross the boundary: one text for as many as there are, because each crossing costs more than an item.

use passkey_accounts::{
    protocol::{
        base64url::Base64Url,
        stream::{GapNext, GapReason, SignedHead},
    },
    stream::{Event, InHand, Item},
};
use serde::Serialize;

use crate::json;

/// What is said of what is no event. Times are milliseconds since 1970.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Line<'a> {
    Snapshot { id: &'a str, first: bool, last: bool, hash: Option<&'a Base64Url> },
    Gap { reason: GapReason, after: &'a str, next: GapNext, oldest: Option<&'a str> },
    Bookmark { id: &'a str, time: u64, hash: Option<&'a Base64Url>, head: Option<&'a SignedHead> },
}

/// A line of JSON about the items, and behind it the JSON that each carries, byte for byte:
/// `[[number, lane, lease, length, id, seq, time, name, isKnown], ...]` for events and
/// `[number, lane, lease, length, line]` for what is none. Lengths are JavaScript's.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The line, not closed yet.
    rows: Vec<u8>,
    carried: String,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::with_capacity(ROWS_BYTES), carried: String::with_capacity(BATCH_BYTES) }
    }

    /// Whether the next item is for another batch: what the application keeps of one keeps all its text alive.
    pub(crate) fn is_full(&self) -> bool {
        self.carried.len() >= BATCH_BYTES
    }

    pub(crate) fn push(&mut self, number: u32, in_hand: &InHand) {
        let InHand { lane, lease, item, .. } = in_hand;
        let (line, sessions) = match item {
            Item::Event(event) => {
                let Event { id, seq, time, name, data, kind } = event;
                self.carried.push_str(data);
                let is_known = kind.is_some();
                return self.row(&(number, lane, lease, length(data), id, seq, time.0, name, is_known));
            }
            Item::Snapshot(page) => {
                let (first, last) = (page.first, page.last);
                let line = Line::Snapshot { id: &page.id, first, last, hash: page.hash.as_ref() };
                (line, json(&page.sessions))
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
        self.carried.push_str(&sessions);
        self.row(&(number, lane, lease, length(&sessions), line));
    }

    /// `None` when there is nothing in it. As we write the line it has no line breaks, so the first one ends it.
    pub(crate) fn text(self) -> Option<String> {
        let Self { rows, carried } = self;
        let mut text = String::from_utf8(rows).expect("JSON is text");
        if text.is_empty() {
            return None;
        }
        text.push_str("]\n");
        text.push_str(&carried);
        Some(text)
    }

    fn row(&mut self, row: &impl Serialize) {
        self.rows.push(if self.rows.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.rows, row).expect("numbers and text go into memory");
    }
}

/// As JavaScript counts.
fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Some ten events, half of which carry evidence.
const BATCH_BYTES: usize = 8 * 1024;

const ROWS_BYTES: usize = 2 * 1024;
