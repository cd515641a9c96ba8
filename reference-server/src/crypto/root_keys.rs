//! Root keys: where they come from, what they are called, how another one is added.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use aws_lc_rs::hkdf;
use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use crate::clock::make_random;

/// Length of a root key.
pub const ROOT_KEY_BYTES: usize = 32;

/// Root keys that a ring may have: more would only hide one that was to be removed.
const MAX_ROOT_KEYS: usize = 16;

/// What a root key is called, in logs and in what it sealed: 4 bytes derived from it, shown as 8 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootKeyID(pub [u8; 4]);

impl fmt::Display for RootKeyID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl std::str::FromStr for RootKeyID {
    type Err = RootKeyError;

    fn from_str(text: &str) -> Result<Self, RootKeyError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(RootKeyError::NotAnID)
    }
}

/// Root keys, as they were read. The first one seals, all of them open. Never empty; no key comes twice.
#[derive(Clone)]
pub struct RootKeys(Vec<Zeroizing<[u8; ROOT_KEY_BYTES]>>);

impl RootKeys {
    /// One key.
    pub fn one(key: &[u8; ROOT_KEY_BYTES]) -> Self {
        Self(vec![Zeroizing::new(*key)])
    }

    /// Reads 1 to 16 keys of 64 hexadecimal digits each, with commas, spaces or line breaks between them. `shown` says
    /// where the text comes from.
    ///
    /// # Errors
    /// [`RootKeyError::NotAKey`] and [`RootKeyError::Twice`]
    pub fn parse(text: &str, shown: &str) -> Result<Self, RootKeyError> {
        let not_a_key = || RootKeyError::NotAKey(shown.to_owned());
        let mut keys: Vec<Zeroizing<[u8; ROOT_KEY_BYTES]>> = Vec::new();
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(word.as_bytes()).map_err(|_| not_a_key())?);
            let key = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| not_a_key())?);
            if keys.iter().any(|known| id(known) == id(&key)) {
                return Err(RootKeyError::Twice(id(&key), shown.to_owned()));
            }
            keys.push(key);
        }
        if (1..=MAX_ROOT_KEYS).contains(&keys.len()) { Ok(Self(keys)) } else { Err(not_a_key()) }
    }

    /// The keys, the one that seals first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RootKeyID, &[u8; ROOT_KEY_BYTES])> {
        self.0.iter().map(|key| (id(key), &**key))
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> [u8; ROOT_KEY_BYTES] {
        let (_, key) = self.iter().next().expect("there is at least one root key");
        *key
    }

    /// What they are called, the one that seals first.
    pub fn ids(&self) -> Vec<RootKeyID> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// The same ring with another key in front, which seals from now on.
    ///
    /// # Errors
    /// [`RootKeyError::TooMany`]
    pub fn turned(&self, key: &[u8; ROOT_KEY_BYTES]) -> Result<Self, RootKeyError> {
        if self.0.len() >= MAX_ROOT_KEYS {
            return Err(RootKeyError::TooMany);
        }
        Ok(Self(std::iter::once(Zeroizing::new(*key)).chain(self.0.iter().cloned()).collect()))
    }

    /// The same ring without that key; `None` when it has no such key, or no other.
    #[must_use]
    pub fn without(&self, retired: RootKeyID) -> Option<Self> {
        let left: Vec<_> = self.0.iter().filter(|key| id(key) != retired).cloned().collect();
        (left.len() < self.0.len() && !left.is_empty()).then_some(Self(left))
    }

    /// One key a line: what [`parse`](Self::parse) reads.
    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for key in &self.0 {
            text.push_str(&Zeroizing::new(HEXLOWER_PERMISSIVE.encode(&**key)));
            text.push('\n');
        }
        text
    }

    /// Replaces the file at `path`: whoever reads it meanwhile, or after a crash, finds the old keys or the new ones.
    ///
    /// # Errors
    /// [`RootKeyError::Unreadable`]
    pub fn store(&self, path: &Path) -> Result<(), RootKeyError> {
        replace_secret(path, self.to_text().trim_end())
            .map_err(|error| RootKeyError::Unreadable(path.display().to_string(), error))
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RootKeys").field(&self.ids()).finish()
    }
}

fn id(key: &[u8; ROOT_KEY_BYTES]) -> RootKeyID {
    let mut bytes = [0; 4];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"passkey-accounts/root-key-id/v1")
        .extract(key)
        .expand(&[b"id".as_slice()], IDBytes)
        .and_then(|output| output.fill(&mut bytes))
        .expect("HKDF-SHA-256 can give 4 bytes");
    RootKeyID(bytes)
}

struct IDBytes;

impl hkdf::KeyType for IDBytes {
    fn len(&self) -> usize {
        4
    }
}

/// Where root keys are read from.
#[derive(Clone)]
pub enum RootKeySource {
    /// A file that its owner alone can read.
    File(PathBuf),
    /// The text itself, from the environment.
    Text(Zeroizing<String>),
    /// What a program prints: its name and arguments, with spaces between them. No shell is asked.
    Command(String),
    /// Keys that are in this process already.
    Keys(RootKeys),
}

