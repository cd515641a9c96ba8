//! docs/asyncapi.yaml against the code: every message and event is in it, what the types encode is valid by it, and what it
//! calls required is exactly what is always there.

use std::collections::{BTreeMap, BTreeSet};

use passkey_accounts::protocol::{
    AccountID, AppID, CeremonyID, Code, ConnectionID, PasskeyID, Scope, SessionID, UnixMillis,
    base64url::Base64Url,
    event::{
        AccountErased, ApiKeyCreated, ApiKeyRevoked, CancelReason, Confirmed, CounterRegressed, EventKind,
        Evidence, LoggedIn, LoggedOut, PasskeyAdded, PasskeyRemoved, PasskeyRenamed, RecoveryCancelled,
        RecoveryCompleted, RecoveryStarted, Registered, RemovalReason, TamperedRow, TamperingDetected,
    },
    gateway::{
        AccountSession, AddedPasskey, AppName, Begin, Binding, Ceremony, CeremonyKind, ClientMessage,
        CodeSent, ConfirmBegin, Confirmed as PageConfirmed, Drain as PageDrain, EndReason, EndSessions,
        Failure, Finish, Hello, OnePasskey, Passkey, PasskeyRemoved as PagePasskeyRemoved, Passkeys, Policy,
        RawJson, RecoveryCode, RecoveryHeld, RecoveryPolicy, RemovePasskey, RenamePasskey, Resume,
        ServerMessage, Session, SessionExpiring, SessionKey, Sessions, SessionsEnded, SignedIn, SignedOut,
        Verify, VerifyRecovery,
    },
    stream::{
        Ack, BookmarkData, Challenge, Drain, FirstMessage, GapData, GapNext, GapReason, Lease, Message,
        OpenSession, Proven, Ready, Reply, RevokedData, SignedHead, SnapshotPage, Start,
    },
};
use passkey_accounts_tests::{BackEnd, Page, SoftwareAuthenticator, TestServer, build::workspace};
use serde::Serialize;
use serde_json::{Value, json};

/// The document.
struct Document(Value);

/// A message: the least that a type encodes, and the most.
struct Sample {
    name: &'static str,
    least: Value,
    most: Value,
}

impl Document {
    fn read() -> Self {
        let text = std::fs::read_to_string(workspace().join("docs/asyncapi.yaml")).unwrap();
        Self(yaml_serde::from_str(&text).unwrap())
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let found = self.0.pointer(reference.trim_start_matches('#'));
                self.resolve(found.unwrap_or_else(|| panic!("{reference} leads nowhere")))
            }
            None => value,
        }
    }

    /// The payloads of an operation's messages, by type; a message without one is `first`.
    fn payloads(&self, operation: &str) -> BTreeMap<String, &Value> {
        let messages = self.0["operations"][operation]["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| {
                let payload = self.resolve(&self.resolve(message)["payload"]);
                let name = payload.pointer("/properties/type/const").and_then(Value::as_str);
                (name.unwrap_or("first").to_owned(), payload)
            })
            .collect()
    }

    fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut root = json!({ "components": self.0["components"] });
        root.as_object_mut().unwrap().extend(schema.as_object().unwrap().clone());
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// `required` names exactly the members of the least value, and every member of the most is described.
    fn check_members(&self, path: &str, schema: &Value, least: Option<&Value>, most: &Value) {
        let schema = self.resolve(schema);
        if let (Some(items), Value::Array(most)) = (schema.get("items"), most) {
            let least = least.and_then(Value::as_array).and_then(|least| least.first());
            for item in most {
                self.check_members(&format!("{path}[]"), items, least, item);
            }
            return;
        }
        let (Some(properties), Value::Object(most)) = (schema.get("properties"), most) else { return };
        if let Some(Value::Object(least)) = least {
            let always: BTreeSet<&str> = least.keys().map(String::as_str).collect();
            // Where there are alternatives, the least is the first one.
            let lists = [schema.get("required"), schema.pointer("/anyOf/0/required")];
            let required = lists.into_iter().flatten().flat_map(|names| names.as_array().unwrap());
            let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
            assert_eq!(required, always, "required members of {path}");
        }
        let all: BTreeSet<&str> = most.keys().map(String::as_str).collect();
        let described: BTreeSet<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, all, "described members of {path}");
        for (name, value) in most {
            let least = least.and_then(|least| least.get(name));
            self.check_members(&format!("{path}.{name}"), &properties[name], least, value);
        }
    }

    /// The samples are all the messages of an operation, and each is as the document says.
    fn check(&self, operation: &str, samples: &[Sample]) {
        let payloads = self.payloads(operation);
        let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name).collect();
        assert_eq!(payloads.keys().map(String::as_str).collect::<BTreeSet<_>>(), names, "{operation}");
        for Sample { name, least, most } in samples {
            let payload = payloads[*name];
            for value in [least, most] {
                assert_eq!(self.errors(payload, value), [""; 0], "{operation} {name}: {value}");
            }
            self.check_members(name, payload, Some(least), most);
            // The schema can fail: without any one of its members that are required, the least is not valid.
            for member in least.as_object().unwrap().keys() {
                let mut broken = least.clone();
                broken.as_object_mut().unwrap().remove(member);
                assert!(
                    !self.errors(payload, &broken).is_empty(),
                    "{operation} {name} is valid without {member}"
                );
            }
        }
    }
}

