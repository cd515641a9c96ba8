//! Evidence against the real server: an honest one, and one that somebody else commands. That one can write whatever it
//! likes into its log and its state, well chained and well signed; what it does not have is anybody's passkey.

use std::{sync::Arc, time::Duration};

use passkey_accounts::{
    Accounts, Events, EventsBuilder, Item, LiveSessions,
    ceremony::binding::{Binding, thumbprint},
    evidence::{AuthenticationResponse, Expected, MemoryPins, PinStore, Pins},
    log::EventID,
    protocol::{
        AppID, CeremonyID, PasskeyID, SessionID, UnixMillis,
        base64url::{Base64Url, encode},
        event::{
            AccountErased, Confirmed, EventKind, Evidence, LoggedIn, PasskeyAdded, PasskeyRemoved,
            Registered, RemovalReason,
        },
        gateway::{self, CeremonyKind, ClientMessage, ConfirmBegin, RawJson, ServerMessage},
    },
    session::{Ended, NotLive},
};
use passkey_accounts_server::{
    clock::Uptime,
    sessions::{Opening, Session, open},
};
use passkey_accounts_tests::{Page, PageKey, SoftwareAuthenticator, TestServer, rewrite::rewrite};
use serde_json::json;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A server, somebody who has an account there, and a back end that knows its own app.
struct World {
    server: TestServer,
    ada: Page,
    authenticator: SoftwareAuthenticator,
    session: gateway::Session,
    /// Her real sign-in.
    login: LoggedIn,
    public_key: Base64Url,
    store: Arc<MemoryPins>,
}

impl World {
    /// Ada has signed up, out, and in again.
    async fn start() -> Self {
        let server = TestServer::start_in_real_time().await;
        let mut authenticator = SoftwareAuthenticator::new([1; 32]);
        let mut ada = Page::connect(&server).await;
        ada.sign_up(&server, "ada@shop.example", &mut authenticator).await;
        ada.sign_out().await;
        let session = ada.sign_in("ada@shop.example", &mut authenticator).await;
        let log = server.context().store.logs().tail(server.app_id).expect("the app has a log");
        let mut world = (None, None);
        for entry in log.entries_after(0, 10).expect("nothing was cut") {
            match EventKind::from_parts(&entry.name, &entry.data).unwrap() {
                Some(EventKind::LoggedIn(login)) => world.0 = Some(*login),
                Some(EventKind::PasskeyAdded(added)) => world.1 = Some(added.public_key),
                _ => {}
            }
        }
        let (Some(login), Some(public_key)) = world else { panic!("she has signed up and in") };
        let store = Arc::new(MemoryPins::default());
        Self { server, ada, authenticator, session, login, public_key, store }
    }

    fn expected(&self) -> Expected {
        let origins = vec![self.server.origin()];
        Expected { app_id: self.server.app_id, rp_id: "localhost".into(), origins }
    }

    fn guarded(&self) -> EventsBuilder {
        let builder = Events::builder(self.server.events_url(), self.server.api_key.clone());
        builder.evidence(self.expected(), Arc::clone(&self.store))
    }

    async fn live_sessions(&self) -> LiveSessions {
        let accounts = Accounts::connect(self.server.origin(), self.server.api_key.clone()).unwrap();
        let live = accounts.events().evidence(self.expected(), Arc::clone(&self.store)).live_sessions();
        live.in_sync().await.unwrap();
        live
    }

    /// The server says that this has happened.
    async fn say(&self, kind: EventKind) {
        let app_id = self.server.app_id;
        let said = self
            .server
            .context()
            .store
            .write(move |write| Box::pin(async move { write.append(app_id, &kind) }));
        said.await.unwrap();
    }

    /// The server says that Ada has signed in: a session in its state and in its log.
    async fn open(&self, session: Session, evidence: Option<Evidence>) {
        let opening = Opening { session, user_verified: true, backed_up: self.login.backed_up, evidence };
        let store = &self.server.context().store;
        store.write(move |write| Box::pin(async move { open(write, opening) })).await.unwrap();
    }

