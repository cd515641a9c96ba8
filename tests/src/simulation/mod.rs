//! The event stream in a seeded world of virtual time: the machines that ship, client and server, every promise of the
//! stream checked at every step, and bugs planted to see that each promise can be broken.
//!
//! | file | what it is |
//! | --- | --- |
//! | `world.rs` | what happens and goes wrong, and when |
//! | `plan.rs` | who takes part, drawn from the seed |
//! | `store.rs` | what is on the server's disk, and backups of it |
//! | `node.rs` | the server's process, driven like stream/full.rs |
//! | `client.rs`, `shortest.rs` | back ends, driven like transport/native.rs, under applications that fail |
//! | `wire.rs` | connections and how they break |
//! | `history.rs`, `oracle.rs` | what is true, and what was promised |

mod client;
mod history;
mod node;
mod oracle;
mod plan;
mod seen;
mod shortest;
mod store;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use passkey_accounts::planted::{Bug, plant};

use self::world::World;
pub use self::{
    oracle::{Promise, Violation},
    seen::Seen,
};

/// What came of one run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which run.
    pub seed: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// What it met.
    pub seen: Seen,
    /// A hash of everything that happened, in order.
    pub fingerprint: u64,
    /// What happened, one line each, if that was asked for.
    pub trace: Vec<String>,
}

/// Runs the world of a seed, with a bug planted or without. The same arguments always do the same.
pub fn run(seed: u64, bug: Option<Bug>, is_traced: bool) -> Outcome {
    plant(bug);
    let mut world = World::new(seed, is_traced);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    plant(None);
    let violation = match ended {
        Ok(ended) => ended.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(oracle::violation(Promise::Sound, text.unwrap_or_default()))
        }
    };
    Outcome {
        seed,
        violation,
        seen: world.seen,
        fingerprint: world.fingerprint(),
        trace: world.trace.unwrap_or_default(),
    }
}

/// The command that shows a run.
pub fn replay(seed: u64, bug: Option<Bug>) -> String {
    let bug = bug.map_or_else(String::new, |bug| format!(" --bug {bug:?}"));
    format!("cargo run -p passkey-accounts-tests --bin simulate -- --from {seed} --seeds 1{bug} --trace")
}
