//! The notes, in memory: each belongs to one account, and nobody else's are ever looked at.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use passkey_accounts::protocol::AccountID;
use serde::Serialize;
use tokio::sync::broadcast;

/// All notes. Gone when the process ends.
#[derive(Debug)]
pub(crate) struct Notes {
    of: Mutex<HashMap<AccountID, Vec<Note>>>,
    changes: broadcast::Sender<AccountID>,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// Names it; 16 random bytes in hexadecimal.
    pub(crate) id: String,
    /// 1 to [`MAX_CHARS`] characters.
    pub(crate) text: String,
}

/// Why a note is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a note has 1 to 500 characters")]
    Text,
    #[error("you have as many notes as you may; delete one first")]
    TooMany,
    #[error("the app is full")]
    Full,
}

impl Notes {
    /// An account's notes, the oldest first.
    pub(crate) fn list(&self, account_id: AccountID) -> Vec<Note> {
        self.lock().get(&account_id).cloned().unwrap_or_default()
    }

    /// One note of an account.
    pub(crate) fn find(&self, account_id: AccountID, id: &str) -> Option<Note> {
        self.lock().get(&account_id)?.iter().find(|note| note.id == id).cloned()
    }

    /// Adds a note with this id.
    pub(crate) fn add(&self, account_id: AccountID, id: String, text: &str) -> Result<Note, Refused> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MAX_CHARS {
            return Err(Refused::Text);
        }
        let note = Note { id, text: text.to_owned() };
        {
            let mut of = self.lock();
            if !of.contains_key(&account_id) && of.len() >= MAX_ACCOUNTS {
                return Err(Refused::Full);
            }
            let notes = of.entry(account_id).or_default();
            if notes.len() >= MAX_NOTES {
                return Err(Refused::TooMany);
            }
            notes.push(note.clone());
        }
        self.tell(account_id);
        Ok(note)
    }

    /// Deletes a note; `false` if it was gone.
    pub(crate) fn delete(&self, account_id: AccountID, id: &str) -> bool {
        let is_deleted = {
            let mut of = self.lock();
            let Some(notes) = of.get_mut(&account_id) else { return false };
            let before = notes.len();
            notes.retain(|note| note.id != id);
            let is_deleted = notes.len() < before;
            if notes.is_empty() {
                of.remove(&account_id);
            }
            is_deleted
        };
        if is_deleted {
            self.tell(account_id);
        }
        is_deleted
    }

    /// Whose notes change from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<AccountID> {
        self.changes.subscribe()
    }

    fn tell(&self, account_id: AccountID) {
        // Nobody may be listening.
        let _ = self.changes.send(account_id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountID, Vec<Note>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Notes {
    fn default() -> Self {
        Self { of: Mutex::default(), changes: broadcast::channel(UNREAD_CHANGES).0 }
    }
}

/// The longest note.
const MAX_CHARS: usize = 500;

/// The most notes of one account.
const MAX_NOTES: usize = 100;

/// The most accounts with notes.
const MAX_ACCOUNTS: usize = 10_000;

/// Changes that a socket may be behind; then it reads the notes once more.
const UNREAD_CHANGES: usize = 256;

#[cfg(test)]
mod tests {
    use super::{AccountID, MAX_CHARS, MAX_NOTES, Notes, Refused};

    #[test]
    fn an_account_sees_and_deletes_its_own_notes_only() {
        let (notes, ada, grace) =
            (Notes::default(), AccountID::from_bytes([1; 16]), AccountID::from_bytes([2; 16]));
        let note = notes.add(ada, "n1".into(), " buy milk ").unwrap();
        assert_eq!((note.text.as_str(), notes.list(ada)), ("buy milk", vec![note.clone()]));
        assert!(notes.list(grace).is_empty() && notes.find(grace, "n1").is_none());
        assert!(!notes.delete(grace, "n1") && notes.delete(ada, "n1") && !notes.delete(ada, "n1"));
    }

    #[test]
    fn notes_are_bounded() {
        let (notes, ada) = (Notes::default(), AccountID::from_bytes([1; 16]));
        for text in ["", "  ", &"é".repeat(MAX_CHARS + 1)] {
            assert_eq!(notes.add(ada, "n".into(), text), Err(Refused::Text));
        }
        for number in 0..MAX_NOTES {
            notes.add(ada, number.to_string(), &"é".repeat(MAX_CHARS)).unwrap();
        }
        assert_eq!(notes.add(ada, "n".into(), "one more"), Err(Refused::TooMany));
    }
}
