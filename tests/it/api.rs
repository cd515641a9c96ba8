//! The HTTP API: every address, every refusal, and that no key reaches into another app. Each answer is held against the
//! OpenAPI document by [`Http`].

use std::{collections::BTreeSet, time::Duration};

use passkey_accounts::{
    Api, ApiError,
    api::{EventsQuery, SessionsQuery},
    protocol::{
        AccountID, Code, PasskeyID, Scope, SessionID,
        event::EventKind,
        gateway::Session,
        http::{MAX_REQUEST_BYTES, NewKey},
        stream::{GapReason, RawEvent},
    },
};
use passkey_accounts_server::limits::{API_REQUEST_BURST, IDEMPOTENT_ANSWER_MS, MAX_LIVE_KEYS_PER_APP};
use passkey_accounts_tests::{Http, Page, START, SoftwareAuthenticator, TestServer};
use reqwest::{Method, header};
use serde_json::{Value, json};

async fn signed_up(server: &TestServer, name: &str) -> (Page, Session) {
    let mut page = Page::connect(server).await;
    let mut authenticator = SoftwareAuthenticator::new([name.as_bytes()[0]; 32]);
    let session = page.sign_up(server, &format!("{name}@example.org"), &mut authenticator).await;
    (page, session)
}

fn api(server: &TestServer) -> Api {
    Api::new(&server.origin(), &server.api_key).unwrap()
}

