//! What is believed, and one test for each way to lie. The server of these tests has every power but a passkey's key.

#![expect(clippy::needless_pass_by_value, reason = "an event that was said is not said again")]

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};

use super::{MAX_ACCOUNTS, MAX_USED, PinError, Pins};
use crate::{
    ceremony::{
        action,
        binding::{Binding, thumbprint},
    },
    evidence::{AssertionError, Expected, Forged, PublicKey, Step},
    protocol::{
        AccountID, AppID, CeremonyID, PasskeyID, SessionID, UnixMillis,
        base64url::{Base64Url, encode},
        event::{
            AccountErased, Confirmed, EventKind, Evidence, LoggedIn, LoggedOut, PasskeyAdded, PasskeyRemoved,
            Registered, RemovalReason,
        },
        gateway::{CeremonyKind, EndReason, RawJson, SessionKey},
        stream::{OpenSession, Snapshot},
    },
    stream::{Bookmark, Event, Item},
};

const ORIGIN: &str = "https://shop.example";
const UP_AND_UV: u8 = 0x05;

/// A passkey that somebody really has.
struct Passkey {
    id: PasskeyID,
    pair: EcdsaKeyPair,
}

/// What it is asked to sign.
#[derive(Clone)]
struct Asked {
    random: u8,
    kind: CeremonyKind,
    app: u8,
    rp_id: &'static str,
    origin: &'static str,
    session_key: SessionKey,
    action: Option<String>,
    flags: u8,
}

impl Passkey {
    fn make(id: u8) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { id: PasskeyID::from_bytes([id; 16]), pair }
    }

    fn cose(&self) -> Vec<u8> {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let begin = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        [&begin[..], x, &[0x22, 0x58, 0x20], y].concat()
    }

    fn sign(&self, asked: &Asked) -> Evidence {
        let binding = Binding {
            random: &[asked.random; 32],
            kind: asked.kind,
            app_id: AppID::from_bytes([asked.app; 16]),
            origin: asked.origin,
            thumbprint: &thumbprint(&asked.session_key),
            action: asked.action.as_deref(),
        };
        let (challenge, origin) = (encode(binding.derive_challenge()), asked.origin);
        let client_data =
            format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}"}}"#);
        let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
        let rp_id_hash = hash(asked.rp_id.as_bytes());
        let authenticator_data = [rp_id_hash.as_ref(), &[asked.flags], &[0; 4]].concat();
        let signed = [&authenticator_data, hash(client_data.as_bytes()).as_ref()].concat();
        Evidence {
            random: Base64Url(vec![asked.random; 32]),
            kind: asked.kind,
            origin: asked.origin.into(),
            thumbprint: Base64Url(thumbprint(&asked.session_key).to_vec()),
            credential_id: Base64Url(vec![1; 16]),
            authenticator_data: Base64Url(authenticator_data),
            client_data_json: Base64Url(client_data.into_bytes()),
            signature: Base64Url(self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()),
        }
    }
}

fn asked(random: u8, kind: CeremonyKind, session: u8, action: Option<String>) -> Asked {
    Asked {
        random,
        kind,
        app: 2,
        rp_id: "shop.example",
        origin: ORIGIN,
        session_key: key(session),
        action,
        flags: UP_AND_UV,
    }
}

/// Sign-in number `random`, for that session's key.
fn sign_in(random: u8, session: u8) -> Asked {
    asked(random, CeremonyKind::SignIn, session, None)
}

fn key(session: u8) -> SessionKey {
    let part = |byte| Base64Url(vec![byte; 32]);
    SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part(session), y: part(session + 100) }
}

fn account(id: u8) -> AccountID {
    AccountID::from_bytes([id; 16])
}

fn session(id: u8) -> SessionID {
    SessionID::from_bytes([id; 16])
}

fn registered(of: u8) -> EventKind {
    EventKind::Registered(Registered { account_id: account(of) })
}

fn added(of: u8, passkey: &Passkey, evidence: Option<Evidence>) -> EventKind {
    EventKind::PasskeyAdded(PasskeyAdded {
        account_id: account(of),
        passkey_id: passkey.id,
        public_key: Base64Url(passkey.cose()),
        aaguid: Base64Url(vec![0; 16]),
        backed_up: false,
        evidence: evidence.map(Box::new),
    })
}

