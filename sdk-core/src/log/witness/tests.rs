//! A log, a server that tampers with it in every way that comes to mind, and the witness that must not miss it.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::{Sees, Unseen, Witness};
use crate::{
    log::{
        BadHead, ChainHash, Checkpoint, Contradiction, Entry, Epoch, EventID,
        head::{Head, HeadKey, sign},
    },
    protocol::{
        AppID, UnixMillis,
        base64url::Base64Url,
        stream::{Gap, GapNext, GapReason, SignedHead, Snapshot},
    },
    stream::{Bookmark, Event, Item},
};

const APP: AppID = AppID::from_bytes([2; 16]);

/// A log as the server has it; what it says of it is what the witness gets.
pub(super) struct Log {
    pub(super) epoch: Epoch,
    /// The hash at each number; the first is that of the empty log.
    pub(super) hashes: Vec<ChainHash>,
    pub(super) events: Vec<Event>,
}

impl Log {
    pub(super) fn of(contents: impl IntoIterator<Item = u32>) -> Self {
        let mut log = Self { epoch: Epoch::from_random(7), hashes: vec![ChainHash::GENESIS], events: vec![] };
        for content in contents {
            log.append(content);
        }
        log
    }

    pub(super) fn append(&mut self, content: u32) {
        let (seq, name, data) =
            (self.hashes.len() as u64, "later".to_owned(), format!(r#"{{"n":{content}}}"#));
        let time = UnixMillis(1_700_000_000_000 + seq);
        let entry = Entry { app_id: APP, epoch: self.epoch, seq, time, name: &name, data: &data };
        let hash = self.hashes.last().unwrap().followed_by(&entry);
        self.hashes.push(hash);
        let id = EventID::new(self.epoch, seq, &hash).to_string();
        self.events.push(Event { id, seq, time, name, data, kind: None });
    }

    pub(super) fn id(&self, seq: usize) -> EventID {
        EventID::new(self.epoch, seq as u64, &self.hashes[seq])
    }

    fn items(&self, range: std::ops::RangeInclusive<usize>) -> Vec<Item> {
        range.map(|seq| Item::Event(self.events[seq - 1].clone())).collect()
    }

    pub(super) fn bookmark(&self, seq: usize, head: Option<SignedHead>) -> Item {
        let hash = Some(Base64Url(self.hashes[seq].0.to_vec()));
        Item::Bookmark(Bookmark { id: self.id(seq).to_string(), time: UnixMillis(1), hash, head })
    }

    pub(super) fn snapshot(&self, seq: usize) -> Item {
        let hash = Some(Base64Url(self.hashes[seq].0.to_vec()));
        let id = self.id(seq).to_string();
        Item::Snapshot(Snapshot { sessions: vec![], first: true, last: true, id, hash, lane: 0 })
    }

    pub(super) fn head(&self, seq: usize, seed: u8) -> SignedHead {
        let time = UnixMillis(1_700_000_000_000);
        let head = Head { epoch: self.epoch, seq: seq as u64, hash: self.hashes[seq], time };
        sign(APP, &head, &pair(seed))
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub(super) fn key(seed: u8) -> HeadKey {
    HeadKey::from_bytes(pair(seed).public_key().as_ref().try_into().unwrap()).unwrap()
}

pub(super) fn gap(reason: GapReason, after: EventID) -> Item {
    Item::Gap(Gap { reason, after: after.to_string(), next: GapNext::Snapshot, oldest: None, lane: 0 })
}

pub(super) fn witness(sees: Sees, checkpoint: Option<Checkpoint>) -> Witness {
    let mut witness = Witness::new(sees, vec![key(1)], checkpoint);
    witness.handle_app(APP).unwrap();
    witness
}

/// A witness that has read the whole log from its beginning.
fn reader_of(log: &Log) -> Witness {
    let mut witness = witness(Sees::Everything, None);
    read(&mut witness, [log.bookmark(0, None)]).unwrap();
    read(&mut witness, log.items(1..=log.events.len())).unwrap();
    witness
}

fn read(witness: &mut Witness, items: impl IntoIterator<Item = Item>) -> Result<(), Contradiction> {
    items.into_iter().try_for_each(|item| witness.check(&item).map(|_| ()))
}

/// The number that the contradiction names.
fn first_bad(result: Result<(), Contradiction>) -> u64 {
    match result {
        Err(Contradiction::Rewritten { seq, .. }) => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_that_only_grows_is_read_to_its_end() {
    let log = Log::of(0..50);
    let mut witness = reader_of(&log);
    read(&mut witness, [log.bookmark(50, Some(log.head(50, 1)))]).unwrap();
    let checkpoint = witness.checkpoint().unwrap();
    assert_eq!((checkpoint.position, checkpoint.hash), (log.id(50), Some(log.hashes[50])));
    assert_eq!(checkpoint.head, Some(log.head(50, 1)));
}

#[test]
fn every_kind_of_tampering_is_named_by_its_first_entry() {
    let log = Log::of(0..20);
    let check = |tamper: &dyn Fn(&mut Vec<Item>)| {
        let mut items = log.items(1..=20);
        tamper(&mut items);
        let mut witness = witness(Sees::Everything, None);
        witness.check(&log.bookmark(0, None)).unwrap();
        first_bad(read(&mut witness, items))
    };
    let change = |items: &mut Vec<Item>, change: &dyn Fn(&mut Event)| match &mut items[6] {
        Item::Event(event) => change(event),
        _ => unreachable!(),
    };
    assert_eq!(check(&|items| change(items, &|event| event.data = r#"{"n":7 }"#.into())), 7);
    assert_eq!(check(&|items| change(items, &|event| event.name = "earlier".into())), 7);
    assert_eq!(check(&|items| change(items, &|event| event.time.0 += 1)), 7);
    assert_eq!(check(&|items| change(items, &|event| event.seq += 1)), 8);
    assert_eq!(check(&|items| change(items, &|event| event.id = log.id(8).to_string())), 7);
    assert_eq!(check(&|items| drop(items.remove(6))), 7);
    assert_eq!(check(&|items| items.insert(6, items[3].clone())), 7);
    assert_eq!(check(&|items| items.insert(6, items[6].clone())), 8);
    assert_eq!(check(&|items| items.swap(6, 12)), 7);
    // The tail is left out, and the server says that this is all.
    assert_eq!(check(&|items| items.splice(15.., [log.bookmark(20, None)]).for_each(drop)), 16);
}

#[test]
fn a_forged_entry_with_a_chain_of_its_own_does_not_follow() {
    let log = Log::of(0..10);
    let forged = Log::of([0, 1, 2, 3, 4, 99, 6, 7, 8, 9, 10]);
    let mut reader = reader_of(&log);
    // Forward from what was read, and again over what was read.
    assert_eq!(first_bad(read(&mut reader, forged.items(11..=11))), 11);
    let mut again = witness(Sees::Everything, reader_of(&log).checkpoint());
    again.handle_resume(&log.id(5).to_string()).unwrap();
    assert_eq!(first_bad(read(&mut again, forged.items(6..=11))), 10);
}

#[test]
fn what_was_read_before_a_restart_still_counts() {
    let log = Log::of(0..30);
    let other = Log::of((0..29).chain([77, 30, 31]));
    let checkpoint = reader_of(&log).checkpoint().unwrap();
    let text = serde_json::to_string(&checkpoint).unwrap();
    let restart = || witness(Sees::Everything, Some(serde_json::from_str(&text).unwrap()));

    let mut longer = log;
    longer.append(30);
    read(&mut restart(), longer.items(31..=31)).unwrap();
    assert_eq!(first_bad(read(&mut restart(), other.items(31..=31))), 31);
    assert_eq!(first_bad(read(&mut restart(), [other.bookmark(30, None)])), 30);
    assert_eq!(first_bad(read(&mut restart(), [other.snapshot(30)])), 30);
    assert_eq!(restart().check(&longer.snapshot(31)), Ok(Some(Unseen { first: 31, last: 31 })));
    // An application that goes back reads the same, and what is remembered stays.
    let mut back = restart();
    back.handle_resume(&longer.id(10).to_string()).unwrap();
    read(&mut back, longer.items(11..=20)).unwrap();
    assert_eq!(back.checkpoint().as_ref(), Some(&checkpoint));
    read(&mut back, longer.items(21..=31)).unwrap();
    assert_eq!(back.checkpoint().unwrap().hash, Some(longer.hashes[31]));
    let mut app = Witness::new(Sees::Everything, vec![], Some(checkpoint));
    let stranger = AppID::from_bytes([9; 16]);
    assert_eq!(app.handle_app(stranger), Err(Contradiction::OtherApp { expected: APP, found: stranger }));
}

#[test]
fn heads_hold_the_server_to_its_word_early_and_late() {
    let log = Log::of(0..40);
    let fork = Log::of((0..20).chain([99]).chain(21..40));
    // A head of the future: the log must become that.
    let mut early = reader_of(&Log::of(0..10));
    read(&mut early, [log.bookmark(10, Some(fork.head(30, 1)))]).unwrap();
    assert_eq!(first_bad(read(&mut early, log.items(11..=40))), 30);
    // A head of the past: the log must have been that.
    let late = read(&mut reader_of(&log), [log.bookmark(40, Some(fork.head(30, 1)))]);
    assert_eq!(first_bad(late), 30);
    read(&mut reader_of(&log), [log.bookmark(40, Some(log.head(30, 1)))]).unwrap();
    // Two signatures under two logs, in two runs: the evidence is both of them.
    let mut first = reader_of(&log);
    read(&mut first, [log.bookmark(40, Some(log.head(40, 1)))]).unwrap();
    let mut checkpoint = first.checkpoint().unwrap();
    (checkpoint.hash, checkpoint.position) = (None, log.id(20));
    let mut second = witness(Sees::Everything, Some(checkpoint));
    let mut bookmark = log.bookmark(20, Some(fork.head(40, 1)));
    let Item::Bookmark(Bookmark { hash, .. }) = &mut bookmark else { unreachable!() };
    *hash = None;
    let (ours, theirs) = (Box::new(log.head(40, 1)), Box::new(fork.head(40, 1)));
    assert_eq!(second.check(&bookmark), Err(Contradiction::Fork { ours, theirs }));
}

#[test]
fn a_head_of_a_key_that_is_not_pinned_is_refused() {
    let log = Log::of(0..5);
    let result = read(&mut reader_of(&log), [log.bookmark(5, Some(log.head(5, 2)))]);
    assert_eq!(result, Err(Contradiction::Head { seq: 5, why: BadHead::UnknownKey }));
    let mut bent = log.head(5, 1);
    bent.sig.0[9] ^= 1;
    let result = read(&mut reader_of(&log), [log.bookmark(5, Some(bent))]);
    assert_eq!(result, Err(Contradiction::Head { seq: 5, why: BadHead::Signature }));
}

#[test]
fn a_log_that_was_cut_back_in_silence_is_a_rewrite() {
    let log = Log::of(0..10);
    for reason in [GapReason::Ahead, GapReason::Diverged] {
        let mut witness = reader_of(&log);
        let result = read(&mut witness, [gap(reason, log.id(10))]);
        assert_eq!(result, Err(Contradiction::Rewound { held: log.id(10) }));
        assert_eq!(result.unwrap_err().code().as_str(), "logRewritten");
        // It does not change its mind.
        assert_eq!(read(&mut witness, log.items(10..=10)), Err(Contradiction::Rewound { held: log.id(10) }));
    }
    // The gap gives another reason, and the state that follows is older all the same.
    let truncated = [gap(GapReason::Truncated, log.id(10)), log.snapshot(9)];
    assert_eq!(read(&mut reader_of(&log), truncated), Err(Contradiction::Rewound { held: log.id(10) }));
    // A position that was never read here, say one typed by hand, proves nothing.
    let typed: EventID = "vvvv-99-AAAAAAAA".parse().unwrap();
    read(&mut reader_of(&log), [gap(GapReason::Ahead, typed), log.snapshot(10)]).unwrap();
}

#[test]
fn a_restored_log_must_be_accepted_by_name_and_the_old_one_never_comes_back() {
    let log = Log::of(0..10);
    let mut restored = Log::of(0..6);
    restored.epoch = Epoch::from_random(8);
    restored.append(60);
    let steps = || [gap(GapReason::Epoch, log.id(10)), restored.snapshot(7)];
    let refused = read(&mut reader_of(&log), steps());
    assert_eq!(refused, Err(Contradiction::NewLineage { held: log.id(10), epoch: restored.epoch }));
    let checkpoint = reader_of(&log).checkpoint().unwrap();
    let mut wrongly = witness(Sees::Everything, Some(checkpoint.clone().accept(Epoch::from_random(9))));
    assert!(read(&mut wrongly, steps()).is_err());
    let mut agreed = witness(Sees::Everything, Some(checkpoint.accept(restored.epoch)));
    read(&mut agreed, steps()).unwrap();
    restored.append(61);
    read(&mut agreed, restored.items(8..=8)).unwrap();
    let after = agreed.checkpoint().unwrap();
    assert_eq!((after.accepted, after.past.as_slice()), (None, [log.id(10)].as_slice()));
    let mut back = witness(Sees::Everything, Some(after.accept(log.epoch)));
    let old = read(&mut back, [log.snapshot(10)]);
    assert!(matches!(old, Err(Contradiction::NewLineage { .. })));
}

#[test]
fn entries_that_a_gap_passed_over_are_named() {
    let log = Log::of(0..30);
    let mut reader = reader_of(&Log::of(0..10));
    reader.check(&gap(GapReason::Truncated, log.id(10))).unwrap();
    assert_eq!(reader.check(&log.snapshot(25)), Ok(Some(Unseen { first: 11, last: 25 })));
    read(&mut reader, log.items(26..=30)).unwrap();
    // Going on with the oldest entry instead.
    let mut shipper = reader_of(&Log::of(0..10));
    shipper.check(&gap(GapReason::Truncated, log.id(10))).unwrap();
    assert_eq!(shipper.check(&log.items(15..=15)[0]), Ok(Some(Unseen { first: 11, last: 14 })));
    assert_eq!(first_bad(read(&mut shipper, log.items(17..=17))), 16);
}

#[test]
fn a_view_of_some_types_sees_that_numbers_rise_and_anchors_fit() {
    let log = Log::of(0..30);
    let other = Log::of((0..19).chain([99]).chain(20..31));
    let begin = || {
        let mut witness = witness(Sees::Some, None);
        read(&mut witness, [log.snapshot(3), log.items(5..=5).remove(0), log.items(9..=9).remove(0)])
            .unwrap();
        witness
    };
    read(&mut begin(), [log.bookmark(20, None), log.items(21..=21).remove(0)]).unwrap();
    assert_eq!(first_bad(read(&mut begin(), log.items(8..=8))), 10);
    assert_eq!(first_bad(read(&mut begin(), [log.bookmark(8, None)])), 10);
    let mut ahead = begin();
    read(&mut ahead, [log.bookmark(10, Some(log.head(30, 1)))]).unwrap();
    assert_eq!(first_bad(read(&mut ahead, [other.bookmark(30, None)])), 30);
    // One after the other are chained even here.
    let mut next = begin();
    read(&mut next, [log.bookmark(20, None)]).unwrap();
    assert_eq!(first_bad(read(&mut next, other.items(21..=21))), 21);
}

#[test]
fn a_position_of_an_unknown_form_is_not_taken_for_checked() {
    let log = Log::of(0..2);
    let mut items = log.items(1..=1);
    let Item::Event(event) = &mut items[0] else { unreachable!() };
    event.id = "something".into();
    let result = read(&mut witness(Sees::Everything, None), items);
    assert_eq!(result, Err(Contradiction::Unreadable("something".into())));
}
