//! A log as its server has it, and how it is told: message by message to a view, line by line in an export.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use fastrand::Rng;
use passkey_accounts::{
    log::{
        ChainHash, Entry, Epoch, EventID, ExportWriter, ExportedEntry,
        head::{Head, HeadKey, sign},
    },
    protocol::{AppID, UnixMillis, base64url::encode, stream::SignedHead},
};
use serde_json::json;

pub(super) const APP: AppID = AppID::from_bytes([2; 16]);
pub(super) const OTHER_APP: AppID = AppID::from_bytes([3; 16]);

/// Whose key signs a head: the server's own, or one that nobody has pinned.
pub(super) const OWN: u8 = 1;
pub(super) const FOREIGN: u8 = 2;

pub(super) fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub(super) fn pinned() -> Vec<HeadKey> {
    vec![HeadKey::from_bytes(pair(OWN).public_key().as_ref().try_into().unwrap()).unwrap()]
}

#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) app_id: AppID,
    pub(super) epoch: Epoch,
    /// The hash at each number; the first is that of the empty log.
    hashes: Vec<ChainHash>,
    contents: Vec<Content>,
}

#[derive(Debug, Clone)]
struct Content {
    name: String,
    data: String,
    time: UnixMillis,
}

impl Content {
    fn any(rng: &mut Rng, seq: u64) -> Self {
        // A type of a later version: of those that this one knows, the data would have to be right.
        let name = if rng.bool() { "later" } else { "much.later" };
        Self {
            name: name.to_owned(),
            data: format!(r#"{{"n":{}}}"#, rng.u32(..)),
            time: UnixMillis(1_700_000_000_000 + seq * 997),
        }
    }
}

impl History {
    pub(super) fn any(rng: &mut Rng, length: usize) -> Self {
        let epoch = Epoch::from_random(rng.u32(..));
        let mut history = Self { app_id: APP, epoch, hashes: vec![ChainHash::GENESIS], contents: Vec::new() };
        for seq in 1..=length {
            history.append(Content::any(rng, seq as u64));
        }
        history
    }

    fn append(&mut self, content: Content) {
        let Self { app_id, epoch, .. } = *self;
        let seq = self.hashes.len() as u64;
        let Content { name, data, time } = &content;
        let entry = Entry { app_id, epoch, seq, time: *time, name, data };
        self.hashes.push(self.hashes[self.hashes.len() - 1].followed_by(&entry));
        self.contents.push(content);
    }

