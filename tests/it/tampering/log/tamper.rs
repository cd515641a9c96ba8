//! The ways to tamper with a log.

use fastrand::Rng;
use passkey_accounts::{
    log::Epoch,
    protocol::{base64url::Base64Url, stream::SignedHead},
};

use super::history::{FOREIGN, History, OTHER_APP, OWN, Told};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    // Of one entry, as it is told.
    ChangedData,
    ChangedType,
    ChangedTime,
    ChangedNumber,
    ChangedID,
    ChangedPrev,
    Dropped,
    Repeated,
    Swapped,
    Inserted,
    // Of a head.
    ChangedHead,
    ChangedHash,
    HeadOfAnotherKey,
    HeadOfAnotherApp,
    // Of the log, chained anew from some entry on.
    RewrittenWithTheOldHead,
    RewrittenWithAnotherKey,
    RewrittenWhereItWasRead,
    RewrittenBelowAGap,
    ReadAgain,
    CutBack,
    ShortExport,
    OtherLineage,
    OtherApp,
}

/// How the log comes to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Stream,
    Export,
}

impl Kind {
    pub(super) const ALL: [Self; 23] = [
        Self::ChangedData,
        Self::ChangedType,
        Self::ChangedTime,
        Self::ChangedNumber,
        Self::ChangedID,
        Self::ChangedPrev,
        Self::Dropped,
        Self::Repeated,
        Self::Swapped,
        Self::Inserted,
        Self::ChangedHead,
        Self::ChangedHash,
        Self::HeadOfAnotherKey,
        Self::HeadOfAnotherApp,
        Self::RewrittenWithTheOldHead,
        Self::RewrittenWithAnotherKey,
        Self::RewrittenWhereItWasRead,
        Self::RewrittenBelowAGap,
        Self::ReadAgain,
        Self::CutBack,
        Self::ShortExport,
        Self::OtherLineage,
        Self::OtherApp,
    ];

    /// Where what is changed is met.
    pub(super) const fn carriers(self) -> &'static [Carrier] {
        match self {
            Self::ChangedPrev | Self::ChangedHash | Self::RewrittenBelowAGap | Self::CutBack => {
                &[Carrier::Stream]
            }
            Self::ShortExport => &[Carrier::Export],
            _ => &[Carrier::Stream, Carrier::Export],
        }
    }

    /// Only who has read something can notice.
    const fn needs_memory(self) -> bool {
        matches!(
            self,
            Self::RewrittenWhereItWasRead
                | Self::RewrittenBelowAGap
                | Self::ReadAgain
                | Self::CutBack
                | Self::ShortExport
                | Self::OtherLineage
                | Self::OtherApp
        )
    }
}

/// A log, who reads it, and what they are told instead.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) honest: History,
    /// The log that is told of: for changes on the way, the honest one.
    pub(super) forged: History,
    /// What the reader has read before; 0 for a new one.
    pub(super) read_to: usize,
    /// Where it resumes: there, or before it.
    pub(super) after: usize,
    pub(super) told: Vec<Told>,
}

impl Case {
    pub(super) fn any(rng: &mut Rng, kind: Kind) -> Self {
        let length = rng.usize(8..24);
        let honest = History::any(rng, length);
        let is_new = !kind.needs_memory() && rng.u8(..) < 100;
        let read_to = if is_new { 0 } else { rng.usize(2..length - 4) };
        let mut case = Self {
            forged: honest.clone(),
            told: honest.told_after(read_to, OWN),
            after: read_to,
            read_to,
            honest,
        };
        match kind {
            Kind::ChangedData
            | Kind::ChangedType
            | Kind::ChangedTime
            | Kind::ChangedNumber
            | Kind::ChangedID
            | Kind::ChangedPrev => case.change_an_event(rng, kind),
            Kind::Dropped | Kind::Repeated | Kind::Swapped | Kind::Inserted => case.move_events(rng, kind),
            Kind::ChangedHead | Kind::ChangedHash | Kind::HeadOfAnotherKey | Kind::HeadOfAnotherApp => {
                case.change_a_bookmark(rng, kind);
            }
            Kind::RewrittenWithTheOldHead | Kind::RewrittenWithAnotherKey => {
                case.rewrite_what_is_new(rng, kind);
            }
            Kind::RewrittenWhereItWasRead
            | Kind::RewrittenBelowAGap
            | Kind::ReadAgain
            | Kind::CutBack
            | Kind::ShortExport
            | Kind::OtherLineage
            | Kind::OtherApp => case.rewrite_what_was_read(rng, kind),
        }
        case
    }

