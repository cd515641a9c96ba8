//! Messages of the browser socket, `GET /v1/gateway?app=app_...` (docs/protocol.md section 1).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use super::{
    AccountID, CeremonyID, Code, ConnectionID, PasskeyID, SessionID, UnixMillis, base64url::Base64Url,
};
#[cfg(feature = "json")]
use super::{DecodeError, RequestID, decode::Envelope};

/// The WebSocket subprotocol of the browser socket.
pub const SUBPROTOCOL: &str = "passkey-accounts.v1";

/// The largest frame a page may send, in bytes.
pub const MAX_CLIENT_FRAME_BYTES: usize = 16 * 1024;

/// The largest frame a page may send before its first valid message, in bytes.
pub const MAX_FIRST_FRAME_BYTES: usize = 4 * 1024;

/// The largest frame the server sends, in bytes.
pub const MAX_SERVER_FRAME_BYTES: usize = 64 * 1024;

/// The largest action that [`ConfirmBegin`] takes, in bytes of its RFC 8785 form.
pub const MAX_ACTION_BYTES: usize = 2 * 1024;

/// The longest name of a passkey, in characters.
pub const MAX_PASSKEY_NAME_CHARS: usize = 64;

/// A JSON value kept as the text it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawJson(pub String);

/// The public half of a session key: P-256, as an RFC 7517 JWK with exactly `kty`, `crv`, `x` and `y`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionKey {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// 32 bytes, big-endian.
    pub x: Base64Url,
    /// 32 bytes, big-endian.
    pub y: Base64Url,
}

/// What a page may send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize), serde(tag = "type", content = "data"))]
pub enum ClientMessage {
    /// Asks for a code to be mailed.
    #[cfg_attr(feature = "json", serde(rename = "signUp.begin"))]
    SignUpBegin(Begin),
    /// Proves that the mail was read.
    #[cfg_attr(feature = "json", serde(rename = "signUp.verify"))]
    SignUpVerify(Verify),
    /// Asks for a challenge for the passkeys of an address.
    #[cfg_attr(feature = "json", serde(rename = "signIn.begin"))]
    SignInBegin(Begin),
    /// Hands in what the authenticator made.
    #[cfg_attr(feature = "json", serde(rename = "ceremony.finish"))]
    CeremonyFinish(Finish),
    /// Takes a detached session over to this connection.
    #[cfg_attr(feature = "json", serde(rename = "session.resume"))]
    SessionResume(Resume),
    /// Ends the session.
    #[cfg_attr(feature = "json", serde(rename = "signOut"))]
    SignOut,
    /// Asks for a challenge that covers an action.
    #[cfg_attr(feature = "json", serde(rename = "confirm.begin"))]
    ConfirmBegin(ConfirmBegin),
    /// Asks for the account's passkeys.
    #[cfg_attr(feature = "json", serde(rename = "passkeys.list"))]
    PasskeysList,
    /// Asks to make another passkey for the account, which one of its passkeys then has to vouch for.
    #[cfg_attr(feature = "json", serde(rename = "passkeys.add.begin"))]
    PasskeysAddBegin,
    /// Gives a passkey another name.
    #[cfg_attr(feature = "json", serde(rename = "passkeys.rename"))]
    PasskeysRename(RenamePasskey),
    /// Asks for a challenge that covers the removal of a passkey.
    #[cfg_attr(feature = "json", serde(rename = "passkeys.remove.begin"))]
    PasskeysRemoveBegin(RemovePasskey),
    /// Asks for the account's open sessions.
    #[cfg_attr(feature = "json", serde(rename = "sessions.list"))]
    SessionsList,
    /// Ends another session of the account, or all others.
    #[cfg_attr(feature = "json", serde(rename = "sessions.end"))]
    SessionsEnd(EndSessions),
    /// Asks for a challenge whose answer makes a recovery code.
    #[cfg_attr(feature = "json", serde(rename = "recovery.code.begin"))]
    RecoveryCodeBegin,
    /// Asks for a code to be mailed, with which and with the recovery code the account can be recovered.
    #[cfg_attr(feature = "json", serde(rename = "recovery.begin"))]
    RecoveryBegin(Begin),
    /// Begins the recovery, asks how long it still takes, or ends it with a new passkey: whatever is next.
    #[cfg_attr(feature = "json", serde(rename = "recovery.verify"))]
    RecoveryVerify(VerifyRecovery),
    /// Cancels the recovery of the session's account.
    #[cfg_attr(feature = "json", serde(rename = "recovery.cancel"))]
    RecoveryCancel,
}

