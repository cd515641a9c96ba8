//! One program for all targets, because linking takes longer than a short run: `FUZZ_TARGET` says which one it is.
//! `cargo xtask fuzz` builds and runs it; README.md has the targets and what they hold.
#![no_main]

mod edits;
mod ffi;
mod log;
mod proof;
mod server;
mod stream;
mod text;
mod webauthn;
mod world;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: choose(), |bytes: &[u8]| {
    if let Some(run) = CHOSEN.get() {
        run(bytes);
    }
});

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

/// Every target, with the name of its folder in `corpus/`.
const TARGETS: [(&str, fn(&[u8])); 27] = [
    ("action", server::action),
    ("addresses", text::addresses),
    ("api_answers", server::api_answers),
    ("api_requests", server::api_requests),
    ("assertion", webauthn::assertion),
    ("attestation", webauthn::attestation),
    ("authenticator_data", webauthn::authenticator_data),
    ("believers", stream::believers),
    ("cbor", webauthn::cbor),
    ("client_data", webauthn::client_data),
    ("client_frames", text::client_frames),
    ("config", server::config),
    ("cose_key", webauthn::cose_key),
    ("export", log::export),
    ("ffi_proof", ffi::proof),
    ("ffi_stream", ffi::stream),
    ("files", log::files),
    ("forwarded", server::forwarded),
    ("ids", text::ids),
    ("keys", text::keys),
    ("proof_request", proof::request),
    ("proof_token", proof::token),
    ("registration", webauthn::registration),
    ("sealed", server::sealed),
    ("server_frames", text::server_frames),
    ("stream_messages", stream::messages),
    ("stream_server", stream::server),
];

fn choose() {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let Some((_, run)) = found else {
        let names: Vec<_> = TARGETS.iter().map(|(target, _)| *target).collect();
        eprintln!("FUZZ_TARGET is {name:?}; it is one of: {}", names.join(" "));
        std::process::exit(2);
    };
    CHOSEN.get_or_init(|| *run);
}
