//! `Account` as an argument of axum's handlers.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::refusal;
use crate::{Account, proof::ProofError};

/// The extractor found no [`Account`]: the request has no proof, or its route is not behind a
/// [`ProofLayer`](super::ProofLayer). 401, `proofMissing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Refused(#[from] ProofError);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal::response(self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Account {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get().cloned().ok_or(Refused(ProofError::Missing))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Account {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, std::convert::Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}
