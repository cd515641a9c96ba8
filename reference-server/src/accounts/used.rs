//! The use of a passkey: counter, backup state and day, taken over in the transaction of what it was used for.

use std::sync::Arc;

use passkey_accounts::{
    defended,
    evidence::Counter,
    protocol::{
        AccountID, AppID, PasskeyID, UnixMillis,
        event::{CounterRegressed, EventKind},
    },
};

use super::Passkey;
use crate::{
    crypto::Keyring,
    store::{StoreError, Write},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What a verified assertion says of its passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Whose passkey.
    pub account_id: AccountID,
    /// The passkey.
    pub passkey_id: PasskeyID,
    /// The authenticator's counter.
    pub sign_count: u32,
    /// The passkey is backed up now.
    pub backed_up: bool,
}

/// A use that is compared with the record as of this transaction and not yet written.
#[derive(Debug)]
pub(super) struct Used {
    app_id: AppID,
    usage: Usage,
    passkey: Passkey,
}

impl Used {
    /// Reads the passkey's record. Minutes may lie between challenge and answer: `None` when the passkey, or its whole
    /// account, was removed meanwhile.
    pub(super) async fn find(
        write: &mut Write,
        keyring: &Keyring,
        app_id: AppID,
        usage: Usage,
    ) -> Result<Option<Self>, StoreError> {
        let Usage { account_id, passkey_id, .. } = usage;
        let Some(row) = write.passkey(app_id, account_id, passkey_id).await? else { return Ok(None) };
        let opened = Passkey::open(keyring, app_id, account_id, passkey_id, &row.sealed);
        let opened = opened.inspect_err(
            |error| tracing::error!(%error, passkey.id = %passkey_id, "a passkey's row does not open"),
        );
        Ok(opened.ok().map(|passkey| Self { app_id, usage, passkey }))
    }

    /// Writes what has changed: few uses do, but for authenticators that count. The event of a counter that did not rise
    /// comes first.
    pub(super) async fn record(self, write: &mut Write, keyring: &Arc<Keyring>) -> Result<(), StoreError> {
        let Self { app_id, usage: Usage { account_id, passkey_id, sign_count, backed_up }, mut passkey } =
            self;
        let (stored, today) = (passkey.sign_count, day(write.now()));
        let has_changed = sign_count > stored
            || passkey.backed_up != backed_up
            || passkey.last_used_at.is_none_or(|last| last < today);
        if has_changed {
            // A counter that fell is not taken over: the higher one is the better witness.
            passkey.sign_count = stored.max(sign_count);
            passkey.backed_up = backed_up;
            passkey.last_used_at = Some(today.max(passkey.last_used_at.unwrap_or(today)));
            let sealed = passkey.seal(keyring, app_id, account_id, passkey_id);
            write.update_passkey(passkey_id, &sealed).await?;
        }
        if Counter::compare(stored, sign_count) == Counter::Regressed && defended!(CounterWatched) {
            let event = CounterRegressed { account_id, passkey_id, stored, received: sign_count };
            write.append(app_id, &EventKind::CounterRegressed(event))?;
        }
        Ok(())
    }
}

/// The beginning of a time's day (UTC).
const fn day(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.0 - time.0 % DAY_MS)
}