    /// The place of an event, drawn.
    fn an_event(&self, rng: &mut Rng) -> usize {
        let events: Vec<_> = (0..self.told.len()).filter(|at| self.told[*at].is_event()).collect();
        events[rng.usize(..events.len())]
    }

    /// Every message says that it follows the one before it: whoever changes the order can do that, too.
    fn relink(&mut self) {
        let mut held = self.honest.id(self.after);
        for told in &mut self.told {
            if let Told::Event { id, prev, .. } | Told::Bookmark { id, prev, .. } = told {
                *prev = std::mem::replace(&mut held, id.clone());
            }
        }
    }

    fn change_an_event(&mut self, rng: &mut Rng, kind: Kind) {
        let at = self.an_event(rng);
        let (epoch, honest) = (self.honest.epoch, self.honest.clone());
        let Told::Event { id, prev, seq, time, name, data } = &mut self.told[at] else { unreachable!() };
        let another = match usize::try_from(*seq).unwrap() {
            seq if seq < honest.length() => honest.id(seq + 1),
            seq => honest.id(seq - 2),
        };
        match kind {
            Kind::ChangedData => {
                *data = match rng.u8(..4) {
                    0 => data.replace(':', ": "),
                    1 => data.replace('}', r#","more":null}"#),
                    2 => "{}".to_owned(),
                    _ => data.replace("\"n\":", "\"n\":1"),
                };
            }
            Kind::ChangedType => {
                *name = match rng.u8(..3) {
                    0 => format!("{name}s"),
                    1 => name.to_uppercase(),
                    _ => "never".to_owned(),
                };
            }
            Kind::ChangedTime => {
                let by = 1 << rng.u32(..30);
                time.0 = if rng.bool() { time.0 + by } else { time.0 - by };
            }
            Kind::ChangedNumber => *seq = seq.wrapping_add(rng.u64(1..9)),
            Kind::ChangedID => {
                *id = match rng.u8(..3) {
                    0 => another,
                    1 => {
                        id.replacen(epoch.as_str(), if epoch.as_str() == "0000" { "0001" } else { "0000" }, 1)
                    }
                    _ => {
                        // The last character of a prefix of 48 bits has no spare bits.
                        let last = if id.pop() == Some('A') { 'B' } else { 'A' };
                        format!("{id}{last}")
                    }
                };
            }
            _ => *prev = another,
        }
        // Where it matters to nobody but the one who changes it, the next message goes along.
        if kind == Kind::ChangedID && rng.bool() {
            self.relink();
        }
    }

    fn move_events(&mut self, rng: &mut Rng, kind: Kind) {
        let at = self.an_event(rng);
        match kind {
            Kind::Dropped => drop(self.told.remove(at)),
            Kind::Repeated => {
                let event = self.told[at].clone();
                let to = rng.usize(at..=self.told.len());
                self.told.insert(to, event);
            }
            Kind::Swapped => {
                let other = loop {
                    let other = self.an_event(rng);
                    if other != at {
                        break other;
                    }
                };
                self.told.swap(at, other);
            }
            _ => {
                let seq = usize::try_from(number(&self.told[at])).unwrap();
                let forged = self.honest.rewritten(rng, seq).event(seq);
                self.told.insert(at, forged);
            }
        }
        if rng.bool() {
            self.relink();
        }
    }

    fn change_a_bookmark(&mut self, rng: &mut Rng, kind: Kind) {
        let with_head = |told: &Told| matches!(told, Told::Bookmark { head: Some(_), .. });
        let heads: Vec<_> = (0..self.told.len()).filter(|at| with_head(&self.told[*at])).collect();
        let at = heads[rng.usize(..heads.len())];
        let honest = self.honest.clone();
        let Told::Bookmark { hash, head: Some(head), .. } = &mut self.told[at] else { unreachable!() };
        let seq = usize::try_from(head.seq).unwrap();
        match kind {
            Kind::ChangedHead => change_head(rng, head),
            Kind::ChangedHash => hash.0[rng.usize(..32)] ^= 1 << rng.u32(..8),
            Kind::HeadOfAnotherKey => {
                let key_id = head.key_id.clone();
                *head = honest.head(seq, FOREIGN);
                if rng.bool() {
                    head.key_id = key_id;
                }
            }
            _ => *head = honest.of(OTHER_APP, honest.epoch).head(seq, OWN),
        }
    }

    /// By somebody without the server's key, after what was read.
    fn rewrite_what_is_new(&mut self, rng: &mut Rng, kind: Kind) {
        let length = self.honest.length();
        let from = rng.usize(self.read_to + 1..=length);
        self.forged = self.honest.rewritten(rng, from);
        if kind == Kind::RewrittenWithAnotherKey {
            self.told = self.forged.told_after(self.read_to, FOREIGN);
            return;
        }
        // The only right heads are those of the log as it was.
        self.told = self.forged.told_after(self.read_to, OWN);
        for told in &mut self.told {
            if let Told::Bookmark { head: Some(head), .. } = told {
                *head = self.honest.head(usize::try_from(head.seq).unwrap(), OWN);
            }
        }
    }

    /// By the server itself, with its key.
    fn rewrite_what_was_read(&mut self, rng: &mut Rng, kind: Kind) {
        let (read_to, length) = (self.read_to, self.honest.length());
        let from = rng.usize(if kind == Kind::ReadAgain { 2 } else { 1 }..=read_to);
        match kind {
            Kind::OtherLineage => {
                let epoch = loop {
                    let epoch = Epoch::from_random(rng.u32(..));
                    if epoch != self.honest.epoch {
                        break epoch;
                    }
                };
                self.forged = self.honest.of(self.honest.app_id, epoch);
            }
            Kind::OtherApp => self.forged = self.honest.of(OTHER_APP, self.honest.epoch),
            _ => self.forged = self.honest.rewritten(rng, from),
        }
        let (honest, forged) = (self.honest.clone(), self.forged.clone());
        self.told = forged.told_after(read_to, OWN);
        let (held, there) = (self.honest.id(read_to), forged.id(read_to));
        let state = |seq: usize| Told::Snapshot { id: forged.id(seq), hash: forged.hash(seq) };
        let gap = |reason| Told::Gap { reason, after: held.clone() };
        match kind {
            Kind::RewrittenBelowAGap => {
                let reason = ["ahead", "diverged", "truncated", "epoch"][rng.usize(..4)];
                self.told.splice(0..0, [gap(reason), state(read_to)]);
            }
            Kind::ReadAgain => {
                self.after = rng.usize(1..from);
                self.told = forged.told_after(self.after, OWN);
            }
            Kind::ShortExport => {
                self.after = rng.usize(0..read_to);
                let held_back = honest.id(rng.usize(self.after + 1..=read_to));
                self.told = honest.told_after(self.after, OWN);
                let end = self.told.iter().position(|told| *told.id() == held_back).unwrap_or_default();
                self.told.truncate(end);
                self.forged = honest;
            }
            Kind::CutBack => {
                let end = rng.usize(0..read_to);
                self.told = match rng.u8(..4) {
                    0 => vec![gap("ahead")],
                    1 => vec![gap("truncated"), state(end)],
                    2 => vec![state(end)],
                    _ => vec![forged.bookmark(end, Some(forged.head(end, OWN)))],
                };
                self.relink();
                self.forged = self.honest.clone();
            }
            Kind::OtherLineage if rng.bool() => {
                self.told.splice(0..0, [gap("epoch"), state(read_to)]);
            }
            // It goes on as if nothing were, and says that it follows what was read.
            _ if rng.bool() => {
                for told in &mut self.told {
                    if let Told::Event { prev, .. } | Told::Bookmark { prev, .. } = told
                        && *prev == there
                    {
                        prev.clone_from(&held);
                    }
                }
            }
            _ => {}
        }
        assert!(length > read_to + 3);
    }
}

fn number(told: &Told) -> u64 {
    match told {
        Told::Event { seq, .. } => *seq,
        _ => unreachable!("only events are asked"),
    }
}

fn change_head(rng: &mut Rng, head: &mut SignedHead) {
    let flip = |bytes: &mut Base64Url, rng: &mut Rng| {
        let at = rng.usize(..bytes.0.len());
        bytes.0[at] ^= 1 << rng.u32(..8);
    };
    match rng.u8(..6) {
        0 => head.seq ^= 1 << rng.u32(..8),
        1 => flip(&mut head.hash, rng),
        2 => head.time.0 ^= 1 << rng.u32(..30),
        3 => flip(&mut head.sig, rng),
        4 => head.key_id = "another".to_owned(),
        _ => head.epoch = if head.epoch == "0000" { "0001" } else { "0000" }.to_owned(),
    }
}
