//! What nobody can notice yet, by the nature of a log: each is believed, tells nobody anything false of what was kept, and is
//! noticed as soon as somebody compares (SECURITY.md, "The log against its owner").

use fastrand::Rng;
use passkey_accounts::log::{Checkpoint, Unseen, verify_export};

use super::{
    history::{APP, FOREIGN, History, OWN, Told, export, pinned},
    memory,
    reader::{Outcome, read},
};

fn log(seed: u64) -> (Rng, History) {
    let mut rng = Rng::with_seed(seed);
    let history = History::any(&mut rng, 12);
    (rng, history)
}

/// Whoever has read the honest log to its end is given the other one as an export.
fn is_noticed_by_a_reader_of(honest: &History, other: &History) -> bool {
    let file = export(other, 0, &other.told_after(0, OWN));
    verify_export(file.as_slice(), &pinned(), memory(honest, honest.length()).as_ref()).is_err()
}

#[test]
fn an_end_that_is_held_back_is_missed_by_who_has_read_it() {
    let (_, honest) = log(1);
    let told = honest.told_after(0, OWN);
    let upto = told.iter().position(|told| *told.id() == *honest.id(5)).unwrap();
    let believed = read(pinned(), None, None, APP, &told[..=upto]).believed();
    assert_eq!(believed.events, 5, "all of it is true");
    let file = export(&honest, 0, &told[..=upto]);
    assert!(verify_export(file.as_slice(), &pinned(), None).is_ok());
    assert!(verify_export(file.as_slice(), &pinned(), memory(&honest, 9).as_ref()).is_err());
    // A head that the server cannot take back says it, too.
    let promised = [&told[..=upto], &[honest.bookmark(5, Some(honest.head(12, OWN)))]].concat();
    assert!(matches!(read(pinned(), None, None, APP, &promised), Outcome::Believed(_)));
    let rewritten = honest.rewritten(&mut Rng::with_seed(9), 6).told_after(5, OWN);
    let told = [promised, rewritten].concat();
    assert!(matches!(read(pinned(), None, None, APP, &told), Outcome::Contradicted(_)));
}

#[test]
fn a_fork_after_all_that_was_read_is_noticed_by_who_read_the_other_branch() {
    let (mut rng, honest) = log(2);
    let fork = honest.rewritten(&mut rng, 8);
    let told = fork.told_after(6, OWN);
    assert!(matches!(read(pinned(), memory(&honest, 6), None, APP, &told), Outcome::Believed(_)));
    assert!(matches!(read(pinned(), memory(&honest, 9), None, APP, &told), Outcome::Mismatch));
    assert!(is_noticed_by_a_reader_of(&honest, &fork));
}

#[test]
fn an_end_that_nobody_signed_is_noticed_with_the_next_head() {
    let (mut rng, honest) = log(3);
    let fork = honest.rewritten(&mut rng, 10);
    // Somebody without the key goes on after the head of entry 9, and shows the old head.
    let mut told: Vec<_> = fork.told_after(9, FOREIGN).into_iter().filter(Told::is_event).collect();
    told.push(fork.bookmark(12, Some(honest.head(9, OWN))));
    assert!(matches!(read(pinned(), memory(&honest, 9), None, APP, &told), Outcome::Believed(_)));
    told.push(fork.bookmark(12, Some(honest.head(12, OWN))));
    assert!(matches!(read(pinned(), memory(&honest, 9), None, APP, &told), Outcome::Contradicted(_)));
}

#[test]
fn a_log_made_up_from_the_beginning_is_believed_by_a_stranger_without_keys_only() {
    let (mut rng, honest) = log(4);
    let made_up = honest.rewritten(&mut rng, 1);
    let told = made_up.told_after(0, FOREIGN);
    assert!(matches!(read(vec![], None, None, APP, &told), Outcome::Believed(_)));
    assert!(matches!(read(pinned(), None, None, APP, &told), Outcome::Contradicted(_)));
    assert!(matches!(
        read(vec![], memory(&honest, 3), None, APP, &made_up.told_after(3, FOREIGN)),
        Outcome::Mismatch
    ));
    assert!(is_noticed_by_a_reader_of(&honest, &made_up));
}

#[test]
fn what_an_announced_gap_passes_over_is_told_as_unseen() {
    let (mut rng, honest) = log(5);
    let fork = honest.rewritten(&mut rng, 2);
    let state = Told::Snapshot { id: fork.id(10), hash: fork.hash(10) };
    let gap = Told::Gap { reason: "truncated", after: honest.id(6) };
    let told = [vec![gap, state], fork.told_after(10, OWN)].concat();
    let believed = read(pinned(), memory(&honest, 6), None, APP, &told).believed();
    assert_eq!(believed.unseen, [Unseen { first: 7, last: 10 }]);
    assert!(is_noticed_by_a_reader_of(&honest, &fork));
}

#[test]
fn who_goes_back_behind_the_checkpoint_has_old_contents_checked_by_nobody() {
    let (_, honest) = log(6);
    let mut told = honest.told_after(3, OWN);
    // Entry 5 says something else under its old id; its hash cannot be computed from the six bytes of a position.
    let Told::Event { data, .. } = &mut told[1] else { panic!("{told:?}") };
    *data = "{}".to_owned();
    let back = Some(honest.id(3));
    assert!(matches!(read(pinned(), memory(&honest, 9), back, APP, &told[..3]), Outcome::Believed(_)));
    // Who goes on where the checkpoint stands is not deceived.
    let at_checkpoint: Option<Checkpoint> = memory(&honest, 3);
    assert!(matches!(read(pinned(), at_checkpoint, None, APP, &told), Outcome::Contradicted(_)));
}
