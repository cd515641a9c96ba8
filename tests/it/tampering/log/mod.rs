//! Ten thousand tamperings with a log, as back ends meet it that read along and as an auditor meets it in an export: each is
//! noticed. And those that nobody can notice yet: what they are, and who notices them later.

mod history;
mod out_of_sight;
mod reader;
mod tamper;

use std::collections::BTreeMap;

use fastrand::Rng;
use passkey_accounts::log::{Checkpoint, Contradiction, verify_export};

use history::{APP, History, OWN, export, pinned};
use reader::{Outcome, read};
use tamper::{Carrier, Case, Kind};

/// How many the issue asks for.
const TAMPERINGS: u64 = 10_000;

#[test]
fn ten_thousand_tamperings_with_a_log_are_all_noticed() {
    let mut by_kind: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut by_notice: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..TAMPERINGS {
        let mut rng = Rng::with_seed(seed);
        let kind = Kind::ALL[rng.usize(..Kind::ALL.len())];
        let case = Case::any(&mut rng, kind);
        let carriers = kind.carriers();
        let notice = match carriers[rng.usize(..carriers.len())] {
            Carrier::Stream => notice_in_stream(&case),
            Carrier::Export => notice_in_export(&case),
        };
        let notice = notice.unwrap_or_else(|| panic!("seed {seed}: {kind:?} was not noticed"));
        *by_kind.entry(kind).or_default() += 1;
        *by_notice.entry(notice).or_default() += 1;
    }
    println!("{by_kind:?}\n{by_notice:?}");
    assert!(Kind::ALL.iter().all(|kind| by_kind[kind] > 250), "{by_kind:?}");
    let ways = ["positionMismatch", "rewritten", "rewound", "new lineage", "other app", "bad head", "export"];
    assert!(ways.iter().all(|way| by_notice[way] > 50), "{by_notice:?}");
}

/// What was read honestly before, in another run of the program.
fn memory(history: &History, read_to: usize) -> Option<Checkpoint> {
    let mut told = history.told_after(0, OWN);
    let id = history.id(read_to);
    let end = told.iter().rposition(|told| told.is_event() && *told.id() == *id)?;
    told.truncate(end + 1);
    let checkpoint = read(pinned(), None, None, APP, &told).believed().checkpoint;
    // As it comes back from a file.
    Some(serde_json::from_str(&serde_json::to_string(&checkpoint).unwrap()).unwrap())
}

fn notice_in_stream(case: &Case) -> Option<&'static str> {
    let memory = memory(&case.honest, case.read_to);
    assert_eq!(memory.is_some(), case.read_to > 0);
    let after = (case.after > 0).then(|| case.honest.id(case.after));
    let honest = case.honest.told_after(case.after, OWN);
    assert!(
        matches!(read(pinned(), memory.clone(), after.clone(), APP, &honest), Outcome::Believed(_)),
        "the truth is believed"
    );
    match read(pinned(), memory, after, case.forged.app_id, &case.told) {
        Outcome::Mismatch => Some("positionMismatch"),
        Outcome::Ended(error) => Some(error.code().as_str()),
        Outcome::Contradicted(contradiction) => Some(match contradiction {
            Contradiction::Rewritten { .. } => "rewritten",
            Contradiction::Fork { .. } => "fork",
            Contradiction::Rewound { .. } => "rewound",
            Contradiction::NewLineage { .. } => "new lineage",
            Contradiction::OtherApp { .. } => "other app",
            Contradiction::Head { .. } => "bad head",
            Contradiction::Unreadable(_) => "unreadable",
        }),
        Outcome::Believed(_) => None,
    }
}

fn notice_in_export(case: &Case) -> Option<&'static str> {
    let memory = memory(&case.honest, case.read_to);
    let honest = export(&case.honest, case.after, &case.honest.told_after(case.after, OWN));
    assert!(verify_export(honest.as_slice(), &pinned(), memory.as_ref()).is_ok(), "the truth is believed");
    let forged = export(&case.forged, case.after, &case.told);
    verify_export(forged.as_slice(), &pinned(), memory.as_ref()).err().map(|_| "export")
}