const TIME: UnixMillis = UnixMillis(1_795_370_400_123);
const ACCOUNT: AccountID = AccountID::from_bytes([1; 16]);
const SESSION: SessionID = SessionID::from_bytes([2; 16]);
const PASSKEY: PasskeyID = PasskeyID::from_bytes([3; 16]);

fn bytes(count: usize) -> Base64Url {
    Base64Url(vec![0xfb; count])
}

fn session_key() -> SessionKey {
    SessionKey { kty: "EC".into(), crv: "P-256".into(), x: bytes(32), y: bytes(32) }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_a_page_says_is_in_the_document() {
    let begin = || Begin { email: "ada@example.org".into(), session_key: session_key() };
    let ceremony_id = CeremonyID::from_bytes([4; 16]);
    let messages = [
        ClientMessage::SignUpBegin(begin()),
        ClientMessage::SignUpVerify(Verify { code: "123456".into() }),
        ClientMessage::SignInBegin(begin()),
        ClientMessage::CeremonyFinish(Finish { ceremony_id, credential: RawJson("{}".into()) }),
        ClientMessage::SessionResume(Resume { session_id: SESSION, signature: bytes(64) }),
        ClientMessage::SignOut,
        ClientMessage::ConfirmBegin(ConfirmBegin { action: RawJson("{}".into()) }),
        ClientMessage::PasskeysList,
        ClientMessage::PasskeysAddBegin,
        ClientMessage::PasskeysRename(RenamePasskey { passkey_id: PASSKEY, name: "Work laptop".into() }),
        ClientMessage::PasskeysRemoveBegin(RemovePasskey { passkey_id: PASSKEY }),
        ClientMessage::SessionsList,
        ClientMessage::SessionsEnd(EndSessions { session_id: None }),
        ClientMessage::RecoveryCodeBegin,
        ClientMessage::RecoveryBegin(begin()),
        ClientMessage::RecoveryVerify(VerifyRecovery { code: "123456".into(), recovery_code: "0".into() }),
        ClientMessage::RecoveryCancel,
    ];
    let samples = messages.map(|message| {
        // No wildcard: a new message does not compile here until it has a sample and a place in the document.
        let name = match &message {
            ClientMessage::SignUpBegin(_) => "signUp.begin",
            ClientMessage::SignUpVerify(_) => "signUp.verify",
            ClientMessage::SignInBegin(_) => "signIn.begin",
            ClientMessage::CeremonyFinish(_) => "ceremony.finish",
            ClientMessage::SessionResume(_) => "session.resume",
            ClientMessage::SignOut => "signOut",
            ClientMessage::ConfirmBegin(_) => "confirm.begin",
            ClientMessage::PasskeysList => "passkeys.list",
            ClientMessage::PasskeysAddBegin => "passkeys.add.begin",
            ClientMessage::PasskeysRename(_) => "passkeys.rename",
            ClientMessage::PasskeysRemoveBegin(_) => "passkeys.remove.begin",
            ClientMessage::SessionsList => "sessions.list",
            ClientMessage::SessionsEnd(_) => "sessions.end",
            ClientMessage::RecoveryCodeBegin => "recovery.code.begin",
            ClientMessage::RecoveryBegin(_) => "recovery.begin",
            ClientMessage::RecoveryVerify(_) => "recovery.verify",
            ClientMessage::RecoveryCancel => "recovery.cancel",
        };
        let mut most = read(&message.encode(Some(7)));
        if let ClientMessage::SessionsEnd(_) = &message {
            let one = EndSessions { session_id: Some(SESSION) };
            most = read(&ClientMessage::SessionsEnd(one).encode(Some(7)));
        }
        Sample { name, least: read(&message.encode(None)), most }
    });
    Document::read().check("pageAsks", &samples);
}

/// A passkey that was never named and never used.
fn new_passkey() -> Passkey {
    Passkey {
        passkey_id: PASSKEY,
        credential_id: bytes(16),
        name: None,
        aaguid: bytes(16),
        created_at: TIME,
        last_used_at: None,
        backup_eligible: false,
        backed_up: false,
    }
}

fn account_session() -> AccountSession {
    AccountSession {
        session_id: SESSION,
        passkey_id: PASSKEY,
        started_at: TIME,
        expires_at: TIME,
        origin: "https://shop.example".into(),
        user_agent: String::new(),
        is_current: true,
    }
}

/// The same message with every member that may be absent.
fn most(mut message: ServerMessage) -> ServerMessage {
    let full = |passkey: &mut Passkey| {
        (passkey.name, passkey.last_used_at) = (Some("Work laptop".into()), Some(TIME));
    };
    match &mut message {
        ServerMessage::Error(failure) => failure.retry_after_ms = Some(30_000),
        ServerMessage::SignedIn(signed_in) => signed_in.recovery = Some(RecoveryHeld { until: TIME }),
        ServerMessage::CeremonyCreate(ceremony) | ServerMessage::CeremonyGet(ceremony) => {
            ceremony.binding.added = Some(AddedPasskey { passkey_id: PASSKEY, public_key: bytes(77) });
        }
        ServerMessage::Passkeys(list) => list.passkeys.iter_mut().for_each(full),
        ServerMessage::PasskeyAdded(one) | ServerMessage::PasskeyRenamed(one) => full(&mut one.passkey),
        _ => {}
    }
    message
}

#[test]
fn what_a_page_is_told_is_in_the_document() {
    let ceremony = || Ceremony {
        ceremony_id: CeremonyID::from_bytes([4; 16]),
        public_key: RawJson("{}".into()),
        binding: Binding { random: bytes(32), kind: CeremonyKind::SignIn, added: None },
    };
    let hello = Hello {
        connection_id: ConnectionID::from_bytes([5; 16]),
        nonce: bytes(32),
        heartbeat_ms: 20_000,
        rp_id: "shop.example".into(),
        app: AppName { name: "Shop".into() },
        policy: Policy::Strict,
        recovery: RecoveryPolicy::RecoveryCode,
        time: TIME,
    };
    let session = Session {
        session_id: SESSION,
        account_id: ACCOUNT,
        passkey_id: PASSKEY,
        started_at: TIME,
        expires_at: TIME,
        idle_ms: 1,
        grace_ms: 0,
    };
    let messages = [
        ServerMessage::Hello(hello),
        ServerMessage::CodeSent(CodeSent { expires_at: TIME }),
        ServerMessage::CeremonyCreate(ceremony()),
        ServerMessage::CeremonyGet(ceremony()),
        ServerMessage::SignedIn(SignedIn { session, recovery: None }),
        ServerMessage::SignedOut(SignedOut { reason: EndReason::Revoked }),
        ServerMessage::SessionExpiring(SessionExpiring { at: TIME }),
        ServerMessage::Confirmed(PageConfirmed { ceremony_id: CeremonyID::from_bytes([4; 16]) }),
        ServerMessage::Passkeys(Passkeys { user_id: bytes(16), passkeys: vec![new_passkey()] }),
        ServerMessage::PasskeyAdded(OnePasskey { passkey: new_passkey() }),
        ServerMessage::PasskeyRenamed(OnePasskey { passkey: new_passkey() }),
        ServerMessage::PasskeyRemoved(PagePasskeyRemoved { passkey_id: PASSKEY, credential_id: bytes(16) }),
        ServerMessage::Sessions(Sessions { sessions: vec![account_session()] }),
        ServerMessage::SessionsEnded(SessionsEnded { session_ids: vec![SESSION] }),
        ServerMessage::RecoveryCode(RecoveryCode { code: "0".into() }),
        ServerMessage::RecoveryCodeSent(CodeSent { expires_at: TIME }),
        ServerMessage::RecoveryHeld(RecoveryHeld { until: TIME }),
        ServerMessage::RecoveryCancelled {},
        ServerMessage::Heartbeat,
        ServerMessage::Drain(PageDrain { reconnect_after_ms: 5_000 }),
        ServerMessage::Error(Failure::from(Code::Idle)),
    ];
    let samples = messages.map(|message| {
        let (name, id) = match &message {
            ServerMessage::Hello(_) => ("hello", Some(7)),
            ServerMessage::CodeSent(_) => ("signUp.codeSent", Some(7)),
            ServerMessage::CeremonyCreate(_) => ("ceremony.create", Some(7)),
            ServerMessage::CeremonyGet(_) => ("ceremony.get", Some(7)),
            ServerMessage::SignedIn(_) => ("signedIn", Some(7)),
            ServerMessage::SignedOut(_) => ("signedOut", Some(7)),
            ServerMessage::Heartbeat => ("heartbeat", Some(7)),
            ServerMessage::Drain(_) => ("drain", None),
            ServerMessage::Error(_) => ("error", Some(7)),
            ServerMessage::SessionExpiring(_) => ("session.expiring", Some(7)),
            ServerMessage::Confirmed(_) => ("confirmed", Some(7)),
            ServerMessage::Passkeys(_) => ("passkeys", Some(7)),
            ServerMessage::PasskeyAdded(_) => ("passkeyAdded", Some(7)),
            ServerMessage::PasskeyRenamed(_) => ("passkeyRenamed", Some(7)),
            ServerMessage::PasskeyRemoved(_) => ("passkeyRemoved", Some(7)),
            ServerMessage::Sessions(_) => ("sessions", Some(7)),
            ServerMessage::SessionsEnded(_) => ("sessionsEnded", Some(7)),
            ServerMessage::RecoveryCode(_) => ("recovery.code", Some(7)),
            ServerMessage::RecoveryCodeSent(_) => ("recovery.codeSent", Some(7)),
            ServerMessage::RecoveryHeld(_) => ("recovery.held", Some(7)),
            ServerMessage::RecoveryCancelled {} => ("recovery.cancelled", Some(7)),
        };
        let most = read(&most(message.clone()).encode(id));
        Sample { name, least: read(&message.encode(None)), most }
    });
    Document::read().check("pageIsTold", &samples);
}

#[test]
fn what_a_back_end_says_is_in_the_document() {
    let least = FirstMessage { api_key: Some("pa_dev_x".into()), ..FirstMessage::default() };
    let most = FirstMessage {
        api_key: Some("pa_dev_x".into()),
        key_id: Some("040g2081040g2081".into()),
        protocol: Some(1),
        after: Some("k3f9-1-aa".into()),
        start: Some(Start::Earliest),
        snapshot: Some(false),
        skip: Some(false),
        consumer: Some("billing".into()),
        lanes: Some(2),
        types: Some(vec!["*".into()]),
        window: Some(64),
        ack_timeout_ms: Some(60_000),
        ndjson: Some(true),
        client: Some("tests".into()),
    };
    let ack = |ack: Ack| read(&Reply::Ack(ack).encode());
    let most_ack = Ack { lane: 1, id: Some("k3f9-1-aa".into()), release: true };
    let shortest = FirstMessage { key_id: most.key_id.clone(), ..least.clone() };
    let signature = read(&Reply::Signature(Proven { signature: bytes(64) }).encode());
    let document = Document::read();
    document.check(
        "backEndSays",
        &[
            Sample { name: "first", least: json!(least), most: json!(most) },
            Sample { name: "signature", least: signature.clone(), most: signature.clone() },
            Sample { name: "ack", least: ack(Ack::default()), most: ack(most_ack) },
        ],
    );
    document.check(
        "shortestClientSays",
        &[
            Sample { name: "first", least: json!(least), most: json!(shortest) },
            Sample { name: "signature", least: signature.clone(), most: signature },
        ],
    );
}

/// A message of the back-end socket: its data, and the members beside it, always or at most.
fn told(
    name: &'static str,
    least: impl Serialize,
    most: impl Serialize,
    always: &Value,
    at_most: &Value,
) -> Sample {
    let frame = |data: Value, beside: &Value| {
        let mut frame = json!({ "type": name, "data": data });
        frame.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        // What the client's own reader takes for that message.
        Message::decode(&frame.to_string()).unwrap().unwrap();
        frame
    };
    let mut beside = always.clone();
    beside.as_object_mut().unwrap().extend(at_most.as_object().unwrap().clone());
    Sample { name, least: frame(json!(least), always), most: frame(json!(most), &beside) }
}

fn events() -> Vec<(EventKind, EventKind)> {
    let evidence = Evidence {
        random: bytes(32),
        kind: CeremonyKind::SignIn,
        origin: "https://shop.example".into(),
        thumbprint: bytes(32),
        credential_id: bytes(16),
        authenticator_data: bytes(37),
        client_data_json: bytes(80),
        signature: bytes(70),
    };
    let confirmed = Confirmed {
        account_id: ACCOUNT,
        session_id: SESSION,
        passkey_id: PASSKEY,
        ceremony_id: CeremonyID::from_bytes([4; 16]),
        action: RawJson("{}".into()),
        evidence: Evidence { kind: CeremonyKind::Confirm, ..evidence.clone() },
    };
    let voucher = Some(Box::new(Evidence { kind: CeremonyKind::AddPasskey, ..evidence.clone() }));
    let remover = Some(Box::new(Evidence { kind: CeremonyKind::RemovePasskey, ..evidence.clone() }));
    let login = |evidence| {
        EventKind::LoggedIn(Box::new(LoggedIn {
            account_id: ACCOUNT,
            session_id: SESSION,
            passkey_id: PASSKEY,
            origin: "https://shop.example".into(),
            session_key: session_key(),
            expires_at: TIME,
            user_verified: true,
            backed_up: false,
            account_sessions: 1,
            evidence,
        }))
    };
    let logout =
        LoggedOut { account_id: ACCOUNT, session_id: SESSION, reason: EndReason::User, account_sessions: 0 };
    let added = PasskeyAdded {
        account_id: ACCOUNT,
        passkey_id: PASSKEY,
        public_key: bytes(77),
        aaguid: bytes(16),
        backed_up: false,
        evidence: None,
    };
    let removed = PasskeyRemoved {
        account_id: ACCOUNT,
        passkey_id: PASSKEY,
        reason: RemovalReason::BackEnd,
        evidence: None,
    };
    let cancelled = RecoveryCancelled { account_id: ACCOUNT, reason: CancelReason::Expired };
    let completed = RecoveryCompleted {
        account_id: ACCOUNT,
        passkey_id: PASSKEY,
        public_key: bytes(77),
        aaguid: bytes(16),
        backed_up: true,
    };
    let regressed = CounterRegressed { account_id: ACCOUNT, passkey_id: PASSKEY, stored: 2, received: 1 };
    let accepted = TamperingDetected { row: TamperedRow::Database, account_id: None, key_id: None };
    let tampered =
        TamperingDetected { row: TamperedRow::Account, account_id: Some(ACCOUNT), key_id: Some("k".into()) };
    let created = ApiKeyCreated { key_id: "k".into(), name: "reader".into(), scopes: Scope::ALL.to_vec() };
    let same = |kind: EventKind| (kind.clone(), kind);
    vec![
        same(EventKind::Registered(Registered { account_id: ACCOUNT })),
        (login(None), login(Some(evidence))),
        same(EventKind::LoggedOut(logout)),
        (
            EventKind::PasskeyAdded(added.clone()),
            EventKind::PasskeyAdded(PasskeyAdded { evidence: voucher, ..added }),
        ),
        same(EventKind::Confirmed(Box::new(confirmed))),
        same(EventKind::PasskeyRenamed(PasskeyRenamed { account_id: ACCOUNT, passkey_id: PASSKEY })),
        (
            EventKind::PasskeyRemoved(removed.clone()),
            EventKind::PasskeyRemoved(PasskeyRemoved {
                reason: RemovalReason::User,
                evidence: remover,
                ..removed
            }),
        ),
        same(EventKind::AccountErased(AccountErased { account_id: ACCOUNT })),
        same(EventKind::RecoveryStarted(RecoveryStarted { account_id: ACCOUNT, until: TIME })),
        same(EventKind::RecoveryCancelled(cancelled)),
        same(EventKind::RecoveryCompleted(completed)),
        same(EventKind::CounterRegressed(regressed)),
        (EventKind::TamperingDetected(accepted), EventKind::TamperingDetected(tampered)),
        same(EventKind::ApiKeyCreated(created)),
        same(EventKind::ApiKeyRevoked(ApiKeyRevoked { key_id: "k".into() })),
    ]
}

/// Does not compile until a new event or message has a sample in this file.
fn all_have_a_sample(kind: &EventKind, message: &Message) {
    match kind {
        EventKind::Registered(_)
        | EventKind::LoggedIn(_)
        | EventKind::LoggedOut(_)
        | EventKind::PasskeyAdded(_)
        | EventKind::PasskeyRemoved(_)
        | EventKind::PasskeyRenamed(_)
        | EventKind::Confirmed(_)
        | EventKind::AccountErased(_)
        | EventKind::RecoveryStarted(_)
        | EventKind::RecoveryCancelled(_)
        | EventKind::RecoveryCompleted(_)
        | EventKind::CounterRegressed(_)
        | EventKind::TamperingDetected(_)
        | EventKind::ApiKeyCreated(_)
        | EventKind::ApiKeyRevoked(_) => {}
    }
    match message {
        Message::Challenge(_)
        | Message::Ready(_)
        | Message::Snapshot(_)
        | Message::Gap(_)
        | Message::Bookmark(_)
        | Message::Drain(_)
        | Message::Assigned(_)
        | Message::Revoked(_)
        | Message::Error(_)
        | Message::Event(_) => {}
    }
}

#[test]
fn what_a_back_end_is_told_is_in_the_document() {
    let ready = Ready {
        protocol: 1,
        connection: ConnectionID::from_bytes([5; 16]),
        idle_ms: 20_000,
        window: 0,
        lanes: 1,
        max_message_bytes: 8 * 1024,
        app_id: None,
        epoch: None,
        ndjson: false,
        time: TIME,
    };
    let full_ready =
        Ready { app_id: Some(AppID::from_bytes([6; 16])), epoch: Some("k3f9".into()), ndjson: true, ..ready };
    let open = OpenSession {
        account_id: ACCOUNT,
        session_id: SESSION,
        passkey_id: PASSKEY,
        session_key: session_key(),
        since: TIME,
        expires_at: TIME,
    };
    let page = SnapshotPage { sessions: vec![open], first: true, last: true, hash: None };
    let last_page = SnapshotPage { hash: Some(bytes(32)), ..page.clone() };
    let gap = GapData { reason: GapReason::Ahead, after: "x".into(), next: GapNext::Snapshot, oldest: None };
    let gap_with_oldest = GapData { oldest: Some("k3f9-0-aa".into()), ..gap.clone() };
    let bookmark = BookmarkData { time: TIME, hash: None, head: None };
    let head = SignedHead {
        epoch: "k3f9".into(),
        seq: 1,
        hash: bytes(32),
        time: TIME,
        key_id: "k".into(),
        sig: bytes(64),
    };
    let signed = BookmarkData { hash: Some(bytes(32)), head: Some(head), time: bookmark.time };
    let drain = Drain { reason: "restart".into(), within_ms: 5_000, url: None };
    let moved = Drain { url: Some("wss://auth.example".into()), ..drain.clone() };
    let failure = Failure::from(Code::Idle);
    let late = Failure { retry_after_ms: Some(1), ..failure.clone() };
    let (none, lane) = (json!({}), json!({ "lane": 3 }));
    let position = json!({ "id": "k3f9-1-aa", "prev": "k3f9-0-aa" });
    let challenge = Challenge { nonce: "bm9uY2U".into() };
    let mut samples = vec![
        told("challenge", &challenge, &challenge, &none, &none),
        told("ready", &ready, &full_ready, &none, &none),
        told("snapshot", &page, &last_page, &json!({ "id": "k3f9-1-aa" }), &lane),
        told("gap", &gap, &gap_with_oldest, &none, &lane),
        told("bookmark", &bookmark, &signed, &position, &lane),
        told("drain", &drain, &moved, &none, &none),
        told("assigned", Lease { lease: 7 }, Lease { lease: 7 }, &json!({ "id": null }), &lane),
        told("revoked", RevokedData { within_ms: 1 }, RevokedData { within_ms: 1 }, &none, &lane),
        told("error", &failure, &late, &none, &none),
    ];
    let beside = json!({ "id": "k3f9-1-aa", "prev": "k3f9-0-aa", "seq": 1, "time": TIME });
    for (least, most) in events() {
        all_have_a_sample(&least, &Message::Ready(ready.clone()));
        samples.push(told(least.name(), read(&least.data_json()), read(&most.data_json()), &beside, &lane));
    }
    Document::read().check("backEndIsTold", &samples);
}

#[test]
fn every_word_of_an_enumeration_is_in_the_document() {
    let document = Document::read();
    let words = |name: &str| -> BTreeSet<String> {
        let words = document.0["components"]["schemas"][name]["enum"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let with_other = |known: Vec<&str>| known.into_iter().chain(["other"]).map(str::to_owned).collect();
    assert_eq!(words("EndReason"), with_other(EndReason::ALL.map(EndReason::as_str).to_vec()));
    assert_eq!(words("Scope"), with_other(Scope::ALL.map(Scope::as_str).to_vec()));
}

#[tokio::test]
async fn what_a_real_server_says_is_in_the_document() {
    let server = TestServer::start().await;
    let document = Document::read();
    let told = document.payloads("backEndIsTold");
    let mut shortest = BackEnd::shortest(&server).await;
    while server.context().back_ends.count(server.app_id) == 0 {
        tokio::task::yield_now().await;
    }
    let first = json!({ "apiKey": server.api_key, "protocol": 1, "types": ["*"], "window": 0, "after": "0000-9-AAAAAAAA" });
    assert_eq!(document.errors(document.payloads("backEndSays")["first"], &first), [""; 0]);
    let mut view = BackEnd::connect(&server, first.to_string()).await;
    let mut worker = BackEnd::worker(&server, "billing", json!({})).await;
    let mut page = Page::connect(&server).await;
    page.sign_up(&server, "ada@example.org", &mut SoftwareAuthenticator::new([1; 32])).await;
    page.sign_out().await;
    let mut seen = BTreeSet::new();
    while !seen.contains("loggedOut") {
        let frame = read(&view.text().await.unwrap());
        let name = frame["type"].as_str().unwrap().to_owned();
        assert_eq!(document.errors(told[&name], &frame), [""; 0], "{frame}");
        seen.insert(name);
    }
    let all = ["gap", "loggedIn", "loggedOut", "passkeyAdded", "ready", "registered", "snapshot"];
    assert_eq!(seen.iter().map(String::as_str).filter(|name| *name != "bookmark").collect::<Vec<_>>(), all);
    let offer = read(&worker.text().await.unwrap());
    assert_eq!(document.errors(told["assigned"], &offer), [""; 0], "{offer}");
    let edges = document.payloads("shortestClientIsTold");
    for name in ["loggedIn", "loggedOut"] {
        let frame = read(&shortest.text().await.unwrap());
        assert_eq!((&frame["type"], document.errors(edges[name], &frame)), (&json!(name), vec![]), "{frame}");
    }
}
