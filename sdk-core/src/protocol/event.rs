//! Events: what an app's log holds and its stream carries (docs/protocol.md section 2).

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    AccountID, CeremonyID, PasskeyID, SessionID, UnixMillis,
    base64url::Base64Url,
    gateway::{CeremonyKind, EndReason, RawJson, SessionKey},
    scope::Scope,
};

/// What happened. Adding a variant breaks the facades at compile time, on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "camelCase")]
pub enum EventKind {
    /// An account was made.
    Registered(Registered),
    /// A session was opened.
    LoggedIn(Box<LoggedIn>),
    /// A session ended. Exactly one for every `loggedIn`.
    LoggedOut(LoggedOut),
    /// An account got a passkey; pin its public key to check evidence later.
    PasskeyAdded(PasskeyAdded),
    /// A person confirmed an action of their session with a passkey.
    Confirmed(Box<Confirmed>),
    /// A passkey has another name, which the event does not tell.
    PasskeyRenamed(PasskeyRenamed),
    /// An account lost a passkey. The sessions that it opened end with it.
    PasskeyRemoved(PasskeyRemoved),
    /// An account is gone, with its address, its passkeys and its sessions.
    AccountErased(AccountErased),
    /// The recovery of an account has begun: somebody knows its recovery code and reads its mail, or two operators have
    /// approved it. Until it is completed whoever is signed in, or a back end, can cancel it.
    RecoveryStarted(RecoveryStarted),
    /// A recovery is over without a new passkey.
    RecoveryCancelled(RecoveryCancelled),
    /// A recovery gave an account a passkey, and all its sessions ended. No passkey vouched for it: this stands in the
    /// place of `passkeyAdded`.
    RecoveryCompleted(RecoveryCompleted),
    /// A passkey's signature counter did not rise: it may have been copied.
    CounterRegressed(CounterRegressed),
    /// A row of the server's database is not what the server stored: somebody else has written to it. The row is refused
    /// from now on. For auditors: needs the scope `audit:read`.
    TamperingDetected(TamperingDetected),
    /// The app got an API key. For auditors: needs the scope `audit:read`.
    ApiKeyCreated(ApiKeyCreated),
    /// An API key was taken back. For auditors: needs the scope `audit:read`.
    ApiKeyRevoked(ApiKeyRevoked),
}

