//! The roll of an app: what it is, and which accounts, API keys and sessions it has, each at which version. It is in
//! memory; of the database it says what belongs there, so that what was removed, added or put back is noticed.

use std::sync::Arc;

use imbl::{HashSet, OrdMap};
use passkey_accounts::protocol::AccountID;

use super::{AppRow, KeyRow, Suspect, rows::optional};
use crate::{crypto::Keyring, log::Place, sessions::Session};

/// What is left of an address's keyed index in memory.
type Address = [u8; 16];

/// The roll as of some action. The maps are persistent: a clone costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Roll {
    app: Option<Arc<AppRow>>,
    accounts: OrdMap<AccountID, (u64, Address)>,
    addresses: HashSet<Address>,
    keys: OrdMap<String, Arc<KeyRow>>,
    suspects: HashSet<Suspect>,
    /// The tags of everything on the roll, added up bit by bit: no row is there twice, so none cancels another one.
    sum: [u8; 32],
}

impl Roll {
    /// The app itself; `None` for a log that belongs to no database.
    pub fn app(&self) -> Option<&AppRow> {
        self.app.as_deref()
    }

    /// The version of an account; `None` when the app has no such account.
    pub fn version(&self, account_id: AccountID) -> Option<u64> {
        self.accounts.get(&account_id).map(|(version, _)| *version)
    }

    /// The accounts, in the order of their names.
    pub fn accounts(&self) -> impl Iterator<Item = AccountID> {
        self.accounts.keys().copied()
    }

    /// Whether an address has an account.
    pub fn has_address(&self, email_index: &[u8; 32]) -> bool {
        self.addresses.contains(&address(email_index))
    }

    /// The API key with that name.
    pub fn key(&self, key_id: &str) -> Option<&Arc<KeyRow>> {
        self.keys.get(key_id)
    }

    /// The API keys, in the order of their names. One whose row was changed is not among them.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<KeyRow>> {
        self.keys.values()
    }

    pub(super) fn set_app(&mut self, row: AppRow) {
        self.app = Some(Arc::new(row));
    }

    /// Puts an account on the roll, or its next version.
    pub(super) fn set_account(
        &mut self,
        keyring: &Keyring,
        account_id: AccountID,
        version: u64,
        email_index: &[u8; 32],
    ) {
        let address = address(email_index);
        self.remove_account(keyring, account_id);
        self.toggle(account_tag(keyring, account_id, version, &address));
        self.accounts.insert(account_id, (version, address));
        self.addresses.insert(address);
    }

    pub(super) fn remove_account(&mut self, keyring: &Keyring, account_id: AccountID) {
        let Some((version, address)) = self.accounts.remove(&account_id) else { return };
        self.addresses.remove(&address);
        self.toggle(account_tag(keyring, account_id, version, &address));
    }

    /// Counts a version of an API key in, or out again.
    pub(super) fn toggle_key(&mut self, keyring: &Keyring, key_id: &str, version: u64) {
        self.toggle(keyring.derive_roll_tag("api-key", &[key_id.as_bytes(), &version.to_be_bytes()]));
    }

    /// Makes a key known that is counted already.
    pub(super) fn show_key(&mut self, row: KeyRow) {
        self.keys.insert(row.key_id.clone(), Arc::new(row));
    }

    /// Counts a session in, or out again. What a session is never changes.
    pub(super) fn toggle_session(&mut self, keyring: &Keyring, session: &Session) {
        self.toggle(keyring.derive_roll_tag(
            "session",
            &[
                session.session_id.as_bytes(),
                session.account_id.as_bytes(),
                session.passkey_id.as_bytes(),
                session.origin.as_bytes(),
                &session.session_key.x.0,
                &session.session_key.y.0,
                &session.started_at.0.to_be_bytes(),
                &session.expires_at.0.to_be_bytes(),
                &session.idle_ms.to_be_bytes(),
                &session.grace_ms.to_be_bytes(),
                session.user_agent.as_bytes(),
            ],
        ));
    }

    /// Remembers that something of the app was tampered with; `false` if that is known already.
    pub(super) fn suspect(&mut self, suspect: Suspect) -> bool {
        self.suspects.insert(suspect).is_none()
    }

    /// What the app adds to the roll of the whole database: everything on this roll, and where its log is.
    pub(super) fn tag(&self, keyring: &Keyring, start: Place, head: Place) -> [u8; 32] {
        let Some(AppRow { app, policy, origins, created_at, retention_ms, retention_events }) = self.app()
        else {
            return [0; 32];
        };
        let hold = optional(app.recovery_hold_ms);
        let (retention_ms, retention_events) = (optional(*retention_ms), optional(*retention_events));
        let created_at = created_at.0.to_be_bytes();
        let (first, last) = (start.id.seq.to_be_bytes(), head.id.seq.to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![
            app.app_id.as_bytes(),
            app.name.as_bytes(),
            app.rp_id.as_bytes(),
            origins.as_bytes(),
            policy.as_bytes(),
            &created_at,
            &retention_ms,
            &retention_events,
            head.id.epoch.as_str().as_bytes(),
            &first,
            &start.hash.0,
            &last,
            &head.hash.0,
            &self.sum,
        ];
        // Databases from before there was such a thing have no such part.
        if !hold.is_empty() {
            parts.push(&hold);
        }
        keyring.derive_roll_tag("app", &parts)
    }

    fn toggle(&mut self, tag: [u8; 32]) {
        add(&mut self.sum, tag);
    }
}

/// Adds a tag to a sum, or takes it out again.
pub(super) fn add(sum: &mut [u8; 32], tag: [u8; 32]) {
    for (byte, of_tag) in sum.iter_mut().zip(tag) {
        *byte ^= of_tag;
    }
}

fn account_tag(keyring: &Keyring, account_id: AccountID, version: u64, address: &Address) -> [u8; 32] {
    keyring.derive_roll_tag("account", &[account_id.as_bytes(), &version.to_be_bytes(), address])
}

fn address(email_index: &[u8; 32]) -> Address {
    let mut address = [0; 16];
    address.copy_from_slice(email_index.split_at(16).0);
    address
}

#[cfg(test)]
mod tests {
    use super::{AccountID, Keyring, Roll};

    #[test]
    fn the_sum_says_which_rows_there_are_and_not_in_which_order_they_came() {
        let keyring = Keyring::of(&[7; 32]);
        let [a, b] = [1, 2].map(|byte| AccountID::from_bytes([byte; 16]));
        let mut roll = Roll::default();
        roll.set_account(&keyring, a, 1, &[1; 32]);
        let only_a = roll.sum;
        roll.set_account(&keyring, b, 1, &[2; 32]);
        roll.set_account(&keyring, a, 2, &[1; 32]);
        let mut other = Roll::default();
        other.set_account(&keyring, a, 2, &[1; 32]);
        other.set_account(&keyring, b, 1, &[2; 32]);
        assert_eq!(roll.sum, other.sum);
        other.set_account(&keyring, a, 1, &[1; 32]);
        assert_ne!(roll.sum, other.sum, "a version counts");
        other.remove_account(&keyring, b);
        assert_eq!(other.sum, only_a);
        assert!(!other.has_address(&[2; 32]) && other.has_address(&[1; 32]));
        let moved = &mut Roll::default();
        moved.set_account(&keyring, a, 1, &[3; 32]);
        assert_ne!(moved.sum, only_a, "an address counts");
    }
}
