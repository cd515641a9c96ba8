//! The witness: reads the log along with the application, and notices when it contradicts itself.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use std::{collections::BTreeMap, fmt};

use super::{
    BadHead, ChainHash, Checkpoint, Contradiction, Entry, Epoch, EventID,
    head::{self, HeadKey},
};
use crate::{
    protocol::{
        AppID,
        base64url::{Base64Url, encode},
        stream::{Gap, GapReason, SignedHead, Snapshot},
    },
    stream::{Bookmark, Event, Item},
};

/// Checks that everything that the stream delivers belongs to one log that only grows.
///
/// | the view has | is checked |
/// | --- | --- |
/// | all types (`["*"]`) | every entry: number, content, and through the hash chain everything before it |
/// | some types | that numbers rise, and that positions, bookmarks and heads fit together |
///
/// With pinned keys every signed head must verify. What was read before this run counts, if it is given the checkpoint.
/// On the first contact it believes what it is told.
///
/// ```
/// # fn example(ready: passkey_accounts::protocol::stream::Ready, items: Vec<passkey_accounts::Item>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use passkey_accounts::log::{CheckpointStore, FileCheckpoints, Sees, Witness, head::HeadKey};
///
/// let key = HeadKey::from_jwk_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")?;
/// let store = FileCheckpoints::new("/var/lib/shop/log.checkpoint");
/// let mut witness = Witness::new(Sees::Everything, vec![key], store.load()?);
/// if let Some(app_id) = ready.app_id {
///     witness.handle_app(app_id)?;
/// }
/// for item in &items {
///     // An error says which entry is wrong. It is final.
///     if let Some(unseen) = witness.check(item)? {
///         println!("entries {} to {} were never read here", unseen.first, unseen.last);
///     }
/// }
/// if let Some(checkpoint) = witness.checkpoint() {
///     store.save(&checkpoint)?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Witness {
    sees: Sees,
    keys: Vec<HeadKey>,
    app_id: Option<AppID>,
    /// The lineage, once known; later ones must be accepted.
    epoch: Option<Epoch>,
    accepted: Option<Epoch>,
    past: Vec<EventID>,
    at: Option<At>,
    /// The server has said that it cannot continue from `at`.
    is_adrift: bool,
    /// What the log is known to be at some numbers, behind and ahead of `at`.
    facts: BTreeMap<u64, Known>,
    /// The newest head.
    head: Option<SignedHead>,
    /// What was given at the start, until this run has read as far.
    loaded: Option<Checkpoint>,
    failed: Option<Contradiction>,
}

/// What the witness gets to see of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// Every entry: `types` is `["*"]`.
    Everything,
    /// Entries of some types.
    Some,
}

/// Entries that were passed over, as a snapshot or an announced gap allows: they may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// A position and what is known of the log up to it.
#[derive(Clone, Copy)]
struct At {
    seq: u64,
    known: Known,
}

#[derive(Clone, Copy)]
enum Known {
    Whole(ChainHash),
    /// What a position's id says.
    Prefix([u8; 6]),
}

impl Witness {
    /// A witness that trusts these keys and remembers this. Without keys, signatures are not looked at.
    pub fn new(sees: Sees, keys: Vec<HeadKey>, checkpoint: Option<Checkpoint>) -> Self {
        let mut witness = Self {
            sees,
            keys,
            app_id: None,
            epoch: None,
            accepted: None,
            past: Vec::new(),
            at: None,
            is_adrift: false,
            facts: BTreeMap::new(),
            head: None,
            loaded: None,
            failed: None,
        };
        if let Some(checkpoint) = checkpoint {
            witness.remember(checkpoint);
        }
        witness
    }

    fn remember(&mut self, checkpoint: Checkpoint) {
        let EventID { epoch, seq, prefix } = checkpoint.position;
        let known = checkpoint.hash.map_or(Known::Prefix(prefix), Known::Whole);
        (self.app_id, self.epoch, self.accepted) = (checkpoint.app_id, Some(epoch), checkpoint.accepted);
        self.past.clone_from(&checkpoint.past);
        self.at = Some(At { seq, known });
        self.facts.insert(seq, known);
        if let Some(head) = checkpoint.head.clone().filter(|head| head.epoch == epoch.as_str()) {
            if let (true, Ok(hash)) = (head.seq != seq, whole(&head.hash)) {
                self.facts.insert(head.seq, Known::Whole(hash));
            }
            self.head = Some(head);
        }
        self.loaded = Some(checkpoint);
    }

