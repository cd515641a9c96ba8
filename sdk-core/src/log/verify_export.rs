//! Checking an export offline: every entry against the one before it, every head against its signature.

#[cfg(test)]
mod tampering;

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ChainHash, Checkpoint, Entry, Epoch, EventID,
    export::{ExportedEntry, FORMAT, Header, encode_head},
    head::{self, HeadKey},
};
use crate::protocol::{
    AppID, Code, UnixMillis, base64url::encode, stream::MAX_SERVER_MESSAGE_BYTES, stream::SignedHead,
};

/// Checks an [export](super::ExportWriter) to its end. Memory is bounded by one line of at most 128 KiB.
///
/// `keys` are those that may sign heads; without any, signatures are not looked at. With a checkpoint, the export must be
/// of the same log and agree with it: only so is a cut-off end noticed, and a log that was made up from the beginning.
///
/// # Errors
/// [`ExportError`], at the first thing that is wrong.
pub fn verify_export(
    export: impl BufRead,
    keys: &[HeadKey],
    checkpoint: Option<&Checkpoint>,
) -> Result<Verified, ExportError> {
    let mut lines = Lines { export, buffer: Vec::new(), number: 0 };
    let mut reader = match lines.next()? {
        Some(line) => Reader::begin(line, keys, checkpoint),
        None => Err((0, "the export is empty".to_owned())),
    }
    .map_err(|bad| lines.bad(bad))?;
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(ExportError::Bad(bad)) => {
                return Err(ExportError::Bad(BadEntry { seq: reader.next_seq(), ..bad }));
            }
            Err(error @ ExportError::Read(_)) => return Err(error),
        };
        reader.take(line).map_err(|bad| lines.bad(bad))?;
    }
    reader.finish().map_err(|bad| lines.bad(bad))
}

/// What an export that holds is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose log it is.
    pub app_id: AppID,
    /// Its lineage.
    pub epoch: Epoch,
    /// The number of the entry that it goes on from; 0 if it begins at the beginning.
    pub after: u64,
    /// How many entries it has.
    pub entries: u64,
    /// The hash chain up to its last entry.
    pub hash: ChainHash,
    /// The last entry that a head stands for. Entries after it are chained, and nobody has signed them.
    pub signed_up_to: Option<u64>,
    /// Whether it was compared with the checkpoint: it is `false` also where the export begins after it.
    pub agrees_with_checkpoint: bool,
}

/// Why an export was not verified.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be read to its end.
    #[error("the export cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not what the server wrote.
    #[error(transparent)]
    Bad(#[from] BadEntry),
}

/// The first thing that is wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, entry {seq}: {reason}")]
pub struct BadEntry {
    /// The line, from 1.
    pub line: u64,
    /// The entry that is wrong, or that the line had to be; 0 for the first line.
    pub seq: u64,
    /// What is wrong.
    pub reason: String,
}

impl BadEntry {
    /// The word of the one table of codes.
    pub const fn code(&self) -> Code {
        Code::LogRewritten
    }
}

/// The entry that is wrong, and why.
type Bad = (u64, String);

struct Lines<R> {
    export: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line with its end.
    fn next(&mut self) -> Result<Option<&str>, ExportError> {
        self.buffer.clear();
        self.number = self.number.saturating_add(1);
        self.export.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let complaint = if self.buffer.last() != Some(&b'\n') {
            "the line is cut off, or longer than any that a server writes"
        } else if std::str::from_utf8(&self.buffer).is_err() {
            "the line is not UTF-8"
        } else {
            return Ok(std::str::from_utf8(&self.buffer).ok());
        };
        Err(self.bad((0, complaint.to_owned())))
    }

    fn bad(&self, (seq, reason): Bad) -> ExportError {
        ExportError::Bad(BadEntry { line: self.number, seq, reason })
    }
}

struct Reader<'a> {
    keys: &'a [HeadKey],
    checkpoint: Option<&'a Checkpoint>,
    /// What the checkpoint says of the log, the lower number first.
    known: Vec<(EventID, Option<ChainHash>)>,
    verified: Verified,
    seq: u64,
}

impl<'a> Reader<'a> {
    fn begin(line: &str, keys: &'a [HeadKey], checkpoint: Option<&'a Checkpoint>) -> Result<Self, Bad> {
        let header: Header =
            serde_json::from_str(line).map_err(|error| (0, format!("it is no export: {error}")))?;
        if header.format != FORMAT {
            return Err((0, format!("its format is not {FORMAT}")));
        }
        one_spelling(line, Some(&header.encode()), 0)?;
        let Header { app_id, epoch, after, .. } = header;
        if let Some(expected) = checkpoint.and_then(|checkpoint| checkpoint.app_id).filter(|id| *id != app_id)
        {
            return Err((0, format!("it is the log of {app_id}, not of {expected}")));
        }
        if after.seq == 0 && after.hash != ChainHash::GENESIS {
            return Err((0, "it claims that something came before the first entry".to_owned()));
        }
        let verified = Verified {
            app_id,
            epoch,
            after: after.seq,
            entries: 0,
            hash: after.hash,
            signed_up_to: None,
            agrees_with_checkpoint: false,
        };
        let known = checkpoint.map(known).unwrap_or_default();
        let mut reader = Self { keys, checkpoint, known, verified, seq: after.seq };
        reader.compare()?;
        Ok(reader)
    }

