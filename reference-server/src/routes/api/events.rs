//! `/v1/events`: pages of the log, for exports and for whoever cannot hold a socket open.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use passkey_accounts::{
    log::EventID,
    protocol::{
        Scope,
        base64url::Base64Url,
        http::{EventBody, EventsPage, Problem as ProblemBody},
        stream::{GapData, GapNext, MAX_TYPES},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::{
    super::Problem,
    answers::Refusals,
    body::{Asked, bad_query},
    caller::{Caller, missing},
    sessions::page_items,
};
use crate::{
    context::Context,
    limits::{MAX_SCANNED_ENTRIES, READ_ENTRIES},
    log::Entry,
    store::StoreError,
    stream::Types,
};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Those after this position. Absent: from the oldest that is kept.
    after: Option<String>,
    /// At most this many, 1 to 500. Default 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Those of these types, separated by commas; `*` for all that the key may read. Default `loggedIn,loggedOut`.
    types: Option<String>,
}

/// Which types are wanted, and may be read.
fn types(asked: Option<&str>, caller: &Caller) -> Result<Types, Problem> {
    let names = asked.map(|names| names.split(',').map(str::to_owned));
    let wanted = Types::read(names)
        .ok_or_else(|| bad_query(format!("\"types\" names more than {MAX_TYPES} types")))?;
    wanted.readable_with(&caller.key.scopes).ok_or_else(|| missing(Scope::AuditRead))
}

/// Reads the log from a position on. Needs `events:read`; events about keys need `audit:read` besides. A position that
/// cannot be continued is `gone`, never skipped: the problem's `gap` says why, and where the log goes on.
#[utoipa::path(get, path = "/v1/events", operation_id = "listEvents", tag = "events", params(EventsQuery),
    responses(
        (status = 200, description = "A stretch of the log.", body = EventsPage),
        (status = 410, description = "The position cannot be continued.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<EventsQuery>,
) -> Result<Json<EventsPage>, Problem> {
    caller.require(Scope::EventsRead)?;
    let limit = page_items(query.limit)?;
    let types = types(query.types.as_deref(), &caller)?;
    let tail = context.store.logs().tail(caller.app_id).ok_or_else(|| Problem::not_found("app"))?;
    let state = tail.state();
    let oldest = state.start().id;
    let begin = match &query.after {
        None => oldest,
        Some(after) => {
            let position: EventID = after.parse().map_err(|_| {
                bad_query("\"after\" is not an id of this server; send one exactly as you received it")
            })?;
            let stored = context.store.chain_hash(caller.app_id, position.seq).await?;
            if let Err(reason) = state.check(position, stored) {
                let (after, oldest) = (after.clone(), Some(oldest.to_string()));
                return Err(Problem::gone(GapData { reason, after, next: GapNext::Oldest, oldest }));
            }
            position
        }
    };
    let mut page = Page { events: Vec::new(), told: begin, scanned: begin };
    let mut scanned = 0;
    while page.events.len() < limit && page.scanned.seq < state.seq() && scanned < MAX_SCANNED_ENTRIES {
        let entries = match tail.entries_after(page.scanned.seq, READ_ENTRIES) {
            Some(entries) => entries,
            None => {
                let (store, seq) = (&context.store, page.scanned.seq);
                // Cut off while this was read: the next request is told so.
                let stored = store.entries_after(caller.app_id, state.epoch(), seq, READ_ENTRIES).await?;
                let Some(entries) = stored else { break };
                entries
            }
        };
        if entries.is_empty() {
            break;
        }
        scanned += entries.len();
        for entry in entries.iter().take_while(|entry| entry.seq <= state.seq()) {
            page.pass(entry, types.contains(&entry.name))?;
            if page.events.len() == limit {
                break;
            }
        }
    }
    Ok(Json(EventsPage {
        more: page.scanned.seq < state.seq(),
        events: page.events,
        next: page.scanned.to_string(),
        oldest: oldest.to_string(),
        oldest_hash: Base64Url(state.start().hash.0.to_vec()),
        head: state.head().id.to_string(),
    }))
}

struct Page {
    events: Vec<EventBody>,
    told: EventID,
    scanned: EventID,
}

impl Page {
    fn pass(&mut self, entry: &Entry, is_wanted: bool) -> Result<(), StoreError> {
        self.scanned = entry.id;
        if is_wanted {
            let data = RawValue::from_string(entry.data.clone()).map_err(|_| StoreError::Corrupt("event"))?;
            let (name, prev) = (entry.name.to_string(), self.told.to_string());
            let (id, seq, time) = (entry.id.to_string(), entry.seq, entry.time);
            self.events.push(EventBody { name, data, id, prev, seq, time });
            self.told = entry.id;
        }
        Ok(())
    }
}
