//! What tests in JavaScript can have done: people sign in and out, the server restarts, keys are revoked.

use std::{collections::HashMap, net::Ipv4Addr, pin::pin};

use axum::{Json, Router, extract::State, routing::post};
use data_encoding::BASE64;
use passkey_accounts::{
    Api,
    protocol::{
        AccountID, SessionID,
        event::{EventKind, LoggedOut},
        gateway::EndReason,
    },
};
use passkey_accounts_server::store::StoreError;
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

/// A server, and an address to which commands are posted.
pub struct Control {
    server: TestServer,
    people: HashMap<String, SoftwareAuthenticator>,
    pages: Vec<Page>,
    url: String,
    commands: mpsc::Receiver<Order>,
}

type Order = (Command, oneshot::Sender<Value>);

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
enum Command {
    /// Signs in on a new page, and up before if need be: `{page, accountID, sessionID, key}`, the key in PKCS #8.
    SignIn { email: String },
    /// Signs out.
    SignOut { page: usize },
    /// Stops the server, and starts it on the same port with the same data.
    Restart,
    /// Makes another API key: `{key}`.
    MakeKey,
    /// Revokes it.
    RevokeKey { key: String },
    /// Appends so many `loggedOut` to the log: `{}`.
    Append { events: usize },
}

impl Control {
    pub async fn start(server: TestServer) -> Self {
        let (orders, commands) = mpsc::channel(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(hand_on)).with_state(orders);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { server, people: HashMap::new(), pages: Vec::new(), url, commands }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub const fn server(&self) -> &TestServer {
        &self.server
    }

    /// Obeys until the future is through.
    pub async fn obey_until<T>(mut self, ended: impl Future<Output = T>) -> T {
        let mut ended = pin!(ended);
        loop {
            tokio::select! {
                biased;
                output = &mut ended => return output,
                Some((command, answer)) = self.commands.recv() => {
                    let said = self.obey(command).await;
                    // An error means that whoever asked has gone.
                    drop(answer.send(said));
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Value {
        match command {
            Command::SignIn { email } => return self.sign_in(email).await,
            Command::SignOut { page } => {
                self.pages[page].sign_out().await;
            }
            Command::Restart => self.server.restart().await,
            Command::MakeKey => return json!({ "key": self.server.make_key(None).await.reveal() }),
            Command::RevokeKey { key } => {
                let id = key.split('_').nth(2).unwrap();
                let api = Api::new(&self.server.origin(), &self.server.api_key).unwrap();
                api.revoke_key(id).await.unwrap();
            }
            Command::Append { events } => self.append(events).await,
        }
        json!({})
    }

    async fn sign_in(&mut self, email: String) -> Value {
        let mut page = Page::connect(&self.server).await;
        let seed = [u8::try_from(self.people.len() + 1).unwrap(); 32];
        let session = match self.people.get_mut(&email) {
            Some(authenticator) => page.sign_in(&email, authenticator).await,
            None => {
                let mut authenticator = SoftwareAuthenticator::new(seed);
                let session = page.sign_up(&self.server, &email, &mut authenticator).await;
                self.people.insert(email, authenticator);
                session
            }
        };
        let key = BASE64.encode(&page.key.to_pkcs8());
        self.pages.push(page);
        let number = self.pages.len() - 1;
        json!({ "page": number, "accountID": session.account_id, "sessionID": session.session_id, "key": key })
    }

    async fn append(&self, events: usize) {
        let app_id = self.server.app_id;
        let end = EventKind::LoggedOut(LoggedOut {
            account_id: AccountID::from_bytes([1; 16]),
            session_id: SessionID::from_bytes([2; 16]),
            reason: EndReason::User,
            account_sessions: 0,
        });
        let written = self.server.context().store.write(move |write| {
            Box::pin(async move {
                for _ in 0..events {
                    write.append(app_id, &end)?;
                }
                Ok::<_, StoreError>(())
            })
        });
        written.await.unwrap();
    }
}

async fn hand_on(State(orders): State<mpsc::Sender<Order>>, Json(command): Json<Command>) -> Json<Value> {
    let (answer, answered) = oneshot::channel();
    orders.send((command, answer)).await.unwrap();
    Json(answered.await.unwrap())
}
