//! A passkey's record, and how it is sealed into its row.

use passkey_accounts::{
    evidence::PublicKey,
    protocol::{AccountID, AppID, PasskeyID, base64url::Base64Url, webauthn::Transport},
};
use serde::{Deserialize, Serialize};

use crate::crypto::{Keyring, Sealed, Tampered};

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
    /// How it was reached when it was made.
    pub transports: Vec<Transport>,
    /// It may be backed up; this never changes.
    pub backup_eligible: bool,
    /// It was backed up when it was last used.
    pub backed_up: bool,
}

/// The form inside the seal.
#[derive(Serialize, Deserialize)]
struct Record {
    id: Base64Url,
    key: Base64Url,
    count: u32,
    aaguid: Base64Url,
    transports: Vec<Transport>,
    eligible: bool,
    backed_up: bool,
}

impl Passkey {
    /// Encrypts the record for its row.
    pub fn seal(
        &self,
        keyring: &Keyring,
        app_id: AppID,
        account_id: AccountID,
        passkey_id: PasskeyID,
    ) -> Vec<u8> {
        let record = Record {
            id: Base64Url(self.credential_id.clone()),
            key: Base64Url(self.public_key.to_bytes()),
            count: self.sign_count,
            aaguid: Base64Url(self.aaguid.to_vec()),
            transports: self.transports.clone(),
            eligible: self.backup_eligible,
            backed_up: self.backed_up,
        };
        let plain = serde_json::to_vec(&record).expect("a record holds nothing that JSON cannot");
        let owner: [&[u8]; 3] = [app_id.as_bytes(), account_id.as_bytes(), passkey_id.as_bytes()];
        Sealed { label: "passkey", owner: &owner }.seal(keyring, &plain)
    }

    /// Decrypts the record of a row.
    ///
    /// # Errors
    /// [`Tampered`] when the row was changed or belongs to another account.
    pub fn open(
        keyring: &Keyring,
        app_id: AppID,
        account_id: AccountID,
        passkey_id: PasskeyID,
        sealed: &[u8],
    ) -> Result<Self, Tampered> {
        let owner: [&[u8]; 3] = [app_id.as_bytes(), account_id.as_bytes(), passkey_id.as_bytes()];
        let plain = Sealed { label: "passkey", owner: &owner }.open(keyring, sealed)?;
        let record: Record = serde_json::from_slice(&plain).map_err(|_| Tampered)?;
        Ok(Self {
            credential_id: record.id.0,
            public_key: PublicKey::from_bytes(&record.key.0).map_err(|_| Tampered)?,
            sign_count: record.count,
            aaguid: record.aaguid.0.try_into().map_err(|_| Tampered)?,
            transports: record.transports,
            backup_eligible: record.eligible,
            backed_up: record.backed_up,
        })
    }
}