fn login(of: u8, id: u8, passkey: &Passkey, evidence: Option<Evidence>) -> LoggedIn {
    LoggedIn {
        account_id: account(of),
        session_id: session(id),
        passkey_id: passkey.id,
        origin: ORIGIN.into(),
        session_key: key(id),
        expires_at: UnixMillis(1_000_000),
        user_verified: true,
        backed_up: false,
        account_sessions: 1,
        evidence,
    }
}

fn logged_in(login: LoggedIn) -> EventKind {
    EventKind::LoggedIn(Box::new(login))
}

fn logged_out(id: u8) -> EventKind {
    let (account_id, session_id, reason) = (account(1), session(id), EndReason::User);
    EventKind::LoggedOut(LoggedOut { account_id, session_id, reason, account_sessions: 0 })
}

const PAY: &str = r#"{"amount":5,"type":"pay"}"#;

fn confirmed(of: u8, id: u8, passkey: &Passkey, action: &str, evidence: Evidence) -> EventKind {
    EventKind::Confirmed(Box::new(Confirmed {
        account_id: account(of),
        session_id: session(id),
        passkey_id: passkey.id,
        ceremony_id: CeremonyID::from_bytes([1; 16]),
        action: RawJson(action.into()),
        evidence,
    }))
}

fn removed(of: u8, passkey: &Passkey, reason: RemovalReason, evidence: Option<Evidence>) -> EventKind {
    let (account_id, passkey_id) = (account(of), passkey.id);
    EventKind::PasskeyRemoved(PasskeyRemoved {
        account_id,
        passkey_id,
        reason,
        evidence: evidence.map(Box::new),
    })
}

/// Pins, and the log that they read.
struct World {
    pins: Pins,
    expected: Expected,
    seq: u64,
}

impl World {
    /// Account 1 has signed up with this passkey: session 1 is open.
    fn with_account(passkey: &Passkey) -> Self {
        let expected = Expected {
            app_id: AppID::from_bytes([2; 16]),
            rp_id: "shop.example".into(),
            origins: vec!["https://www.shop.example".into(), ORIGIN.into()],
        };
        let mut world = Self { pins: Pins::default(), expected, seq: 0 };
        world.believes(registered(1));
        world.believes(added(1, passkey, None));
        world.believes(logged_in(login(1, 1, passkey, None)));
        world
    }

    fn hear(&mut self, item: Item) -> Result<Item, PinError> {
        let (item, change) = self.pins.check(&self.expected, item)?;
        self.pins.apply(change);
        Ok(item)
    }

    fn event(&self, kind: &EventKind) -> Item {
        let seq = self.seq + 1;
        let (id, time) = (format!("aaaa-{seq}-AAAAAAAA"), UnixMillis(seq));
        let (name, data) = (kind.name().to_owned(), kind.data_json());
        // As it is read from the wire.
        let kind = EventKind::from_parts(&name, &data).unwrap();
        Item::Event(Event { id, seq, time, name, data, kind })
    }

    #[track_caller]
    fn believes(&mut self, kind: EventKind) {
        let item = self.event(&kind);
        self.hear(item).unwrap();
        self.seq += 1;
        assert_eq!(self.pins.position(), Some(&*format!("aaaa-{}-AAAAAAAA", self.seq)));
    }

    #[track_caller]
    fn refuses(&self, kind: EventKind) -> Forged {
        match self.pins.check(&self.expected, self.event(&kind)) {
            Err(PinError::Forged { why, .. }) => why,
            other => panic!("believed: {other:?}"),
        }
    }

    fn page(
        &mut self,
        sessions: Vec<OpenSession>,
        first: bool,
        last: bool,
    ) -> Result<Vec<SessionID>, PinError> {
        let id = if last { "aaaa-50-AAAAAAAA".to_owned() } else { "receipt".to_owned() };
        let page = Snapshot { sessions, first, last, id, hash: None, lane: 0 };
        match self.hear(Item::Snapshot(page))? {
            Item::Snapshot(page) => Ok(page.sessions.iter().map(|session| session.session_id).collect()),
            other => panic!("{other:?}"),
        }
    }

