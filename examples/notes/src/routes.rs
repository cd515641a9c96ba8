//! The app's routes. Who asks is an argument of the handlers: the layer has checked it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use data_encoding::HEXLOWER;
use passkey_accounts::{Account, protocol::CeremonyID, tower::ProofLayer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::Parts,
    live,
    notes::{Note, Refused},
    pages,
};

/// Every route of the app.
pub(crate) fn router(app: Arc<Parts>, shared: Router) -> Router {
    let proven = Router::new()
        .route("/api/notes", get(list).post(add))
        .route("/api/notes/{id}", delete(remove))
        .layer(ProofLayer::new(app.proofs.clone()).body_limit(MAX_BODY_BYTES));
    Router::new()
        .merge(proven)
        .route("/api/live", get(live::upgrade))
        .route("/config.json", get(pages::config))
        .route("/", get(pages::index))
        .route("/notes.js", get(pages::script))
        .route("/notes.css", get(pages::style))
        .fallback_service(shared)
        .layer(middleware::map_response_with_state(Arc::clone(&app), pages::secure))
        .with_state(app)
}

async fn list(State(app): State<Arc<Parts>>, account: Account) -> Json<Vec<Note>> {
    Json(app.notes.list(account.account_id))
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

async fn add(State(app): State<Arc<Parts>>, account: Account, Json(new): Json<NewNote>) -> Response {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the machine has no randomness");
    }
    match app.notes.add(account.account_id, HEXLOWER.encode(&id), &new.text) {
        Ok(note) => (StatusCode::CREATED, Json(note)).into_response(),
        Err(why @ Refused::Text) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why.to_string()),
        Err(why @ (Refused::TooMany | Refused::Full)) => problem(StatusCode::CONFLICT, &why.to_string()),
    }
}

#[derive(Deserialize)]
struct Confirmation {
    confirmation: Option<String>,
}

/// Deletes a note whose owner has confirmed that with a passkey.
async fn remove(
    State(app): State<Arc<Parts>>,
    account: Account,
    Path(id): Path<String>,
    Query(given): Query<Confirmation>,
) -> Response {
    let Some(note) = app.notes.find(account.account_id, &id) else {
        return problem(StatusCode::NOT_FOUND, "you have no such note");
    };
    let Some(named) = given.confirmation.and_then(|id| id.parse::<CeremonyID>().ok()) else {
        return problem(StatusCode::FORBIDDEN, NOT_CONFIRMED);
    };
    if !app.confirmations.use_up(named, &account, &deletion(&note)).await {
        return problem(StatusCode::FORBIDDEN, NOT_CONFIRMED);
    }
    if app.notes.delete(account.account_id, &id) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        problem(StatusCode::NOT_FOUND, "you have no such note")
    }
}

/// What a person confirms: not only which note, but what it says, because that is what they have read.
fn deletion(note: &Note) -> Value {
    json!({ "type": "deleteNote", "noteID": note.id, "text": note.text })
}

/// An answer of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

const NOT_CONFIRMED: &str = "to delete a note, confirm exactly that with your passkey first";

/// Far more than a note takes.
const MAX_BODY_BYTES: usize = 8 * 1024;
