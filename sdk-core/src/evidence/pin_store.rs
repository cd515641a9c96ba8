//! Where pins are kept over restarts.

use std::{
    fs::File,
    io::{self, BufReader},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::Pins;
use crate::log::replace_file;

/// Where [`Pins`] are kept. Called on threads that may block.
pub trait PinStore: Send + Sync {
    /// What was saved last; `None` before the first time.
    ///
    /// # Errors
    /// What the place says. Pins that cannot be read are an error and not `None`: to begin anew would be to believe the
    /// server once more.
    fn load(&self) -> io::Result<Option<Pins>>;

    /// Keeps them in place of those before. They must be safe from a crash when this returns.
    ///
    /// # Errors
    /// What the place says.
    fn save(&self, pins: &Pins) -> io::Result<()>;
}

impl<T: PinStore + ?Sized> PinStore for Arc<T> {
    fn load(&self) -> io::Result<Option<Pins>> {
        (**self).load()
    }

    fn save(&self, pins: &Pins) -> io::Result<()> {
        (**self).save(pins)
    }
}

/// Pins in a file of their own, written for one process. The whole file is written each time.
///
/// ```
/// use passkey_accounts::evidence::{FilePins, PinStore, Pins};
///
/// # let folder = std::env::temp_dir().join(format!("pins-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let store = FilePins::new(folder.join("shop.pins"));
/// assert_eq!(store.load()?, None);
/// store.save(&Pins::default())?;
/// assert_eq!(store.load()?, Some(Pins::default()));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FilePins {
    path: PathBuf,
}

impl FilePins {
    /// A store at this path, in a folder that exists. The file `<path>.new` beside it is used too.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl PinStore for FilePins {
    fn load(&self) -> io::Result<Option<Pins>> {
        match File::open(&self.path) {
            Ok(file) => Ok(Some(serde_json::from_reader(BufReader::new(file))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, pins: &Pins) -> io::Result<()> {
        replace_file(&self.path, &serde_json::to_vec(pins)?)
    }
}

/// Pins in memory: for tests, and for programs that read the log from its beginning at every start.
#[derive(Debug, Default)]
pub struct MemoryPins(Mutex<Option<Pins>>);

impl PinStore for MemoryPins {
    fn load(&self) -> io::Result<Option<Pins>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn save(&self, pins: &Pins) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pins.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{FilePins, PinStore};

    #[test]
    fn a_file_that_is_broken_is_an_error_and_not_a_new_beginning() {
        let folder = std::env::temp_dir().join(format!("passkey-accounts-pins-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pins");
        for broken in ["", "{\"acc", "{} {}", "null"] {
            std::fs::write(&path, broken).unwrap();
            assert!(FilePins::new(&path).load().is_err(), "{broken}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