/// Data of `confirm.begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfirmBegin {
    /// What the person is to confirm: a JSON object.
    pub action: RawJson,
}

/// Data of `passkeys.rename`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RenamePasskey {
    /// The passkey.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// Its new name, 1 to [`MAX_PASSKEY_NAME_CHARS`] characters.
    pub name: String,
}

/// Data of `passkeys.remove.begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RemovePasskey {
    /// The passkey.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
}

/// Data of `sessions.end`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct EndSessions {
    /// The session; `None` for all but the one that asks.
    #[cfg_attr(feature = "json", serde(rename = "sessionID", skip_serializing_if = "Option::is_none"))]
    pub session_id: Option<SessionID>,
}

/// Data of `signUp.begin` and `signIn.begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Begin {
    /// The address as typed.
    pub email: String,
    /// The key that the new session will be bound to.
    pub session_key: SessionKey,
}

/// Data of `signUp.verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Verify {
    /// Six digits from the mail.
    pub code: String,
}

/// Data of `recovery.verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct VerifyRecovery {
    /// Six digits from the mail.
    pub code: String,
    /// The account's recovery code, as it was typed: 27 characters; case, space and hyphens do not matter.
    pub recovery_code: String,
}

/// Data of `ceremony.finish`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Finish {
    /// The ceremony that this answers.
    #[cfg_attr(feature = "json", serde(rename = "ceremonyID"))]
    pub ceremony_id: CeremonyID,
    /// `RegistrationResponseJSON` or `AuthenticationResponseJSON` of WebAuthn Level 3.
    pub credential: RawJson,
}

/// Data of `session.resume`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Resume {
    /// The session to take over.
    #[cfg_attr(feature = "json", serde(rename = "sessionID"))]
    pub session_id: SessionID,
    /// 64 bytes: ECDSA P-256 with SHA-256 (r and s) by the session key over
    /// [`resume_signing_input`](crate::ceremony::binding::resume_signing_input).
    pub signature: Base64Url,
}

