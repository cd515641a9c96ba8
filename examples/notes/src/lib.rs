//! A small notes app: what a back end in Rust does that lets people sign in with Passkey Accounts.
//!
//! It has no users table, no passwords, no cookies and no tokens. Every request carries a proof of the session that sent
//! it; a note is deleted only after its owner confirmed exactly that with a passkey; a socket closes when its session
//! ends. What the server says is believed only as far as passkeys have signed it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `app.rs` | connects to the server: live sessions, proofs, confirmations |
//! | `notes.rs` | keeps the notes, in memory |
//! | `routes.rs` | list, add, delete: who asks is an argument of the handler |
//! | `confirmations.rs` | hears what people confirmed, and uses each confirmation once |
//! | `live.rs` | the socket that tells of changes |
//! | `pages.rs` | the pages, and the policy they run under |
//! | `evil.rs` | pages of another origin that attack the app, for tests and for looking |
//!
//! `passkey-accounts dev` serves it at `http://app.localhost:8080`, and the attacker at `http://evil.localhost:8080`.

mod app;
mod confirmations;
mod evil;
mod live;
mod notes;
mod pages;
mod routes;

pub use app::{NotesApp, Settings, SetupError};
pub use evil::evil;