    /// The same up to entry `from`, which says something else; then the same contents, chained anew.
    pub(super) fn rewritten(&self, rng: &mut Rng, from: usize) -> Self {
        self.anew(self.app_id, self.epoch, |seq, content| {
            if seq == from {
                Content { data: r#"{"forged":true}"#.to_owned(), ..Content::any(rng, seq as u64) }
            } else {
                content.clone()
            }
        })
    }

    /// The same contents as the log of another app, or in another lineage.
    pub(super) fn of(&self, app_id: AppID, epoch: Epoch) -> Self {
        self.anew(app_id, epoch, |_, content| content.clone())
    }

    fn anew(&self, app_id: AppID, epoch: Epoch, mut content: impl FnMut(usize, &Content) -> Content) -> Self {
        let mut anew = Self { app_id, epoch, hashes: vec![ChainHash::GENESIS], contents: Vec::new() };
        for (index, old) in self.contents.iter().enumerate() {
            anew.append(content(index + 1, old));
        }
        anew
    }

    pub(super) fn length(&self) -> usize {
        self.contents.len()
    }

    pub(super) fn id(&self, seq: usize) -> String {
        EventID::new(self.epoch, seq as u64, &self.hashes[seq]).to_string()
    }

    pub(super) fn hash(&self, seq: usize) -> ChainHash {
        self.hashes[seq]
    }

    pub(super) fn head(&self, seq: usize, signer: u8) -> SignedHead {
        let time = UnixMillis(1_700_000_900_000 + seq as u64);
        let head = Head { epoch: self.epoch, seq: seq as u64, hash: self.hashes[seq], time };
        sign(self.app_id, &head, &pair(signer))
    }

    pub(super) fn event(&self, seq: usize) -> Told {
        let Content { name, data, time } = self.contents[seq - 1].clone();
        Told::Event { id: self.id(seq), prev: self.id(seq - 1), seq: seq as u64, time, name, data }
    }

    pub(super) fn bookmark(&self, seq: usize, head: Option<SignedHead>) -> Told {
        Told::Bookmark { id: self.id(seq), prev: self.id(seq), hash: self.hashes[seq], head }
    }

    /// What is told of the log to somebody who resumes after this entry: a signed head on the way, and one at the end.
    pub(super) fn told_after(&self, after: usize, signer: u8) -> Vec<Told> {
        let (end, middle) = (self.length(), usize::midpoint(after, self.length()));
        let mut told = Vec::new();
        // Without a position, the first thing that a view of everything hears is where it begins.
        if after == 0 {
            told.push(self.bookmark(0, None));
        }
        for seq in after + 1..=end {
            told.push(self.event(seq));
            if seq == middle || seq == end {
                told.push(self.bookmark(seq, Some(self.head(seq, signer))));
            }
        }
        told
    }
}

/// One message to a view, or line of an export.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Event { id: String, prev: String, seq: u64, time: UnixMillis, name: String, data: String },
    Bookmark { id: String, prev: String, hash: ChainHash, head: Option<SignedHead> },
    Snapshot { id: String, hash: ChainHash },
    Gap { reason: &'static str, after: String },
}

impl Told {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Event { id, .. } | Self::Bookmark { id, .. } | Self::Snapshot { id, .. } => id,
            Self::Gap { after, .. } => after,
        }
    }

    pub(super) const fn is_event(&self) -> bool {
        matches!(self, Self::Event { .. })
    }

    /// As text on the wire.
    pub(super) fn message(&self) -> String {
        match self {
            // The data goes byte for byte, as it was hashed.
            Self::Event { id, prev, seq, time, name, data } => format!(
                r#"{{"type":{},"data":{data},"id":{},"prev":{},"seq":{seq},"time":"{time}"}}"#,
                json!(name),
                json!(id),
                json!(prev),
            ),
            Self::Bookmark { id, prev, hash, head } => {
                let mut data = json!({ "time": "2026-11-22T18:00:00.000Z", "hash": encode(hash.0) });
                if let Some(head) = head {
                    data["head"] = serde_json::to_value(head).unwrap();
                }
                json!({ "type": "bookmark", "data": data, "id": id, "prev": prev }).to_string()
            }
            Self::Snapshot { id, hash } => json!({
                "type": "snapshot",
                "data": { "sessions": [], "first": true, "last": true, "hash": encode(hash.0) },
                "id": id,
            })
            .to_string(),
            Self::Gap { reason, after } => json!({
                "type": "gap",
                "data": { "reason": reason, "after": after, "next": "snapshot" },
            })
            .to_string(),
        }
    }
}

/// The export of what is told after an entry: heads stand where bookmarks carry them.
pub(super) fn export(of: &History, after: usize, told: &[Told]) -> Vec<u8> {
    let mut export =
        ExportWriter::new(Vec::new(), of.app_id, of.epoch, after as u64, of.hash(after)).unwrap();
    for told in told {
        match told {
            Told::Event { id, seq, time, name, data, .. } => {
                // What is no id cannot stand in an export.
                let Ok(id) = id.parse() else { return Vec::new() };
                export.entry(&ExportedEntry { seq: *seq, time: *time, name, data, id }).unwrap();
            }
            Told::Bookmark { head: Some(head), .. } => export.head(head).unwrap(),
            Told::Bookmark { .. } | Told::Snapshot { .. } | Told::Gap { .. } => {}
        }
    }
    export.finish().unwrap()
}