impl EventKind {
    /// The event's `type` on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Registered(_) => "registered",
            Self::LoggedIn(_) => "loggedIn",
            Self::LoggedOut(_) => "loggedOut",
            Self::PasskeyAdded(_) => "passkeyAdded",
            Self::Confirmed(_) => "confirmed",
            Self::PasskeyRenamed(_) => "passkeyRenamed",
            Self::PasskeyRemoved(_) => "passkeyRemoved",
            Self::AccountErased(_) => "accountErased",
            Self::RecoveryStarted(_) => "recoveryStarted",
            Self::RecoveryCancelled(_) => "recoveryCancelled",
            Self::RecoveryCompleted(_) => "recoveryCompleted",
            Self::CounterRegressed(_) => "counterRegressed",
            Self::TamperingDetected(_) => "tamperingDetected",
            Self::ApiKeyCreated(_) => "apiKeyCreated",
            Self::ApiKeyRevoked(_) => "apiKeyRevoked",
        }
    }

    /// The types that only a key with the scope `audit:read` may read.
    pub const AUDIT_NAMES: [&str; 3] = ["apiKeyCreated", "apiKeyRevoked", "tamperingDetected"];

    /// The account it is about; `None` for what is about the app itself.
    pub const fn account_id(&self) -> Option<AccountID> {
        Some(match self {
            Self::Registered(data) => data.account_id,
            Self::LoggedIn(data) => data.account_id,
            Self::LoggedOut(data) => data.account_id,
            Self::PasskeyAdded(data) => data.account_id,
            Self::Confirmed(data) => data.account_id,
            Self::PasskeyRenamed(data) => data.account_id,
            Self::PasskeyRemoved(data) => data.account_id,
            Self::AccountErased(data) => data.account_id,
            Self::RecoveryStarted(data) => data.account_id,
            Self::RecoveryCancelled(data) => data.account_id,
            Self::RecoveryCompleted(data) => data.account_id,
            Self::CounterRegressed(data) => data.account_id,
            Self::TamperingDetected(data) => return data.account_id,
            Self::ApiKeyCreated(_) | Self::ApiKeyRevoked(_) => return None,
        })
    }

    /// The event's `data` as JSON text: the very bytes that are stored, chained and sent.
    pub fn data_json(&self) -> String {
        match self {
            Self::Registered(data) => serde_json::to_string(data),
            Self::LoggedIn(data) => serde_json::to_string(data),
            Self::LoggedOut(data) => serde_json::to_string(data),
            Self::PasskeyAdded(data) => serde_json::to_string(data),
            Self::Confirmed(data) => serde_json::to_string(data),
            Self::PasskeyRenamed(data) => serde_json::to_string(data),
            Self::PasskeyRemoved(data) => serde_json::to_string(data),
            Self::AccountErased(data) => serde_json::to_string(data),
            Self::RecoveryStarted(data) => serde_json::to_string(data),
            Self::RecoveryCancelled(data) => serde_json::to_string(data),
            Self::RecoveryCompleted(data) => serde_json::to_string(data),
            Self::CounterRegressed(data) => serde_json::to_string(data),
            Self::TamperingDetected(data) => serde_json::to_string(data),
            Self::ApiKeyCreated(data) => serde_json::to_string(data),
            Self::ApiKeyRevoked(data) => serde_json::to_string(data),
        }
        .expect("event data holds nothing that JSON cannot")
    }

    /// Reads an event from its `type` and `data`; `None` for a type this version does not know.
    ///
    /// # Errors
    /// The parser's, when the type is known and the data does not fit it.
    pub fn from_parts(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Self::read(name, data)
    }

    /// Reads an event of this type from wherever its data is.
    pub(crate) fn read<R: ReadData>(name: &str, data: R) -> Result<Option<Self>, R::Error> {
        Ok(Some(match name {
            "registered" => Self::Registered(data.read()?),
            "loggedIn" => Self::LoggedIn(data.read()?),
            "loggedOut" => Self::LoggedOut(data.read()?),
            "passkeyAdded" => Self::PasskeyAdded(data.read()?),
            "confirmed" => Self::Confirmed(data.read()?),
            "passkeyRenamed" => Self::PasskeyRenamed(data.read()?),
            "passkeyRemoved" => Self::PasskeyRemoved(data.read()?),
            "accountErased" => Self::AccountErased(data.read()?),
            "recoveryStarted" => Self::RecoveryStarted(data.read()?),
            "recoveryCancelled" => Self::RecoveryCancelled(data.read()?),
            "recoveryCompleted" => Self::RecoveryCompleted(data.read()?),
            "counterRegressed" => Self::CounterRegressed(data.read()?),
            "tamperingDetected" => Self::TamperingDetected(data.read()?),
            "apiKeyCreated" => Self::ApiKeyCreated(data.read()?),
            "apiKeyRevoked" => Self::ApiKeyRevoked(data.read()?),
            _ => return Ok(None),
        }))
    }
}

/// The data of an event, to be read as whatever its type says.
pub(crate) trait ReadData {
    type Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error>;
}

impl ReadData for &str {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self)
    }
}

/// Data of `registered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The new account.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
}

/// Data of `loggedIn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// Whose session.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The session.
    #[serde(rename = "sessionID")]
    pub session_id: SessionID,
    /// The passkey that opened it.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// The page's origin, for example `https://shop.example`.
    pub origin: String,
    /// The public key that the session's proofs are checked with.
    pub session_key: SessionKey,
    /// When the session ends at the latest.
    pub expires_at: UnixMillis,
    /// The authenticator checked the person (finger, face, PIN), not only a touch.
    pub user_verified: bool,
    /// The passkey is in a backup, as its platform reports it.
    pub backed_up: bool,
    /// Open sessions of the account after this event; 1 means that the account has just come.
    pub account_sessions: u64,
    /// The authenticator's own signature; absent after sign-up, where WebAuthn makes none without attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What the authenticator signed, and over what: checkable with the passkey's public key alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// 32 random bytes of the challenge.
    pub random: Base64Url,
    /// What the ceremony was for.
    pub kind: CeremonyKind,
    /// The page's origin.
    pub origin: String,
    /// RFC 7638 thumbprint of the session key, 32 bytes.
    pub thumbprint: Base64Url,
    /// The WebAuthn credential id, 1 to 1023 bytes.
    #[serde(rename = "credentialID")]
    pub credential_id: Base64Url,
    /// As the authenticator made it.
    pub authenticator_data: Base64Url,
    /// As the browser made it.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: Base64Url,
    /// Over authenticatorData and SHA-256(clientDataJSON).
    pub signature: Base64Url,
}

