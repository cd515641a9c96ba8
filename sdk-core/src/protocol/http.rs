//! Bodies of the HTTP API (docs/protocol.md section 4). The server and the client share them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AccountID, AppID, PasskeyID, SessionID, UnixMillis,
    base64url::Base64Url,
    gateway::Policy,
    scope::Scope,
    stream::{GapData, OpenSession, RawEvent, SignedHead},
};

/// The most items in one page, whatever `limit` asks for.
pub const MAX_PAGE_ITEMS: usize = 500;

/// The items in one page when no `limit` is asked for.
pub const DEFAULT_PAGE_ITEMS: usize = 100;

/// The largest body of a request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// The longest `Idempotency-Key`, in visible ASCII characters.
pub const MAX_IDEMPOTENCY_KEY_CHARS: usize = 128;

/// The longest name of an API key, in bytes.
pub const MAX_KEY_NAME_BYTES: usize = 100;

/// How long a rotated key still works when nothing is asked for, in milliseconds: 24 hours.
pub const DEFAULT_OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

/// The longest that a rotated key may still work, in milliseconds: 30 days.
pub const MAX_OVERLAP_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// What went wrong: RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A word of the one table of codes. Text, so that a client understands a newer server.
    pub code: String,
    /// A sentence for people: what happened and what to do.
    pub detail: String,
    /// Not before this many milliseconds, when trying again can help. Also in `Retry-After`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub retry_after_ms: Option<u64>,
    /// With `gone`: why the position cannot be continued, and where the log goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub gap: Option<GapData>,
}

/// The app that an API key speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppInfo {
    /// Names it.
    #[serde(rename = "appID")]
    pub app_id: AppID,
    /// For people.
    pub name: String,
    /// The domain that its passkeys belong to.
    #[serde(rename = "rpID")]
    pub rp_id: String,
    /// Where its pages are.
    pub origins: Vec<String>,
    /// How passkeys are asked for.
    pub policy: Policy,
}

/// Open sessions, in the order of their ids, which is that of their beginnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionsPage {
    /// A page of them.
    pub sessions: Vec<OpenSession>,
    /// Give it as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub next: Option<SessionID>,
    /// The position in the log that this page is exact at.
    pub head: String,
}

/// An account. Its address is not said: a back end never needs it, and it is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// Names it.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// When it was made.
    pub created_at: UnixMillis,
    /// How many passkeys it has.
    pub passkeys: u64,
    /// How many sessions of it are open.
    pub sessions: u64,
}

/// The recoveries that run, in the order of their accounts' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryList {
    /// All of them.
    pub recoveries: Vec<RecoveryInfo>,
}

/// A recovery that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryInfo {
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: AccountID,
    /// The earliest time at which it gives a new passkey; in the past: it can give one now.
    pub until: UnixMillis,
}

/// What came of an operator's approval of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecoveryApproval {
    /// How many operators have approved: with 2 the recovery runs.
    pub approvals: u32,
    /// The earliest time at which it gives a new passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub until: Option<UnixMillis>,
    /// What the person needs besides the mail: with the second approval, this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub recovery_code: Option<String>,
}

/// The passkeys of an account, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyList {
    /// All of them.
    pub passkeys: Vec<PasskeyInfo>,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PasskeyInfo {
    /// Names it.
    #[serde(rename = "passkeyID")]
    pub passkey_id: PasskeyID,
    /// What the person calls it; absent until they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub name: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was last used, to the day; absent when it was never used since it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub last_used_at: Option<UnixMillis>,
    /// The authenticator's model, 16 bytes; all zero when it does not say.
    pub aaguid: Base64Url,
    /// It may be in a backup; this never changes.
    pub backup_eligible: bool,
    /// It was in a backup when it was last used.
    pub backed_up: bool,
}

/// A stretch of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventsPage {
    /// Events of the types asked for, in the order of the log.
    pub events: Vec<EventBody>,
    /// Give it as `after` for what follows. It moves on also where no event was of the types asked for.
    pub next: String,
    /// More is in the log already; otherwise `next` is its end.
    pub more: bool,
    /// The position before the oldest event that is kept.
    pub oldest: String,
    /// The hash chain up to `oldest`, 32 bytes.
    pub oldest_hash: Base64Url,
    /// The position of the newest event.
    pub head: String,
}

/// An event, with the same members as on the socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventBody {
    /// `loggedIn`, `loggedOut`, ...
    #[serde(rename = "type")]
    pub name: String,
    /// By type. The bytes are those that the hash chain covers.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Box<RawValue>,
    /// Its position: cursor and dedupe key.
    pub id: String,
    /// The position that it follows among the events of this answer; for the first one, where the answer begins.
    pub prev: String,
    /// Its number in the app's log, from 1, without holes.
    pub seq: u64,
    /// When it was committed.
    pub time: UnixMillis,
}

impl From<EventBody> for RawEvent {
    fn from(event: EventBody) -> Self {
        let EventBody { name, data, id, prev, seq, time } = event;
        Self { name, data: data.get().to_owned(), id, prev, seq, time, lane: 0 }
    }
}

/// The newest signed head of an app's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Whose log.
    #[serde(rename = "appID")]
    pub app_id: AppID,
    /// Where it ends, and the server's signature over that.
    pub head: SignedHead,
}

/// The public keys that heads are signed with (RFC 7517 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// All of them.
    pub keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, 32 bytes in unpadded base64url.
    pub x: String,
    /// Its RFC 7638 thumbprint: the `keyID` of heads.
    pub kid: String,
    /// `sig`.
    pub r#use: String,
    /// `EdDSA`.
    pub alg: String,
}

/// What a new API key is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// For people, at most 100 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub name: String,
    /// What it may be used for: nothing that the key that asks may not. Absent: what that key may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub scopes: Option<Vec<Scope>>,
    /// When it stops working. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub expires_at: Option<UnixMillis>,
}

/// A key pair to be registered: the server learns its public half only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKeyPair {
    /// The Ed25519 public key: 32 bytes, 43 characters of unpadded base64url.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub public_key: String,
    /// For people, at most 100 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 100))]
    pub name: String,
    /// What it may be used for: nothing that the key that asks may not. Absent: what that key may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub scopes: Option<Vec<Scope>>,
    /// When it stops working. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub expires_at: Option<UnixMillis>,
}

/// How a key is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key still works, in milliseconds: at most 30 days. Absent: 24 hours. 0: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, maximum = 2_592_000_000_u64))]
    pub overlap_ms: Option<u64>,
}

/// A new API key, shown once: only its hash is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    /// The key itself: the secret.
    pub api_key: String,
    /// What is known of it from now on.
    pub key: KeyInfo,
}

/// Hides the secret.
impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The API keys of an app, oldest first; the expired and revoked ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// All of them.
    pub keys: Vec<KeyInfo>,
}

/// What is known of an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// Its public name: the third part of an API key itself.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// Of a key pair: the public half, 43 characters of unpadded base64url. Absent: it is an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub public_key: Option<String>,
    /// For people.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it stops working; absent where it does not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub expires_at: Option<UnixMillis>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub revoked_at: Option<UnixMillis>,
}
