//! A batch of items as bytes in memory, for languages that read memory faster than records (Swift): nothing of an item is made
//! before it is looked at.
//!
//! Numbers are big-endian. `text` and `bytes` are a length (u32) and so many bytes; what is optional begins with 0 or 1 (u8).
//!
//! | of a record | |
//! | --- | --- |
//! | length | u32, of the rest |
//! | receipt, lane, lease | u64, u32, u64 |
//! | kind | u8: 0 for an event, 1 for anything else |
//! | of an event: seq, time | u64, u64 (milliseconds since 1970) |
//! | of an event: id, name, data | text; the data is JSON, byte for byte as the log's hash chain covers it |
//! | of an event: type | u8, the place in [`EventKind`](crate::EventKind), from 1; then its members in the order of that |
//! | of anything else | an [`Item`](crate::Item) as the binding's generator spells it |
//!
//! A [`SessionKey`](crate::SessionKey) and an [`Evidence`](crate::Evidence) are bytes that hold their members.

use std::{fmt::Display, io::Write, sync::Arc};

use passkey_accounts::{
    Item as CoreItem,
    protocol::{event as core, gateway},
    stream,
};

use crate::{UniFfiTag, types::Item};

/// A batch of items: read it as far as is wanted, then let go of it.
#[derive(Debug, uniffi::Object)]
pub struct Batch {
    bytes: Vec<u8>,
}

#[uniffi::export]
impl Batch {
    /// Where it is. It stays there as long as somebody holds this.
    pub fn address(&self) -> u64 {
        u64::try_from(self.bytes.as_ptr().expose_provenance()).expect("no address is longer")
    }

    /// How many bytes it has; 0 when there was nothing.
    pub fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).expect("no size is longer")
    }
}

/// Each with its receipt, lane and lease.
pub(crate) fn encode<'a>(items: impl Iterator<Item = (u64, u32, u64, &'a CoreItem)>) -> Arc<Batch> {
    let mut packer = Packer(Vec::with_capacity(items.size_hint().0 * TYPICAL_BYTES));
    for (receipt, lane, lease, item) in items {
        packer.sized(|record| {
            record.u64(receipt);
            record.u32(lane);
            record.u64(lease);
            match item {
                CoreItem::Event(event) => {
                    record.u8(0);
                    record.event(event);
                }
                CoreItem::Snapshot(_) | CoreItem::Gap(_) | CoreItem::Bookmark(_) => {
                    record.u8(1);
                    <Item as uniffi::Lower<UniFfiTag>>::write(item.clone().into(), &mut record.0);
                }
            }
        });
    }
    Arc::new(Batch { bytes: packer.0 })
}

struct Packer(Vec<u8>);

