//! Positions in a log: `<epoch>-<seq>-<hash prefix>`, opaque to clients, checked by the server on every use.

use alloc::string::ToString;
use core::{fmt, str::FromStr};

use super::ChainHash;
use crate::protocol::base64url;

/// The lineage of a log: four characters of `0-9a-v`, new when an operator restores a backup.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 4]);

impl Epoch {
    /// The epoch named by the low 20 of these random bits.
    pub fn from_random(bits: u32) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let digit = |shift: u32| {
            let index = (bits >> shift) & 31;
            ALPHABET.get(index as usize).copied().unwrap_or(b'0')
        };
        Self([digit(15), digit(10), digit(5), digit(0)])
    }

    /// The four characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("made of ASCII only")
    }
}

impl FromStr for Epoch {
    type Err = NotAnEventID;

    fn from_str(text: &str) -> Result<Self, NotAnEventID> {
        let bytes: [u8; 4] = text.as_bytes().try_into().map_err(|_| NotAnEventID)?;
        if bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')) {
            Ok(Self(bytes))
        } else {
            Err(NotAnEventID)
        }
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of an event: a position that says which history it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventID {
    /// The log's lineage.
    pub epoch: Epoch,
    /// The event's number; 0 is the position before the first event.
    pub seq: u64,
    /// The first 48 bits of the chain hash at that number: catches a restored backup that nobody announced.
    pub prefix: [u8; 6],
}

impl EventID {
    /// The id of the entry with this number and hash.
    pub fn new(epoch: Epoch, seq: u64, hash: &ChainHash) -> Self {
        let [a, b, c, d, e, f, ..] = hash.0;
        Self { epoch, seq, prefix: [a, b, c, d, e, f] }
    }

    /// Whether this id belongs to an entry with that hash.
    pub fn matches(&self, hash: &ChainHash) -> bool {
        hash.0.starts_with(&self.prefix)
    }
}

impl fmt::Display for EventID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.epoch.as_str(), self.seq, base64url::encode(self.prefix))
    }
}

impl FromStr for EventID {
    type Err = NotAnEventID;

    fn from_str(text: &str) -> Result<Self, NotAnEventID> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(NotAnEventID);
        let (epoch, number, prefix) = (part()?.parse()?, part()?, part()?);
        let seq = number.parse::<u64>().map_err(|_| NotAnEventID)?;
        // One spelling per position: "+7" and "007" are not numbers here.
        if seq.to_string() != number {
            return Err(NotAnEventID);
        }
        let prefix = base64url::decode_array(prefix).map_err(|_| NotAnEventID)?;
        Ok(Self { epoch, seq, prefix })
    }
}

/// The text is not an event id of this server's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event id")]
pub struct NotAnEventID;

#[cfg(test)]
mod tests {
    use super::{ChainHash, Epoch, EventID};

    #[test]
    fn an_event_id_has_one_spelling() {
        let id = EventID::new(Epoch::from_random(0xf_ffff), 1042, &ChainHash([0xfb; 32]));
        assert_eq!(id.to_string(), "vvvv-1042--_v7-_v7");
        assert_eq!("vvvv-1042--_v7-_v7".parse(), Ok(id));
        for wrong in [
            "",
            "vvvv-1042",
            "vvvw-1042--_v7-_v7",
            "vvvv-01042--_v7-_v7",
            "vvvv-+1--_v7-_v7",
            "vvvv-1--_v7-_v7x",
        ] {
            assert!(wrong.parse::<EventID>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_of_another_history_does_not_match() {
        let id = EventID::new(Epoch::from_random(1), 5, &ChainHash([9; 32]));
        assert!(id.matches(&ChainHash([9; 32])));
        assert!(!id.matches(&ChainHash([8; 32])));
    }
}
