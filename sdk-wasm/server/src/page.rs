//! A page of the log as it crosses the boundary: a line of JSON, and behind it the data of its events, byte for byte.

use passkey_accounts::{
    protocol::{base64url::Base64Url, http::EventsPage, stream::RawEvent},
    stream::Event,
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::json;

/// What is said of a page beside its events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    next: &'a str,
    more: bool,
    oldest: &'a str,
    oldest_hash: &'a Base64Url,
    head: &'a str,
}

/// Reads a page of the HTTP API: `[[[id, seq, time, name, isKnown, length], ...], page]`, a line break, and the data. Lengths
/// are JavaScript's.
///
/// # Errors
/// A sentence: it is no page, or an event of a known type whose data does not fit it.
#[wasm_bindgen(js_name = readPage)]
pub fn read_page(text: &str) -> Result<String, String> {
    let page: EventsPage = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let EventsPage { events, next, more, oldest, oldest_hash, head } = page;
    let events = events.into_iter().map(|event| Event::try_from(RawEvent::from(event)));
    let events = events.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let line = |event: &Event| {
        let length = event.data.encode_utf16().count();
        (event.id.clone(), event.seq, event.time.0, event.name.clone(), event.kind.is_some(), length)
    };
    let lines: Vec<_> = events.iter().map(line).collect();
    let page = Page { next: &next, more, oldest: &oldest, oldest_hash: &oldest_hash, head: &head };
    let mut text = json(&(lines, page));
    text.push('\n');
    text.extend(events.iter().map(|event| event.data.as_str()));
    Ok(text)
}
