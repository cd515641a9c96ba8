//! The threat matrix, executed: every cell is an attack on a real shop, and what stopped it is taken away once to see the
//! attack succeed. `threats.toml` says what is expected; `cargo xtask attack` makes the table.

mod between;
mod credentials;
mod database;
mod events;
mod extension;
mod hooks;
mod mallory;
mod malware;
mod matrix;
mod memory;
mod middlebox;
mod network;
mod phishing;
mod protocol;
mod recovery;
mod replay;
mod rollback;
mod transport;
mod xss;

use passkey_accounts_tests::shop::{Build, Shop};

pub(super) use matrix::{Outcome, attack, fell, held};

const ADA: &str = "ada@shop.example";

/// What an attacker does in somebody's name.
const THEFT: &str = "pay=Mallory";

/// Whether something was done in somebody's name that they have not asked for.
fn acted(shop: &Shop, who: &str, how: impl Into<String>, stopped_by: impl Into<String>) -> Outcome {
    if shop.count(who, THEFT) > 0 { fell(how) } else { held(stopped_by) }
}

const fn is_ours(build: Build) -> bool {
    matches!(build, Build::PasskeyAccount)
}
