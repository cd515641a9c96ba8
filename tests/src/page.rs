//! A page without a browser: the browser socket spoken by hand, with a session key of its own.

use std::{collections::VecDeque, time::Duration};

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use futures_util::{SinkExt, StreamExt};
use passkey_accounts::{
    ceremony::binding::resume_signing_input,
    protocol::{
        AppID, CeremonyID, PasskeyID, RequestID, SessionID,
        base64url::Base64Url,
        gateway::{
            AccountSession, Begin, Ceremony, ClientMessage, ConfirmBegin, Finish, Hello, Passkey, RawJson,
            RemovePasskey, Resume, SUBPROTOCOL, ServerMessage, Session, SessionKey, Verify, VerifyRecovery,
        },
    },
};
use passkey_accounts_server::limits::DEAD_PEER_MS;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, header},
    },
};

use crate::{SoftwareAuthenticator, TestServer};

/// A page's session key.
#[derive(Debug)]
pub struct PageKey(EcdsaKeyPair);

impl PageKey {
    /// A new key.
    pub fn make() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("P-256 keys can be made"))
    }

    /// A key whose private half somebody has found: 32 bytes, big-endian. `None` if they are no key.
    pub fn from_private(private: &[u8]) -> Option<Self> {
        let point = PrivateKey::from_private_key(&ECDH_P256, private).ok()?.compute_public_key().ok()?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, point.as_ref()).ok().map(Self)
    }

    /// The public half.
    pub fn public(&self) -> SessionKey {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        SessionKey {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: Base64Url(x.to_vec()),
            y: Base64Url(y.to_vec()),
        }
    }

    /// The whole key in PKCS #8, for pages in other languages.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        self.0.to_pkcs8v1().expect("P-256 keys can be written").as_ref().to_vec()
    }

    /// r and s, 64 bytes.
    pub fn sign(&self, input: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), input).expect("P-256 keys can sign").as_ref().to_vec()
    }
}

const fn is_news(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::SessionOpened(_) | ServerMessage::PasskeyAdded(_))
}

/// A test that waits for what does not come fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server said to close a socket: the code and the reason.
pub type Closed = (u16, String);

/// A connected page.
#[derive(Debug)]
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    origin: String,
    next_id: RequestID,
    /// The session key.
    pub key: PageKey,
    /// What the server said first.
    pub hello: Hello,
    /// What was heard of other sessions of the account, oldest first: it comes between everything else.
    news: VecDeque<ServerMessage>,
    /// The length of the last message, spaces included.
    pub heard_bytes: usize,
}

impl Page {
    /// Connects from the app's own origin and reads `hello`.
    pub async fn connect(server: &TestServer) -> Self {
        let origin = server.origin();
        Self::connect_from(&server.gateway_url(), server.app_id, &origin).await.expect("the page connects")
    }

    /// Connects from some origin.
    ///
    /// # Errors
    /// The handshake's, with the server's response inside.
    pub async fn connect_from(
        gateway_url: &str,
        app_id: AppID,
        origin: &str,
    ) -> Result<Self, tungstenite::Error> {
        Self::connect_through(None, gateway_url, app_id, origin).await
    }

    /// Connects from some origin with TLS settings of the test's own.
    ///
    /// # Errors
    /// The handshake's, with the server's response inside.
    pub async fn connect_through(
        tls: Option<Connector>,
        gateway_url: &str,
        app_id: AppID,
        origin: &str,
    ) -> Result<Self, tungstenite::Error> {
        Self::open(tls, upgrade(gateway_url, app_id, origin)?, origin).await
    }

    /// Connects from the app's own origin with a browser of that name.
    pub async fn connect_as(server: &TestServer, user_agent: &str) -> Self {
        let origin = server.origin();
        let mut request = upgrade(&server.gateway_url(), server.app_id, &origin).expect("a request");
        let user_agent = HeaderValue::from_str(user_agent).expect("a header");
        request.headers_mut().insert(header::USER_AGENT, user_agent);
        Self::open(None, request, &origin).await.expect("the page connects")
    }