/// What the server may send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize), serde(tag = "type", content = "data"))]
pub enum ServerMessage {
    /// The first message on every connection.
    #[cfg_attr(feature = "json", serde(rename = "hello"))]
    Hello(Hello),
    /// A code is on its way, if the address can have one. Known and unknown addresses get the same answer.
    #[cfg_attr(feature = "json", serde(rename = "signUp.codeSent"))]
    CodeSent(CodeSent),
    /// Make a passkey with these options.
    #[cfg_attr(feature = "json", serde(rename = "ceremony.create"))]
    CeremonyCreate(Ceremony),
    /// Use a passkey with these options.
    #[cfg_attr(feature = "json", serde(rename = "ceremony.get"))]
    CeremonyGet(Ceremony),
    /// The session is open on this connection.
    #[cfg_attr(feature = "json", serde(rename = "signedIn"))]
    SignedIn(SignedIn),
    /// The session has ended.
    #[cfg_attr(feature = "json", serde(rename = "signedOut"))]
    SignedOut(SignedOut),
    /// The session ends soon, whatever the page does.
    #[cfg_attr(feature = "json", serde(rename = "session.expiring"))]
    SessionExpiring(SessionExpiring),
    /// Another session of the account is open now. Pushed to the sessions that were open before it.
    #[cfg_attr(feature = "json", serde(rename = "session.opened"))]
    SessionOpened(SessionOpened),
    /// The action is confirmed and its event is stored.
    #[cfg_attr(feature = "json", serde(rename = "confirmed"))]
    Confirmed(Confirmed),
    /// The account's passkeys, oldest first.
    #[cfg_attr(feature = "json", serde(rename = "passkeys"))]
    Passkeys(Passkeys),
    /// The account has one more passkey. Also pushed to its other open sessions.
    #[cfg_attr(feature = "json", serde(rename = "passkeyAdded"))]
    PasskeyAdded(OnePasskey),
    /// The passkey has its new name.
    #[cfg_attr(feature = "json", serde(rename = "passkeyRenamed"))]
    PasskeyRenamed(OnePasskey),
    /// The passkey is gone. The sessions that it opened end with it.
    #[cfg_attr(feature = "json", serde(rename = "passkeyRemoved"))]
    PasskeyRemoved(PasskeyRemoved),
    /// The account's open sessions, oldest first.
    #[cfg_attr(feature = "json", serde(rename = "sessions"))]
    Sessions(Sessions),
    /// These sessions have ended.
    #[cfg_attr(feature = "json", serde(rename = "sessionsEnded"))]
    SessionsEnded(SessionsEnded),
    /// The account's recovery code, which is shown this once.
    #[cfg_attr(feature = "json", serde(rename = "recovery.code"))]
    RecoveryCode(RecoveryCode),
    /// A code is on its way, as with [`ServerMessage::CodeSent`].
    #[cfg_attr(feature = "json", serde(rename = "recovery.codeSent"))]
    RecoveryCodeSent(CodeSent),
    /// The account is being recovered. Also pushed to its open sessions.
    #[cfg_attr(feature = "json", serde(rename = "recovery.held"))]
    RecoveryHeld(RecoveryHeld),
    /// The recovery is over without a new passkey. Also pushed to the account's open sessions.
    #[cfg_attr(feature = "json", serde(rename = "recovery.cancelled"))]
    RecoveryCancelled {},
    /// Still here. A page cannot see WebSocket pings, so it gets this.
    #[cfg_attr(feature = "json", serde(rename = "heartbeat"))]
    Heartbeat,
    /// Leave within that time and come back: this node is going down.
    #[cfg_attr(feature = "json", serde(rename = "drain"))]
    Drain(Drain),
    /// A request failed, or the connection is about to.
    #[cfg_attr(feature = "json", serde(rename = "error"))]
    Error(Failure),
}

/// Data of `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Hello {
    /// Names this socket, for logs and support.
    #[cfg_attr(feature = "json", serde(rename = "connectionID"))]
    pub connection_id: ConnectionID,
    /// 32 random bytes of this connection, to be signed by `session.resume`.
    pub nonce: Base64Url,
    /// The server says something at least this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// The WebAuthn RP ID of the app.
    #[cfg_attr(feature = "json", serde(rename = "rpID"))]
    pub rp_id: String,
    /// The app, as people know it.
    pub app: AppName,
    /// How passkeys are asked for.
    pub policy: Policy,
    /// What somebody can do who has lost every passkey.
    pub recovery: RecoveryPolicy,
    /// The server's clock: the page dates its proofs by it.
    pub time: UnixMillis,
}

/// The part of an app that pages show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct AppName {
    /// For people.
    pub name: String,
}

/// How passkeys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum Policy {
    /// `residentKey: "discouraged"`: asks for a passkey that only an address brings up. Some platforms list it all the same.
    #[default]
    Strict,
    /// `residentKey: "preferred"`: the passkey shows up in the platform's list and in its backups.
    Recoverable,
    /// As `Strict`, and only passkeys that cannot leave their authenticator, of models that the server lists and whose
    /// makers vouch for them: in practice security keys.
    Hardware,
}

/// What somebody can do who has lost every passkey of their account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum RecoveryPolicy {
    /// Nothing: another passkey is the way back.
    #[default]
    PasskeyOnly,
    /// A recovery code and a mailed code together start a recovery, which waits before it gives a new passkey.
    RecoveryCode,
}

/// Data of `signUp.codeSent` and `recovery.codeSent`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct CodeSent {
    /// When the code stops working.
    pub expires_at: UnixMillis,
}