impl Packer {
    fn event(&mut self, event: &stream::Event) {
        let stream::Event { id, seq, time, name, data, kind } = event;
        self.u64(*seq);
        self.u64(time.0);
        self.text(id);
        self.text(name);
        self.text(data);
        match kind {
            Some(core::EventKind::Registered(core::Registered { account_id })) => {
                self.u8(1);
                self.shown(account_id);
            }
            Some(core::EventKind::LoggedIn(login)) => {
                self.u8(2);
                self.logged_in(login);
            }
            Some(core::EventKind::LoggedOut(core::LoggedOut {
                account_id,
                session_id,
                reason,
                account_sessions,
            })) => {
                self.u8(3);
                self.shown(account_id);
                self.shown(session_id);
                self.text(reason.as_str());
                self.u64(*account_sessions);
            }
            Some(core::EventKind::PasskeyAdded(core::PasskeyAdded {
                account_id,
                passkey_id,
                public_key,
                aaguid,
                backed_up,
                evidence,
            })) => {
                self.u8(4);
                self.shown(account_id);
                self.shown(passkey_id);
                self.bytes(&public_key.0);
                self.bytes(&aaguid.0);
                self.u8(u8::from(*backed_up));
                self.evidence(evidence.as_deref());
            }
            Some(core::EventKind::Confirmed(confirmed)) => {
                let core::Confirmed { account_id, session_id, passkey_id, ceremony_id, action, evidence } =
                    &**confirmed;
                self.u8(5);
                self.shown(account_id);
                self.shown(session_id);
                self.shown(passkey_id);
                self.shown(ceremony_id);
                self.text(&action.0);
                self.evidence(Some(evidence));
            }
            Some(core::EventKind::PasskeyRenamed(core::PasskeyRenamed { account_id, passkey_id })) => {
                self.u8(6);
                self.shown(account_id);
                self.shown(passkey_id);
            }
            Some(core::EventKind::PasskeyRemoved(core::PasskeyRemoved {
                account_id,
                passkey_id,
                reason,
                evidence,
            })) => {
                self.u8(7);
                self.shown(account_id);
                self.shown(passkey_id);
                self.text(match reason {
                    core::RemovalReason::BackEnd => "backEnd",
                    core::RemovalReason::User => "user",
                    core::RemovalReason::Other => "other",
                });
                self.evidence(evidence.as_deref());
            }
            Some(core::EventKind::AccountErased(core::AccountErased { account_id })) => {
                self.u8(8);
                self.shown(account_id);
            }
            Some(core::EventKind::ApiKeyCreated(core::ApiKeyCreated { key_id, name, scopes })) => {
                self.u8(9);
                self.text(key_id);
                self.text(name);
                self.u32(length(scopes.len()));
                scopes.iter().for_each(|scope| self.text(scope.as_str()));
            }
            Some(core::EventKind::ApiKeyRevoked(core::ApiKeyRevoked { key_id })) => {
                self.u8(10);
                self.text(key_id);
            }
            Some(core::EventKind::CounterRegressed(core::CounterRegressed {
                account_id,
                passkey_id,
                stored,
                received,
            })) => {
                self.u8(11);
                self.shown(account_id);
                self.shown(passkey_id);
                self.u32(*stored);
                self.u32(*received);
            }
            Some(core::EventKind::TamperingDetected(core::TamperingDetected { row, account_id, key_id })) => {
                self.u8(13);
                self.text(match row {
                    core::TamperedRow::Account => "account",
                    core::TamperedRow::ApiKey => "apiKey",
                    core::TamperedRow::Database => "database",
                    core::TamperedRow::Other => "other",
                });
                self.u8(u8::from(account_id.is_some()));
                account_id.iter().for_each(|account_id| self.shown(account_id));
                self.u8(u8::from(key_id.is_some()));
                key_id.iter().for_each(|key_id| self.text(key_id));
            }
            Some(core::EventKind::RecoveryStarted(core::RecoveryStarted { account_id, until })) => {
                self.u8(14);
                self.shown(account_id);
                self.u64(until.0);
            }
            Some(core::EventKind::RecoveryCancelled(core::RecoveryCancelled { account_id, reason })) => {
                self.u8(15);
                self.shown(account_id);
                self.text(match reason {
                    core::CancelReason::User => "user",
                    core::CancelReason::BackEnd => "backEnd",
                    core::CancelReason::Expired => "expired",
                    core::CancelReason::Other => "other",
                });
            }
            Some(core::EventKind::RecoveryCompleted(core::RecoveryCompleted {
                account_id,
                passkey_id,
                public_key,
                aaguid,
                backed_up,
            })) => {
                self.u8(16);
                self.shown(account_id);
                self.shown(passkey_id);
                self.bytes(&public_key.0);
                self.bytes(&aaguid.0);
                self.u8(u8::from(*backed_up));
            }
            None => self.u8(12),
        }
    }

    fn logged_in(&mut self, login: &core::LoggedIn) {
        let core::LoggedIn {
            account_id,
            session_id,
            passkey_id,
            origin,
            session_key,
            expires_at,
            user_verified,
            backed_up,
            account_sessions,
            evidence,
        } = login;
        self.shown(account_id);
        self.shown(session_id);
        self.shown(passkey_id);
        self.text(origin);
        // The type and the curve say nothing: the protocol knows one of each.
        let gateway::SessionKey { kty: _, crv: _, x, y } = session_key;
        self.sized(|key| {
            key.bytes(&x.0);
            key.bytes(&y.0);
        });
        self.u64(expires_at.0);
        self.u8(u8::from(*user_verified));
        self.u8(u8::from(*backed_up));
        self.u64(*account_sessions);
        self.evidence(evidence.as_ref());
    }

    fn evidence(&mut self, evidence: Option<&core::Evidence>) {
        self.u8(u8::from(evidence.is_some()));
        let Some(evidence) = evidence else { return };
        let core::Evidence {
            random,
            kind,
            origin,
            thumbprint,
            credential_id,
            authenticator_data,
            client_data_json,
            signature,
        } = evidence;
        self.sized(|packed| {
            packed.bytes(&random.0);
            packed.text(kind.as_str());
            packed.text(origin);
            packed.bytes(&thumbprint.0);
            packed.bytes(&credential_id.0);
            packed.bytes(&authenticator_data.0);
            packed.bytes(&client_data_json.0);
            packed.bytes(&signature.0);
        });
    }

    /// What this writes, with its length before it.
    fn sized(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.u32(0);
        write(self);
        let size = length(self.0.len() - start - size_of::<u32>());
        if let Some(place) = self.0.get_mut(start..start + size_of::<u32>()) {
            place.copy_from_slice(&size.to_be_bytes());
        }
    }

    /// As it shows itself: an id.
    fn shown(&mut self, value: impl Display) {
        // Writing into memory cannot fail.
        self.sized(|text| drop(write!(text.0, "{value}")));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.u32(length(bytes.len()));
        self.0.extend_from_slice(bytes);
    }

    fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a frame of the stream is far smaller")
}

const TYPICAL_BYTES: usize = 1_024;
