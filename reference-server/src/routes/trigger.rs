//! `/dev/trigger`: real events of a test account, by the very transactions of a sign-up, a sign-in and an end. Dev only.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use passkey_accounts::{
    evidence::PublicKey,
    protocol::{
        AccountID, Code, PasskeyID, SessionID,
        base64url::Base64Url,
        gateway::{EndReason, SessionKey},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Problem,
    api::{Caller, authenticate},
};
use crate::{
    accounts::{Passkey, Registration, SignIn, SignInError, register, sign_in},
    clock::make_random,
    context::Context,
    sessions::{self, Opening, Session, tell},
    store::Wanted,
};

/// What is to happen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    #[serde(rename = "type")]
    kind: Kind,
    /// Whose; absent for a new test account.
    #[serde(rename = "accountID")]
    account_id: Option<AccountID>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    LoggedIn,
    LoggedOut,
}

/// What happened.
#[derive(Debug, Serialize)]
pub(super) struct Triggered {
    #[serde(rename = "accountID")]
    account_id: AccountID,
    #[serde(rename = "sessionID")]
    session_id: SessionID,
}

/// Opens or ends a session as a page would, but for the page.
pub(super) async fn trigger(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Json(trigger): Json<Trigger>,
) -> Result<Json<Triggered>, Problem> {
    let caller = authenticate(&context, &headers)?;
    let open = trigger.account_id.and_then(|account_id| newest(&context, &caller, account_id));
    let session = match (trigger.kind, open) {
        (Kind::LoggedOut, Some(session)) => session,
        // Every `loggedOut` follows a `loggedIn`: where none is open, one is opened first.
        (Kind::LoggedIn, _) | (Kind::LoggedOut, None) => {
            open_session(&context, &caller, trigger.account_id).await?
        }
    };
    let Session { account_id, session_id, .. } = *session;
    match trigger.kind {
        // No socket carries it: it ends by itself after its grace time, like one whose socket dropped.
        Kind::LoggedIn => context.detached.insert(session, context.clock.uptime(), EndReason::ConnectionLost),
        Kind::LoggedOut => {
            sessions::end(&context.store, &session, EndReason::User).await?;
            tell(&context.attached, &context.detached, &[session_id], EndReason::User);
        }
    }
    Ok(Json(Triggered { account_id, session_id }))
}

fn newest(context: &Context, caller: &Caller, account_id: AccountID) -> Option<Arc<Session>> {
    let state = context.store.logs().tail(caller.app_id)?.state();
    state.sessions().values().rev().find(|session| session.account_id == account_id).cloned()
}

async fn open_session(
    context: &Context,
    caller: &Caller,
    account_id: Option<AccountID>,
) -> Result<Arc<Session>, Problem> {
    let key = make_key()?;
    let opening = |account_id, passkey_id| {
        let (now, limits) = (context.clock.now(), context.session_limits);
        let session = Session {
            session_id: SessionID::time_ordered(now, make_random()),
            app_id: caller.app_id,
            account_id,
            passkey_id,
            origin: context.site.origin.clone(),
            session_key: key.clone(),
            started_at: now,
            expires_at: now.plus(limits.absolute_ms),
            ends: context.clock.uptime().plus(limits.absolute_ms),
            idle_ms: limits.idle_ms,
            grace_ms: limits.grace_ms,
            user_agent: String::new(),
        };
        Opening { session, user_verified: true, backed_up: false, evidence: None }
    };
    let Some(account_id) = account_id else {
        let opening = opening(AccountID::from_bytes(make_random()), PasskeyID::from_bytes(make_random()));
        return sign_up(context, &key, opening).await;
    };
    let account = context.store.account(caller.app_id, Wanted::Account(account_id)).await?;
    let passkey = account.as_ref().and_then(|account| account.passkeys.first());
    let passkey = passkey.ok_or_else(|| Problem::not_found("account"))?;
    let opening = opening(account_id, passkey.passkey_id);
    let most_sessions = context.session_limits.per_account;
    let opened = sign_in(&context.store, SignIn { opening, usage: None, most_sessions }).await;
    let opened = opened.map_err(|error| match error {
        SignInError::PasskeyGone => Problem::not_found("account"),
        SignInError::Store(error) => error.into(),
    })?;
    tell(&context.attached, &context.detached, &opened.replaced, EndReason::Replaced);
    Ok(opened.session)
}

/// A test account with a passkey that nobody has.
async fn sign_up(context: &Context, key: &SessionKey, opening: Opening) -> Result<Arc<Session>, Problem> {
    let internal = |what: String| {
        tracing::error!(what, "a test account could not be made");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
    };
    let cose = [&COSE_ES256[..], &[0x21, 0x58, 0x20], &key.x.0, &[0x22, 0x58, 0x20], &key.y.0].concat();
    let passkey = Passkey {
        credential_id: make_random::<32>().to_vec(),
        public_key: PublicKey::from_cose(&cose).map_err(|error| internal(error.to_string()))?,
        sign_count: 0,
        aaguid: [0; 16],
        transports: Vec::new(),
        is_vouched_for: false,
        backup_eligible: false,
        backed_up: false,
        name: None,
        last_used_at: None,
        browsers: Vec::new(),
    };
    let email = format!("test-{:016x}@example.com", u64::from_be_bytes(make_random()));
    let registration = Registration {
        email: email.parse().map_err(|_| internal(email))?,
        passkey,
        public_key_cose: cose,
        opening,
    };
    register(&context.store, registration).await.map_err(|error| internal(error.to_string()))
}

/// The start of an ES256 `COSE_Key`: a map of five, kty EC2, alg ES256, crv P-256 (RFC 9053 section 7.1.1).
const COSE_ES256: [u8; 7] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01];

/// The public half of a key whose private half is forgotten at once.
fn make_key() -> Result<SessionKey, Problem> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let internal = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal);
    let pair = pair.map_err(|_| internal())?;
    let point = pair.public_key().as_ref().get(1..65).ok_or_else(internal)?;
    let (x, y) = point.split_at(32);
    let (x, y) = (Base64Url(x.to_vec()), Base64Url(y.to_vec()));
    Ok(SessionKey { kty: "EC".to_owned(), crv: "P-256".to_owned(), x, y })
}