/// Data of `ceremony.create` and `ceremony.get`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Ceremony {
    /// To be repeated in `ceremony.finish`.
    #[cfg_attr(feature = "json", serde(rename = "ceremonyID"))]
    pub ceremony_id: CeremonyID,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON` of WebAuthn Level 3.
    pub public_key: RawJson,
    /// With it the page recomputes the challenge and refuses one that is not its own.
    pub binding: Binding,
}

/// What the page does not know yet of the challenge's making.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Binding {
    /// 32 random bytes.
    pub random: Base64Url,
    /// What the ceremony is for.
    pub kind: CeremonyKind,
    /// With `ceremony.get` of [`CeremonyKind::AddPasskey`]: the passkey that is vouched for.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub added: Option<AddedPasskey>,
}

/// The passkey that another one vouches for. The page checks that it is the one that it has just made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct AddedPasskey {
    /// Its name.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// `COSE_Key` bytes as the authenticator made them.
    pub public_key: Base64Url,
}

/// What a ceremony is for. Part of what the authenticator signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum CeremonyKind {
    /// A new account and its first passkey.
    SignUp,
    /// A session for a known account.
    SignIn,
    /// An action of an open session.
    Confirm,
    /// One more passkey for the account of an open session: first made, then vouched for by another one.
    AddPasskey,
    /// The removal of a passkey.
    RemovePasskey,
    /// A recovery code for the account of an open session.
    MakeRecoveryCode,
    /// The passkey that a recovery gives.
    Recover,
}

impl CeremonyKind {
    /// The word on the wire and in the challenge.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "signUp",
            Self::SignIn => "signIn",
            Self::Confirm => "confirm",
            Self::AddPasskey => "addPasskey",
            Self::RemovePasskey => "removePasskey",
            Self::MakeRecoveryCode => "makeRecoveryCode",
            Self::Recover => "recover",
        }
    }
}

/// Data of `signedIn`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedIn {
    /// The session that is now open.
    pub session: Session,
    /// The account is being recovered.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub recovery: Option<RecoveryHeld>,
}

/// Data of `recovery.code`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RecoveryCode {
    /// 128 random bits in Crockford's base32 and a check character: seven groups with hyphens between, 33 characters.
    pub code: String,
}

impl core::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecoveryCode(hidden)")
    }
}

/// Data of `recovery.held`; `recovery` of `signedIn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct RecoveryHeld {
    /// The earliest time at which it gives a new passkey; later if the server does not run all the time. In the past:
    /// it can give one now.
    pub until: UnixMillis,
}

/// A session as its own page sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Session {
    /// Names the session.
    #[cfg_attr(feature = "json", serde(rename = "sessionID"))]
    pub session_id: SessionID,
    /// Whose it is.
    #[cfg_attr(feature = "json", serde(rename = "accountID"))]
    pub account_id: AccountID,
    /// The passkey that opened it.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// When it was opened.
    pub started_at: UnixMillis,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
    /// It ends after this long without a message from the page, in milliseconds.
    pub idle_ms: u64,
    /// After a dropped socket it can be resumed for this long, in milliseconds.
    pub grace_ms: u64,
}

/// Data of `session.expiring`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionExpiring {
    /// When it ends.
    pub at: UnixMillis,
}

/// Data of `session.opened`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionOpened {
    /// As `sessions` lists it.
    pub session: AccountSession,
}

/// Data of `confirmed`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Confirmed {
    /// The ceremony that it was confirmed in; the event of the same name has it too.
    #[cfg_attr(feature = "json", serde(rename = "ceremonyID"))]
    pub ceremony_id: CeremonyID,
}

/// Data of `passkeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Passkeys {
    /// The WebAuthn user handle of the account, 16 bytes.
    #[cfg_attr(feature = "json", serde(rename = "userID"))]
    pub user_id: Base64Url,
    /// The passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
}

/// A passkey as the pages of its account see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Passkey {
    /// Names it.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// The WebAuthn credential id, 1 to 1023 bytes.
    #[cfg_attr(feature = "json", serde(rename = "credentialID"))]
    pub credential_id: Base64Url,
    /// What the person calls it; absent until they do.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// The authenticator's model as it claims, 16 bytes; all zero when it does not say.
    pub aaguid: Base64Url,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was last used, to the day; absent when it was never used since it was made.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub last_used_at: Option<UnixMillis>,
    /// It may be backed up (BE).
    pub backup_eligible: bool,
    /// It is backed up, as its platform reported last (BS).
    pub backed_up: bool,
}

