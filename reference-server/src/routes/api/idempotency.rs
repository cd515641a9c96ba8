//! `Idempotency-Key`: a command that is sent again, because its answer got lost, is carried out once and answered the same.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use lru::LruCache;
use passkey_accounts::protocol::{
    AppID, Code, UnixMillis,
    http::{MAX_IDEMPOTENCY_KEY_CHARS, MAX_REQUEST_BYTES},
};
use tokio::sync::OnceCell;

use super::{super::Problem, caller::Caller};
use crate::{
    context::Context,
    limits::{IDEMPOTENT_ANSWER_MS, IDEMPOTENT_ANSWERS_PER_APP},
};

/// The header's name.
const HEADER: &str = "idempotency-key";

/// Answers that may be asked for again. In memory: a restart forgets them.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<std::collections::HashMap<AppID, LruCache<Name, Arc<Command>>>>);

/// The API key and the `Idempotency-Key`: another API key, which may have other scopes, sees nothing of this one's answers.
type Name = (String, String);

/// A command, under way or done.
#[derive(Debug)]
struct Command {
    fingerprint: [u8; 32],
    forget_at: UnixMillis,
    answer: OnceCell<Answer>,
}

/// An answer as it was given.
#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answers {
    /// The command with that name, if it was sent before; else this one takes the name.
    fn enter(&self, app_id: AppID, name: Name, command: Command, now: UnixMillis) -> Arc<Command> {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = NonZeroUsize::new(IDEMPOTENT_ANSWERS_PER_APP).unwrap_or(NonZeroUsize::MIN);
        let commands = apps.entry(app_id).or_insert_with(|| LruCache::new(most));
        while commands.peek_lru().is_some_and(|(_, oldest)| oldest.forget_at <= now) {
            commands.pop_lru();
        }
        match commands.peek(&name) {
            Some(known) if now < known.forget_at => Arc::clone(known),
            _ => {
                let command = Arc::new(command);
                commands.put(name, Arc::clone(&command));
                command
            }
        }
    }
}

/// Runs a request, or repeats the answer that it was given before.
pub(super) async fn once(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let is_command = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Problem::new(StatusCode::UNAUTHORIZED, Code::BadKey).into_response();
    };
    let name = match request.headers().get(HEADER).filter(|_| is_command).map(|name| name.to_str()) {
        None => return next.run(request).await,
        Some(Ok(name)) if is_name(name) => name.to_owned(),
        Some(_) => {
            return Problem::new(StatusCode::BAD_REQUEST, Code::BadMessage)
                .detail(format!(
                    "an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters"
                ))
                .into_response();
        }
    };
    let (parts, body) = request.into_parts();
    // Whole by now: `body::read` saw to it.
    let body = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await.unwrap_or_default();
    let now = context.clock.now();
    let fingerprint = fingerprint(&parts.method, parts.uri.path(), &body);
    let command = Command { fingerprint, forget_at: now.plus(IDEMPOTENT_ANSWER_MS), answer: OnceCell::new() };
    let name = (caller.key.key_id.clone(), name);
    let command = context.api.answers.enter(caller.app_id, name, command, now);
    if command.fingerprint != fingerprint {
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::IdempotencyMismatch).into_response();
    }
    let request = Request::from_parts(parts, Body::from(body));
    // A task of its own: a caller that hangs up does not leave a command behind that is done and has no answer.
    let running = context.sockets.spawn(async move {
        let answer = command.answer.get_or_try_init(async || {
            let (parts, body) = next.run(request).await.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            let answer = Answer { status: parts.status, headers: parts.headers, body };
            // What failed on our side, or came too early, may be tried again under the same name.
            let is_final = !answer.status.is_server_error() && answer.status != StatusCode::TOO_MANY_REQUESTS;
            if is_final { Ok(answer) } else { Err(answer) }
        });
        match answer.await {
            Ok(answer) => answer.clone(),
            Err(answer) => answer,
        }
    });
    match running.await {
        Ok(Answer { status, headers, body }) => (status, headers, body).into_response(),
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal).into_response(),
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn fingerprint(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in [method.as_str().as_bytes(), path.as_bytes()] {
        hash.update(part);
        hash.update(&[0]);
    }
    hash.update(body);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}
