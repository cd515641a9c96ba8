//! Somebody who uses a shop without a browser, in any build.

use passkey_accounts::protocol::{
    CeremonyID,
    gateway::{self, ServerMessage},
};
use serde_json::{Value, json};

use super::{Build, Shop, classic::cookie_name};
use crate::{
    Page, SoftwareAuthenticator,
    proof::{ProofDraft, WireAnswer, WireRequest},
};

/// Somebody who has an account in a shop, and what they hold.
#[derive(Debug)]
pub struct Person<'a> {
    shop: &'a Shop,
    /// Their address.
    pub email: String,
    /// Their password, in builds with passwords.
    pub password: String,
    /// Their passkeys, in builds with passkeys.
    pub authenticator: SoftwareAuthenticator,
    /// What carries their session.
    pub carried: Carried,
    /// What they have confirmed last.
    confirmation: Option<CeremonyID>,
}

/// What carries a session.
#[derive(Debug)]
pub enum Carried {
    /// Nobody is signed in.
    Nothing,
    /// A token, as text.
    Token(String),
    /// A page with a session key and a socket, and its session.
    Page(Box<Page>, gateway::Session),
}

impl<'a> Person<'a> {
    /// Somebody who has signed up and is signed in.
    pub async fn sign_up(shop: &'a Shop, email: &str) -> Self {
        let mut person = Self {
            shop,
            email: email.to_owned(),
            password: "sunshine".to_owned(),
            authenticator: SoftwareAuthenticator::default(),
            carried: Carried::Nothing,
            confirmation: None,
        };
        person.carried = match shop.build {
            Build::PasskeyAccount => {
                let auth = shop.auth();
                let mut page = shop.connect_page().await;
                let session =
                    page.sign_up_with(email, &mut person.authenticator, || auth.mailed_code(email)).await;
                Carried::Page(Box::new(page), session)
            }
            Build::TokenPassword | Build::CookiePassword => {
                let code = shop.mailed_code(email).await;
                let new = json!({ "email": email, "password": person.password, "code": code });
                shop.carried(&shop.post("/sign-up", &new).await)
            }
            Build::TokenPasskey | Build::CookiePasskey => {
                let code = shop.mailed_code(email).await;
                let made = shop.register(email, &code, &mut person.authenticator).await;
                shop.carried(&made)
            }
        };
        person
    }

    /// Signs in.
    pub async fn sign_in(&mut self) {
        self.carried = match self.shop.build {
            Build::PasskeyAccount => {
                let mut page = self.shop.connect_page().await;
                let session = page.sign_in(&self.email, &mut self.authenticator).await;
                Carried::Page(Box::new(page), session)
            }
            Build::TokenPassword | Build::CookiePassword => {
                let given = json!({ "email": self.email, "password": self.password });
                self.shop.carried(&self.shop.post("/sign-in", &given).await)
            }
            Build::TokenPasskey | Build::CookiePasskey => {
                let asked = self.shop.begin(&self.email).await;
                let answer = self.answer(&asked, &self.shop.origin);
                self.shop.carried(&self.shop.post("/passkey/get", &answer).await)
            }
        };
        assert!(!matches!(self.carried, Carried::Nothing), "they sign in");
    }

    /// What a browser at `origin` has the passkey answer, in the builds that have passkeys and no server of their own.
    pub fn answer(&mut self, asked: &Value, origin: &str) -> Value {
        let credential = self.authenticator.sign_in(&asked["publicKey"].to_string(), origin);
        let credential: Value =
            serde_json::from_str(&credential.expect("the passkey answers")).expect("JSON");
        json!({ "email": self.email, "ceremony": asked["ceremony"], "credential": credential })
    }

    /// Signs out, and forgets what carried the session.
    pub async fn sign_out(&mut self) {
        match std::mem::replace(&mut self.carried, Carried::Nothing) {
            Carried::Page(mut page, _) => {
                let said = page.sign_out().await;
                assert!(matches!(said, ServerMessage::SignedOut(_)), "{said:?}");
            }
            carried => {
                let request = self.shop.carrying(&carried, "/sign-out", "");
                assert_eq!(self.shop.send(&request).await.status, 200);
            }
        }
    }

    /// In whose name the shop logs what they do.
    pub fn name(&self) -> String {
        match &self.carried {
            Carried::Page(_, session) => session.account_id.to_string(),
            Carried::Nothing | Carried::Token(_) => self.email.clone(),
        }
    }

    /// The request that does something, as it goes over the wire.
    pub fn request(&self, what: &str) -> WireRequest {
        self.shop.carrying(&self.carried, "/act", what)
    }

    /// Does something.
    pub async fn act(&self, what: &str) -> WireAnswer {
        self.shop.send(&self.request(what)).await
    }

