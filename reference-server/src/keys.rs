//! API keys: `pa_<env>_<id>_<secret>_<crc32>`, shown once, stored as a hash; and what any key is checked with.

use std::fmt;

use data_encoding::{BASE32_DNSSEC, HEXLOWER};
use passkey_accounts::key_pair::PublicKey;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a key's public name: 16 characters.
const ID_BYTES: usize = 10;

/// Bytes of a key's secret: 52 characters.
const SECRET_BYTES: usize = 32;

/// What a key is for, readable in the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEnvironment {
    /// Made by `dev` for this machine.
    Dev,
    /// Made by an operator.
    Live,
}

impl KeyEnvironment {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Live => "live",
        }
    }
}

/// An API key in clear. `Debug` hides the secret.
#[derive(Clone)]
pub struct ApiKey {
    id: String,
    text: Zeroizing<String>,
}

impl ApiKey {
    /// Makes a key from random bytes.
    pub fn new(environment: KeyEnvironment, random: &[u8; ID_BYTES + SECRET_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        let id = BASE32_DNSSEC.encode(id);
        let mut text = Zeroizing::new(format!("pa_{}_{id}_", environment.as_str()));
        text.push_str(&Zeroizing::new(BASE32_DNSSEC.encode(secret)));
        let checksum = checksum(&text);
        text.push('_');
        text.push_str(&checksum);
        Self { id, text }
    }

    /// Reads a key as a back end sends it; `None` for anything misspelt, without asking the database.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, crc) = text.rsplit_once('_')?;
        let mut parts = body.split('_');
        let (prefix, environment, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_well_formed = prefix == "pa"
            && parts.next().is_none()
            && (environment == "dev" || environment == "live")
            && BASE32_DNSSEC.decode(id.as_bytes()).is_ok_and(|bytes| bytes.len() == ID_BYTES)
            && BASE32_DNSSEC.decode(secret.as_bytes()).is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
            && crc == checksum(body);
        is_well_formed.then(|| Self { id: id.to_owned(), text: Zeroizing::new(text.to_owned()) })
    }

    /// The key's public name, by which it is found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored: SHA-256 of the whole key. Its 256 random bits make a slow hash pointless.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.text.as_bytes()).as_ref(),
        );
        hash
    }

    /// Compares with a stored hash in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.hash().ct_eq(stored).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, secret hidden)", self.id)
    }
}

fn checksum(body: &str) -> String {
    HEXLOWER.encode(&crc32fast::hash(body.as_bytes()).to_be_bytes())
}

/// What a key is checked with: nothing that could be used in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCheck {
    /// SHA-256 of the whole API key.
    Hash([u8; 32]),
    /// The public half of a key pair.
    PublicKey(PublicKey),
}

impl KeyCheck {
    /// The key pair's public half; `None` for an API key.
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Hash(_) => None,
            Self::PublicKey(key) => Some(key),
        }
    }

    /// Whether this is the API key, in constant time.
    pub fn is(&self, key: &ApiKey) -> bool {
        matches!(self, Self::Hash(hash) if key.matches(hash))
    }

    /// What is stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        match self {
            Self::Hash(hash) => hash,
            Self::PublicKey(key) => key.as_bytes(),
        }
    }

    /// What kind it is, in the database.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hash(_) => "secret",
            Self::PublicKey(_) => "pair",
        }
    }

    /// Reads what was stored.
    pub fn read(kind: &str, bytes: [u8; 32]) -> Option<Self> {
        match kind {
            "secret" => Some(Self::Hash(bytes)),
            "pair" => PublicKey::from_bytes(bytes).ok().map(Self::PublicKey),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, KeyEnvironment};

    #[test]
    fn a_key_reads_back_and_matches_its_hash() {
        let key = ApiKey::new(KeyEnvironment::Live, &[9; 42]);
        let read = ApiKey::parse(key.reveal()).unwrap();
        assert_eq!(read.id(), key.id());
        assert!(read.matches(&key.hash()));
        assert!(!read.matches(&ApiKey::new(KeyEnvironment::Live, &[8; 42]).hash()));
        assert!(!read.matches(b"short"));
        assert!(key.reveal().starts_with("pa_live_"));
    }

    #[test]
    fn a_misspelt_key_is_noticed_without_the_database() {
        let key = ApiKey::new(KeyEnvironment::Dev, &[9; 42]);
        let text = key.reveal();
        for index in 0..text.len() {
            let mut wrong = text.to_owned();
            let replacement = if &text[index..=index] == "x" { "y" } else { "x" };
            wrong.replace_range(index..=index, replacement);
            assert!(ApiKey::parse(&wrong).is_none(), "{wrong}");
        }
        for wrong in ["", "pa", "pa_dev", "pa_dev___", &format!("{text}0"), &format!(" {text}")] {
            assert!(ApiKey::parse(wrong).is_none(), "{wrong}");
        }
        assert!(!format!("{key:?}").contains(&text[30..50]));
    }
}
