//! Exports that were tampered with at random: always noticed, and the first bad entry is the one that is named.

use std::io::{self, BufReader, Read};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proptest::{
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof},
    sample::Index,
    test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use super::{BadEntry, ExportError, Verified, verify_export};
use crate::{
    log::{
        ChainHash, Checkpoint, Entry, Epoch, EventID, ExportWriter, ExportedEntry,
        head::{Head, HeadKey, sign},
    },
    protocol::{AppID, UnixMillis},
};

const APP: AppID = AppID::from_bytes([2; 16]);
const EPOCH: u32 = 7;

/// What to export: from `after` on, the contents, a head behind every `head_every`-th entry and the last.
#[derive(Debug, Clone)]
struct Plan {
    after: u64,
    contents: Vec<u16>,
    head_every: usize,
    signer: u8,
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key(seed: u8) -> HeadKey {
    HeadKey::from_bytes(pair(seed).public_key().as_ref().try_into().unwrap()).unwrap()
}

impl Plan {
    /// The file, and what somebody remembers who has read the log to its end.
    fn export(&self) -> (Vec<u8>, Checkpoint) {
        let epoch = Epoch::from_random(EPOCH);
        let mut hash = if self.after == 0 { ChainHash::GENESIS } else { ChainHash([5; 32]) };
        let mut export = ExportWriter::new(Vec::new(), APP, epoch, self.after, hash).unwrap();
        let mut seq = self.after;
        let mut newest = None;
        for (index, content) in self.contents.iter().enumerate() {
            seq += 1;
            let (time, data) = (UnixMillis(1_700_000_000_000 + seq * 997), format!(r#"{{"n":{content}}}"#));
            let name = if content % 2 == 0 { "loggedIn" } else { "later \"type\"" };
            hash = hash.followed_by(&Entry { app_id: APP, epoch, seq, time, name, data: &data });
            let id = EventID::new(epoch, seq, &hash);
            export.entry(&ExportedEntry { seq, time, name, data: &data, id }).unwrap();
            if (index + 1) % self.head_every == 0 || index + 1 == self.contents.len() {
                let head = sign(APP, &Head { epoch, seq, hash, time }, &pair(self.signer));
                export.head(&head).unwrap();
                newest = Some(head);
            }
        }
        let position = EventID::new(epoch, seq, &hash);
        let checkpoint = Checkpoint {
            app_id: Some(APP),
            position,
            hash: Some(hash),
            head: newest,
            accepted: None,
            past: vec![],
        };
        (export.finish().unwrap(), checkpoint)
    }
}

#[derive(Debug, Clone)]
enum Tampering {
    Flip { at: Index, bits: u8 },
    Delete(Index),
    Repeat { line: Index, at: Index },
    Swap(Index, Index),
    Cut(Index),
    CutInside(Index),
}

impl Tampering {
    fn apply(&self, file: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match self {
            Self::Flip { at, bits } => {
                let mut file = file.to_vec();
                let at = at.index(file.len());
                file[at] ^= bits;
                return file;
            }
            Self::CutInside(at) => return file[..at.index(file.len())].to_vec(),
            Self::Delete(line) => drop(lines.remove(line.index(lines.len()))),
            Self::Repeat { line, at } => {
                let line = lines[line.index(lines.len())].clone();
                lines.insert(at.index(lines.len() + 1), line);
            }
            Self::Swap(one, other) => lines.swap(one.index(file_lines(file)), other.index(file_lines(file))),
            Self::Cut(at) => lines.truncate(at.index(lines.len())),
        }
        lines.concat()
    }
}

fn file_lines(file: &[u8]) -> usize {
    file.iter().filter(|byte| **byte == b'\n').count()
}

/// The lines that are not heads: heads are words about the log, not parts of it.
fn without_heads(file: &[u8]) -> Vec<&[u8]> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"{\"head\":")).collect()
}

fn plans() -> impl Strategy<Value = Plan> {
    let contents = proptest::collection::vec(any::<u16>(), 1..24);
    (prop_oneof![Just(0_u64), 1_u64..1_000], contents, 1_usize..8)
        .prop_map(|(after, contents, head_every)| Plan { after, contents, head_every, signer: 1 })
}

fn tamperings() -> impl Strategy<Value = Tampering> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), (0..8).prop_map(|bit| 1_u8 << bit)).prop_map(|(at, bits)| Tampering::Flip { at, bits }),
        1 => index().prop_map(Tampering::Delete),
        1 => (index(), index()).prop_map(|(line, at)| Tampering::Repeat { line, at }),
        1 => (index(), index()).prop_map(|(one, other)| Tampering::Swap(one, other)),
        1 => index().prop_map(Tampering::Cut),
        1 => index().prop_map(Tampering::CutInside),
    ]
}

