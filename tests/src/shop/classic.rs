//! The four builds that are common today: a token or a cookie, for a password or a passkey.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{
        Request, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use data_encoding::HEXLOWER;
use passkey_accounts::{
    defended,
    evidence::{
        Algorithm, AssertionExpectation, AuthenticationResponse, KnownPasskey, PublicKey, UserVerification,
    },
    protocol::base64url::encode,
};
use passkey_accounts_server::{
    ceremony::registration::{AttestationPolicy, RegistrationExpectation, verify_registration},
    clock::make_random,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Actions, Build,
    database::{Database, StoredPasskey, new_token},
};

/// What the handlers share.
struct Classic {
    build: Build,
    origin: String,
    rp_id: String,
    actions: Arc<Actions>,
    database: Arc<Database>,
    challenges: Mutex<HashMap<String, Issued>>,
    /// The code that was mailed last, by address, and how often it was tried.
    mailed: Mutex<HashMap<String, (String, u32)>>,
}

/// What a ceremony was given.
#[derive(Debug, Clone, Copy)]
struct Issued {
    challenge: [u8; 32],
    user_handle: [u8; 16],
}

type Shared = State<Arc<Classic>>;

pub(super) fn routes(
    build: Build,
    origin: &str,
    host: &str,
    actions: &Arc<Actions>,
    database: &Arc<Database>,
) -> Router {
    let classic = Arc::new(Classic {
        build,
        origin: origin.to_owned(),
        rp_id: host.to_owned(),
        actions: Arc::clone(actions),
        database: Arc::clone(database),
        challenges: Mutex::default(),
        mailed: Mutex::default(),
    });
    let signed_in = Router::new()
        .route("/act", post(act))
        .route("/act/confirmed", post(act))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&classic), who_asks));
    let router = Router::new()
        .merge(signed_in)
        .route("/live", any(live))
        .route("/mail", post(mail_code))
        .route("/outbox", post(outbox))
        .route("/sign-out", post(sign_out));
    let router = if build.has_passkeys() {
        router
            .route("/passkey/create-options", post(create_options))
            .route("/passkey/create", post(create))
            .route("/passkey/get-options", post(get_options))
            .route("/passkey/get", post(get))
    } else {
        router.route("/sign-up", post(sign_up)).route("/sign-in", post(sign_in)).route("/reset", post(reset))
    };
    router.with_state(classic)
}

/// Who asks, by what the request carries.
#[derive(Clone)]
struct Somebody(String);

async fn who_asks(State(shop): Shared, mut request: Request, next: Next) -> Response {
    let Some(token) = shop.token(request.headers()) else { return StatusCode::UNAUTHORIZED.into_response() };
    let Some(email) = shop.database.session(&token).await else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    request.extensions_mut().insert(Somebody(email));
    next.run(request).await
}

async fn act(
    State(shop): Shared,
    axum::Extension(Somebody(email)): axum::Extension<Somebody>,
    what: String,
) -> StatusCode {
    shop.actions.add(email, what.trim());
    StatusCode::OK
}

/// The page's socket. Who asks is said by the handshake's cookie, or else by a token as the first message, because
/// browsers let no page add a field to the handshake; every message after that is something to do.
async fn live(State(shop): Shared, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.as_bytes());
    if defended!(SocketOrigin) && origin != Some(shop.origin.as_bytes()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let token = shop.token(&headers);
    upgrade.on_upgrade(async move |socket| shop.talk(socket, token).await)
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    code: String,
}

async fn sign_up(State(shop): Shared, headers: HeaderMap, Json(new): Json<Credentials>) -> Response {
    if !shop.take_code(&new.email, &new.code) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if !shop.database.add_password(&new.email, &new.password).await {
        return StatusCode::CONFLICT.into_response();
    }
    shop.enter(&headers, &new.email).await
}