    /// Confirms something with their passkey, where the shop asks for that, and does it.
    pub async fn confirmed(&mut self, what: &str) -> WireAnswer {
        self.confirm(what).await;
        self.confirmed_again(what).await
    }

    /// Confirms something with their passkey, where the shop asks for that.
    pub async fn confirm(&mut self, what: &str) {
        if let Carried::Page(page, _) = &mut self.carried {
            let action = json!({ "do": what }).to_string();
            self.confirmation = Some(page.confirm(&action, &mut self.authenticator).await);
        }
    }

    /// Does what has to be confirmed, with the confirmation that they have.
    pub async fn confirmed_again(&self, what: &str) -> WireAnswer {
        let named = self.confirmation.map(|id| format!("?confirmation={id}")).unwrap_or_default();
        self.shop.send(&self.shop.carrying(&self.carried, &format!("/act/confirmed{named}"), what)).await
    }

    /// The page that carries their session.
    ///
    /// # Panics
    /// In other builds, and when nobody is signed in.
    pub fn page(&mut self) -> &mut Page {
        match &mut self.carried {
            Carried::Page(page, _) => page,
            other => panic!("no page carries the session, but {other:?}"),
        }
    }
}

impl Shop {
    /// A page of the shop at its server, in the build that has one.
    pub async fn connect_page(&self) -> Page {
        let auth = self.auth();
        let page = Page::connect_from(&auth.gateway_url(), auth.app_id, &self.origin).await;
        page.expect("the page connects")
    }

    /// A request that carries what somebody holds, or whoever has stolen it.
    pub fn carrying(&self, carried: &Carried, path: &str, body: &str) -> WireRequest {
        let bare = WireRequest {
            method: "POST".into(),
            target: path.into(),
            fields: vec![("Host".into(), self.host_and_port())],
            body: body.into(),
        };
        match carried {
            Carried::Nothing => bare,
            Carried::Token(token) if self.build.has_cookies() => {
                bare.and("Cookie", &format!("{}={token}", cookie_name()))
            }
            Carried::Token(token) => bare.and("Authorization", &format!("Bearer {token}")),
            Carried::Page(page, session) => {
                let now = self.auth().clock().now();
                let draft = ProofDraft::get(session.session_id, &self.origin, path, now);
                draft.post(body).sign(&page.key)
            }
        }
    }

    /// `POST` of JSON, by nobody in particular.
    pub async fn post(&self, path: &str, body: &Value) -> WireAnswer {
        self.send(&self.posting(path, body)).await
    }

    /// A request of JSON by nobody in particular.
    pub fn posting(&self, path: &str, body: &Value) -> WireRequest {
        self.carrying(&Carried::Nothing, path, &body.to_string()).and("Content-Type", "application/json")
    }

    /// Has a code mailed to an address, and looks into its mailbox.
    pub async fn mailed_code(&self, email: &str) -> String {
        self.post("/mail", &json!({ "email": email })).await;
        self.post("/outbox", &json!({ "email": email })).await.body
    }

    /// Asks for a challenge, in the builds that have passkeys and no server of their own.
    pub async fn begin(&self, email: &str) -> Value {
        let answer = self.post("/passkey/get-options", &json!({ "email": email })).await;
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Makes a passkey for an address, whose mailed code one knows, in the builds that have passkeys and no server of
    /// their own.
    pub async fn register(
        &self,
        email: &str,
        code: &str,
        authenticator: &mut SoftwareAuthenticator,
    ) -> WireAnswer {
        let asked = self.post("/passkey/create-options", &json!({ "email": email })).await;
        let asked: Value = serde_json::from_str(&asked.body).expect("options are JSON");
        let made = authenticator.register(&asked["publicKey"].to_string(), &self.origin);
        let credential: Value = serde_json::from_str(&made.expect("a passkey is made")).expect("JSON");
        let answer =
            json!({ "email": email, "code": code, "ceremony": asked["ceremony"], "credential": credential });
        self.post("/passkey/create", &answer).await
    }

    /// What an answer that signs somebody in gives a browser to carry.
    pub fn carried(&self, answer: &WireAnswer) -> Carried {
        if answer.status != 200 {
            return Carried::Nothing;
        }
        let token = if self.build.has_cookies() {
            let start = format!("set-cookie: {}=", cookie_name().to_lowercase());
            let line = answer.head.lines().find_map(|line| line.strip_prefix(&start));
            line.and_then(|line| line.split(';').next()).map(str::to_owned)
        } else {
            serde_json::from_str::<Value>(&answer.body)
                .ok()
                .and_then(|body| body["token"].as_str().map(str::to_owned))
        };
        token.map_or(Carried::Nothing, Carried::Token)
    }

    fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }
}