    /// The stream goes on after this position, which is not that of the checkpoint: the application keeps its own.
    ///
    /// # Errors
    /// [`Contradiction`], when the position belongs to another lineage or another entry than the one remembered.
    pub fn handle_resume(&mut self, position: &str) -> Result<(), Contradiction> {
        self.guarded(|witness| {
            let id = read(position)?;
            witness.enter(id.epoch)?;
            witness.learn(id.seq, Known::Prefix(id.prefix))?;
            let known = witness.facts.get(&id.seq).copied().unwrap_or(Known::Prefix(id.prefix));
            witness.at = Some(At { seq: id.seq, known });
            Ok(())
        })
    }

    /// The server has said whose log it is. Without that, the content of entries cannot be checked.
    ///
    /// # Errors
    /// [`Contradiction::OtherApp`]
    pub fn handle_app(&mut self, app_id: AppID) -> Result<(), Contradiction> {
        self.guarded(|witness| match *witness.app_id.get_or_insert(app_id) {
            expected if expected == app_id => Ok(()),
            expected => Err(Contradiction::OtherApp { expected, found: app_id }),
        })
    }

    /// Checks the next item of the stream. `Some` are entries that it passed over.
    ///
    /// # Errors
    /// [`Contradiction`]; from then on every call says the same.
    pub fn check(&mut self, item: &Item) -> Result<Option<Unseen>, Contradiction> {
        self.guarded(|witness| match item {
            Item::Event(event) => witness.check_event(event),
            Item::Snapshot(page) => witness.check_page(page),
            Item::Gap(gap) => witness.check_gap(gap).map(|()| None),
            Item::Bookmark(bookmark) => witness.check_bookmark(bookmark),
        })
    }