/// Every address of the API with its methods, from the document; ids filled in.
fn operations(http: &Http) -> Vec<(Method, String)> {
    let paths = http.document()["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut operations = Vec::new();
    for (path, item) in paths {
        let path = path
            .replace("{sessionID}", &SessionID::from_bytes([9; 16]).to_string())
            .replace("{accountID}", &AccountID::from_bytes([9; 16]).to_string())
            .replace("{passkeyID}", &PasskeyID::from_bytes([9; 16]).to_string())
            .replace("{keyID}", "0000000000000000");
        assert!(!path.contains('{'), "{path}");
        for method in methods(item) {
            if let Ok(method) = method.to_uppercase().parse() {
                operations.push((method, path.clone()));
            }
        }
    }
    assert!(operations.len() >= 12, "{operations:?}");
    operations
}

#[tokio::test]
async fn the_document_lists_exactly_the_methods_that_each_address_takes() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    assert_eq!(
        http.document()["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(),
        ["3", "1"]
    );
    for (_, path) in operations(&http) {
        let refused = http.send(http.request(Method::OPTIONS, &path)).await;
        assert_eq!(refused.status, 405, "{path}");
        let taken: BTreeSet<_> =
            refused.header("allow").split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        let documented: BTreeSet<_> = operations(&http)
            .into_iter()
            .filter(|(_, other)| *other == path)
            .map(|(method, _)| method.to_string())
            .collect();
        assert_eq!(taken, documented.iter().map(String::as_str).collect(), "{path}");
    }
    assert_eq!(http.get("/v1/moon").await.code(), Code::NotFound.as_str());
    assert_eq!(http.post("/v1/moon", &json!({})).await.status, 404);
}

#[tokio::test]
async fn nothing_is_said_to_whoever_shows_no_live_key() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let expired = server.make_key(Some(START.plus(1_000))).await;
    server.clock().advance(1_000);
    let revoked = server.make_key(None).await;
    assert!(server.context().store.revoke_key(revoked.id()).await.unwrap());
    let stranger = TestServer::start().await.api_key;
    let misspelt = server.api_key.replace("pa_dev_", "pa_live_");
    for (method, path) in operations(&http) {
        let bare = http.send(http.bare(method.clone(), &path)).await;
        assert_eq!((bare.status, bare.code()), (401, Code::BadKey.as_str()), "{method} {path}");
        assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="passkey-accounts""#);
        for (key, code) in [
            (&*misspelt, Code::BadKey),
            (&stranger, Code::BadKey),
            ("", Code::BadKey),
            (expired.reveal(), Code::KeyExpired),
            (revoked.reveal(), Code::KeyRevoked),
        ] {
            let refused = http.send(http.with_key(key).request(method.clone(), &path)).await;
            assert_eq!((refused.status, refused.code()), (401, code.as_str()), "{method} {path}");
            assert!(refused.header("www-authenticate").starts_with("Bearer "), "{method} {path}");
        }
        let basic = http.bare(method.clone(), &path).basic_auth("x", Some(&server.api_key));
        assert_eq!(http.send(basic).await.status, 401, "{method} {path}");
        let twice = http.request(method.clone(), &path).header(header::AUTHORIZATION, "Bearer x");
        assert_eq!(http.send(twice).await.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_is_refused_even_with_a_key() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    for (method, path) in operations(&http) {
        for origin in [server.origin(), "null".to_owned(), String::new()] {
            let answer = http.send(http.request(method.clone(), &path).header(header::ORIGIN, origin)).await;
            assert_eq!((answer.status, answer.code()), (403, Code::Forbidden.as_str()), "{method} {path}");
            assert!(answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let needed = |method: &Method, path: &str| match (method.as_str(), path) {
        (_, "/v1/app") => None,
        ("GET", "/v1/events" | "/v1/checkpoint") => Some(Scope::EventsRead),
        ("GET", "/v1/sessions") => Some(Scope::SessionsRead),
        (_, path) if path.starts_with("/v1/sessions/") => Some(Scope::SessionsWrite),
        ("GET", "/v1/recoveries") => Some(Scope::AccountsRead),
        ("POST", path) if path.ends_with("/recovery") => Some(Scope::RecoveryApprove),
        ("GET", path) if path.starts_with("/v1/accounts/") => Some(Scope::AccountsRead),
        (_, path) if path.starts_with("/v1/accounts/") => Some(Scope::AccountsWrite),
        (_, path) if path.starts_with("/v1/keys") || path == "/v1/key-pairs" => Some(Scope::KeysWrite),
        _ => panic!("{method} {path} has no scope"),
    };
    for scope in Scope::ALL {
        let key = server.make_key_for(&[scope]).await;
        let http = http.with_key(key.reveal());
        for (method, path) in operations(&http) {
            let answer = http.send(http.request(method.clone(), &path).json(&json!({}))).await;
            let may = needed(&method, &path).is_none_or(|needed| needed == scope);
            assert_eq!(answer.status != 403, may, "{scope}: {method} {path}: {answer:?}");
            if !may {
                assert!(answer.header("www-authenticate").contains("insufficient_scope"), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn open_sessions_are_listed_in_pages_and_by_account() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    let mut pages = Vec::new();
    let mut open = BTreeSet::new();
    for name in ["ada", "bob", "eve"] {
        let (page, session) = signed_up(&server, name).await;
        pages.push(page);
        open.insert(session.session_id);
    }
    let mut listed = Vec::new();
    let mut query = SessionsQuery { limit: Some(2), ..SessionsQuery::default() };
    loop {
        let page = api.sessions(&query).await.unwrap();
        assert!(page.sessions.len() <= 2);
        assert_eq!(
            page.head,
            server.context().store.logs().tail(server.app_id).unwrap().state().head().id.to_string()
        );
        listed.extend(page.sessions.iter().map(|session| session.session_id));
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    assert_eq!(listed, open.iter().copied().collect::<Vec<_>>());
    let first = api.sessions(&SessionsQuery::default()).await.unwrap().sessions.remove(0);
    let only = SessionsQuery { account_id: Some(first.account_id), ..SessionsQuery::default() };
    assert_eq!(api.sessions(&only).await.unwrap().sessions, [first]);
    for query in ["limit=0", "limit=501", "limit=x", "after=x", "accountID=x", "accountId=x"] {
        let answer = http.get(&format!("/v1/sessions?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, Code::BadMessage.as_str()), "{query}");
    }
}

#[tokio::test]
async fn an_account_is_described_without_its_address() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    let (_page, session) = signed_up(&server, "ada").await;
    let account = api.account(session.account_id).await.unwrap();
    assert_eq!((account.passkeys, account.sessions, account.created_at), (1, 1, START));
    let passkeys = api.passkeys(session.account_id).await.unwrap();
    assert_eq!(passkeys.iter().map(|passkey| passkey.passkey_id).collect::<Vec<_>>(), [session.passkey_id]);
    let text = http.get(&format!("/v1/accounts/{}", session.account_id)).await.body.to_string();
    assert!(!text.contains("ada"), "{text}");
    let app = api.app().await.unwrap();
    assert_eq!((app.app_id, app.origins), (server.app_id, vec![server.origin()]));
}

#[tokio::test]
async fn ids_that_do_not_exist_and_ids_that_cannot_be_look_the_same() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    for path in [
        "/v1/sessions/ses_00000000000000000000000000",
        "/v1/sessions/nonsense",
        "/v1/accounts/nonsense",
        "/v1/accounts/acct_00000000000000000000000000",
        "/v1/accounts/nonsense/passkeys/nonsense",
        "/v1/keys/nonsense",
        "/v1/keys/%00%ff",
        "/v1/accounts/..%2f..%2fkeys",
    ] {
        let answer = http.delete(path).await;
        assert_eq!((answer.status, answer.code()), (404, Code::NotFound.as_str()), "{path}");
    }
    assert_eq!(http.get("/v1/accounts/acct_00000000000000000000000000/passkeys").await.status, 404);
}

#[tokio::test]
async fn a_key_of_one_app_never_reads_or_ends_anything_of_another() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let (page, session) = signed_up(&server, "ada").await;
    let second = server.add_passkey(session.account_id).await;
    let (_, key) = server.make_app().await;
    let stranger = http.with_key(key.reveal());
    let (account, passkey) = (session.account_id, session.passkey_id);
    for (method, path) in [
        (Method::GET, format!("/v1/accounts/{account}")),
        (Method::GET, format!("/v1/accounts/{account}/passkeys")),
        (Method::DELETE, format!("/v1/accounts/{account}")),
        (Method::DELETE, format!("/v1/accounts/{account}/passkeys/{passkey}")),
        (Method::DELETE, format!("/v1/accounts/{account}/passkeys/{second}")),
        (Method::DELETE, format!("/v1/sessions/{}", session.session_id)),
        (Method::DELETE, format!("/v1/keys/{}", key_id(&server.api_key))),
        (Method::POST, format!("/v1/keys/{}/rotate", key_id(&server.api_key))),
    ] {
        let answer = stranger.send(stranger.request(method.clone(), &path)).await;
        assert_eq!((answer.status, answer.code()), (404, Code::NotFound.as_str()), "{method} {path}");
    }
    assert_eq!(stranger.get("/v1/sessions").await.body["sessions"], json!([]));
    assert_eq!(stranger.get("/v1/events?types=*").await.body["events"], json!([]));
    assert_eq!(stranger.get("/v1/keys").await.body["keys"].as_array().unwrap().len(), 1);
    let head = http.get("/v1/events").await.body["head"].as_str().unwrap().to_owned();
    let elsewhere = stranger.get(&format!("/v1/events?after={head}")).await;
    assert_eq!((elsewhere.status, elsewhere.code()), (410, Code::Gone.as_str()), "another app's position");
    assert_eq!(http.get("/v1/sessions").await.body["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(http.get(&format!("/v1/accounts/{account}")).await.body["passkeys"], 2);
    drop(page);
}

fn key_id(key: &str) -> &str {
    key.split('_').nth(2).unwrap()
}

#[tokio::test]
async fn the_log_is_read_in_pages_with_the_bytes_and_links_of_the_socket() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    let (mut page, _) = signed_up(&server, "ada").await;
    page.sign_out().await;
    let mut query = EventsQuery { limit: Some(1), types: vec!["*".into()], after: None };
    let mut events: Vec<RawEvent> = Vec::new();
    let mut told = None;
    loop {
        let page = api.events(&query).await.unwrap();
        for event in page.events {
            told = told.or(Some(page.oldest.clone()));
            assert_eq!(Some(&event.prev), told.as_ref());
            told = Some(event.id.clone());
            events.push(event.into());
        }
        query.after = Some(page.next);
        if !page.more {
            break;
        }
    }
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["registered", "passkeyAdded", "loggedIn", "loggedOut"]);
    let tail = server.context().store.logs().tail(server.app_id).unwrap();
    for (event, stored) in events.iter().zip(tail.entries_after(0, 10).unwrap()) {
        assert_eq!((&event.data, &event.id), (&stored.data, &stored.id.to_string()));
        assert!(matches!(event.kind(), Ok(Some(_))));
    }
    // By default what a socket gets by default.
    let default = http.get("/v1/events").await.body;
    let names: Vec<_> = default["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(names, ["loggedIn", "loggedOut"]);
    // Nothing of that type: the position moves on all the same.
    let none = http.get("/v1/events?types=counterRegressed").await.body;
    assert_eq!((&none["events"], &none["next"], &none["more"]), (&json!([]), &none["head"], &json!(false)));
}

#[tokio::test]
async fn a_position_that_cannot_be_continued_is_gone_with_its_reason() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    let (_page, _) = signed_up(&server, "ada").await;
    let head = http.get("/v1/events").await.body["head"].as_str().unwrap().to_owned();
    let (epoch, hash) = (&head[..4], head.splitn(3, '-').nth(2).unwrap());
    let other_epoch = if epoch == "0000" { "1111" } else { "0000" };
    for (after, reason) in [
        (format!("{epoch}-99-{hash}"), GapReason::Ahead),
        (format!("{epoch}-2-{hash}"), GapReason::Diverged),
        (format!("{other_epoch}-2-{hash}"), GapReason::Epoch),
    ] {
        let query = EventsQuery { after: Some(after.clone()), ..EventsQuery::default() };
        let error = api.events(&query).await.unwrap_err();
        assert!(error.is(Code::Gone) && error.status() == Some(410), "{error}");
        let gap = error.gap().unwrap();
        assert_eq!((gap.reason, &gap.after), (reason, &after));
        let oldest = EventsQuery { after: gap.oldest.clone(), ..EventsQuery::default() };
        assert_eq!(api.events(&oldest).await.unwrap().events.len(), 1, "the log goes on where the gap says");
    }
    for query in ["after=yesterday", "limit=0", "type=loggedIn"] {
        assert_eq!(http.get(&format!("/v1/events?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn events_about_keys_are_for_auditors() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let (_page, _) = signed_up(&server, "ada").await;
    let reader = server.make_key_for(&[Scope::EventsRead]).await;
    server.context().store.revoke_key(reader.id()).await.unwrap();
    let reader = http.with_key(server.make_key_for(&[Scope::EventsRead]).await.reveal());
    let names = |body: &Value| -> Vec<String> {
        let events = body["events"].as_array().unwrap();
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    let audit = names(&http.get("/v1/events?types=*").await.body);
    assert_eq!(audit[3..], ["apiKeyCreated", "apiKeyRevoked", "apiKeyCreated"]);
    assert_eq!(names(&reader.get("/v1/events?types=*").await.body), audit[..3]);
    for name in EventKind::AUDIT_NAMES {
        let refused = reader.get(&format!("/v1/events?types=loggedIn,{name}")).await;
        assert_eq!((refused.status, refused.code()), (403, Code::Forbidden.as_str()));
    }
}

#[tokio::test]
async fn hostile_bodies_are_refused_each_with_its_status() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let send = async |kind: &str, body: String| {
        let request = http.request(Method::POST, "/v1/keys").header(header::CONTENT_TYPE, kind).body(body);
        let answer = http.send(request).await;
        (answer.status, answer.code().to_owned())
    };
    let bad = Code::BadMessage.as_str().to_owned();
    let huge = "x".repeat(MAX_REQUEST_BYTES + 1);
    assert_eq!(send("application/json", huge).await, (413, Code::TooLarge.as_str().to_owned()));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        assert_eq!(send(kind, "{}".into()).await, (415, bad.clone()), "{kind}");
    }
    for broken in ["", "{", "nul", "\"\\ud800\"", &"[".repeat(4_000)] {
        assert!(matches!(send("application/json", broken.to_owned()).await.0, 400 | 422), "{broken}");
    }
    for wrong in [
        json!({ "scopes": [] }),
        json!({ "scopes": ["moon:write"] }),
        json!({ "scopes": "events:read" }),
        json!({ "name": "x".repeat(101) }),
        json!({ "name": "a\u{1b}[2Jb" }),
        json!({ "expiresAt": "2020-01-01T00:00:00.000Z" }),
        json!({ "expiresAt": "tomorrow" }),
        json!({ "scope": ["events:read"] }),
        json!([]),
        json!("x"),
    ] {
        assert_eq!(send("application/json", wrong.to_string()).await, (422, bad.clone()), "{wrong}");
    }
    let rotate = format!("/v1/keys/{}/rotate", key_id(&server.api_key));
    assert_eq!(http.post(&rotate, &json!({ "overlapMs": u64::MAX })).await.status, 422);
    assert_eq!(http.post(&rotate, &json!({ "overlap": 1 })).await.status, 422);
    assert_eq!(http.get("/v1/keys").await.body["keys"].as_array().unwrap().len(), 1, "nothing was made");
}

#[tokio::test]
async fn an_app_that_asks_too_often_is_told_when_to_come_back() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let (_, other) = server.make_app().await;
    for _ in 0..API_REQUEST_BURST {
        assert_eq!(http.get("/v1/app").await.status, 200);
    }
    let refused = http.get("/v1/app").await;
    assert_eq!((refused.status, refused.code()), (429, Code::RateLimited.as_str()));
    assert_eq!(refused.header("retry-after"), "1");
    let wait = refused.body["retryAfterMs"].as_u64().unwrap();
    assert!((1..=1_000).contains(&wait), "{wait}");
    assert_eq!(
        http.with_key(other.reveal()).get("/v1/keys").await.status,
        200,
        "another app has its own share"
    );
    server.clock().advance(wait);
    assert_eq!(http.get("/v1/app").await.status, 200);
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_may_do_no_more_than_its_maker() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let maker = server.make_key_for(&[Scope::KeysWrite, Scope::EventsRead]).await;
    let maker = http.with_key(maker.reveal());
    let made = maker.post("/v1/keys", &json!({ "name": "reader", "scopes": ["events:read"] })).await;
    assert_eq!((made.status, &made.body["key"]["scopes"]), (201, &json!(["events:read"])));
    let secret = made.body["apiKey"].as_str().unwrap();
    assert_eq!(http.with_key(secret).get("/v1/events").await.status, 200);
    assert_eq!(http.with_key(secret).get("/v1/keys").await.status, 403);
    assert!(!http.get("/v1/keys").await.body.to_string().contains(secret));
    // Absent scopes are the maker's own, never more.
    let like_maker = maker.post("/v1/keys", &json!({})).await;
    assert_eq!(like_maker.body["key"]["scopes"], json!(["events:read", "keys:write"]));
    for scopes in [json!(["accounts:write"]), json!(["events:read", "audit:read"])] {
        assert_eq!(maker.post("/v1/keys", &json!({ "scopes": scopes })).await.status, 403);
    }
    // Nor by rotating one that may do more.
    let rotate = format!("/v1/keys/{}/rotate", key_id(&server.api_key));
    assert_eq!(maker.post(&rotate, &json!({})).await.status, 403);
}

#[tokio::test]
async fn an_app_has_a_bounded_number_of_live_keys() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    for _ in 1..MAX_LIVE_KEYS_PER_APP {
        api.create_key(&NewKey::default()).await.unwrap();
    }
    let refused = http.post("/v1/keys", &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, Code::TooManyKeys.as_str()));
    // A rotation needs one more for a while, and gets it.
    let rotated = api.rotate_key(key_id(&server.api_key), Duration::from_mins(1)).await.unwrap();
    let refused = api.create_key(&NewKey::default()).await.unwrap_err();
    assert!(refused.is(Code::TooManyKeys) && !refused.is_retryable(), "{refused}");
    api.revoke_key(&rotated.key.key_id).await.unwrap();
    server.clock().advance(60_000);
    let error = api.app().await.unwrap_err();
    assert!(error.is(Code::KeyExpired), "{error}");
}

#[tokio::test]
async fn a_rotated_key_works_until_its_overlap_is_over() {
    let server = TestServer::start().await;
    let (http, api) = (Http::new(&server).await, api(&server));
    let rotated = api.rotate_key(key_id(&server.api_key), Duration::from_mins(1)).await.unwrap();
    assert_eq!(http.get("/v1/app").await.status, 200);
    let new = http.with_key(&rotated.api_key);
    server.clock().advance(60_000);
    assert_eq!(http.get("/v1/app").await.code(), Code::KeyExpired.as_str());
    assert_eq!(new.get("/v1/app").await.status, 200);
    let again = new.post(&format!("/v1/keys/{}/rotate", key_id(&server.api_key)), &json!({})).await;
    assert_eq!(again.status, 409, "one that is over cannot be rotated");
    // Without an overlap the old one is revoked at once.
    let third = Api::new(&server.origin(), &rotated.api_key).unwrap();
    let third = third.rotate_key(&rotated.key.key_id, Duration::ZERO).await.unwrap();
    assert_eq!(new.get("/v1/app").await.code(), Code::KeyRevoked.as_str());
    assert_eq!(http.with_key(&third.api_key).get("/v1/app").await.status, 200);
}

#[tokio::test]
async fn a_command_that_is_sent_again_is_carried_out_once_and_answered_the_same() {
    let server = TestServer::start().await;
    let http = Http::new(&server).await;
    let send = async |name: &str, body: Value| {
        http.send(http.request(Method::POST, "/v1/keys").header("idempotency-key", name).json(&body)).await
    };
    let body = json!({ "name": "once" });
    let (first, second) = tokio::join!(send("a", body.clone()), send("a", body.clone()));
    assert_eq!((first.status, &first.body), (201, &second.body), "also while it is under way");
    assert_eq!(send("a", body.clone()).await.body, first.body);
    let count = async || http.get("/v1/keys").await.body["keys"].as_array().unwrap().len();
    assert_eq!(count().await, 2);
    let other = send("a", json!({ "name": "other" })).await;
    assert_eq!((other.status, other.code()), (422, Code::IdempotencyMismatch.as_str()));
    assert_ne!(send("b", body.clone()).await.body, first.body);
    // Another key of the same app does not get to see the answer, which holds a secret.
    let reader = http.with_key(server.make_key_for(&[Scope::EventsRead]).await.reveal());
    let stolen = reader.request(Method::POST, "/v1/keys").header("idempotency-key", "a").json(&body);
    assert_eq!(reader.send(stolen).await.status, 403);
    for name in ["", "a b", &"x".repeat(129)] {
        assert_eq!(send(name, body.clone()).await.status, 400, "{name:?}");
    }
    server.clock().advance(IDEMPOTENT_ANSWER_MS);
    assert_ne!(send("a", body).await.body, first.body, "forgotten by now");
    let (_page, session) = signed_up(&server, "ada").await;
    let end = async || {
        let path = format!("/v1/sessions/{}", session.session_id);
        http.send(http.request(Method::DELETE, &path).header("idempotency-key", "end")).await.status
    };
    assert_eq!((end().await, end().await), (204, 204));
    assert_eq!(http.delete(&format!("/v1/sessions/{}", session.session_id)).await.status, 404);
}

#[tokio::test]
async fn the_client_tries_again_what_can_pass_and_nothing_else() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::HeaderMap, response::IntoResponse, routing::any};

    let tries = Arc::new(AtomicUsize::new(0));
    let names = Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let router = Router::new().route("/{*path}", {
        let (tries, names) = (Arc::clone(&tries), Arc::clone(&names));
        any(async move |headers: HeaderMap| {
            let name = headers.get("idempotency-key").map(|name| name.to_str().unwrap().to_owned());
            names.lock().unwrap().insert(name);
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => (503, [("retry-after", "0")], "a proxy says this").into_response_parts(),
                1 => (500, [("retry-after", "0")], r#"{"type":"about:blank","title":"x","status":500,"code":"internal","detail":"x","retryAfterMs":1}"#).into_response_parts(),
                2 => (204, [("retry-after", "0")], "").into_response_parts(),
                _ => (403, [("retry-after", "0")], r#"{"type":"about:blank","title":"x","status":403,"code":"newWord","detail":"x"}"#).into_response_parts(),
            }
        })
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let api = Api::new(&format!("http://{address}/below"), "pa_dev_x").unwrap();
    api.revoke_key("k").await.unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    let sent = names.lock().unwrap().clone();
    assert!(sent.len() == 1 && !sent.contains(&None), "one command, one name: {sent:?}");
    let error = api.app().await.unwrap_err();
    assert_eq!((tries.load(Ordering::Relaxed), error.code(), error.is_retryable()), (4, "newWord", false));
    let nobody = Api::new("http://127.0.0.1:1", "pa_dev_x").unwrap();
    assert!(matches!(nobody.app().await, Err(error @ ApiError::Unreachable(_)) if error.is_retryable()));

    /// A response from its parts.
    trait IntoResponseParts {
        fn into_response_parts(self) -> axum::response::Response;
    }
    impl IntoResponseParts for (u16, [(&'static str, &'static str); 1], &'static str) {
        fn into_response_parts(self) -> axum::response::Response {
            (axum::http::StatusCode::from_u16(self.0).unwrap(), self.1, self.2).into_response()
        }
    }
}
