//! The answers that every route of the API can give besides its own, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

/// Problems of every route.
pub(super) struct Refusals;

const REFUSALS: [(&str, &str); 11] = [
    ("400", "The request cannot be read."),
    ("401", "The API key is missing, unknown, expired or revoked."),
    ("403", "The API key lacks a scope, or the request comes from a browser."),
    ("405", "The address does not take that method."),
    ("408", "The body did not arrive in time."),
    ("413", "The body is too large."),
    ("415", "The body is not JSON."),
    ("422", "The body is JSON, but not what is wanted; or the Idempotency-Key belongs to another request."),
    ("429", "Too many requests of this app."),
    ("500", "Something went wrong on the server."),
    ("503", "The server cannot do that just now."),
];

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        REFUSALS.into_iter().map(|(status, what)| (status.to_owned(), problem(what).into())).collect()
    }
}

fn problem(what: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    ResponseBuilder::new().description(what).content("application/problem+json", content).build()
}