    /// Connects from the app's own origin through a proxy, which says that somebody at this address is asking.
    ///
    /// # Errors
    /// The handshake's, with the server's response inside.
    pub async fn connect_for(server: &TestServer, address: &str) -> Result<Self, tungstenite::Error> {
        let origin = server.origin();
        let mut request = upgrade(&server.gateway_url(), server.app_id, &origin)?;
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_str(address)?);
        Self::open(None, request, &origin).await
    }

    async fn open(
        tls: Option<Connector>,
        request: Request,
        origin: &str,
    ) -> Result<Self, tungstenite::Error> {
        let (socket, _) = connect_async_tls_with_config(request, None, true, tls).await?;
        Self::greet(socket, origin).await
    }

    /// Connects over a connection that is there already, with TLS settings of the test's own.
    ///
    /// # Errors
    /// The handshake's, with the server's response inside.
    pub async fn connect_over(
        stream: TcpStream,
        tls: Option<Connector>,
        gateway_url: &str,
        app_id: AppID,
        origin: &str,
    ) -> Result<Self, tungstenite::Error> {
        let request = upgrade(gateway_url, app_id, origin)?;
        let (socket, _) = client_async_tls_with_config(request, stream, None, tls).await?;
        Self::greet(socket, origin).await
    }

    async fn greet(
        mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
        origin: &str,
    ) -> Result<Self, tungstenite::Error> {
        let first = socket.next().await.ok_or(tungstenite::Error::ConnectionClosed)??;
        let Ok((None, ServerMessage::Hello(hello))) = ServerMessage::decode(first.to_text()?) else {
            panic!("not a hello: {first}");
        };
        Ok(Self {
            socket,
            origin: origin.to_owned(),
            next_id: 1,
            key: PageKey::make(),
            hello,
            news: VecDeque::new(),
            heard_bytes: 0,
        })
    }

    /// Sends text as it is.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("the socket takes a frame");
    }

    /// Sends a frame as it is.
    pub async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the socket takes a frame");
    }

    /// The next message of the server, heartbeats and news left out; or how it closed the socket.
    pub async fn hear(&mut self) -> Result<(Option<RequestID>, ServerMessage), Closed> {
        loop {
            match self.hear_any().await? {
                (None, news) if is_news(&news) => self.news.push_back(news),
                message => return Ok(message),
            }
        }
    }

    /// The next that is said of other sessions of the account.
    pub async fn hear_news(&mut self) -> ServerMessage {
        if let Some(news) = self.news.pop_front() {
            return news;
        }
        match self.hear_any().await {
            Ok((None, news)) if is_news(&news) => news,
            other => panic!("expected news, heard {other:?}"),
        }
    }

    async fn hear_any(&mut self) -> Result<(Option<RequestID>, ServerMessage), Closed> {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the server says something in time") {
                Some(Ok(Message::Text(text))) => {
                    self.heard_bytes = text.len();
                    match ServerMessage::decode(&text).expect("the server speaks the protocol") {
                        (_, ServerMessage::Heartbeat) => {}
                        message => return Ok(message),
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err((1006, String::new())),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Asks and reads the answer.
    pub async fn ask(&mut self, message: ClientMessage) -> ServerMessage {
        self.try_ask(message).await.expect("the server answers")
    }

    /// Asks and reads the answer.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub async fn try_ask(&mut self, message: ClientMessage) -> Result<ServerMessage, Closed> {
        let id = self.next_id;
        self.next_id += 1;
        let sent = self.socket.send(Message::text(message.encode(Some(id)))).await;
        sent.map_err(|_| (1006, String::new()))?;
        let (answered, reply) = self.hear().await?;
        assert_eq!(answered, Some(id), "the answer repeats the request's id: {reply:?}");
        Ok(reply)
    }

    /// Asks something that must fail, and returns the code.
    pub async fn ask_in_vain(&mut self, message: ClientMessage) -> String {
        match self.ask(message).await {
            ServerMessage::Error(failure) => failure.code,
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// `email` and the page's own key, for `signUp.begin` and `signIn.begin`.
    pub fn begin(&self, email: &str) -> Begin {
        Begin { email: email.to_owned(), session_key: self.key.public() }
    }

    /// Asks for a code and hands it in; returns the ceremony to create a passkey.
    pub async fn begin_sign_up(&mut self, server: &TestServer, email: &str) -> Ceremony {
        self.begin_sign_up_with(email, || server.mailed_code(email)).await
    }

    /// Asks for a code, fetches it from wherever mail goes, and hands it in.
    pub async fn begin_sign_up_with(
        &mut self,
        email: &str,
        mailed_code: impl FnOnce() -> Option<String>,
    ) -> Ceremony {
        let sent = self.ask(ClientMessage::SignUpBegin(self.begin(email))).await;
        assert!(matches!(sent, ServerMessage::CodeSent(_)), "{sent:?}");
        let code = mailed_code().expect("a code was mailed");
        match self.ask(ClientMessage::SignUpVerify(Verify { code })).await {
            ServerMessage::CeremonyCreate(ceremony) => ceremony,
            other => panic!("expected a ceremony, got {other:?}"),
        }
    }

    /// Asks for a challenge.
    pub async fn begin_sign_in(&mut self, email: &str) -> Ceremony {
        get(self.ask(ClientMessage::SignInBegin(self.begin(email))).await)
    }

    /// Hands in what the authenticator made.
    pub async fn finish(&mut self, ceremony: &Ceremony, credential: String) -> ServerMessage {
        let finish = Finish { ceremony_id: ceremony.ceremony_id, credential: RawJson(credential) };
        self.ask(ClientMessage::CeremonyFinish(finish)).await
    }

    /// Signs up, the whole way.
    pub async fn sign_up(
        &mut self,
        server: &TestServer,
        email: &str,
        authenticator: &mut SoftwareAuthenticator,
    ) -> Session {
        self.sign_up_with(email, authenticator, || server.mailed_code(email)).await
    }

    /// Signs up, the whole way, with a code from wherever mail goes.
    pub async fn sign_up_with(
        &mut self,
        email: &str,
        authenticator: &mut SoftwareAuthenticator,
        mailed_code: impl FnOnce() -> Option<String>,
    ) -> Session {
        let ceremony = self.begin_sign_up_with(email, mailed_code).await;
        let credential =
            authenticator.register(&ceremony.public_key.0, &self.origin).expect("a passkey is made");
        signed_in(self.finish(&ceremony, credential).await)
    }

    /// Signs in, the whole way.
    pub async fn sign_in(&mut self, email: &str, authenticator: &mut SoftwareAuthenticator) -> Session {
        let ceremony = self.begin_sign_in(email).await;
        let credential =
            authenticator.sign_in(&ceremony.public_key.0, &self.origin).expect("a passkey answers");
        signed_in(self.finish(&ceremony, credential).await)
    }

    /// Signs up where the server may vanish at any moment.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub async fn try_sign_up(
        &mut self,
        email: &str,
        authenticator: &mut SoftwareAuthenticator,
        mailed_code: impl FnOnce() -> Option<String>,
    ) -> Result<Session, Closed> {
        let sent = self.try_ask(ClientMessage::SignUpBegin(self.begin(email))).await?;
        assert!(matches!(sent, ServerMessage::CodeSent(_)), "{sent:?}");
        let code = mailed_code().expect("a code was mailed");
        let reply = self.try_ask(ClientMessage::SignUpVerify(Verify { code })).await?;
        let ServerMessage::CeremonyCreate(ceremony) = reply else {
            panic!("expected a ceremony, got {reply:?}")
        };
        let credential =
            authenticator.register(&ceremony.public_key.0, &self.origin).expect("a passkey is made");
        self.try_finish(&ceremony, credential).await
    }

    /// Signs in where the server may vanish at any moment.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub async fn try_sign_in(
        &mut self,
        email: &str,
        authenticator: &mut SoftwareAuthenticator,
    ) -> Result<Session, Closed> {
        let reply = self.try_ask(ClientMessage::SignInBegin(self.begin(email))).await?;
        let ServerMessage::CeremonyGet(ceremony) = reply else {
            panic!("expected a ceremony, got {reply:?}")
        };
        let credential =
            authenticator.sign_in(&ceremony.public_key.0, &self.origin).expect("a passkey answers");
        self.try_finish(&ceremony, credential).await
    }

    async fn try_finish(&mut self, ceremony: &Ceremony, credential: String) -> Result<Session, Closed> {
        let finish = Finish { ceremony_id: ceremony.ceremony_id, credential: RawJson(credential) };
        Ok(signed_in(self.try_ask(ClientMessage::CeremonyFinish(finish)).await?))
    }

    /// Asks for a challenge over an action.
    pub async fn begin_confirm(&mut self, action: &str) -> Ceremony {
        let action = RawJson(action.to_owned());
        get(self.ask(ClientMessage::ConfirmBegin(ConfirmBegin { action })).await)
    }

    /// Confirms an action, the whole way.
    pub async fn confirm(&mut self, action: &str, authenticator: &mut SoftwareAuthenticator) -> CeremonyID {
        let ceremony = self.begin_confirm(action).await;
        match self.answer(&ceremony, authenticator).await {
            ServerMessage::Confirmed(confirmed) => confirmed.ceremony_id,
            other => panic!("expected a confirmation, got {other:?}"),
        }
    }

    /// Asks for a challenge to make another passkey.
    pub async fn begin_add_passkey(&mut self) -> Ceremony {
        match self.ask(ClientMessage::PasskeysAddBegin).await {
            ServerMessage::CeremonyCreate(ceremony) => ceremony,
            other => panic!("expected a ceremony, got {other:?}"),
        }
    }

    /// Makes another passkey; returns the ceremony in which one that the account had before vouches for it.
    pub async fn make_passkey(&mut self, new: &mut SoftwareAuthenticator) -> Ceremony {
        let ceremony = self.begin_add_passkey().await;
        let credential = new.register(&ceremony.public_key.0, &self.origin).expect("a passkey is made");
        get(self.finish(&ceremony, credential).await)
    }

    /// Adds a passkey, the whole way.
    pub async fn add_passkey(
        &mut self,
        new: &mut SoftwareAuthenticator,
        voucher: &mut SoftwareAuthenticator,
    ) -> Passkey {
        let ceremony = self.make_passkey(new).await;
        match self.answer(&ceremony, voucher).await {
            ServerMessage::PasskeyAdded(added) => added.passkey,
            other => panic!("expected a passkey, got {other:?}"),
        }
    }

    /// Asks for a challenge to remove a passkey.
    pub async fn begin_remove_passkey(&mut self, passkey_id: PasskeyID) -> Ceremony {
        get(self.ask(ClientMessage::PasskeysRemoveBegin(RemovePasskey { passkey_id })).await)
    }

    /// Makes the account's recovery code, with a gesture.
    pub async fn make_recovery_code(&mut self, authenticator: &mut SoftwareAuthenticator) -> String {
        let ceremony = get(self.ask(ClientMessage::RecoveryCodeBegin).await);
        match self.answer(&ceremony, authenticator).await {
            ServerMessage::RecoveryCode(made) => made.code,
            other => panic!("expected a recovery code, got {other:?}"),
        }
    }

    /// Has a code mailed to somebody who has lost every passkey.
    pub async fn begin_recovery(&mut self, email: &str) {
        let sent = self.ask(ClientMessage::RecoveryBegin(self.begin(email))).await;
        assert!(matches!(sent, ServerMessage::RecoveryCodeSent(_)), "{sent:?}");
    }

    /// Hands in both codes, the mailed one as it was mailed.
    pub async fn verify_recovery(
        &mut self,
        server: &TestServer,
        email: &str,
        recovery_code: &str,
    ) -> ServerMessage {
        let code = server.mailed_code(email).expect("a code was mailed");
        let recovery_code = recovery_code.to_owned();
        self.ask(ClientMessage::RecoveryVerify(VerifyRecovery { code, recovery_code })).await
    }

    /// Asks for a code and hands both in.
    pub async fn recover(&mut self, server: &TestServer, email: &str, recovery_code: &str) -> ServerMessage {
        self.begin_recovery(email).await;
        self.verify_recovery(server, email, recovery_code).await
    }

    /// Has the authenticator sign what was asked, and hands that in.
    pub async fn answer(
        &mut self,
        ceremony: &Ceremony,
        authenticator: &mut SoftwareAuthenticator,
    ) -> ServerMessage {
        let credential =
            authenticator.sign_in(&ceremony.public_key.0, &self.origin).expect("a passkey answers");
        self.finish(ceremony, credential).await
    }

    /// The account's passkeys.
    pub async fn passkeys(&mut self) -> Vec<Passkey> {
        match self.ask(ClientMessage::PasskeysList).await {
            ServerMessage::Passkeys(list) => list.passkeys,
            other => panic!("expected passkeys, got {other:?}"),
        }
    }

    /// The account's open sessions.
    pub async fn sessions(&mut self) -> Vec<AccountSession> {
        match self.ask(ClientMessage::SessionsList).await {
            ServerMessage::Sessions(list) => list.sessions,
            other => panic!("expected sessions, got {other:?}"),
        }
    }

    /// Signs out.
    pub async fn sign_out(&mut self) -> ServerMessage {
        self.ask(ClientMessage::SignOut).await
    }

    /// Tries to take a session over with `key`.
    pub async fn resume(&mut self, session_id: SessionID, key: &PageKey) -> ServerMessage {
        self.ask(self.resuming(session_id, key)).await
    }

    /// What a page says to take a session over with `key`.
    pub fn resuming(&self, session_id: SessionID, key: &PageKey) -> ClientMessage {
        let input = resume_signing_input(session_id, &self.origin, &self.hello.nonce.0);
        ClientMessage::SessionResume(Resume { session_id, signature: Base64Url(key.sign(&input)) })
    }

    /// Lets time pass on the server's clock while this page answers the server's pings.
    pub async fn let_pass(&mut self, server: &TestServer, mut millis: u64) {
        while millis > 0 {
            let step = millis.min(DEAD_PEER_MS / 2);
            server.clock().advance(step);
            millis -= step;
            self.socket.send(Message::Ping(Vec::new().into())).await.expect("the socket takes a ping");
            // The server answers a ping only after it has noted that the page lives.
            while !matches!(self.socket.next().await, Some(Ok(Message::Pong(_)))) {}
        }
    }

    /// Closes in an orderly way, as a browser does when its page is left.
    pub async fn close(mut self) {
        let frame = tungstenite::protocol::CloseFrame { code: 1001.into(), reason: "".into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("the socket takes a frame");
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// Closes with a code of the page's choice, and keeps the key.
    pub async fn close_with(mut self, code: u16) -> PageKey {
        let frame = tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("the socket takes a frame");
        while let Some(Ok(_)) = self.socket.next().await {}
        self.key
    }

    /// Vanishes without a word, and keeps the key.
    pub fn drop_connection(self) -> PageKey {
        self.key
    }
}

fn upgrade(gateway_url: &str, app_id: AppID, origin: &str) -> Result<Request, tungstenite::Error> {
    let mut request = format!("{gateway_url}?app={app_id}").into_client_request()?;
    request.headers_mut().insert(header::ORIGIN, HeaderValue::from_str(origin)?);
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

fn get(reply: ServerMessage) -> Ceremony {
    match reply {
        ServerMessage::CeremonyGet(ceremony) => ceremony,
        other => panic!("expected a ceremony, got {other:?}"),
    }
}

fn signed_in(reply: ServerMessage) -> Session {
    match reply {
        ServerMessage::SignedIn(signed_in) => signed_in.session,
        other => panic!("expected a session, got {other:?}"),
    }
}
