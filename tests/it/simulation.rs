//! The simulation of the event stream: no promise is broken, and every planted bug is found.

use std::fmt::Write;

use passkey_accounts::planted::Bug;
use passkey_accounts_tests::simulation::{Outcome, Promise, Seen, replay, run};

/// Seeds of every build. `simulate` runs others.
const SEEDS: u64 = 2_000;

/// Seeds in which a planted bug must be found.
const SEEDS_PER_BUG: u64 = 400;

#[test]
fn whatever_goes_wrong_no_promise_is_broken() {
    let mut all = Seen::default();
    for seed in 0..SEEDS {
        let outcome = run(seed, None, false);
        assert!(outcome.violation.is_none(), "{:?}\n{}", outcome.violation, replay(seed, None));
        all += outcome.seen;
    }
    println!("{all:#?}");
    // Runs that meet too little prove nothing.
    for (what, count, least) in [
        ("events", all.events, 150_000),
        ("snapshots", all.snapshots, 2_000),
        ("pages", all.pages, 2_000),
        ("bookmarks", all.bookmarks, 2_000),
        ("truncated", all.truncated, 1_000),
        ("ahead", all.ahead, 200),
        ("diverged", all.diverged, 200),
        ("epoch", all.epoch, 200),
        ("oldest", all.oldest, 500),
        ("resumed", all.resumed, 10_000),
        ("resets", all.resets, 4_000),
        ("half-opens", all.half_opens, 1_000),
        ("found dead", all.found_dead, 500),
        ("crashes", all.crashes, 1_000),
        ("drains", all.drains, 500),
        ("restores", all.restores, 300),
        ("announced", all.announced, 150),
        ("process crashes", all.process_crashes, 1_000),
        ("unsaid", all.unsaid, 100),
        ("failures", all.failures, 2_000),
        ("releases", all.releases, 1_000),
        ("revokes", all.revokes, 1_000),
        ("fenced", all.fenced, 20),
        ("effects", all.effects, 20_000),
        ("redeliveries", all.redeliveries, 500),
        ("ack timeouts", all.ack_timeouts, 50),
        ("edges", all.edges, 5_000),
        ("fell behind", all.fell_behind, 20),
        ("keys expiring", all.keys_expiring, 50),
    ] {
        assert!(count >= least, "{what}: {count}, and {least} are the least that proves something\n{all:#?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut table = String::new();
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let found = (0..SEEDS_PER_BUG).map(|seed| run(seed, Some(*bug), false)).find_map(|outcome| {
            let Outcome { seed, violation: Some(violation), seen, .. } = outcome else { return None };
            Some((seed, violation, seen.steps))
        });
        match found {
            Some((seed, violation, steps)) => {
                let promise = format!("{:?}", violation.promise);
                let name = format!("{bug:?}");
                writeln!(table, "{name:<24} {promise:<18} seed {seed:<4} {steps:>6} steps")
                    .expect("it is a String");
            }
            None => missed.push(*bug),
        }
    }
    println!("{table}");
    assert!(missed.is_empty(), "not found in {SEEDS_PER_BUG} seeds: {missed:?}\n{table}");
    assert!(Bug::ALL.len() >= 22);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 7, 130] {
        let (once, again) = (run(seed, None, false), run(seed, None, true));
        assert_eq!((once.fingerprint, once.seen), (again.fingerprint, again.seen));
        assert!(!again.trace.is_empty());
    }
    assert_ne!(run(1, None, false).fingerprint, run(2, None, false).fingerprint);
}

#[test]
fn what_one_bug_breaks_is_what_it_is_about() {
    for (bug, promise) in [
        (Bug::FuzzySnapshot, Promise::Exact),
        (Bug::SettledWhenSent, Promise::AtLeastOnce),
        (Bug::PagesNotCounted, Promise::Bounded),
        (Bug::PresentLease, Promise::EffectsOnce),
        (Bug::DoneForgotten, Promise::UniquePerProcess),
        (Bug::ShortestSkips, Promise::Edges),
    ] {
        let mut broken = (0..SEEDS_PER_BUG).filter_map(|seed| run(seed, Some(bug), false).violation);
        assert_eq!(broken.next().map(|violation| violation.promise), Some(promise), "{bug:?}");
    }
}
