//! The hash chain: each entry's hash covers all entries before it (docs/protocol.md, "Tamper evidence").

use sha2::{Digest, Sha256};

use super::Epoch;
use crate::protocol::{AppID, UnixMillis};

/// The hash of an entry and, through it, of everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What the first entry of a log follows.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of `entry` following this one:
    /// `SHA-256(0x01 || h(n-1) || SHA-256(lp(app) || lp(epoch) || u64(seq) || u64(ms) || lp(type) || lp(data)))`,
    /// where `lp` is a 4-byte big-endian length and the bytes.
    pub fn followed_by(&self, entry: &Entry<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update([0x01]);
        hash.update(self.0);
        hash.update(entry.digest());
        Self(hash.finalize().into())
    }
}

/// What the chain covers of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Whose log.
    pub app_id: AppID,
    /// The log's lineage.
    pub epoch: Epoch,
    /// The entry's number, from 1.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
    /// The event's type.
    pub name: &'a str,
    /// The event's data: the very bytes that are stored and sent.
    pub data: &'a str,
}

impl Entry<'_> {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        update_prefixed(&mut hash, self.app_id.text().as_bytes());
        update_prefixed(&mut hash, self.epoch.as_str().as_bytes());
        hash.update(self.seq.to_be_bytes());
        hash.update(self.time.0.to_be_bytes());
        update_prefixed(&mut hash, self.name.as_bytes());
        update_prefixed(&mut hash, self.data.as_bytes());
        hash.finalize().into()
    }
}

fn update_prefixed(hash: &mut Sha256, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("every part is far below 4 GiB");
    hash.update(length.to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::{ChainHash, Entry};
    use crate::{
        log::Epoch,
        protocol::{AppID, UnixMillis, base64url::encode},
    };

    #[test]
    fn every_member_of_an_entry_changes_the_hash() {
        let base = Entry {
            app_id: AppID::from_bytes([2; 16]),
            epoch: Epoch::from_random(7),
            seq: 1,
            time: UnixMillis(1_000),
            name: "registered",
            data: "{}",
        };
        let first = ChainHash::GENESIS.followed_by(&base);
        assert_eq!(encode(first.0), "UoLdYIAPL_K4sq4AHu3IQRHc697V9o7Nxr7d-94yh-s");
        for other in [
            Entry { app_id: AppID::from_bytes([3; 16]), ..base },
            Entry { epoch: Epoch::from_random(8), ..base },
            Entry { seq: 2, ..base },
            Entry { time: UnixMillis(1_001), ..base },
            Entry { name: "registere", data: "d{}", ..base },
            Entry { data: "{ }", ..base },
        ] {
            assert_ne!(ChainHash::GENESIS.followed_by(&other), first, "{other:?}");
        }
        assert_ne!(first.followed_by(&base), first);
    }
}