    /// What to remember. `None` before the first position.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let (At { seq, known }, epoch) = (self.at?, self.epoch?);
        // While old entries are read again, what is remembered is worth more.
        if let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.position.seq > seq) {
            return Some(loaded.clone());
        }
        let (prefix, hash) = match known {
            Known::Whole(hash) => (EventID::new(epoch, seq, &hash).prefix, Some(hash)),
            Known::Prefix(prefix) => (prefix, None),
        };
        Some(Checkpoint {
            app_id: self.app_id,
            position: EventID { epoch, seq, prefix },
            hash,
            head: self.head.clone(),
            accepted: self.accepted,
            past: self.past.clone(),
        })
    }

    fn guarded<T>(
        &mut self,
        check: impl FnOnce(&mut Self) -> Result<T, Contradiction>,
    ) -> Result<T, Contradiction> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let result = check(self);
        if let Err(contradiction) = &result {
            self.failed = Some(contradiction.clone());
        }
        result
    }

    fn check_event(&mut self, event: &Event) -> Result<Option<Unseen>, Contradiction> {
        let id = read(&event.id)?;
        if id.seq != event.seq {
            return Err(wrong(
                event.seq,
                format!("the number of its id, {}", event.id),
                event.seq.to_string(),
            ));
        }
        self.enter(id.epoch)?;
        let passed = self.pass_to(event.seq, Step::Entry)?;
        let before = self.at.filter(|at| at.seq.checked_add(1) == Some(event.seq));
        let known = match (self.app_id, before.map(|at| at.known)) {
            (Some(app_id), Some(Known::Whole(hash))) => {
                let Event { seq, time, name, data, .. } = event;
                let hash =
                    hash.followed_by(&Entry { app_id, epoch: id.epoch, seq: *seq, time: *time, name, data });
                if !id.matches(&hash) {
                    let found = format!("{} in its id", encode(id.prefix));
                    return Err(wrong(
                        event.seq,
                        format!("a content whose hash begins with {found}"),
                        Known::Whole(hash).to_string(),
                    ));
                }
                Known::Whole(hash)
            }
            _ => Known::Prefix(id.prefix),
        };
        self.arrive(event.seq, known)?;
        Ok(passed)
    }

    fn check_bookmark(&mut self, bookmark: &Bookmark) -> Result<Option<Unseen>, Contradiction> {
        let passed = self.check_anchor(&bookmark.id, bookmark.hash.as_ref(), Step::Bookmark)?;
        if let Some(head) = &bookmark.head {
            self.check_head(head)?;
        }
        Ok(passed)
    }

    fn check_page(&mut self, page: &Snapshot) -> Result<Option<Unseen>, Contradiction> {
        if !page.last {
            return Ok(None);
        }
        self.check_anchor(&page.id, page.hash.as_ref(), Step::Snapshot)
    }

    fn check_anchor(
        &mut self,
        id: &str,
        hash: Option<&Base64Url>,
        step: Step,
    ) -> Result<Option<Unseen>, Contradiction> {
        let id = read(id)?;
        self.enter(id.epoch)?;
        let passed = self.pass_to(id.seq, step)?;
        let known = match hash {
            None if id.seq == 0 => Known::Whole(ChainHash::GENESIS),
            None => Known::Prefix(id.prefix),
            Some(hash) => {
                let hash = whole(hash).map_err(|found| wrong(id.seq, "a hash of 32 bytes", found))?;
                if !id.matches(&hash) {
                    return Err(wrong(
                        id.seq,
                        Known::Prefix(id.prefix).to_string(),
                        Known::Whole(hash).to_string(),
                    ));
                }
                Known::Whole(hash)
            }
        };
        self.arrive(id.seq, known)?;
        Ok(passed)
    }

    fn check_gap(&mut self, gap: &Gap) -> Result<(), Contradiction> {
        match gap.reason {
            // A position that was never read here may be anybody's mistake. One that was is the server's word.
            GapReason::Ahead | GapReason::Diverged => {
                if let Some(held) = self.held().filter(|held| gap.after == held.to_string()) {
                    return Err(Contradiction::Rewound { held });
                }
            }
            // Another lineage is seen by what follows. The word alone proves nothing.
            GapReason::Epoch | GapReason::Truncated | GapReason::Other => {}
        }
        self.is_adrift = true;
        Ok(())
    }

    fn check_head(&mut self, signed: &SignedHead) -> Result<(), Contradiction> {
        let bad = |why| Contradiction::Head { seq: signed.seq, why };
        if let (Some(app_id), false) = (self.app_id, self.keys.is_empty()) {
            head::verify(app_id, signed, &self.keys).map_err(bad)?;
        }
        let hash = whole(&signed.hash).map_err(|_| bad(BadHead::Malformed("its hash is not 32 bytes")))?;
        // Right after a restore, the newest head may be one of the lineage before. It says nothing about this one.
        if self.epoch.is_none_or(|epoch| epoch.as_str() != signed.epoch) {
            return Ok(());
        }
        if let Some(ours) = &self.head
            && ours.seq == signed.seq
            && ours.hash != signed.hash
        {
            return Err(Contradiction::Fork {
                ours: Box::new(ours.clone()),
                theirs: Box::new(signed.clone()),
            });
        }
        self.learn(signed.seq, Known::Whole(hash))?;
        // What is known in part only, the head completes.
        if let Some(at) = self.at.as_mut().filter(|at| at.seq == signed.seq) {
            at.known = Known::Whole(hash);
        }
        if self.head.as_ref().is_none_or(|ours| ours.seq <= signed.seq) {
            self.head = Some(signed.clone());
        }
        Ok(())
    }

    /// The log is of this lineage: the one known, or one that somebody has accepted.
    fn enter(&mut self, epoch: Epoch) -> Result<(), Contradiction> {
        match self.epoch {
            Some(known) if known == epoch => return Ok(()),
            Some(_) => {
                let is_past = self.past.iter().any(|past| past.epoch == epoch);
                if let Some(held) = self.held() {
                    if self.accepted != Some(epoch) || is_past {
                        return Err(Contradiction::NewLineage { held, epoch });
                    }
                    self.past.push(held);
                }
                if let Some(too_many) = self.past.len().checked_sub(MAX_PAST) {
                    self.past.drain(..too_many);
                }
                (self.accepted, self.at, self.head, self.loaded) = (None, None, None, None);
                self.facts.clear();
            }
            None => {}
        }
        self.epoch = Some(epoch);
        Ok(())
    }

    /// The next position is at `seq`: whether that follows, and what lies between.
    fn pass_to(&self, seq: u64, step: Step) -> Result<Option<Unseen>, Contradiction> {
        let Some(at) = self.at else { return Ok(None) };
        let next = at.seq.saturating_add(1);
        let least = match step {
            Step::Entry => next,
            Step::Bookmark | Step::Snapshot => at.seq,
        };
        if seq < least {
            return Err(match (step, self.held()) {
                (Step::Snapshot, Some(held)) => Contradiction::Rewound { held },
                _ => wrong(next, format!("an entry after {}", at.seq), format!("entry {seq} again")),
            });
        }
        // The first number that is passed over, and the first that is there again.
        let beyond = if step == Step::Entry { seq } else { seq.saturating_add(1) };
        if next >= beyond || self.sees == Sees::Some {
            return Ok(None);
        }
        if step == Step::Snapshot || self.is_adrift {
            return Ok(Some(Unseen { first: next, last: beyond.saturating_sub(1) }));
        }
        let found = match step {
            Step::Entry => format!("entry {seq} next"),
            Step::Bookmark | Step::Snapshot => format!("nothing up to {seq}"),
        };
        Err(wrong(next, "it to be there", found))
    }

    fn arrive(&mut self, seq: u64, known: Known) -> Result<(), Contradiction> {
        self.learn(seq, known)?;
        let known = self.facts.get(&seq).copied().unwrap_or(known);
        (self.at, self.is_adrift) = (Some(At { seq, known }), false);
        // Whoever has read as far as before needs the old word no more.
        if self.loaded.as_ref().is_some_and(|loaded| loaded.position.seq <= seq) {
            self.loaded = None;
        }
        Ok(())
    }

    /// The log is said to be this at `seq`. It must not have been anything else.
    fn learn(&mut self, seq: u64, known: Known) -> Result<(), Contradiction> {
        match self.facts.get(&seq) {
            Some(before) if !before.agrees_with(known) => {
                return Err(wrong(seq, before.to_string(), known.to_string()));
            }
            Some(Known::Whole(_)) => {}
            Some(Known::Prefix(_)) | None => {
                self.facts.insert(seq, known);
            }
        }
        while self.facts.len() > MAX_FACTS {
            self.facts.pop_first();
        }
        Ok(())
    }

    fn held(&self) -> Option<EventID> {
        let (At { seq, known }, epoch) = (self.at?, self.epoch?);
        Some(EventID { epoch, seq, prefix: known.prefix() })
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness")
            .field("sees", &self.sees)
            .field("held", &self.held())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// What moves the position.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Entry,
    Bookmark,
    Snapshot,
}

