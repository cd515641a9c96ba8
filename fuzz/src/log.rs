//! Exports of the log, signed heads, and the files that a back end keeps.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use passkey_accounts::{
    evidence::Pins,
    log::{
        ChainHash, Checkpoint, Entry, Epoch, EventID, ExportWriter, ExportedEntry, Sees, Witness,
        head::{self, Head, HeadKey},
        verify_export,
    },
    protocol::{UnixMillis, base64url, stream::SignedHead},
};

use crate::{
    edits::edited,
    world::{APP, NOW, text},
};

/// A log of three entries with a signed head, its key, and what a witness remembers of it.
struct Real {
    export: Vec<u8>,
    hash: ChainHash,
    head: SignedHead,
    keys: [HeadKey; 1],
    checkpoint: Checkpoint,
}

static REAL: LazyLock<Real> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed has 32 bytes");
    let key = HeadKey::from_jwk_x(&base64url::encode(pair.public_key())).expect("it is a key");
    let lines = [("registered", r#"{"accountID":"acct_0"}"#), ("loggedIn", r#"{"a":[1,2]}"#), ("x", "{}")];
    let (mut export, hash) = write(&lines.map(|(name, data)| (NOW, name, data))).expect("it can be written");
    let epoch = Epoch::from_random(7);
    let head = head::sign(APP, &Head { epoch, seq: 3, hash, time: NOW }, &pair);
    let mut writer = Vec::new();
    writer.append(&mut export);
    let line = serde_json::json!({ "head": head });
    // Members in the order of an export.
    let SignedHead { epoch: lineage, seq, hash: signed, time, key_id, sig } = &head;
    let text = format!(
        r#"{{"head":{{"epoch":"{lineage}","seq":{seq},"hash":"{}","time":"{time}","keyID":"{key_id}","sig":"{}"}}}}"#,
        base64url::encode(&signed.0),
        base64url::encode(&sig.0)
    );
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(line));
    writer.extend([text.as_bytes(), b"\n"].concat());
    let position = EventID::new(epoch, 3, &hash);
    let checkpoint = Checkpoint {
        app_id: Some(APP),
        position,
        hash: Some(hash),
        head: None,
        accepted: None,
        past: Vec::new(),
    };
    Real { export: writer, hash, head, keys: [key], checkpoint }
});

fn write(entries: &[(UnixMillis, &str, &str)]) -> Option<(Vec<u8>, ChainHash)> {
    let (epoch, mut hash) = (Epoch::from_random(7), ChainHash::GENESIS);
    let mut writer = ExportWriter::new(Vec::new(), APP, epoch, 0, hash).ok()?;
    for (seq, (time, name, data)) in (1..).zip(entries.iter().copied()) {
        hash = hash.followed_by(&Entry { app_id: APP, epoch, seq, time, name, data });
        writer.entry(&ExportedEntry { seq, time, name, data, id: EventID::new(epoch, seq, &hash) }).ok()?;
    }
    Some((writer.finish().ok()?, hash))
}

/// An export as somebody hands it over; after `!`, a real one that was changed; after `+`, entries to be written,
/// one a line, name and data with a tab between them: whatever can be written is verified.
pub(crate) fn export(bytes: &[u8]) {
    let Real { export, hash, keys, checkpoint, .. } = &*REAL;
    match bytes.split_first() {
        Some((b'!', edits)) => {
            let changed = edited(export, edits);
            if let Ok(verified) = verify_export(changed.as_slice(), keys, Some(checkpoint)) {
                assert_eq!((verified.hash, verified.entries, verified.app_id), (*hash, 3, APP));
                assert!(verified.agrees_with_checkpoint);
                assert!(verified.signed_up_to.is_none() || changed == *export);
            } else {
                assert!(changed != *export, "the real export is refused");
            }
        }
        Some((b'+', rest)) => {
            let Some(rest) = text(rest) else { return };
            let entries: Vec<_> = rest
                .split('\n')
                .filter_map(|line| line.split_once('\t'))
                .map(|(name, data)| (NOW.plus(name.len() as u64), name, data))
                .collect();
            if let Some((written, hash)) = write(&entries) {
                let verified = verify_export(written.as_slice(), &[], None).expect("what was written holds");
                assert_eq!((verified.hash, verified.entries), (hash, entries.len() as u64));
            }
        }
        _ => drop(verify_export(bytes, keys, None)),
    }
}

/// Checkpoints, pins and signed heads: what was read is written again and read the same. After `!`, a changed head.
pub(crate) fn files(bytes: &[u8]) {
    let Real { head, keys, .. } = &*REAL;
    if let Some((b'!', edits)) = bytes.split_first() {
        let changed = edited(&serde_json::to_vec(head).expect("it can be written"), edits);
        let Ok(changed) = serde_json::from_slice::<SignedHead>(&changed) else { return };
        if head::verify(APP, &changed, keys).is_ok() {
            assert_eq!(changed, *head, "a head that nobody signed is accepted");
        }
        return;
    }
    if let Ok(head) = serde_json::from_slice::<SignedHead>(bytes) {
        let _ = head::verify(APP, &head, keys);
    }
    if let Ok(checkpoint) = serde_json::from_slice::<Checkpoint>(bytes) {
        let written = serde_json::to_string(&checkpoint).expect("it can be written");
        assert_eq!(serde_json::from_str::<Checkpoint>(&written).ok().as_ref(), Some(&checkpoint));
        let kept = Witness::new(Sees::Some, keys.to_vec(), Some(checkpoint.clone())).checkpoint();
        let kept = kept.expect("a witness remembers what it was given");
        assert_eq!((kept.position.seq, kept.app_id), (checkpoint.position.seq, checkpoint.app_id));
    }
    if let Ok(pins) = serde_json::from_slice::<Pins>(bytes) {
        let written = serde_json::to_string(&pins).expect("they can be written");
        assert_eq!(serde_json::from_str::<Pins>(&written).ok(), Some(pins));
    }
}