fn runner() -> TestRunner {
    let config = ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn bad(result: Result<Verified, ExportError>) -> BadEntry {
    match result {
        Err(ExportError::Bad(bad)) => bad,
        other => panic!("{other:?}"),
    }
}

#[test]
fn random_tampering_is_noticed_and_the_first_bad_entry_named() {
    runner()
        .run(&(plans(), tamperings()), |(plan, tampering)| {
            let (file, checkpoint) = plan.export();
            let whole = verify_export(file.as_slice(), &[key(1)], Some(&checkpoint)).unwrap();
            assert_eq!(whole.entries, plan.contents.len() as u64);
            let tampered = tampering.apply(&file);
            if tampered == file {
                return Err(TestCaseError::reject("nothing was changed"));
            }
            let result = verify_export(tampered.as_slice(), &[key(1)], Some(&checkpoint));
            let (before, after) = (without_heads(&file), without_heads(&tampered));
            let Some(first_changed) =
                (0..before.len().max(after.len())).find(|line| before.get(*line) != after.get(*line))
            else {
                // Heads were left out, repeated or moved, and the entries are all there and the same.
                if let Ok(verified) = result {
                    assert!(!matches!(tampering, Tampering::Flip { .. }), "a changed head was taken");
                    assert_eq!((verified.entries, verified.hash), (whole.entries, whole.hash));
                }
                return Ok(());
            };
            let bad = bad(result);
            if first_changed == 0 {
                return Ok(());
            }
            // A head that is spoilt or out of place is named by the entry before it.
            let line =
                tampered.split_inclusive(|byte| *byte == b'\n').nth(usize::try_from(bad.line).unwrap() - 1);
            let seq = plan.after + first_changed as u64;
            let is_head = line.is_some_and(|line| !line.starts_with(b"{\"seq\":"));
            assert!(bad.seq == seq || is_head && bad.seq + 1 == seq, "{bad}, not {seq}: {tampering:?}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_fork_that_was_signed_anew_is_noticed_with_the_keys_or_with_the_memory() {
    let strategy = (plans(), any::<Index>(), 1_u16..);
    runner()
        .run(&strategy, |(plan, at, change)| {
            let (_, checkpoint) = plan.export();
            let at = at.index(plan.contents.len());
            let mut fork = Plan { signer: 2, ..plan.clone() };
            fork.contents[at] ^= change;
            let (forged, _) = fork.export();
            let first = plan.after + at as u64 + 1;
            // Consistent in itself: whoever knows nothing cannot tell.
            verify_export(forged.as_slice(), &[key(2)], None).unwrap();
            assert!(bad(verify_export(forged.as_slice(), &[key(1)], None)).reason.contains("not pinned"));
            let remembered = bad(verify_export(forged.as_slice(), &[], Some(&checkpoint)));
            assert!(remembered.seq >= first);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_value_in_another_spelling_is_refused() {
    let plan = Plan { after: 0, contents: vec![1, 2], head_every: 9, signer: 1 };
    let (file, _) = plan.export();
    let text = String::from_utf8(file).unwrap();
    for (spelling, other, seq) in [
        ("22:13:20.997Z", "22:13:20.997z", 1),
        ("22:13:20.997Z", "22:13:20.997+00:00", 1),
        ("T22:13:20", "t22:13:20", 1),
        ("\"seq\":2", "\"seq\": 2", 2),
        ("later", "\\u006cater", 1),
        ("{\"n\":2}", " {\"n\":2}", 2),
        ("\"id\":", "\"more\":1,\"id\":", 1),
        ("\"format\"", " \"format\"", 0),
        ("}}\n", "}}\r\n", 0),
    ] {
        let changed = text.replacen(spelling, other, 1);
        assert_ne!(changed, text, "{spelling}");
        assert_eq!(bad(verify_export(changed.as_bytes(), &[key(1)], None)).seq, seq, "{other}");
    }
}

#[test]
fn without_any_memory_a_cut_off_end_shows_only_by_a_later_head() {
    let plan = Plan { after: 0, contents: vec![1, 2, 3, 4], head_every: 9, signer: 1 };
    let (file, _) = plan.export();
    let lines: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let with_head = [&lines[..3], &lines[5..]].concat().concat();
    assert_eq!(bad(verify_export(with_head.as_slice(), &[key(1)], None)).seq, 3);
    let verified = verify_export(lines[..3].concat().as_slice(), &[key(1)], None).unwrap();
    assert_eq!((verified.entries, verified.signed_up_to), (2, None));
}

#[test]
fn a_log_of_another_lineage_must_be_accepted_by_name() {
    let (file, mut checkpoint) =
        Plan { after: 4, contents: vec![1, 2, 3], head_every: 9, signer: 1 }.export();
    (checkpoint.position.epoch, checkpoint.head) = (Epoch::from_random(9), None);
    assert_eq!(bad(verify_export(file.as_slice(), &[], Some(&checkpoint))).seq, 5);
    let checkpoint = checkpoint.accept(Epoch::from_random(EPOCH));
    let verified = verify_export(file.as_slice(), &[], Some(&checkpoint)).unwrap();
    assert_eq!((verified.epoch, verified.agrees_with_checkpoint), (Epoch::from_random(EPOCH), false));
}

#[test]
fn what_the_reader_would_refuse_is_not_written() {
    let epoch = Epoch::from_random(EPOCH);
    let mut export = ExportWriter::new(Vec::new(), APP, epoch, 0, ChainHash::GENESIS).unwrap();
    let id = EventID::new(epoch, 1, &ChainHash::GENESIS);
    for data in ["null", "5", "[]", "{", " {}", "{}\n", "{\n}", ""] {
        let entry = ExportedEntry { seq: 1, time: UnixMillis(0), name: "registered", data, id };
        assert_eq!(export.entry(&entry).unwrap_err().kind(), io::ErrorKind::InvalidData, "{data:?}");
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 1 << 20, "it reads on and on");
            buffer.fill(b' ');
            Ok(buffer.len())
        }
    }
    assert!(bad(verify_export(BufReader::new(Endless(0)), &[], None)).reason.contains("longer"));
    assert!(bad(verify_export(&b""[..], &[], None)).reason.contains("empty"));
}