impl Known {
    const fn prefix(self) -> [u8; 6] {
        match self {
            Self::Whole(ChainHash([a, b, c, d, e, f, ..])) => [a, b, c, d, e, f],
            Self::Prefix(prefix) => prefix,
        }
    }

    fn agrees_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (one, other) => one.prefix() == other.prefix(),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(hash) => write!(f, "the hash {}", encode(hash.0)),
            Self::Prefix(prefix) => write!(f, "a hash that begins with {}", encode(prefix)),
        }
    }
}

fn read(id: &str) -> Result<EventID, Contradiction> {
    id.parse().map_err(|_| Contradiction::Unreadable(id.chars().take(64).collect()))
}

fn whole(hash: &Base64Url) -> Result<ChainHash, String> {
    let bytes = <[u8; 32]>::try_from(hash.0.as_slice());
    bytes.map(ChainHash).map_err(|_| format!("{} bytes", hash.0.len()))
}

fn wrong(seq: u64, expected: impl Into<String>, found: impl Into<String>) -> Contradiction {
    Contradiction::Rewritten { seq, expected: expected.into(), found: found.into() }
}

/// Hashes that are remembered, so that a head that comes late can still be compared: heads come every 1,000 entries.
const MAX_FACTS: usize = 4_096;

/// Lineages that are remembered.
const MAX_PAST: usize = 64;