    /// The number of the entry that has to come next.
    const fn next_seq(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    fn take(&mut self, line: &str) -> Result<(), Bad> {
        let parsed: Line<'_> = serde_json::from_str(line)
            .map_err(|error| (self.next_seq(), format!("the line cannot be read: {error}")))?;
        match parsed {
            Line {
                seq: Some(seq),
                time: Some(time),
                name: Some(name),
                data: Some(data),
                id: Some(id),
                ..
            } => {
                let entry = ExportedEntry { seq, time, name: &name, data: data.get(), id };
                self.take_entry(line, &entry)
            }
            Line { head: Some(head), .. } => self.take_head(line, &head),
            Line { .. } => Err((self.next_seq(), "the line is no entry and no head".to_owned())),
        }
    }

    fn take_entry(&mut self, line: &str, entry: &ExportedEntry<'_>) -> Result<(), Bad> {
        let expected = self.next_seq();
        one_spelling(line, entry.encode().as_deref(), expected)?;
        let ExportedEntry { seq, time, name, data, id } = *entry;
        if seq != expected || id.seq != expected {
            return Err((expected, format!("entry {seq} with the id {id} stands in its place")));
        }
        if id.epoch != self.verified.epoch {
            return Err((
                expected,
                format!("its id {id} is of another lineage than {}", self.verified.epoch.as_str()),
            ));
        }
        let Verified { app_id, epoch, .. } = self.verified;
        let hash = self.verified.hash.followed_by(&Entry { app_id, epoch, seq, time, name, data });
        if !id.matches(&hash) {
            let computed = EventID::new(epoch, seq, &hash);
            return Err((expected, format!("its id is {id}; what it says and follows makes it {computed}")));
        }
        (self.seq, self.verified.hash) = (seq, hash);
        self.verified.entries = self.verified.entries.saturating_add(1);
        self.compare()
    }

    fn take_head(&mut self, line: &str, signed: &SignedHead) -> Result<(), Bad> {
        one_spelling(line, Some(&encode_head(signed)), self.seq)?;
        if signed.seq > self.seq {
            return Err((
                self.next_seq(),
                format!("it is missing: a log of {} entries was signed", signed.seq),
            ));
        }
        if signed.seq < self.seq {
            return Err((self.seq, format!("the head of {} entries is out of its place", signed.seq)));
        }
        if signed.epoch != self.verified.epoch.as_str() || signed.hash.0 != self.verified.hash.0 {
            let signed = encode(&signed.hash.0);
            let here = encode(self.verified.hash.0);
            return Err((self.seq, format!("a log with the hash {signed} was signed, this one has {here}")));
        }
        if !self.keys.is_empty() {
            head::verify(self.verified.app_id, signed, self.keys)
                .map_err(|bad| (self.seq, bad.to_string()))?;
        }
        self.verified.signed_up_to = Some(self.seq);
        Ok(())
    }

    fn finish(self) -> Result<Verified, Bad> {
        let Verified { epoch, after, .. } = self.verified;
        if let Some(checkpoint) = self.checkpoint {
            let seen = checkpoint.position.epoch;
            if seen != epoch && checkpoint.accepted != Some(epoch) {
                let first = after.saturating_add(1);
                return Err((
                    first,
                    format!("it is of another lineage than {}, which was seen", seen.as_str()),
                ));
            }
        }
        match self.known.iter().find(|(id, _)| id.epoch == epoch && id.seq > self.seq) {
            Some((id, _)) => Err((self.next_seq(), format!("it is missing: the log was seen up to {id}"))),
            None => Ok(self.verified),
        }
    }

    /// The log is what the checkpoint says, if it says something of this place.
    fn compare(&mut self) -> Result<(), Bad> {
        for (id, hash) in &self.known {
            if (id.epoch, id.seq) != (self.verified.epoch, self.seq) {
                continue;
            }
            if !id.matches(&self.verified.hash) || hash.is_some_and(|hash| hash != self.verified.hash) {
                return Err((self.seq, format!("the log was seen with {id} here, and with another hash")));
            }
            self.verified.agrees_with_checkpoint = true;
        }
        Ok(())
    }
}

/// Any line but the first. What its members make must be spelt as the line is.
#[derive(Deserialize)]
struct Line<'a> {
    seq: Option<u64>,
    time: Option<UnixMillis>,
    #[serde(rename = "type", borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    id: Option<EventID>,
    head: Option<SignedHead>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

fn known(checkpoint: &Checkpoint) -> Vec<(EventID, Option<ChainHash>)> {
    let mut known = vec![(checkpoint.position, checkpoint.hash)];
    if let Some(head) = &checkpoint.head
        && let (Ok(epoch), Ok(hash)) = (head.epoch.parse(), <[u8; 32]>::try_from(head.hash.0.as_slice()))
    {
        let hash = ChainHash(hash);
        known.push((EventID::new(epoch, head.seq, &hash), Some(hash)));
    }
    known.sort_by_key(|(id, _)| id.seq);
    known
}

/// A value that can be spelt in two ways is a place to hide a change in.
fn one_spelling(line: &str, canonical: Option<&str>, seq: u64) -> Result<(), Bad> {
    if canonical == Some(line) {
        Ok(())
    } else {
        Err((seq, "the line is not spelt as an export spells it".to_owned()))
    }
}

/// An event of the largest message that a server sends, and what an export puts around it.
const MAX_LINE_BYTES: u64 = 2 * MAX_SERVER_MESSAGE_BYTES as u64;