/// Data of `passkeyAdded` and `passkeyRenamed`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct OnePasskey {
    /// The passkey as it is now.
    pub passkey: Passkey,
}

/// Data of `passkeyRemoved`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct PasskeyRemoved {
    /// The passkey that is gone.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// Its WebAuthn credential id: the page tells the authenticator to forget it.
    #[cfg_attr(feature = "json", serde(rename = "credentialID"))]
    pub credential_id: Base64Url,
}

/// Data of `sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Sessions {
    /// The sessions, oldest first.
    pub sessions: Vec<AccountSession>,
}

/// An open session as the pages of its account see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct AccountSession {
    /// Names it.
    #[cfg_attr(feature = "json", serde(rename = "sessionID"))]
    pub session_id: SessionID,
    /// The passkey that opened it.
    #[cfg_attr(feature = "json", serde(rename = "passkeyID"))]
    pub passkey_id: PasskeyID,
    /// When it was opened.
    pub started_at: UnixMillis,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
    /// The page's origin.
    pub origin: String,
    /// What the browser called itself when it was opened (its `User-Agent`, at most 256 bytes); empty when it did not.
    pub user_agent: String,
    /// It is the one that asks.
    pub is_current: bool,
}

/// Data of `sessionsEnded`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionsEnded {
    /// Those that ended.
    #[cfg_attr(feature = "json", serde(rename = "sessionIDs"))]
    pub session_ids: Vec<SessionID>,
}

/// Data of `signedOut`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedOut {
    /// Why.
    pub reason: EndReason,
}

/// Data of `drain`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Drain {
    /// Come back after this many milliseconds.
    pub reconnect_after_ms: u64,
}

/// Data of `error`, on both sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Failure {
    /// A word of the one table ([`Code`]); text, so that a client understands a newer server.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Not before this many milliseconds, when trying again can help.
    #[cfg_attr(feature = "json", serde(skip_serializing_if = "Option::is_none"))]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// Whether the same request can succeed later: its code says so, or the server says when.
    pub fn is_retryable(&self) -> bool {
        self.retry_after_ms.is_some() || Code::RETRYABLE.contains(&self.code.as_str())
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self { code: code.as_str().to_owned(), message: code.message().to_owned(), retry_after_ms: None }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum EndReason {
    /// The person signed out.
    User,
    /// The page closed its socket in an orderly way: closed tab, other page.
    PageGone,
    /// The socket dropped and nobody resumed within the grace time.
    ConnectionLost,
    /// The page was silent for too long.
    IdleTimeout,
    /// The session reached its greatest age.
    AbsoluteTimeout,
    /// A back end or an operator ended it.
    Revoked,
    /// The same page signed in anew.
    Replaced,
    /// The passkey that opened it was removed.
    PasskeyRemoved,
    /// The account was erased.
    AccountErased,
    /// The account was recovered: whoever was signed in signs in anew.
    Recovered,
    /// The API key that vouched for it was revoked.
    KeyRevoked,
    /// The server that carried it went away and nobody resumed within the grace time.
    ServerLost,
    /// A newer server's reason. The session has ended all the same.
    #[cfg_attr(feature = "json", serde(other))]
    Other,
}

impl EndReason {
    /// Every reason that this version knows.
    pub const ALL: [Self; 12] = [
        Self::User,
        Self::PageGone,
        Self::ConnectionLost,
        Self::IdleTimeout,
        Self::AbsoluteTimeout,
        Self::Revoked,
        Self::Replaced,
        Self::PasskeyRemoved,
        Self::AccountErased,
        Self::Recovered,
        Self::KeyRevoked,
        Self::ServerLost,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::PageGone => "pageGone",
            Self::ConnectionLost => "connectionLost",
            Self::IdleTimeout => "idleTimeout",
            Self::AbsoluteTimeout => "absoluteTimeout",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::PasskeyRemoved => "passkeyRemoved",
            Self::AccountErased => "accountErased",
            Self::Recovered => "recovered",
            Self::KeyRevoked => "keyRevoked",
            Self::ServerLost => "serverLost",
            Self::Other => "other",
        }
    }
}

