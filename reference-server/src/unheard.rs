//! What a connection has carried since its peer was last understood: without a bound on it, frames that never become a
//! message would be read for ever.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Counts the bytes of one connection. Whoever reads it adds, whoever understands what was read clears.
#[derive(Debug, Clone)]
pub struct Unheard(Arc<Count>);

#[derive(Debug)]
struct Count {
    bytes: AtomicUsize,
    most: AtomicUsize,
}

/// More was read than any message needs.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("more bytes came than a message needs")]
pub struct TooMuch;

impl Unheard {
    /// Without a limit: requests have limits of their own.
    pub fn unlimited() -> Self {
        Self(Arc::new(Count { bytes: AtomicUsize::new(0), most: AtomicUsize::new(usize::MAX) }))
    }

    /// Begins to count anew, up to `most` bytes.
    pub fn limit(&self, most: usize) {
        self.0.most.store(most, Relaxed);
        self.clear();
    }

    /// Something was understood.
    pub fn clear(&self) {
        self.0.bytes.store(0, Relaxed);
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    /// [`TooMuch`] inside, when they are more than may be.
    pub fn add(&self, bytes: usize) -> io::Result<()> {
        let before = self.0.bytes.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.0.most.load(Relaxed) {
            return Err(io::Error::other(TooMuch));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Unheard;

    #[test]
    fn only_what_came_since_something_was_understood_counts() {
        let unheard = Unheard::unlimited();
        unheard.add(1 << 40).unwrap();
        unheard.limit(100);
        unheard.add(60).unwrap();
        unheard.clear();
        unheard.add(60).unwrap();
        unheard.add(40).unwrap();
        assert!(unheard.add(1).is_err());
        unheard.limit(10);
        unheard.add(10).unwrap();
    }
}
