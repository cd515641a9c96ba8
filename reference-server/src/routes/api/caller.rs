//! Who asks: the API key in `Authorization` or a key pair's signature, its app, its scopes, and how often.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    NotUntil, Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::HashMapStateStore,
};
use passkey_accounts::{
    ProofError,
    proof::{KeyProof, NonceWindow},
    protocol::{AppID, Code, Scope, UnixMillis},
};

use super::{super::Problem, idempotency::Answers};
use crate::{
    clock::Clock,
    context::Context,
    keys::ApiKey,
    limits::{API_REQUEST_BURST, API_REQUESTS_PER_SECOND},
    rates::Ticks,
    store::{KeyRow, KeyState},
};

/// What the API counts and remembers between requests.
pub struct ApiState {
    /// The nonces of key pairs' requests.
    nonces: NonceWindow,
    /// Before it, another process may have taken what comes now, and its memory is gone.
    started: UnixMillis,
    limiter: RateLimiter<AppID, HashMapStateStore<AppID>, Ticks, NoOpMiddleware<Nanos>>,
    ticks: Ticks,
    /// Answers to commands with an `Idempotency-Key`.
    pub(super) answers: Answers,
}

impl ApiState {
    /// Nothing counted yet.
    pub fn new(clock: &Clock) -> Self {
        let per_second =
            std::num::NonZeroU32::new(API_REQUESTS_PER_SECOND).unwrap_or(std::num::NonZeroU32::MIN);
        let burst = std::num::NonZeroU32::new(API_REQUEST_BURST).unwrap_or(std::num::NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let ticks = Ticks(clock.clone());
        // Keyed by apps that have proven to be one: as many as there are rows, whatever strangers send.
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), ticks.clone());
        Self { nonces: NonceWindow::new(), started: clock.now(), limiter, ticks, answers: Answers::default() }
    }

    fn count(&self, app_id: AppID) -> Result<(), Problem> {
        let too_many = |not_until: NotUntil<Nanos>| {
            let wait = self.ticks.wait(&not_until);
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited).retry_after_ms(millis)
        };
        self.limiter.check_key(&app_id).map_err(too_many)
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").finish_non_exhaustive()
    }
}

/// A back end that has shown a live key.
#[derive(Debug, Clone)]
pub(in crate::routes) struct Caller {
    /// The app that it speaks for. Whatever it names belongs to this app or does not exist.
    pub(in crate::routes) app_id: AppID,
    /// Its key.
    pub(super) key: Arc<KeyRow>,
}

impl Caller {
    /// Whether the key may be used for that.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.key.scopes.contains(&scope)
    }

    /// Refuses a key that may not be used for that.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) { Ok(()) } else { Err(missing(scope)) }
    }
}

/// What a key without that scope is told.
pub(super) fn missing(scope: Scope) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, Code::Forbidden)
        .detail(format!("this API key lacks the scope {scope}; use one that has it"))
        .challenge(r#"Bearer realm="passkey-accounts", error="insufficient_scope""#)
}

/// Finds out who asks, and lets nobody else in.
pub(super) async fn authorize(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_signed = request.headers().contains_key("signature-input");
    let found = if is_signed && !request.headers().contains_key(header::AUTHORIZATION) {
        let (parts, body) = request.into_parts();
        let found = check_signature(&context, &parts);
        request = Request::from_parts(parts, body);
        found.map(|(caller, proof)| {
            // What it says of the body is checked when the body is there.
            request.extensions_mut().insert(proof);
            caller
        })
    } else {
        authenticate(&context, request.headers())
    };
    match found {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Reads and checks a key pair's signature of a request.
fn check_signature(context: &Context, parts: &Parts) -> Result<(Caller, KeyProof), Problem> {
    refuse_browsers(&parts.headers)?;
    let now = context.clock.now();
    let refuse = |error: ProofError| {
        let (status, sentence) = (error.status(), error.to_string());
        Problem::new(StatusCode::from_u16(status).unwrap_or_default(), error.code()).detail(sentence)
    };
    let proof = KeyProof::of_parts(parts, &context.site.origins).map_err(refuse)?;
    proof.check_time(now).map_err(refuse)?;
    if proof.created() <= context.api.started {
        return Err(refuse(ProofError::Expired));
    }
    let row = context.store.key(proof.key_id());
    let row = row.ok_or_else(|| invalid(Code::BadKey))?;
    let key = row.check.public_key().ok_or_else(|| invalid(Code::BadKey))?;
    proof.verify(key).map_err(refuse)?;
    check_state(&row, now)?;
    context.api.nonces.remember_key(&proof, now).map_err(refuse)?;
    context.api.count(row.app_id)?;
    Ok((Caller { app_id: row.app_id, key: row }, proof))
}

/// Reads and checks the API key of a request.
pub(in crate::routes) fn authenticate(context: &Context, headers: &HeaderMap) -> Result<Caller, Problem> {
    refuse_browsers(headers)?;
    let key = match bearer(headers) {
        None => {
            return Err(unauthorized(Code::BadKey, r#"Bearer realm="passkey-accounts""#)
                .detail("no API key was sent; send it as \"Authorization: Bearer pa_...\""));
        }
        Some(text) => ApiKey::parse(text).ok_or_else(|| invalid(Code::BadKey))?,
    };
    let row = context.store.key(key.id());
    let row = row.filter(|row| row.check.is(&key)).ok_or_else(|| invalid(Code::BadKey))?;
    check_state(&row, context.clock.now())?;
    context.api.count(row.app_id)?;
    Ok(Caller { app_id: row.app_id, key: row })
}

fn check_state(row: &KeyRow, now: UnixMillis) -> Result<(), Problem> {
    match row.state(now) {
        KeyState::Live => Ok(()),
        KeyState::Expired => Err(invalid(Code::KeyExpired)),
        KeyState::Revoked => Err(invalid(Code::KeyRevoked)),
    }
}

fn refuse_browsers(headers: &HeaderMap) -> Result<(), Problem> {
    // Only browsers send Origin, and an API key in a browser is an API key in everybody's hands.
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, Code::Forbidden).detail(
            "this API is for back ends: an API key does not belong in a browser, and requests with an Origin header come from one",
        ));
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    // Two of them: two readers could disagree about which one counts.
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn invalid(code: Code) -> Problem {
    let sentence = match code {
        Code::BadKey => "this API key is misspelt or unknown; use one of this server, as it was printed",
        _ => code.message(),
    };
    unauthorized(code, r#"Bearer realm="passkey-accounts", error="invalid_token""#).detail(sentence)
}

fn unauthorized(code: Code, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code).challenge(challenge)
}