#[cfg(feature = "json")]
impl ClientMessage {
    /// Writes the message as one text frame.
    pub fn encode(&self, id: Option<RequestID>) -> String {
        encode(self, id)
    }

    /// Reads one text frame: the request's number, if it has a readable one, and the message or what is wrong with it.
    pub fn decode(text: &str) -> (Option<RequestID>, Result<Self, DecodeError>) {
        let envelope = match Envelope::decode(text) {
            Ok(envelope) => envelope,
            Err(error) => return (None, Err(error)),
        };
        let message = match &*envelope.name {
            "signUp.begin" => envelope.data("signUp.begin").map(Self::SignUpBegin),
            "signUp.verify" => envelope.data("signUp.verify").map(Self::SignUpVerify),
            "signIn.begin" => envelope.data("signIn.begin").map(Self::SignInBegin),
            "ceremony.finish" => envelope.data("ceremony.finish").map(Self::CeremonyFinish),
            "session.resume" => envelope.data("session.resume").map(Self::SessionResume),
            "signOut" => Ok(Self::SignOut),
            "confirm.begin" => envelope.data("confirm.begin").map(Self::ConfirmBegin),
            "passkeys.list" => Ok(Self::PasskeysList),
            "passkeys.add.begin" => Ok(Self::PasskeysAddBegin),
            "passkeys.rename" => envelope.data("passkeys.rename").map(Self::PasskeysRename),
            "passkeys.remove.begin" => envelope.data("passkeys.remove.begin").map(Self::PasskeysRemoveBegin),
            "sessions.list" => Ok(Self::SessionsList),
            "sessions.end" => envelope.data("sessions.end").map(Self::SessionsEnd),
            "recovery.code.begin" => Ok(Self::RecoveryCodeBegin),
            "recovery.begin" => envelope.data("recovery.begin").map(Self::RecoveryBegin),
            "recovery.verify" => envelope.data("recovery.verify").map(Self::RecoveryVerify),
            "recovery.cancel" => Ok(Self::RecoveryCancel),
            other => Err(DecodeError::UnknownType(other.chars().take(64).collect())),
        };
        (envelope.id, message)
    }
}

#[cfg(feature = "json")]
impl ServerMessage {
    /// Writes the message as one text frame; `id` is that of the request it answers.
    pub fn encode(&self, id: Option<RequestID>) -> String {
        encode(self, id)
    }

    /// Reads one text frame. A client ignores [`DecodeError::UnknownType`].
    ///
    /// # Errors
    /// [`DecodeError`] says whether the frame, its type or its data was not understood.
    pub fn decode(text: &str) -> Result<(Option<RequestID>, Self), DecodeError> {
        let envelope = Envelope::decode(text)?;
        let message = match &*envelope.name {
            "hello" => Self::Hello(envelope.data("hello")?),
            "signUp.codeSent" => Self::CodeSent(envelope.data("signUp.codeSent")?),
            "ceremony.create" => Self::CeremonyCreate(envelope.data("ceremony.create")?),
            "ceremony.get" => Self::CeremonyGet(envelope.data("ceremony.get")?),
            "signedIn" => Self::SignedIn(envelope.data("signedIn")?),
            "signedOut" => Self::SignedOut(envelope.data("signedOut")?),
            "session.expiring" => Self::SessionExpiring(envelope.data("session.expiring")?),
            "session.opened" => Self::SessionOpened(envelope.data("session.opened")?),
            "confirmed" => Self::Confirmed(envelope.data("confirmed")?),
            "passkeys" => Self::Passkeys(envelope.data("passkeys")?),
            "passkeyAdded" => Self::PasskeyAdded(envelope.data("passkeyAdded")?),
            "passkeyRenamed" => Self::PasskeyRenamed(envelope.data("passkeyRenamed")?),
            "passkeyRemoved" => Self::PasskeyRemoved(envelope.data("passkeyRemoved")?),
            "sessions" => Self::Sessions(envelope.data("sessions")?),
            "sessionsEnded" => Self::SessionsEnded(envelope.data("sessionsEnded")?),
            "recovery.code" => Self::RecoveryCode(envelope.data("recovery.code")?),
            "recovery.codeSent" => Self::RecoveryCodeSent(envelope.data("recovery.codeSent")?),
            "recovery.held" => Self::RecoveryHeld(envelope.data("recovery.held")?),
            "recovery.cancelled" => Self::RecoveryCancelled {},
            "heartbeat" => Self::Heartbeat,
            "drain" => Self::Drain(envelope.data("drain")?),
            "error" => Self::Error(envelope.data("error")?),
            other => return Err(DecodeError::UnknownType(other.chars().take(64).collect())),
        };
        Ok((envelope.id, message))
    }
}