    fn is_open(&self, id: u8) -> bool {
        self.pins.open_sessions().any(|open| open.session_id == session(id))
    }
}

const fn step(step: Step) -> Forged {
    Forged::Assertion(AssertionError::Refused(step))
}

#[test]
fn a_sign_up_and_what_its_passkey_signs_after_it_is_believed() {
    let (ada, second) = (Passkey::make(1), Passkey::make(2));
    let mut world = World::with_account(&ada);
    assert!(world.is_open(1));
    world.believes(logged_in(login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))))));
    let confirm = asked(2, CeremonyKind::Confirm, 2, Some(PAY.into()));
    world.believes(confirmed(1, 2, &ada, PAY, ada.sign(&confirm)));
    let add = action::add_passkey(second.id, &second.cose());
    let voucher = ada.sign(&asked(3, CeremonyKind::AddPasskey, 2, Some(add)));
    world.believes(added(1, &second, Some(voucher)));
    // What is remembered survives a restart as it is.
    let text = serde_json::to_string(&world.pins).unwrap();
    let read: Pins = serde_json::from_str(&text).unwrap();
    assert_eq!(read, world.pins);
    world.pins = read;
    world.believes(logged_in(login(1, 3, &second, Some(second.sign(&sign_in(4, 3))))));
    let remove = asked(5, CeremonyKind::RemovePasskey, 3, Some(action::remove_passkey(ada.id)));
    world.believes(removed(1, &ada, RemovalReason::User, Some(second.sign(&remove))));
    let late = world.refuses(logged_in(login(1, 4, &ada, Some(ada.sign(&sign_in(6, 4))))));
    assert_eq!(late, Forged::UnknownPasskey);
    world.believes(logged_out(2));
    assert!(!world.is_open(2) && world.is_open(3));
}

#[test]
fn a_login_that_the_pinned_passkey_did_not_sign_like_this_is_refused() {
    let (ada, mallory) = (Passkey::make(1), Passkey::make(9));
    let world = World::with_account(&ada);
    let real = || login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))));
    let with = |asked: Asked| login(1, 2, &ada, Some(ada.sign(&asked)));
    let edited = |edit: &dyn Fn(&mut Evidence)| {
        let mut login = real();
        edit(login.evidence.as_mut().unwrap());
        login
    };
    let mut other_thumbprint = with(sign_in(1, 3));
    other_thumbprint.evidence.as_mut().unwrap().thumbprint = Base64Url(thumbprint(&key(2)).to_vec());
    let evil = "https://evil.example";
    for (what, login, why) in [
        ("signed by another", login(1, 2, &ada, Some(mallory.sign(&sign_in(1, 2)))), step(Step::Signature)),
        ("named another", LoggedIn { passkey_id: mallory.id, ..real() }, Forged::UnknownPasskey),
        ("of another account", LoggedIn { account_id: account(7), ..real() }, Forged::UnknownPasskey),
        ("no evidence", LoggedIn { evidence: None, ..real() }, Forged::NoEvidence),
        ("a swapped key", LoggedIn { session_key: key(3), ..real() }, Forged::Differs("session key")),
        ("signed for another key", other_thumbprint, step(Step::Challenge)),
        ("a short thumbprint", edited(&|it| it.thumbprint.0.truncate(31)), Forged::Differs("session key")),
        (
            "of another page",
            LoggedIn { origin: evil.into(), ..with(Asked { origin: evil, ..sign_in(1, 2) }) },
            Forged::Origin,
        ),
        ("said of another page", LoggedIn { origin: evil.into(), ..real() }, Forged::Differs("origin")),
        (
            "said of another page of ours",
            LoggedIn {
                origin: "https://www.shop.example".into(),
                ..edited(&|it| it.origin = "https://www.shop.example".into())
            },
            step(Step::Challenge),
        ),
        ("of another app", with(Asked { app: 3, ..sign_in(1, 2) }), step(Step::Challenge)),
        ("of another RP ID", with(Asked { rp_id: "evil.example", ..sign_in(1, 2) }), step(Step::RpIdHash)),
        ("nobody verified", with(Asked { flags: 0x01, ..sign_in(1, 2) }), step(Step::UserVerified)),
        ("nobody there", with(Asked { flags: 0x04, ..sign_in(1, 2) }), step(Step::UserPresent)),
        (
            "for something else",
            with(asked(1, CeremonyKind::Confirm, 2, Some(PAY.into()))),
            Forged::Differs("purpose"),
        ),
        (
            "for something else, relabelled",
            {
                let mut login = with(asked(1, CeremonyKind::Confirm, 2, Some(PAY.into())));
                login.evidence.as_mut().unwrap().kind = CeremonyKind::SignIn;
                login
            },
            step(Step::Challenge),
        ),
        ("other random bytes", edited(&|it| it.random.0[0] ^= 1), step(Step::Challenge)),
        ("a changed byte", edited(&|it| it.authenticator_data.0[36] ^= 1), step(Step::Signature)),
        (
            "verified, it says",
            LoggedIn { user_verified: false, ..real() },
            Forged::Differs("state of the passkey"),
        ),
        (
            "backed up, it says",
            LoggedIn { backed_up: true, ..real() },
            Forged::Differs("state of the passkey"),
        ),
        ("a session that is open", LoggedIn { session_id: session(1), ..real() }, Forged::AlreadyKnown),
    ] {
        assert_eq!(world.refuses(logged_in(login)), why, "{what}");
    }
    let mut world = world;
    world.believes(logged_in(real()));
}