async fn sign_in(State(shop): Shared, headers: HeaderMap, Json(given): Json<Credentials>) -> Response {
    if shop.database.check_password(&given.email, &given.password).await {
        return shop.enter(&headers, &given.email).await;
    }
    let is_unknown = !defended!(Decoys) && !shop.database.has(&given.email).await;
    if is_unknown { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED }.into_response()
}

/// "Forgot your password?"
async fn reset(State(shop): Shared, headers: HeaderMap, Json(new): Json<Credentials>) -> Response {
    if !shop.take_code(&new.email, &new.code) {
        return StatusCode::FORBIDDEN.into_response();
    }
    shop.database.set_password(&new.email, &new.password).await;
    shop.enter(&headers, &new.email).await
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

async fn mail_code(State(shop): Shared, Json(Address { email }): Json<Address>) -> StatusCode {
    let number = u64::from_be_bytes(make_random()) % 1_000_000;
    lock(&shop.mailed).insert(email, (format!("{number:06}"), 0));
    StatusCode::OK
}

/// The mailbox of an address: who may look into it is for the attack to say.
async fn outbox(State(shop): Shared, Json(Address { email }): Json<Address>) -> String {
    lock(&shop.mailed).get(&email).map(|(code, _)| code.clone()).unwrap_or_default()
}

#[derive(Deserialize)]
struct Answer {
    email: String,
    #[serde(default)]
    code: String,
    ceremony: String,
    credential: Value,
}

async fn create_options(State(shop): Shared, Json(Address { email }): Json<Address>) -> Json<Value> {
    let (ceremony, issued) = shop.challenge();
    Json(json!({ "ceremony": ceremony, "publicKey": {
        "rp": { "id": shop.rp_id, "name": "Shop" },
        "user": { "id": encode(issued.user_handle), "name": email, "displayName": email },
        "challenge": encode(issued.challenge),
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        "authenticatorSelection": { "residentKey": "discouraged", "userVerification": "required" },
    }}))
}

/// Who knows the mailed code makes the address's passkey: at sign-up, and when the old one is lost.
async fn create(State(shop): Shared, headers: HeaderMap, Json(answer): Json<Answer>) -> Response {
    if !shop.take_code(&answer.email, &answer.code) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(Issued { challenge, user_handle }) = shop.take_challenge(&answer.ceremony) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let expected = RegistrationExpectation {
        challenge: &challenge,
        origin: &shop.origin,
        rp_id: &shop.rp_id,
        user_verification: UserVerification::Required,
        algorithms: &Algorithm::ALL,
        attestation: AttestationPolicy::default(),
    };
    let Ok(new) = verify_registration(&answer.credential.to_string(), &expected) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let passkey = StoredPasskey {
        credential_id: new.credential_id,
        public_key_cose: new.public_key_cose,
        user_handle: user_handle.to_vec(),
    };
    shop.database.set_passkey(&answer.email, passkey).await;
    shop.enter(&headers, &answer.email).await
}

async fn get_options(State(shop): Shared, Json(Address { email }): Json<Address>) -> Response {
    let Some(passkey) = shop.database.passkey(&email).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (ceremony, issued) = shop.challenge();
    let allowed = json!([{ "type": "public-key", "id": encode(&passkey.credential_id) }]);
    Json(json!({ "ceremony": ceremony, "publicKey": {
        "rpId": shop.rp_id, "challenge": encode(issued.challenge), "allowCredentials": allowed, "userVerification": "required",
    }}))
    .into_response()
}

async fn get(State(shop): Shared, headers: HeaderMap, Json(answer): Json<Answer>) -> Response {
    if shop.is_asserted(&answer).await {
        shop.enter(&headers, &answer.email).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn sign_out(State(shop): Shared, headers: HeaderMap) -> StatusCode {
    if let Some(token) = shop.token(&headers)
        && defended!(SessionEnded)
    {
        shop.database.end_session(&token).await;
    }
    StatusCode::OK
}

impl Classic {
    fn token(&self, headers: &HeaderMap) -> Option<String> {
        if self.build.has_cookies() {
            let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
            let name = format!("{}=", cookie_name());
            return cookies.split("; ").find_map(|cookie| cookie.strip_prefix(&name)).map(str::to_owned);
        }
        headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)
    }

    /// Closes the socket when nobody is signed in.
    async fn talk(&self, mut socket: WebSocket, mut token: Option<String>) {
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else { continue };
            let Some(known) = &token else {
                if self.build.has_cookies() {
                    return;
                }
                token = Some(text.to_string());
                continue;
            };
            let Some(email) = self.database.session(known).await else { return };
            self.actions.add(email, text.trim());
            if socket.send(Message::text("done")).await.is_err() {
                return;
            }
        }
    }

    /// Begins a session and hands it over.
    async fn enter(&self, headers: &HeaderMap, email: &str) -> Response {
        // A shop that keeps the name which the browser brought along lets an attacker choose it.
        let brought = self.token(headers).filter(|_| !defended!(SessionRenamed));
        let token = self.database.begin_session(email, brought.unwrap_or_else(new_token)).await;
        if !self.build.has_cookies() {
            return Json(json!({ "token": token })).into_response();
        }
        let http_only = if defended!(CookieHttpOnly) { "; HttpOnly" } else { "" };
        let same_site = if defended!(CookieSameSite) { "Lax" } else { "None" };
        let secure = if defended!(CookieSecure) { "; Secure" } else { "" };
        // "Stay signed in", for a month.
        let cookie = format!(
            "{}={token}; Path=/; Max-Age=2592000{secure}{http_only}; SameSite={same_site}",
            cookie_name()
        );
        ([(header::SET_COOKIE, cookie)], Json(json!({}))).into_response()
    }

    fn challenge(&self) -> (String, Issued) {
        let issued = Issued { challenge: make_random(), user_handle: make_random() };
        let ceremony = HEXLOWER.encode(&make_random::<16>());
        lock(&self.challenges).insert(ceremony.clone(), issued);
        (ceremony, issued)
    }

    fn take_challenge(&self, ceremony: &str) -> Option<Issued> {
        let mut challenges = lock(&self.challenges);
        if defended!(ChallengeOnce) { challenges.remove(ceremony) } else { challenges.get(ceremony).copied() }
    }

    fn take_code(&self, email: &str, code: &str) -> bool {
        if !defended!(AddressProven) {
            return true;
        }
        let mut mailed = lock(&self.mailed);
        let Some((right, tries)) = mailed.get_mut(email) else { return false };
        *tries += 1;
        let (is_right, is_spent) = (right == code, *tries >= MAX_CODE_TRIES && defended!(CodeTries));
        if is_right || is_spent {
            mailed.remove(email);
        }
        is_right
    }

    async fn is_asserted(&self, answer: &Answer) -> bool {
        let Some(Issued { challenge, .. }) = self.take_challenge(&answer.ceremony) else { return false };
        let Some(passkey) = self.database.passkey(&answer.email).await else { return false };
        let Ok(public_key) = PublicKey::from_cose(&passkey.public_key_cose) else { return false };
        let Ok(response) = AuthenticationResponse::parse(&answer.credential.to_string()) else {
            return false;
        };
        let expected = AssertionExpectation {
            challenge: &challenge,
            origin: &self.origin,
            rp_id: &self.rp_id,
            user_verification: UserVerification::Required,
            algorithms: &Algorithm::ALL,
        };
        let known = KnownPasskey {
            credential_id: &passkey.credential_id,
            public_key: &public_key,
            sign_count: 0,
            backup_eligible: false,
            user_handle: &passkey.user_handle,
        };
        response.credential_id == passkey.credential_id && response.verify(&expected, &known).is_ok()
    }
}

/// The cookie's name. Browsers take the prefix from the host itself only, not from its sub-domains, and with `Secure` only.
pub(super) fn cookie_name() -> &'static str {
    if defended!(CookieHostPrefix) && defended!(CookieSecure) { "__Host-session" } else { "session" }
}

/// How often a mailed code may be tried.
const MAX_CODE_TRIES: u32 = 5;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