    /// A session of Ada's that the server has made up, for a key of its own.
    fn made_up(&self, number: u8) -> Session {
        Session {
            session_id: SessionID::from_bytes([number; 16]),
            app_id: self.server.app_id,
            account_id: self.login.account_id,
            passkey_id: self.login.passkey_id,
            origin: self.server.origin(),
            session_key: PageKey::make().public(),
            started_at: UnixMillis(self.login.expires_at.0 - 1),
            expires_at: self.login.expires_at,
            ends: Uptime(u64::MAX),
            idle_ms: 1_000_000,
            grace_ms: 0,
            user_agent: String::new(),
        }
    }

    /// Ada's passkey signs what somebody has got her to sign.
    fn sign(&mut self, asked: Asked<'_>) -> Evidence {
        let Asked { kind, app_id, origin, key, action } = asked;
        let origin = origin.unwrap_or(&self.login.origin).to_owned();
        let thumbprint = thumbprint(key);
        let binding =
            Binding { random: &[7; 32], kind, app_id, origin: &origin, thumbprint: &thumbprint, action };
        let credential_id = self.login.evidence.as_ref().unwrap().credential_id.clone();
        let options = json!({
            "challenge": encode(binding.derive_challenge()),
            "rpId": "localhost",
            "allowCredentials": [{ "type": "public-key", "id": encode(&credential_id.0) }],
        });
        let answer = self.authenticator.sign_in(&options.to_string(), &origin).unwrap();
        let answer = AuthenticationResponse::parse(&answer).unwrap();
        Evidence {
            random: Base64Url(vec![7; 32]),
            kind,
            origin,
            thumbprint: Base64Url(thumbprint.to_vec()),
            credential_id,
            authenticator_data: Base64Url(answer.authenticator_data),
            client_data_json: Base64Url(answer.client_data_json),
            signature: Base64Url(answer.signature),
        }
    }

    /// Ada asks for something, and her passkey signs it.
    async fn gesture(&mut self, asked: ClientMessage) -> ServerMessage {
        let ceremony = self.ada.ask(asked).await;
        self.sign_for(ceremony).await
    }

    async fn sign_for(&mut self, asked: ServerMessage) -> ServerMessage {
        let ServerMessage::CeremonyGet(ceremony) = asked else { panic!("a gesture is asked for: {asked:?}") };
        let answer = self.authenticator.sign_in(&ceremony.public_key.0, &self.server.origin()).unwrap();
        self.ada.finish(&ceremony, answer).await
    }

    fn confirmed(&self, action: &str, evidence: Evidence) -> EventKind {
        EventKind::Confirmed(Box::new(Confirmed {
            account_id: self.login.account_id,
            session_id: self.session.session_id,
            passkey_id: self.login.passkey_id,
            ceremony_id: CeremonyID::from_bytes([1; 16]),
            action: RawJson(action.into()),
            evidence,
        }))
    }

    fn added(&self, passkey_id: PasskeyID, evidence: Option<Evidence>) -> EventKind {
        EventKind::PasskeyAdded(PasskeyAdded {
            account_id: self.login.account_id,
            passkey_id,
            public_key: self.public_key.clone(),
            aaguid: Base64Url(vec![0; 16]),
            backed_up: false,
            evidence: evidence.map(Box::new),
        })
    }
}

/// What Ada's passkey is asked to sign.
#[derive(Clone, Copy)]
struct Asked<'a> {
    kind: CeremonyKind,
    app_id: AppID,
    /// `None` for the app's own.
    origin: Option<&'a str>,
    key: &'a gateway::SessionKey,
    action: Option<&'a str>,
}

/// Reads until the stream ends: the names of what was handed over, and the code and reason of the end.
async fn read_out(events: &mut Events) -> (Vec<String>, String, String) {
    let mut names = Vec::new();
    let reading = async {
        while let Some(next) = events.next().await {
            match next {
                Ok(delivery) => {
                    if let Item::Event(event) = delivery.item() {
                        names.push(event.name.clone());
                    }
                    delivery.ack();
                }
                Err(error) => {
                    assert!(events.next().await.is_none(), "it is the last thing");
                    return (error.code().as_str().to_owned(), error.reason().to_owned());
                }
            }
        }
        panic!("it ended without a word");
    };
    let (code, reason) = tokio::time::timeout(LONG, reading).await.expect("the stream ends");
    (names, code, reason)
}