impl RootKeySource {
    /// Reads the keys.
    ///
    /// # Errors
    /// [`RootKeyError`] says what to do.
    pub fn read(&self) -> Result<RootKeys, RootKeyError> {
        match self {
            Self::File(path) => {
                let shown = path.display().to_string();
                let text = match fs::read_to_string(path) {
                    Ok(text) => Zeroizing::new(text),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(RootKeyError::Missing(shown));
                    }
                    Err(error) => return Err(RootKeyError::Unreadable(shown, error)),
                };
                refuse_if_others_can_read(path)?;
                RootKeys::parse(&text, &shown)
            }
            Self::Text(text) => RootKeys::parse(text, "the environment"),
            Self::Command(command) => {
                let mut words = command.split_whitespace();
                let failed = |why: String| RootKeyError::Command(command.clone(), why);
                let program = words.next().ok_or_else(|| failed("it is empty".to_owned()))?;
                let output =
                    Command::new(program).args(words).output().map_err(|error| failed(error.to_string()))?;
                let printed = Zeroizing::new(output.stdout);
                if !output.status.success() {
                    return Err(failed(output.status.to_string()));
                }
                let text = std::str::from_utf8(&printed).map_err(|_| failed("not text".to_owned()))?;
                RootKeys::parse(text, &format!("what `{command}` prints"))
            }
            Self::Keys(keys) => Ok(keys.clone()),
        }
    }

    /// Reads the keys of the file at `path`; makes one there if there is none.
    ///
    /// # Errors
    /// [`RootKeyError`]
    pub fn read_or_make(path: &Path) -> Result<RootKeys, RootKeyError> {
        match Self::File(path.to_owned()).read() {
            Err(RootKeyError::Missing(shown)) => {
                let keys = RootKeys::one(&Zeroizing::new(make_random()));
                write_secret(path, keys.to_text().trim_end())
                    .map_err(|error| RootKeyError::Unreadable(shown, error))?;
                Ok(keys)
            }
            read => read,
        }
    }
}

impl fmt::Debug for RootKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(hidden)"),
            Self::Command(command) => f.debug_tuple("Command").field(command).finish(),
            Self::Keys(keys) => f.debug_tuple("Keys").field(keys).finish(),
        }
    }
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// The operating system's; also when the file exists.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Replaces a file that only its owner can read: whoever reads it meanwhile, or after a crash, finds the old text or the
/// new one.
///
/// # Errors
/// The operating system's.
pub fn replace_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_secret(&beside, text)?;
    fs::rename(&beside, path)?;
    // The rename is on the disk when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(unix)]
fn refuse_if_others_can_read(path: &Path) -> Result<(), RootKeyError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = || path.display().to_string();
    let mode =
        fs::metadata(path).map_err(|error| RootKeyError::Unreadable(shown(), error))?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(RootKeyError::Exposed(shown())) }
}

#[cfg(not(unix))]
fn refuse_if_others_can_read(_: &Path) -> Result<(), RootKeyError> {
    Ok(())
}

/// Why there are no root keys. Each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file does not exist.
    #[error("there is no root key at {0}; make one with: (umask 077; openssl rand -hex 32 > {0})")]
    Missing(String),
    /// The operating system says no.
    #[error("the root key at {0} cannot be read or written: {1}")]
    Unreadable(String, #[source] io::Error),
    /// Something is not a key.
    #[error("{0} must hold 1 to 16 root keys of 64 hexadecimal digits (32 bytes) each, and nothing else")]
    NotAKey(String),
    /// A ring has an end.
    #[error("there are 16 root keys already; retire old ones first: passkey-accounts root-key retire")]
    TooMany,
    /// One key would have two places.
    #[error("the root key {0} comes twice in {1}; remove one of the two lines")]
    Twice(RootKeyID, String),
    /// Other users of the machine can read it.
    #[error("the root key at {0} can be read by other users; run: chmod 600 {0}")]
    Exposed(String),
    /// The program that prints them does not.
    #[error("root_key_command `{0}` gives no root key: {1}; run it by hand, as the server's user")]
    Command(String, String),
    /// A name of a key is something else.
    #[error("a root key's id is 8 hexadecimal digits; see: passkey-accounts root-key list")]
    NotAnID,
}

#[cfg(test)]
mod tests {
    use super::{RootKeyError, RootKeySource, RootKeys};

    #[test]
    fn keys_are_read_in_their_order_and_nothing_else_is_taken_for_one() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        for text in [format!("{a}\n{b}\n"), format!("{a},{b}"), format!("  {a}   {b}")] {
            let ids = RootKeys::parse(&text, "x").unwrap().ids();
            assert_eq!(ids, [RootKeys::one(&[10; 32]).ids(), RootKeys::one(&[11; 32]).ids()].concat());
        }
        for text in ["", "# key", &a[1..], &format!("{a}0b"), &format!("{a} x")] {
            assert!(matches!(RootKeys::parse(text, "x"), Err(RootKeyError::NotAKey(_))), "{text}");
        }
        assert!(matches!(RootKeys::parse(&format!("{a} {a}"), "x"), Err(RootKeyError::Twice(..))));
    }

    #[test]
    fn a_command_may_print_them_and_says_why_it_does_not() {
        let printing = |command: &str| RootKeySource::Command(command.to_owned()).read();
        let keys = printing(&format!("echo {}", "0a".repeat(32))).unwrap();
        assert_eq!(keys.ids(), RootKeys::one(&[10; 32]).ids());
        for (command, why) in [("false", "exit status"), ("/nowhere/at/all", "No such file"), ("", "empty")] {
            let error = printing(command).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_turned_ring_seals_with_the_new_key_and_a_retired_key_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let first = RootKeySource::read_or_make(&path).unwrap();
        let turned = first.turned(&[2; 32]).unwrap();
        turned.store(&path).unwrap();
        let read = RootKeySource::File(path).read().unwrap();
        assert_eq!(read.ids(), [RootKeys::one(&[2; 32]).ids(), first.ids()].concat());
        assert_eq!(read.without(first.ids()[0]).unwrap().ids(), RootKeys::one(&[2; 32]).ids());
        assert!(first.without(first.ids()[0]).is_none(), "the last key stays");
        assert!(first.without(turned.ids()[0]).is_none());
    }
}