#[cfg(feature = "json")]
fn encode(message: &impl serde::Serialize, id: Option<RequestID>) -> String {
    #[derive(serde::Serialize)]
    struct Frame<'a, M> {
        #[serde(flatten)]
        message: &'a M,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestID>,
    }
    serde_json::to_string(&Frame { message, id }).expect("wire types hold nothing that JSON cannot")
}

#[cfg(feature = "json")]
impl serde::Serialize for RawJson {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let value: &serde_json::value::RawValue =
            serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        value.serialize(to)
    }
}

#[cfg(feature = "json")]
impl<'de> serde::Deserialize<'de> for RawJson {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = <Box<serde_json::value::RawValue>>::deserialize(from)?;
        Ok(Self(String::from(<Box<str>>::from(value))))
    }
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use super::{Begin, ClientMessage, DecodeError, Failure, Finish, RawJson, ServerMessage, SessionKey};
    use crate::protocol::{CeremonyID, Code, base64url::Base64Url};

    fn session_key() -> SessionKey {
        SessionKey {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: Base64Url(vec![1; 32]),
            y: Base64Url(vec![2; 32]),
        }
    }

    #[test]
    fn requests_read_back_as_written() {
        let begin = Begin { email: "ada@example.org".into(), session_key: session_key() };
        for message in [
            ClientMessage::SignUpBegin(begin.clone()),
            ClientMessage::SignInBegin(begin),
            ClientMessage::CeremonyFinish(Finish {
                ceremony_id: CeremonyID::from_bytes([7; 16]),
                credential: RawJson(r#"{"id":"x", "n":1.0}"#.into()),
            }),
            ClientMessage::SignOut,
        ] {
            let text = message.encode(Some(7));
            assert_eq!(ClientMessage::decode(&text), (Some(7), Ok(message)), "{text}");
        }
        assert_eq!(ClientMessage::SignOut.encode(None), r#"{"type":"signOut"}"#);
    }

    #[test]
    fn unknown_members_are_ignored_and_unknown_types_named() {
        let text = r#"{"future":1,"type":"signUp.verify","id":3,"data":{"code":"123456","more":true}}"#;
        assert!(matches!(ClientMessage::decode(text), (Some(3), Ok(ClientMessage::SignUpVerify(_)))));
        let (id, error) = ClientMessage::decode(r#"{"type":"dance","id":4}"#);
        assert_eq!(id, Some(4));
        assert_eq!(error, Err(DecodeError::UnknownType("dance".into())));
    }

    #[test]
    fn what_is_wrong_with_a_frame_is_said() {
        for (text, part) in [
            ("", "not an object"),
            ("{", "EOF"),
            (r#"["signOut",1]"#, "not an object"),
            (r#"{"type":"signUp.verify","data":["123456"]}"#, "not an object"),
            ("[]", "not one JSON object"),
            ("{\"id\":1}", "missing field `type`"),
            (r#"{"type":"signUp.verify"}"#, "missing field `code`"),
            (r#"{"type":"signUp.verify","data":{"code":5}}"#, "invalid type"),
        ] {
            let (_, result) = ClientMessage::decode(text);
            let error = result.expect_err(text);
            assert_eq!(error.code(), Code::BadMessage);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn errors_carry_code_and_sentence() {
        let text = ServerMessage::Error(Failure::from(Code::WrongCode)).encode(Some(2));
        assert!(text.starts_with(r#"{"type":"error","data":{"code":"wrongCode","message":""#), "{text}");
        assert!(text.ends_with(r#""id":2}"#), "{text}");
        assert!(!text.contains("retryAfterMs"));
    }
}