/// Reads until this many events were handled.
async fn read(events: &mut Events, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < count {
        let delivery = events.next().await.expect("it goes on").expect("nothing is wrong");
        if let Item::Event(event) = delivery.item() {
            names.push(event.name.clone());
        }
        delivery.ack();
    }
    names
}

const HONEST: [&str; 5] = ["registered", "passkeyAdded", "loggedIn", "loggedOut", "loggedIn"];

#[tokio::test(flavor = "multi_thread")]
async fn what_people_really_did_is_handed_over_also_after_restarts_of_both() {
    let mut world = World::start().await;
    let mut events = world.guarded().open();
    assert_eq!(read(&mut events, HONEST.len()).await, HONEST);
    // Dropped streams save what they know.
    drop(events);
    while world.store.load().unwrap().is_none_or(|pins| !pins.position().unwrap().contains("-5-")) {
        tokio::task::yield_now().await;
    }
    world.ada.sign_out().await;
    world.server.restart().await;
    let mut ada = Page::connect(&world.server).await;
    ada.sign_in("ada@shop.example", &mut world.authenticator).await;
    let mut events = world.guarded().open();
    assert_eq!(read(&mut events, 2).await, ["loggedOut", "loggedIn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_confirms_adds_and_removes_is_believed() {
    let mut world = World::start().await;
    let mut events = world.guarded().open();
    read(&mut events, HONEST.len()).await;
    let action = RawJson(r#"{"type":"pay","amount":5.0}"#.into());
    let confirm = ClientMessage::ConfirmBegin(ConfirmBegin { action });
    let confirmed = world.gesture(confirm).await;
    assert!(matches!(confirmed, ServerMessage::Confirmed(_)), "{confirmed:?}");

    let mut phone = SoftwareAuthenticator::new([2; 32]);
    let origin = world.server.origin();
    let ServerMessage::CeremonyCreate(make) = world.ada.ask(ClientMessage::PasskeysAddBegin).await else {
        panic!("a passkey is to be made")
    };
    let made = phone.register(&make.public_key.0, &origin).unwrap();
    let voucher = world.ada.finish(&make, made).await;
    let added = world.sign_for(voucher).await;
    let ServerMessage::PasskeyAdded(added) = added else { panic!("it is added: {added:?}") };
    let mut second = Page::connect(&world.server).await;
    second.sign_in("ada@shop.example", &mut phone).await;

    let passkey_id = added.passkey.passkey_id;
    let remove = ClientMessage::PasskeysRemoveBegin(gateway::RemovePasskey { passkey_id });
    let removed = world.gesture(remove).await;
    assert!(matches!(removed, ServerMessage::PasskeyRemoved(_)), "{removed:?}");
    let names = ["confirmed", "passkeyAdded", "loggedIn", "loggedOut", "passkeyRemoved"];
    assert_eq!(read(&mut events, names.len()).await, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_says_what_no_passkey_signed_ends_the_stream_before_it_is_handed_over() {
    for (lie, why) in [
        (Lie::NoEvidence, "it has no evidence"),
        (Lie::SwappedKey, "for another session key"),
        (Lie::Replay, "used before"),
        (Lie::OtherOrigin, "from an origin that is not the app's"),
        (Lie::OtherApp, "the challenge is that of this ceremony"),
        (Lie::OtherAction, "the challenge is that of this ceremony"),
        (Lie::NoVoucher, "it has no evidence"),
        (Lie::RemovedByNobody, "it has no evidence"),
        (Lie::ErasedAndBegunAnew, "known already, or was erased"),
    ] {
        let mut world = World::start().await;
        let before = lie.tell(&mut world).await;
        let (names, code, reason) = read_out(&mut world.guarded().open()).await;
        assert_eq!(code, "evidenceForged", "{lie:?}: {reason}");
        assert!(reason.contains(why), "{lie:?}: {reason}");
        assert_eq!(names, [&HONEST[..], before].concat(), "{lie:?}");
        // It is not forgotten: the next stream ends there too.
        let (_, code, _) = read_out(&mut world.guarded().open()).await;
        assert_eq!(code, "evidenceForged", "{lie:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Lie {
    NoEvidence,
    SwappedKey,
    Replay,
    OtherOrigin,
    OtherApp,
    OtherAction,
    NoVoucher,
    RemovedByNobody,
    ErasedAndBegunAnew,
}

impl Lie {
    /// Tells it; what it says before that is true, or does no harm.
    async fn tell(self, world: &mut World) -> &'static [&'static str] {
        let session = world.made_up(9);
        let key = session.session_key.clone();
        let real = world.login.evidence.clone();
        let asked = Asked {
            kind: CeremonyKind::SignIn,
            app_id: world.server.app_id,
            origin: None,
            key: &key,
            action: None,
        };
        let account_id = world.login.account_id;
        match self {
            Self::NoEvidence => world.open(session, None).await,
            Self::SwappedKey => world.open(session, real).await,
            Self::Replay => {
                world.open(Session { session_key: world.login.session_key.clone(), ..session }, real).await;
            }
            Self::OtherOrigin => {
                let evil = "http://evil.localhost";
                let evidence = world.sign(Asked { origin: Some(evil), ..asked });
                world.open(Session { origin: evil.into(), ..session }, Some(evidence)).await;
            }
            Self::OtherApp => {
                let evidence = world.sign(Asked { app_id: AppID::from_bytes([3; 16]), ..asked });
                world.open(session, Some(evidence)).await;
            }
            Self::OtherAction => {
                let action = Some(r#"{"amount":1}"#);
                let key = &world.login.session_key.clone();
                let evidence = world.sign(Asked { kind: CeremonyKind::Confirm, key, action, ..asked });
                world.say(world.confirmed(r#"{"amount":1000}"#, evidence)).await;
            }
            Self::NoVoucher => world.say(world.added(PasskeyID::from_bytes([9; 16]), None)).await,
            Self::RemovedByNobody => {
                let (passkey_id, reason) = (world.login.passkey_id, RemovalReason::User);
                let removed = PasskeyRemoved { account_id, passkey_id, reason, evidence: None };
                world.say(EventKind::PasskeyRemoved(removed)).await;
            }
            Self::ErasedAndBegunAnew => {
                world.say(EventKind::AccountErased(AccountErased { account_id })).await;
                world.say(EventKind::Registered(Registered { account_id })).await;
                return &["accountErased"];
            }
        }
        &[]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_edited_and_chained_anew_is_refused() {
    let mut world = World::start().await;
    world.server.stop().await;
    rewrite(world.server.directory(), world.server.app_id, |seq, _, data| {
        let mine = serde_json::to_string(&PageKey::make().public()).unwrap();
        let hers = serde_json::to_string(&world.login.session_key).unwrap();
        if seq == 5 { data.replace(&hers, &mine) } else { data }
    })
    .await;
    world.server.start_again().await;
    let (names, code, reason) = read_out(&mut world.guarded().open()).await;
    assert_eq!((&names[..], code.as_str()), (&HONEST.map(str::to_owned)[..4], "evidenceForged"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_are_those_that_passkeys_opened_and_end_with_the_first_lie() {
    let mut world = World::start().await;
    // In the state, and in no event: nobody has seen it being opened.
    let ghost = world.made_up(8);
    let (ghost_id, app) = (ghost.session_id, Arc::new(ghost));
    let store = &world.server.context().store;
    let opened = store.write(move |write| Box::pin(async move { write.open_session(app) }));
    opened.await.unwrap();
    let live = world.live_sessions().await;
    let held = live.fresh_within(LONG).unwrap().get(world.session.session_id).unwrap();
    assert_eq!(held.key_point().unwrap()[1..33], world.ada.key.public().x.0);
    assert!(live.get(ghost_id).is_none() && live.len() == 1);

    let mut second = Page::connect(&world.server).await;
    let real = second.sign_in("ada@shop.example", &mut world.authenticator).await;
    live.wait_for(real.session_id, LONG).await.unwrap();

    let forged = world.made_up(9);
    let forged_id = forged.session_id;
    world.open(forged, world.login.evidence.clone()).await;
    assert_eq!(live.wait_for(forged_id, LONG).await.unwrap_err(), NotLive::Unfollowed);
    assert_eq!(live.failure().unwrap().code().as_str(), "evidenceForged");
    assert_eq!(held.ended().await, Ended::Unfollowed);
    assert!(live.get(real.session_id).is_none() && live.fresh_within(LONG).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_go_on_where_the_pins_end_and_are_shown_when_the_log_is_read() {
    let mut world = World::start().await;
    let live = world.live_sessions().await;
    assert_eq!(live.len(), 1);
    drop(live);
    while world.store.load().unwrap().is_none_or(|pins| pins.open_sessions().next().is_none()) {
        tokio::task::yield_now().await;
    }
    let mut second = Page::connect(&world.server).await;
    let session = second.sign_in("ada@shop.example", &mut world.authenticator).await;
    world.ada.sign_out().await;
    let live = world.live_sessions().await;
    assert!(live.fresh_within(LONG).unwrap().get(session.session_id).is_some());
    assert!(live.get(world.session.session_id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_that_begin_at_the_head_of_a_quiet_log_wait_for_nothing() {
    let world = World::start().await;
    let first = world.live_sessions().await;
    let seq = |pins: Pins| pins.position().unwrap().parse::<EventID>().unwrap().seq;
    while world.store.load().unwrap().map(seq) != Some(5) {
        tokio::task::yield_now().await;
    }
    drop(first);
    // A quiet server says something every 20 s.
    let again = tokio::time::timeout(LONG / 2, world.live_sessions()).await.expect("it knows where it is");
    assert!(again.get(world.session.session_id).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_gap_the_sessions_that_nobody_saw_begin_are_left_out() {
    let mut world = World::start().await;
    drop(world.live_sessions().await);
    while world.store.load().unwrap().is_none_or(|pins| pins.open_sessions().next().is_none()) {
        tokio::task::yield_now().await;
    }
    let seen = world.store.load().unwrap().unwrap().position().unwrap().to_owned();
    let mut second = Page::connect(&world.server).await;
    let unseen = second.sign_in("ada@shop.example", &mut world.authenticator).await;
    let (app_id, seq) = (world.server.app_id, seen.parse::<EventID>().unwrap().seq + 1);
    let cut = world.server.context().store.cut(app_id, 0, seq, UnixMillis(0)).await;
    assert!(cut.unwrap());
    let mut third = Page::connect(&world.server).await;
    let next = third.sign_in("ada@shop.example", &mut world.authenticator).await;

    let live = world.live_sessions().await;
    assert!(live.get(world.session.session_id).is_some(), "it was seen before the gap");
    assert!(live.get(unseen.session_id).is_none());
    assert!(live.get(next.session_id).is_none(), "it is in the state that followed the gap");
    let mut fourth = Page::connect(&world.server).await;
    let seen = fourth.sign_in("ada@shop.example", &mut world.authenticator).await;
    live.wait_for(seen.session_id, LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_not_handled_comes_again_and_is_no_replay() {
    let world = World::start().await;
    let mut events = world.guarded().open();
    for name in HONEST {
        // Each is given back once, and then handled.
        for is_handled in [false, true] {
            let event = loop {
                let delivery = events.next().await.expect("it goes on").expect("nothing is wrong");
                match delivery.item() {
                    Item::Event(event) => {
                        assert_eq!(event.name, name);
                        break delivery;
                    }
                    Item::Snapshot(_) | Item::Gap(_) | Item::Bookmark(_) => delivery.ack(),
                }
            };
            if is_handled { event.ack() } else { event.fail() }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_could_not_check_everything_does_not_begin() {
    let world = World::start().await;
    for (builder, why) in [
        (world.guarded().consumer("billing"), "in a view"),
        (world.guarded().in_hand(2), "one item after the other"),
        (world.guarded().types(["loggedIn"]), "all event types"),
        (world.guarded().after("aaaa-1-AAAAAAAA"), "where its pins end"),
    ] {
        let (_, code, reason) = read_out(&mut builder.open()).await;
        assert!(code == "unexpected" && reason.contains(why), "{reason}");
    }
}