/// Data of `loggedOut`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedOut {
    /// Whose session.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The session that ended.
    #[serde(rename = "sessionID")]
    pub session_id: SessionID,
    /// Why.
    pub reason: EndReason,
    /// Open sessions of the account after this event; 0 means that the account has just left.
    pub account_sessions: u64,
}

/// Data of `passkeyAdded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyAdded {
    /// Whose passkey.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The passkey.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// `COSE_Key` bytes as the authenticator made them.
    pub public_key: Base64Url,
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    pub aaguid: Base64Url,
    /// The passkey is in a backup, as its platform reports it.
    pub backed_up: bool,
    /// How a passkey that the account had before vouched for this one; absent for the first, which sign-up makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

/// Data of `confirmed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Who confirmed.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The session that asked.
    #[serde(rename = "sessionID")]
    pub session_id: SessionID,
    /// The passkey that signed.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// Names the confirmation; the page was told it too.
    #[serde(rename = "ceremonyID")]
    pub ceremony_id: CeremonyID,
    /// What was confirmed: a JSON object, at most 2 KiB, in its RFC 8785 form.
    pub action: RawJson,
    /// The authenticator's signature over it.
    pub evidence: Evidence,
}

/// Data of `passkeyRenamed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRenamed {
    /// Whose passkey.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The passkey.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
}

/// Data of `passkeyRemoved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRemoved {
    /// Whose passkey.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The passkey.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// Why.
    pub reason: RemovalReason,
    /// How a passkey of the account signed the removal; absent unless the person removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

/// Why a passkey was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RemovalReason {
    /// A back end asked for it, with an API key.
    BackEnd,
    /// The person removed it, and confirmed that with a passkey.
    User,
    /// A newer server's reason. The passkey is gone all the same.
    #[serde(other)]
    Other,
}

/// Data of `accountErased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountErased {
    /// The account that is gone.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
}

/// Data of `recoveryStarted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryStarted {
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The earliest time at which it gives a new passkey; later if the server does not run all the time.
    pub until: UnixMillis,
}

/// Data of `recoveryCancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCancelled {
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// Who cancelled it, or that nobody came in time.
    pub reason: CancelReason,
}

/// Why a recovery is over without a new passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CancelReason {
    /// The person, on a page where they are signed in.
    User,
    /// A back end or an operator, with an API key.
    BackEnd,
    /// Nobody came for the new passkey in time.
    Expired,
    /// A newer server's reason. The recovery is over all the same.
    #[serde(other)]
    Other,
}

/// Data of `recoveryCompleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCompleted {
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The new passkey.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// `COSE_Key` bytes as the authenticator made them.
    pub public_key: Base64Url,
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    pub aaguid: Base64Url,
    /// The passkey is in a backup, as its platform reports it.
    pub backed_up: bool,
}

/// Data of `tamperingDetected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TamperingDetected {
    /// What was changed.
    pub row: TamperedRow,
    /// The account, for a row of an account; absent when only its address leads nowhere.
    #[serde(rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountID>,
    /// The key's public name, for the row of an API key.
    #[serde(rename = "keyID", skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// What somebody else has written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TamperedRow {
    /// An account's row, its key, or one of its passkeys. Nobody can sign in to it.
    Account,
    /// An API key's row. The key is refused.
    ApiKey,
    /// Rows of the database as a whole; an operator has looked at it and accepted it as it was.
    Database,
    /// A newer server's word.
    #[serde(other)]
    Other,
}

/// Data of `apiKeyCreated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// The key's public name: the third part of the key itself.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// For people.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
}

/// Data of `apiKeyRevoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRevoked {
    /// The key's public name: the third part of the key itself.
    #[serde(rename = "keyID")]
    pub key_id: String,
}

/// Data of `counterRegressed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRegressed {
    /// Whose passkey.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The passkey.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// The counter that the server had.
    pub stored: u32,
    /// The counter that the authenticator sent, not greater.
    pub received: u32,
}
