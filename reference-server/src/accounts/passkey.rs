//! A passkey's record, and the form in which it is stored.

use std::str::FromStr;

use passkey_accounts::{
    evidence::PublicKey,
    protocol::{PasskeyID, UnixMillis, base64url::Base64Url, gateway, webauthn::Transport},
};
use serde::{Deserialize, Serialize};

use zeroize::Zeroizing;

use super::Browser;
use crate::{
    ceremony::registration::{Attestation, NewPasskey},
    limits::MAX_KNOWN_BROWSERS,
    store::StoreError,
};

/// What the server knows of a passkey (WebAuthn Level 3 section 4, "credential record").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// 1 to 1023 bytes.
    pub credential_id: Vec<u8>,
    /// Its key.
    pub public_key: PublicKey,
    /// The counter of its last use.
    pub sign_count: u32,
    /// The authenticator's model, as it claims.
    pub aaguid: [u8; 16],
    /// Its maker vouched for it, and for the model, when the passkey was made.
    pub is_vouched_for: bool,
    /// How it was reached when it was made.
    pub transports: Vec<Transport>,
    /// It may be backed up; this never changes.
    pub backup_eligible: bool,
    /// It was backed up when it was last used.
    pub backed_up: bool,
    /// What the person calls it.
    pub name: Option<PasskeyName>,
    /// The day (UTC) of its last use; `None` since it was made.
    pub last_used_at: Option<UnixMillis>,
    /// The browsers that it was used in, at most [`MAX_KNOWN_BROWSERS`], the newest last.
    pub browsers: Vec<Browser>,
}

/// What a person calls a passkey: 1 to 64 characters, none of them a control character, no space around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName(String);

/// The text cannot be a passkey's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a passkey's name")]
pub struct NotAName;

impl PasskeyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasskeyName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let name = text.trim();
        let has_length = (1..=gateway::MAX_PASSKEY_NAME_CHARS).contains(&name.chars().count());
        if has_length && !name.contains(char::is_control) { Ok(Self(name.to_owned())) } else { Err(NotAName) }
    }
}

/// The form inside the seal.
#[derive(Serialize, Deserialize)]
struct Record {
    id: Base64Url,
    key: Base64Url,
    count: u32,
    aaguid: Base64Url,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    vouched: bool,
    transports: Vec<Transport>,
    eligible: bool,
    backed_up: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    browsers: Vec<String>,
}

impl Passkey {
    /// The record of a passkey that was registered just now, in this browser.
    pub fn new(new: NewPasskey, browser: Browser) -> Self {
        Self {
            credential_id: new.credential_id,
            public_key: new.public_key,
            sign_count: new.sign_count,
            aaguid: new.aaguid,
            is_vouched_for: new.attestation == Attestation::Vouched,
            transports: new.transports,
            backup_eligible: new.backup_eligible,
            backed_up: new.backed_up,
            name: None,
            last_used_at: None,
            browsers: vec![browser],
        }
    }

    /// Remembers that it was used in this browser: whether it was not known to be before.
    pub fn meet(&mut self, browser: &Browser) -> bool {
        let is_new = !self.browsers.contains(browser);
        if is_new {
            let too_many = (self.browsers.len() + 1).saturating_sub(MAX_KNOWN_BROWSERS);
            self.browsers.drain(..too_many);
            self.browsers.push(browser.clone());
        }
        is_new
    }

    /// As the pages of its account see it.
    pub fn for_page(&self, passkey_id: PasskeyID, created_at: UnixMillis) -> gateway::Passkey {
        gateway::Passkey {
            passkey_id,
            credential_id: Base64Url(self.credential_id.clone()),
            name: self.name.as_ref().map(|name| name.as_str().to_owned()),
            aaguid: Base64Url(self.aaguid.to_vec()),
            created_at,
            last_used_at: self.last_used_at,
            backup_eligible: self.backup_eligible,
            backed_up: self.backed_up,
        }
    }

    /// The record as it is stored, inside the row's seal.
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        let record = Record {
            id: Base64Url(self.credential_id.clone()),
            key: Base64Url(self.public_key.to_bytes()),
            count: self.sign_count,
            aaguid: Base64Url(self.aaguid.to_vec()),
            vouched: self.is_vouched_for,
            transports: self.transports.clone(),
            eligible: self.backup_eligible,
            backed_up: self.backed_up,
            name: self.name.as_ref().map(|name| name.as_str().to_owned()),
            used: self.last_used_at,
            browsers: self.browsers.iter().map(|browser| browser.as_str().to_owned()).collect(),
        };
        Zeroizing::new(serde_json::to_vec(&record).expect("a record holds nothing that JSON cannot"))
    }

    /// Reads the record of a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when this server did not write it.
    pub fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        Self::read(record).ok_or(StoreError::Corrupt("passkey"))
    }

    fn read(record: &[u8]) -> Option<Self> {
        let record: Record = serde_json::from_slice(record).ok()?;
        Some(Self {
            credential_id: record.id.0,
            public_key: PublicKey::from_bytes(&record.key.0).ok()?,
            sign_count: record.count,
            aaguid: record.aaguid.0.try_into().ok()?,
            is_vouched_for: record.vouched,
            transports: record.transports,
            backup_eligible: record.eligible,
            backed_up: record.backed_up,
            name: record.name.map(|name| name.parse()).transpose().ok()?,
            last_used_at: record.used,
            browsers: record.browsers.into_iter().map(Browser::from_stored).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PasskeyName;

    #[test]
    fn a_name_has_1_to_64_characters_and_no_control_characters() {
        let longest = "\u{1f511}".repeat(64);
        for (typed, name) in
            [("Work laptop", "Work laptop"), (" \u{a0}Phone\n", "Phone"), (&longest, &longest)]
        {
            assert_eq!(typed.parse::<PasskeyName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for bad in ["", " \t ", "a\nb", "a\u{0}b", "a\u{7f}b", "a\u{9b}b", &long] {
            assert!(bad.parse::<PasskeyName>().is_err(), "{bad:?}");
        }
    }
}
