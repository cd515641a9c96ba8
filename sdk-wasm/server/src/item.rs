//! An item as it crosses the boundary: a line of JSON about it, and behind it the JSON that it carries, byte for byte.

use passkey_accounts::{
    protocol::{
        base64url::Base64Url,
        stream::{GapNext, GapReason, SignedHead},
    },
    stream::{InHand, Item},
};
use serde::Serialize;

use crate::json;

/// What the first line says. Times are milliseconds since 1970.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Line<'a> {
    #[serde(rename_all = "camelCase")]
    Event {
        id: &'a str,
        seq: u64,
        time: u64,
        name: &'a str,
        is_known: bool,
    },
    Snapshot {
        id: &'a str,
        first: bool,
        last: bool,
        hash: Option<&'a Base64Url>,
    },
    Gap {
        reason: GapReason,
        after: &'a str,
        next: GapNext,
        oldest: Option<&'a str>,
    },
    Bookmark {
        id: &'a str,
        time: u64,
        hash: Option<&'a Base64Url>,
        head: Option<&'a SignedHead>,
    },
}

#[derive(Serialize)]
struct HandedOver<'a> {
    token: u32,
    lane: u32,
    lease: u64,
    #[serde(flatten)]
    line: Line<'a>,
}

/// The text of an item. JSON as we write it has no line breaks, so the first one ends the line.
pub(crate) fn encode(token: u32, in_hand: &InHand) -> String {
    let (line, rest) = match &in_hand.item {
        Item::Event(event) => {
            let (id, name) = (event.id.as_str(), event.name.as_str());
            let line =
                Line::Event { id, seq: event.seq, time: event.time.0, name, is_known: event.kind.is_some() };
            (line, event.data.clone())
        }
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
    let mut text = json(&HandedOver { token, lane: in_hand.lane, lease: in_hand.lease, line });
    text.push('\n');
    text.push_str(&rest);
    text
}
