//! Bodies and queries: bounded, in time too, and of the right kind.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use passkey_accounts::{
    proof::KeyProof,
    protocol::{Code, http::MAX_REQUEST_BYTES},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::super::Problem;
use crate::limits::REQUEST_BODY_MS;

/// Reads the whole body before anything runs: at most [`MAX_REQUEST_BYTES`] in at most [`REQUEST_BODY_MS`].
pub(super) async fn read(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, MAX_REQUEST_BYTES);
    let problem = match tokio::time::timeout(Duration::from_millis(REQUEST_BODY_MS), reading).await {
        Ok(Ok(bytes)) => match parts.extensions.get::<KeyProof>().map(|proof| proof.check_body(&bytes)) {
            None | Some(Ok(())) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
            Some(Err(error)) => {
                Problem::new(StatusCode::UNAUTHORIZED, error.code()).detail(error.to_string())
            }
        },
        Ok(Err(_)) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge)
            .detail(format!("the body has more than {MAX_REQUEST_BYTES} bytes, or broke off")),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, Code::Idle)
            .detail("the body did not arrive in time; please try again"),
    };
    problem.into_response()
}

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<Box<RawValue>>::from_request(request, state).await {
            Ok(axum::Json(text)) => object(text.get()).map(Self),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

/// The parser alone would also take an array of the members' values in order.
fn object<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if !text.starts_with('{') {
        return Err(unprocessable("the body is not a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| unprocessable(error.to_string()))
}

/// What an address names. An id that cannot be one names nothing, like one that does not exist.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::new(StatusCode::NOT_FOUND, Code::NotFound)),
        }
    }
}

/// A JSON body that may be left out, content type and all.
#[derive(Debug)]
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        // Whole by now: `read` saw to it.
        let bytes: Bytes = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await.unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        Json::from_request(request, state).await.map(|Json(value)| Self(value))
    }
}

fn refuse(rejection: &JsonRejection) -> Problem {
    let detail = rejection.body_text();
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::BadMessage)
                .detail("send the body as JSON, with \"Content-Type: application/json\"")
        }
        JsonRejection::JsonDataError(_) => unprocessable(detail),
        _ => Problem::new(StatusCode::BAD_REQUEST, Code::BadMessage).detail(detail),
    }
}

/// JSON, but not what is wanted.
pub(super) fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadMessage).detail(detail)
}

/// Something in the query is wrong.
pub(super) fn bad_query(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Code::BadMessage).detail(detail)
}

/// The query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(bad_query(rejection.body_text())),
        }
    }
}
