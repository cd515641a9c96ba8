//! A WebAuthn exchange as the browser's side sees it, and the challenge that both sides compute.

pub mod binding;
