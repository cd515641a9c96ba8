//! The use of a passkey: counter, backup state and day, taken over in the transaction of what it was used for.

use passkey_accounts::{
    defended,
    evidence::Counter,
    protocol::{
        AccountID, AppID, PasskeyID, UnixMillis,
        event::{CounterRegressed, EventKind},
    },
};

use super::{Browser, Passkey};
use crate::store::{AccountRow, StoreError, Wanted, Write};

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
    /// The account, to be written in the same transaction.
    pub(super) account: AccountRow,
    usage: Usage,
    passkey: Passkey,
}

impl Used {
    /// Reads the passkey's record. Minutes may lie between challenge and answer: `None` when the passkey, or its whole
    /// account, was removed meanwhile.
    pub(super) async fn find(
        write: &mut Write,
        app_id: AppID,
        usage: Usage,
    ) -> Result<Option<Self>, StoreError> {
        let account = write.account(app_id, Wanted::Account(usage.account_id)).await?;
        let Some(account) = account else { return Ok(None) };
        let Some(row) = account.passkeys.iter().find(|row| row.passkey_id == usage.passkey_id) else {
            return Ok(None);
        };
        let passkey = Passkey::from_record(&row.record)?;
        Ok(Some(Self { account, usage, passkey }))
    }

    /// Writes what has changed: few uses do, but for authenticators that count. The event of a counter that did not rise
    /// comes first. Returns the account as it is then.
    pub(super) async fn record(self, write: &mut Write) -> Result<AccountRow, StoreError> {
        Ok(self.record_in(write, None).await?.0)
    }

    /// As [`record`](Self::record), in this browser: also says whether the passkey was known to be used in others only.
    pub(super) async fn record_in(
        self,
        write: &mut Write,
        browser: Option<&Browser>,
    ) -> Result<(AccountRow, bool), StoreError> {
        let Self { mut account, usage: Usage { account_id, passkey_id, sign_count, backed_up }, mut passkey } =
            self;
        let (stored, today) = (passkey.sign_count, day(write.now()));
        // One from before browsers were remembered says nothing of the first.
        let knows_any = !passkey.browsers.is_empty();
        let is_new = browser.is_some_and(|browser| passkey.meet(browser));
        let has_changed = is_new
            || sign_count > stored
            || passkey.backed_up != backed_up
            || passkey.last_used_at.is_none_or(|last| last < today);
        if has_changed {
            // A counter that fell is not taken over: the higher one is the better witness.
            passkey.sign_count = stored.max(sign_count);
            passkey.backed_up = backed_up;
            passkey.last_used_at = Some(today.max(passkey.last_used_at.unwrap_or(today)));
            let record = passkey.to_record();
            write.update_passkey(&mut account, passkey_id, &passkey.credential_id, record).await?;
        }
        if Counter::compare(stored, sign_count) == Counter::Regressed && defended!(CounterWatched) {
            let event = CounterRegressed { account_id, passkey_id, stored, received: sign_count };
            write.append(account.app_id, &EventKind::CounterRegressed(event))?;
        }
        Ok((account, is_new && knows_any))
    }
}

/// The beginning of a time's day (UTC).
const fn day(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.0 - time.0 % DAY_MS)
}
