//! A log in a file: one JSON object a line, written so that every value has one spelling.
//!
//! | line | is |
//! | --- | --- |
//! | first | `{"format":"passkey-accounts-log-v1","appID":…,"epoch":…,"after":{"seq":…,"hash":…}}`: what the file goes on from |
//! | entry | `{"seq":…,"time":…,"type":…,"data":…,"id":…}`, `data` byte for byte as it was sent |
//! | head | `{"head":{…}}`: a signed head, right behind the entry that it ends with |
//!
//! Every line ends with one `\n`. [`verify_export`](super::verify_export) reads nothing else.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ChainHash, Epoch, EventID};
use crate::protocol::{AppID, UnixMillis, stream::SignedHead};

/// Writes an export, line by line.
///
/// ```
/// use passkey_accounts::{
///     log::{ChainHash, Entry, Epoch, EventID, ExportWriter, ExportedEntry, verify_export},
///     protocol::{AppID, UnixMillis},
/// };
///
/// let (app_id, epoch): (AppID, Epoch) = ("app_081040g2081040g2081040g208".parse()?, "k3f9".parse()?);
/// let (seq, time, name, data) = (1, UnixMillis(1_795_370_400_123), "registered", r#"{"accountID":"…"}"#);
/// let hash = ChainHash::GENESIS.followed_by(&Entry { app_id, epoch, seq, time, name, data });
///
/// let mut export = ExportWriter::new(Vec::new(), app_id, epoch, 0, ChainHash::GENESIS)?;
/// export.entry(&ExportedEntry { seq, time, name, data, id: EventID::new(epoch, seq, &hash) })?;
/// let file = export.finish()?;
///
/// let verified = verify_export(file.as_slice(), &[], None)?;
/// assert_eq!((verified.entries, verified.hash), (1, hash));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ExportWriter<W: Write> {
    to: W,
}

/// An entry as it stands in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedEntry<'a> {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
    /// The event's type.
    pub name: &'a str,
    /// The event's data: the very bytes that the hash chain covers.
    pub data: &'a str,
    /// Its id.
    pub id: EventID,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export of what follows entry `after`, up to which the hash chain is `hash`; 0 and
    /// [`ChainHash::GENESIS`] for a whole log. `epoch` is the lineage of the first entry.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(mut to: W, app_id: AppID, epoch: Epoch, after: u64, hash: ChainHash) -> io::Result<Self> {
        let header = Header { format: FORMAT.into(), app_id, epoch, after: After { seq: after, hash } };
        to.write_all(header.encode().as_bytes())?;
        Ok(Self { to })
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// The writer's; [`io::ErrorKind::InvalidData`] when the data is no JSON object on one line, and then nothing is written.
    pub fn entry(&mut self, entry: &ExportedEntry<'_>) -> io::Result<()> {
        let line = entry.encode().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the data of entry {} is no JSON object on one line", entry.seq),
            )
        })?;
        self.to.write_all(line.as_bytes())
    }

    /// Adds a signed head, right behind the entry that it ends with.
    ///
    /// # Errors
    /// The writer's.
    pub fn head(&mut self, head: &SignedHead) -> io::Result<()> {
        self.to.write_all(encode_head(head).as_bytes())
    }

    /// Ends the export, flushed.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    #[serde(rename = "appID")]
    pub(super) app_id: AppID,
    pub(super) epoch: Epoch,
    pub(super) after: After,
}

#[derive(Serialize, Deserialize)]
pub(super) struct After {
    pub(super) seq: u64,
    pub(super) hash: ChainHash,
}

impl Header {
    pub(super) fn encode(&self) -> String {
        line(serde_json::to_string(self))
    }
}

impl ExportedEntry<'_> {
    pub(super) fn encode(&self) -> Option<String> {
        #[derive(Serialize)]
        struct Line<'a> {
            seq: u64,
            time: UnixMillis,
            #[serde(rename = "type")]
            name: &'a str,
            data: &'a RawValue,
            id: EventID,
        }
        let Self { seq, time, name, data, id } = *self;
        let data = serde_json::from_str::<&RawValue>(data).ok().filter(|raw| raw.get() == data)?;
        // A reader takes `null` for no data at all.
        if !data.get().starts_with('{') || data.get().contains(['\n', '\r']) {
            return None;
        }
        Some(line(serde_json::to_string(&Line { seq, time, name, data, id })))
    }
}

pub(super) fn encode_head(head: &SignedHead) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        head: &'a SignedHead,
    }
    line(serde_json::to_string(&Line { head }))
}

fn line(json: serde_json::Result<String>) -> String {
    let mut line = json.expect("a line holds nothing that JSON cannot");
    line.push('\n');
    line
}

pub(super) const FORMAT: &str = "passkey-accounts-log-v1";
