//! The module for JavaScript back ends: converts between JavaScript and `passkey-accounts`, and does nothing else.
//!
//! `../npm/src/server/` holds the face that back ends use. What crosses the boundary is text: to copy one string and have
//! the engine's own `JSON.parse` read it costs less than to make an object member by member.

mod item;
mod live;
mod page;
mod proof;
mod stream;

use std::time::Duration;

use passkey_accounts::{
    protocol::{Code, UnixMillis},
    session::Moment,
    transport,
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

pub use live::Live;
pub use page::read_page;
pub use proof::{Origins, Proof, bad_signature, status_of, too_large};
pub use stream::Stream;

/// The address of the event stream of the server at this address.
///
/// # Errors
/// As JSON: an address that can never work (`badAddress`).
#[wasm_bindgen(js_name = eventsAddress)]
pub fn events_address(url: &str, plaintext_is_allowed: bool) -> Result<String, String> {
    transport::events_address(url, plaintext_is_allowed).map_err(|error| stream::Failure::from(&error).json())
}

/// Where to connect to when the server has named `url`: the address itself where that is not to be followed.
#[wasm_bindgen]
pub fn elsewhere(address: &str, url: &str) -> String {
    transport::elsewhere(address, url).unwrap_or_else(|| address.to_owned())
}

/// A row of the one table of codes, as JSON: `{"code", "message", "retryable"}`. Unknown words get the row of `internal`.
#[wasm_bindgen]
pub fn describe(code: &str) -> String {
    let code = Code::from_wire(code).unwrap_or(Code::Internal);
    let row =
        stream::Failure { code: code.as_str(), message: code.message(), retryable: code.is_retryable() };
    row.json()
}

/// A monotonic time in milliseconds. What is no time is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from floats saturates")]
const fn duration(ms: f64) -> Duration {
    // To the nearest: a deadline that was handed out is reached when it comes back.
    Duration::from_nanos((ms * 1e6 + 0.5) as u64)
}

/// Both clocks.
fn moment(elapsed_ms: f64, wall_ms: f64) -> Moment {
    let wall = UnixMillis(u64::try_from(duration(wall_ms).as_millis()).unwrap_or(u64::MAX));
    Moment { elapsed: duration(elapsed_ms), wall }
}

/// Milliseconds as JavaScript counts them, rounded up: a timer that is early by a fraction fires again and again. In
/// numbers of 64 bits: WebAssembly has to call for longer ones, and this is asked after every message.
#[expect(clippy::cast_precision_loss, reason = "times and waits are far below 2^53 microseconds")]
fn milliseconds(duration: Duration) -> f64 {
    let micros = duration.as_secs().saturating_mul(1_000_000);
    micros.saturating_add(duration.subsec_nanos().div_ceil(1_000).into()) as f64 / 1_000.0
}

/// The text of what always has one.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what crosses the boundary holds nothing that JSON cannot")
}
