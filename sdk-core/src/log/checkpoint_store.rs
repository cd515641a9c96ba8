//! Where a witness keeps what it remembers.

use std::{
    fs::{File, OpenOptions, rename},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Checkpoint;

/// Where a checkpoint is kept. Called on threads that may block.
pub trait CheckpointStore: Send + Sync {
    /// What was saved last; `None` before the first time.
    ///
    /// # Errors
    /// What the place says. A checkpoint that cannot be read is an error and not `None`: to begin anew would be to
    /// forget what the server must be held to.
    fn load(&self) -> io::Result<Option<Checkpoint>>;

    /// Keeps it in place of the one before. It must be safe from a crash when this returns.
    ///
    /// # Errors
    /// What the place says.
    fn save(&self, checkpoint: &Checkpoint) -> io::Result<()>;
}

impl<T: CheckpointStore + ?Sized> CheckpointStore for Arc<T> {
    fn load(&self) -> io::Result<Option<Checkpoint>> {
        (**self).load()
    }

    fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        (**self).save(checkpoint)
    }
}

/// A checkpoint in a file of its own, written for one process.
///
/// ```
/// use passkey_accounts::log::{Checkpoint, CheckpointStore, FileCheckpoints};
///
/// # let folder = std::env::temp_dir().join(format!("checkpoint-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let text = r#"{"appID":"app_081040g2081040g2081040g208","position":"k3f9-1042-Q7hB2cX0"}"#;
/// # let checkpoint: Checkpoint = serde_json::from_str(text)?;
/// let store = FileCheckpoints::new(folder.join("log.checkpoint"));
/// store.save(&checkpoint)?;
/// assert_eq!(store.load()?, Some(checkpoint));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileCheckpoints {
    path: PathBuf,
}

impl FileCheckpoints {
    /// A store at this path, in a folder that exists. The file `<path>.new` beside it is used too.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl CheckpointStore for FileCheckpoints {
    fn load(&self) -> io::Result<Option<Checkpoint>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        let checkpoint = serde_json::from_str(&text)?;
        Ok(Some(checkpoint))
    }

    fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut text = serde_json::to_string(checkpoint)?;
        text.push('\n');
        replace_file(&self.path, text.as_bytes())
    }
}

/// Writes beside and moves over: a crash leaves the old file or the new one, whole. Safe from a crash on return.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Makes the new name safe from a crash.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

// Elsewhere a folder cannot be opened as a file, and the system keeps the names itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// A checkpoint in memory: for tests, and for programs that compare within one run only.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<Option<Checkpoint>>);

impl CheckpointStore for MemoryCheckpoints {
    fn load(&self) -> io::Result<Option<Checkpoint>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint.clone());
        Ok(())
    }
}

/// Far more than a checkpoint takes.
const MAX_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::{CheckpointStore, FileCheckpoints};
    use crate::{
        log::{ChainHash, Checkpoint, Epoch, EventID},
        protocol::AppID,
    };

    fn checkpoint(seq: u64) -> Checkpoint {
        let hash = ChainHash([7; 32]);
        Checkpoint {
            app_id: Some(AppID::from_bytes([2; 16])),
            position: EventID::new(Epoch::from_random(7), seq, &hash),
            hash: Some(hash),
            head: None,
            accepted: None,
            past: vec![EventID::new(Epoch::from_random(6), 9, &hash)],
        }
    }

    #[test]
    fn a_file_keeps_the_last_checkpoint_and_one_that_is_broken_is_an_error() {
        let folder = std::env::temp_dir().join(format!("passkey-accounts-checkpoint-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("checkpoint");
        let store = FileCheckpoints::new(&path);
        assert_eq!(store.load().unwrap(), None);
        store.save(&checkpoint(1)).unwrap();
        store.save(&checkpoint(2)).unwrap();
        assert_eq!(FileCheckpoints::new(&path).load().unwrap(), Some(checkpoint(2)));
        // A crash in the middle of writing leaves the one before.
        std::fs::write(folder.join("checkpoint.new"), "{\"pos").unwrap();
        assert_eq!(store.load().unwrap(), Some(checkpoint(2)));
        std::fs::write(&path, "{\"pos").unwrap();
        assert!(store.load().is_err());
        std::fs::write(&path, "").unwrap();
        assert!(store.load().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