#[test]
fn evidence_is_good_for_one_event_and_the_oldest_of_many_is_forgotten() {
    let ada = Passkey::make(1);
    let mut world = World::with_account(&ada);
    let login = login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))));
    world.believes(logged_in(login.clone()));
    world.believes(logged_out(2));
    let again = LoggedIn { session_id: session(3), ..login };
    assert_eq!(world.refuses(logged_in(again)), Forged::Replayed);
    let confirm = ada.sign(&asked(2, CeremonyKind::Confirm, 1, Some(PAY.into())));
    world.believes(confirmed(1, 1, &ada, PAY, confirm.clone()));
    let twice = world.refuses(confirmed(1, 1, &ada, PAY, confirm));
    assert_eq!(twice, Forged::Replayed, "nobody pays twice with one gesture");

    let account = world.pins.accounts.get_mut(&account(1)).unwrap();
    for number in 0..MAX_USED as u64 * 2 {
        account.use_up(number.to_be_bytes());
    }
    assert_eq!(account.used.0.len(), MAX_USED * 8);
}

#[test]
fn a_confirmation_holds_for_its_action_and_its_session_only() {
    let (ada, mallory) = (Passkey::make(1), Passkey::make(9));
    let mut world = World::with_account(&ada);
    world.believes(logged_in(login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))))));
    world.believes(registered(7));
    world.believes(added(7, &mallory, None));
    world.believes(logged_in(login(7, 7, &mallory, None)));
    let real = || ada.sign(&asked(2, CeremonyKind::Confirm, 1, Some(PAY.into())));
    let spaced = r#"{"amount": 5,"type":"pay"}"#;
    for (what, event, why) in [
        ("more", confirmed(1, 1, &ada, r#"{"amount":50,"type":"pay"}"#, real()), step(Step::Challenge)),
        ("other spelling", confirmed(1, 1, &ada, spaced, real()), step(Step::Challenge)),
        ("another session", confirmed(1, 2, &ada, PAY, real()), Forged::Differs("session key")),
        ("nobody's session", confirmed(1, 3, &ada, PAY, real()), Forged::Differs("session")),
        ("somebody else's session", confirmed(1, 7, &ada, PAY, real()), Forged::Differs("session")),
        ("somebody else's passkey", confirmed(1, 1, &mallory, PAY, real()), Forged::UnknownPasskey),
        ("a sign-in", confirmed(1, 1, &ada, PAY, ada.sign(&sign_in(3, 1))), Forged::Differs("purpose")),
    ] {
        assert_eq!(world.refuses(event), why, "{what}");
    }
    world.believes(confirmed(1, 1, &ada, PAY, real()));
}

#[test]
fn a_further_passkey_needs_a_voucher_of_the_account_for_exactly_this_one() {
    let (ada, second, mallory) = (Passkey::make(1), Passkey::make(2), Passkey::make(9));
    let mut world = World::with_account(&ada);
    let voucher = |of: &Passkey, for_id: PasskeyID, for_key: &Passkey| {
        let add = action::add_passkey(for_id, &for_key.cose());
        Some(of.sign(&asked(3, CeremonyKind::AddPasskey, 1, Some(add))))
    };
    for (what, event, why) in [
        ("none", added(1, &mallory, None), Forged::NoEvidence),
        ("its own", added(1, &mallory, voucher(&mallory, mallory.id, &mallory)), step(Step::Signature)),
        ("for another key", added(1, &mallory, voucher(&ada, mallory.id, &second)), step(Step::Challenge)),
        ("for another id", added(1, &mallory, voucher(&ada, second.id, &mallory)), step(Step::Challenge)),
        ("in another account", added(7, &second, voucher(&ada, second.id, &second)), Forged::UnknownPasskey),
        ("of one that is pinned", added(1, &ada, voucher(&ada, ada.id, &ada)), Forged::AlreadyKnown),
        ("a sign-in", added(1, &second, Some(ada.sign(&sign_in(3, 1)))), Forged::Differs("purpose")),
    ] {
        assert_eq!(world.refuses(event), why, "{what}");
    }
    world.believes(added(1, &second, voucher(&ada, second.id, &second)));
}

#[test]
fn nothing_is_pinned_twice() {
    let (ada, mallory) = (Passkey::make(1), Passkey::make(9));
    let mut world = World::with_account(&ada);
    assert_eq!(world.refuses(registered(1)), Forged::AlreadyKnown);
    // A back end may remove any passkey, and so may a server that says so: then nobody signs in any more.
    world.believes(removed(1, &ada, RemovalReason::BackEnd, None));
    assert_eq!(world.refuses(added(1, &mallory, None)), Forged::NoEvidence);
    assert_eq!(world.refuses(added(1, &ada, None)), Forged::NoEvidence);
    assert_eq!(world.refuses(registered(1)), Forged::AlreadyKnown);
    world.believes(EventKind::AccountErased(AccountErased { account_id: account(1) }));
    assert_eq!(world.refuses(registered(1)), Forged::AlreadyKnown);
    let key = PublicKey::from_cose(&mallory.cose()).unwrap();
    assert_eq!(world.pins.pin(account(1), mallory.id, &key), Ok(false));
}

#[test]
fn a_removal_by_the_person_is_signed_by_a_passkey_of_the_account() {
    let (ada, mallory) = (Passkey::make(1), Passkey::make(9));
    let mut world = World::with_account(&ada);
    let signed = |by: &Passkey, which| {
        let action = Some(action::remove_passkey(which));
        Some(by.sign(&asked(3, CeremonyKind::RemovePasskey, 1, action)))
    };
    for (evidence, why) in [
        (None, Forged::NoEvidence),
        (signed(&mallory, ada.id), step(Step::Signature)),
        (signed(&ada, mallory.id), step(Step::Challenge)),
    ] {
        assert_eq!(world.refuses(removed(1, &ada, RemovalReason::User, evidence)), why);
    }
    world.believes(removed(1, &ada, RemovalReason::User, signed(&ada, ada.id)));
}

#[test]
fn without_evidence_the_events_of_a_sign_up_are_believed_in_their_order_only() {
    let (ada, grace) = (Passkey::make(1), Passkey::make(2));
    let mut world = World::with_account(&ada);
    assert_eq!(world.refuses(added(8, &grace, None)), Forged::UnknownPasskey, "nobody has registered");
    world.believes(registered(8));
    let early = world.refuses(logged_in(login(8, 8, &grace, None)));
    assert_eq!(early, Forged::NoEvidence, "there is no passkey yet");
    assert_eq!(world.refuses(added(1, &grace, None)), Forged::NoEvidence, "it is account 8 that signs up");
    // A bookmark may come anywhere.
    let id = format!("aaaa-{}-AAAAAAAA", world.seq);
    world.hear(Item::Bookmark(Bookmark { id, time: UnixMillis(0), hash: None, head: None })).unwrap();
    world.seq += 1;
    assert_eq!(world.refuses(added(8, &grace, None)), Forged::NoEvidence, "an event lies between");
    world.seq -= 1;
    world.believes(added(8, &grace, None));
    assert_eq!(world.refuses(added(8, &ada, None)), Forged::NoEvidence, "it has its first passkey");
    let other = world.refuses(logged_in(login(8, 8, &ada, None)));
    assert_eq!(other, Forged::NoEvidence, "it is another passkey");
    let stolen = world.refuses(logged_in(login(1, 8, &grace, None)));
    assert_eq!(stolen, Forged::NoEvidence, "it is the newcomer's passkey, in somebody else's account");
    let elsewhere = LoggedIn { origin: "https://evil.example".into(), ..login(8, 8, &grace, None) };
    assert_eq!(world.refuses(logged_in(elsewhere)), Forged::Origin);
    world.seq += 1;
    let late = world.refuses(logged_in(login(8, 8, &grace, None)));
    assert_eq!(late, Forged::NoEvidence, "an event lies between");
    world.seq -= 1;
    world.believes(logged_in(login(8, 8, &grace, None)));
    assert_eq!(world.refuses(logged_in(login(8, 9, &grace, None))), Forged::NoEvidence);

    world.believes(registered(9));
    world.believes(logged_out(8));
    assert_eq!(world.refuses(added(9, &Passkey::make(3), None)), Forged::NoEvidence);
}

#[test]
fn a_first_passkey_whose_key_is_none_is_refused() {
    let mut world = World::with_account(&Passkey::make(1));
    world.believes(registered(8));
    let EventKind::PasskeyAdded(mut bad) = added(8, &Passkey::make(2), None) else { panic!("as made") };
    bad.public_key.0.pop();
    assert!(matches!(world.refuses(EventKind::PasskeyAdded(bad)), Forged::Key(_)));
}

#[test]
fn of_a_snapshot_only_sessions_that_a_passkey_was_seen_to_open_are_left() {
    let ada = Passkey::make(1);
    let mut world = World::with_account(&ada);
    world.believes(logged_in(login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))))));
    let open = |world: &World, id: u8| {
        let first = world.pins.open_sessions().next().unwrap().clone();
        OpenSession { session_id: session(id), session_key: key(id), since: UnixMillis(7), ..first }
    };
    let (known, forged) = (open(&world, 2), open(&world, 3));
    let mut swapped = known.clone();
    swapped.session_key = key(3);
    let refused = world.page(vec![swapped], true, true).unwrap_err();
    assert_eq!(refused.code().as_str(), "evidenceForged");
    assert_eq!(world.page(vec![forged], true, false).unwrap(), []);
    assert!(world.is_open(1), "the state is not whole");
    assert_eq!(world.page(vec![known.clone()], false, true).unwrap(), [session(2)]);
    assert!(!world.is_open(1) && world.is_open(2));
    // Pages of a state that was never whole are forgotten.
    assert_eq!(world.page(vec![known], true, false).unwrap(), [session(2)]);
    assert_eq!(world.page(vec![], true, true).unwrap(), []);
    assert!(!world.is_open(2));
}

#[test]
fn what_is_not_handled_changes_nothing_and_comes_again() {
    let ada = Passkey::make(1);
    let world = World::with_account(&ada);
    let before = world.pins.clone();
    let item = world.event(&logged_in(login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))))));
    for _ in 0..2 {
        drop(world.pins.check(&world.expected, item.clone()).unwrap());
    }
    assert_eq!(world.pins, before);
}

#[test]
fn there_is_a_last_account() {
    let ada = Passkey::make(1);
    let mut world = World::with_account(&ada);
    let others = (1..MAX_ACCOUNTS).map(|number| {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        (AccountID::from_bytes(bytes), super::Account::default())
    });
    world.pins.accounts.extend(others);
    let full = world.hear(world.event(&registered(8))).unwrap_err();
    assert_eq!((full.code().as_str(), &full), ("overCapacity", &PinError::Full));
    world.believes(logged_in(login(1, 2, &ada, Some(ada.sign(&sign_in(1, 2))))));
}
