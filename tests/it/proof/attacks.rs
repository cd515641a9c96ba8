//! What an attacker does to a request that was overheard, or has the means to sign: refused, with the code that says why.

use std::{sync::Arc, time::Duration};

use axum::http::{Request, request::Parts};
use passkey_accounts::ProofError;
use passkey_accounts_tests::{
    PageKey, TestServer,
    proof::{WireAnswer, WireRequest},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Barrier,
};

use super::back_end::{BackEnd, LONG, OTHER_ORIGIN, signed_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_passes_once() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let request = back_end.get(&session, "/").post("pay 1 euro").sign(&page.key);
    assert_eq!(request.send(back_end.address).await.outcome(), "accepted");
    for _ in 0..3 {
        let answer = request.send(back_end.address).await;
        assert_eq!((answer.status, answer.outcome().as_str()), (401, "proofReplayed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_copies_at_once_exactly_one_passes() {
    const SOCKETS: usize = 100;
    const EACH: usize = 10;
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let copies = back_end.get(&session, "/").post("pay 1 euro").sign(&page.key).bytes().repeat(EACH);
    let (copies, barrier, address) = (Arc::new(copies), Arc::new(Barrier::new(SOCKETS)), back_end.address);
    let tasks = (0..SOCKETS).map(|_| {
        let (copies, barrier) = (Arc::clone(&copies), Arc::clone(&barrier));
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            barrier.wait().await;
            let mut outcomes = Vec::new();
            socket.write_all(&copies).await.unwrap();
            let mut socket = Pipelined(socket, Vec::new());
            for _ in 0..EACH {
                outcomes.push(socket.next_status().await);
            }
            outcomes
        })
    });
    let mut outcomes = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        outcomes.extend(task.await.unwrap());
    }
    assert_eq!(outcomes.len(), SOCKETS * EACH);
    assert_eq!(outcomes.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(outcomes.iter().filter(|status| **status == 401).count(), SOCKETS * EACH - 1);
}

/// A socket with several answers under way.
struct Pipelined(TcpStream, Vec<u8>);

impl Pipelined {
    async fn next_status(&mut self) -> u16 {
        loop {
            let text = String::from_utf8_lossy(&self.1).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                let length: usize = length.parse().unwrap();
                if rest.len() >= length {
                    self.1.drain(..head.len() + 4 + length);
                    return head.split(' ').nth(1).unwrap().parse().unwrap();
                }
            }
            assert!(self.0.read_buf(&mut self.1).await.unwrap() > 0, "closed");
        }
    }
}

/// What becomes of a signed `POST /notes?a=1` after `change`.
async fn changed(change: impl Fn(WireRequest) -> WireRequest) -> WireAnswer {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let request = back_end.get(&session, "/notes?a=1").post("pay 1 euro").sign(&page.key);
    let answer = change(request).send(back_end.address).await;
    // If it was refused, then for the change alone.
    let good = back_end.get(&session, "/notes?a=1").post("pay 1 euro").sign(&page.key);
    assert_eq!(good.send(back_end.address).await.outcome(), "accepted");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_after_signing_is_refused() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let other_host = OTHER_ORIGIN.trim_start_matches("https://");
    type Change = Box<dyn Fn(WireRequest) -> WireRequest>;
    let changes: Vec<(&str, &str, Change)> = vec![
        ("method", "proofInvalid", Box::new(|r| WireRequest { method: "PUT".into(), ..r })),
        ("path", "proofInvalid", Box::new(|r| WireRequest { target: "/admin?a=1".into(), ..r })),
        ("query", "proofInvalid", Box::new(|r| WireRequest { target: "/notes?a=2".into(), ..r })),
        ("no query", "proofInvalid", Box::new(|r| WireRequest { target: "/notes".into(), ..r })),
        ("an escape", "proofInvalid", Box::new(|r| WireRequest { target: "/%6eotes?a=1".into(), ..r })),
        ("body", "proofInvalid", Box::new(|r| WireRequest { body: b"pay 9 euro".to_vec(), ..r })),
        ("shorter body", "proofInvalid", Box::new(|r| WireRequest { body: b"pay 1 eur".to_vec(), ..r })),
        ("no body", "proofInvalid", Box::new(|r| WireRequest { body: Vec::new(), ..r })),
        ("another served host", "proofInvalid", Box::new(move |r| r.with("Host", |_| other_host.to_owned()))),
        (
            "a host that is not served",
            "proofInvalid",
            Box::new(|r| r.with("Host", |_| "evil.localhost".into())),
        ),
        ("two hosts", "proofInvalid", Box::new(|r| r.and("Host", "other.example"))),
        (
            "the same host twice",
            "proofInvalid",
            Box::new(|r| {
                let host = r.fields[0].1.clone();
                r.and("Host", &host)
            }),
        ),
        ("no digest", "proofInvalid", Box::new(|r| r.without("Content-Digest"))),
        (
            "another digest",
            "proofInvalid",
            Box::new(|r| {
                r.with("Content-Digest", |_| "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:".into())
            }),
        ),
        (
            "a second digest",
            "proofInvalid",
            Box::new(|r| r.and("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")),
        ),
        ("no signature", "proofInvalid", Box::new(|r| r.without("Signature"))),
        ("no input", "proofInvalid", Box::new(|r| r.without("Signature-Input"))),
        ("neither", "proofMissing", Box::new(|r| r.without("Signature-Input").without("Signature"))),
        (
            "two signatures",
            "proofInvalid",
            Box::new(|r| {
                let value = r.fields.last().unwrap().1.clone();
                r.and("Signature", &value)
            }),
        ),
        (
            "another label",
            "proofMissing",
            Box::new(|r| {
                r.with("Signature", |v| v.replace("pa=", "pb="))
                    .with("Signature-Input", |v| v.replace("pa=", "pb="))
            }),
        ),
        (
            "another nonce",
            "proofInvalid",
            Box::new(|r| r.with("Signature-Input", |v| v.replace("nonce=\"", "nonce=\"a"))),
        ),
        (
            "a parameter more",
            "proofInvalid",
            Box::new(|r| r.with("Signature-Input", |v| format!("{v};expires=1"))),
        ),
        (
            "parameters in another order",
            "proofInvalid",
            Box::new(|r| {
                r.with("Signature-Input", |v| {
                    let tag = ";tag=\"passkey-accounts\"";
                    v.replace(tag, "").replacen(';', &format!("{tag};"), 1)
                })
            }),
        ),
        (
            "components in another order",
            "proofInvalid",
            Box::new(|r| {
                r.with("Signature-Input", |v| {
                    v.replace("\"@method\" \"@target-uri\"", "\"@target-uri\" \"@method\"")
                })
            }),
        ),
        (
            "the digest uncovered",
            "proofInvalid",
            Box::new(|r| r.with("Signature-Input", |v| v.replace(" \"content-digest\"", ""))),
        ),
        (
            "huge fields",
            "proofInvalid",
            Box::new(|r| r.with("Signature-Input", |v| format!("{v}, x=\"{}\"", "a".repeat(20_000)))),
        ),
        (
            "bytes that are no text",
            "proofInvalid",
            Box::new(|r| r.with("Signature-Input", |v| format!("{v}\u{fc}"))),
        ),
    ];
    for (name, expected, change) in changes {
        let draft = back_end.get(&session, "/notes?a=1").post("pay 1 euro");
        let answer = change(draft.sign(&page.key)).send(back_end.address).await;
        assert_eq!((answer.status, answer.outcome().as_str()), (401, expected), "{name}: {}", answer.body);
    }
    let draft = back_end.get(&session, "/notes?a=1").post("pay 1 euro");
    // What nobody looks at may change: fields in another order, in upper case, and others beside them.
    let mut harmless = draft.sign(&page.key).and("X-Forwarded-For", "::1");
    harmless.fields.reverse();
    for (name, _) in &mut harmless.fields {
        *name = name.to_uppercase();
    }
    assert_eq!(harmless.send(back_end.address).await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_forms_of_the_request_target_prove_nothing_else() {
    // RFC 9112 section 3.2.2: the address counts. Ours must then say the same as Host.
    let same = |r: WireRequest| WireRequest { target: format!("http://{}/notes?a=1", r.fields[0].1), ..r };
    assert_eq!(changed(same).await.outcome(), "accepted");
    let other = |r: WireRequest| WireRequest { target: "http://other.example/notes?a=1".into(), ..r };
    assert_eq!(changed(other).await.outcome(), "proofInvalid");
    let user =
        |r: WireRequest| WireRequest { target: format!("http://ada@{}/notes?a=1", r.fields[0].1), ..r };
    assert_eq!(changed(user).await.outcome(), "proofInvalid");
    let none = |r: WireRequest| r.without("Host");
    assert_eq!(changed(none).await.outcome(), "proofInvalid");
    let star = |r: WireRequest| WireRequest { method: "OPTIONS".into(), target: "*".into(), ..r };
    assert_ne!(changed(star).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_another_time_is_refused() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let at = async |difference: i64| {
        let mut draft = back_end.get(&session, "/");
        draft.created = draft.created.saturating_add_signed(difference);
        draft.sign(&page.key).send(back_end.address).await.outcome()
    };
    // The exact borders are tested where the time is an argument.
    for (difference, expected) in [
        (-3_600, "proofExpired"),
        (-62, "proofExpired"),
        (-40, "accepted"),
        (0, "accepted"),
        (50, "accepted"),
        (90, "proofExpired"),
        (i64::MAX, "proofInvalid"),
        (i64::MIN, "proofExpired"),
    ] {
        assert_eq!(at(difference).await, expected, "{difference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_one_session_signs_for_no_other() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (ada, adas) = signed_in(&server, "ada@shop.example", 1).await;
    let (bob, bobs) = signed_in(&server, "bob@shop.example", 2).await;
    let stolen = back_end.get(&adas, "/");
    assert_eq!(stolen.sign(&bob.key).send(back_end.address).await.outcome(), "proofInvalid");
    assert_eq!(stolen.sign(&PageKey::make()).send(back_end.address).await.outcome(), "proofInvalid");
    // A signature of Bob's under the name of Ada's session.
    let renamed = back_end.get(&bobs, "/").sign(&bob.key);
    let renamed = renamed.with("Signature-Input", |value| {
        value.replace(&bobs.session_id.to_string(), &adas.session_id.to_string())
    });
    assert_eq!(renamed.send(back_end.address).await.outcome(), "proofInvalid");
    // A nonce of Ada's that Bob has overheard is spoilt for Bob at most.
    let mut with_her_nonce = back_end.get(&bobs, "/");
    with_her_nonce.nonce.clone_from(&stolen.nonce);
    assert_eq!(with_her_nonce.sign(&bob.key).send(back_end.address).await.outcome(), "accepted");
    // And none of these attempts has used it up.
    assert_eq!(stolen.sign(&ada.key).send(back_end.address).await.outcome(), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_or_no_more_open_proves_nothing() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (mut page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let kept_for_later = back_end.get(&session, "/").sign(&page.key);
    let held = back_end.live.wait_for(session.session_id, LONG).await.unwrap();
    page.sign_out().await;
    tokio::time::timeout(LONG, held.ended()).await.unwrap();
    assert_eq!(kept_for_later.send(back_end.address).await.outcome(), "sessionGone");
    assert_eq!(
        back_end.get(&session, "/").sign(&page.key).send(back_end.address).await.outcome(),
        "sessionGone"
    );
    let (_, mut nobodys) = signed_in(&server, "bob@shop.example", 2).await;
    nobodys.session_id = passkey_accounts::protocol::SessionID::from_bytes([9; 16]);
    let unknown = back_end.get(&nobodys, "/").sign(&PageKey::make()).send(back_end.address).await;
    assert_eq!((unknown.status, unknown.outcome().as_str()), (401, "sessionGone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_the_body_is_on_its_way_is_refused() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (mut page, session) = signed_in(&server, "ada@shop.example", 1).await;
    let held = back_end.live.wait_for(session.session_id, LONG).await.unwrap();
    let bytes = back_end.get(&session, "/").post("pay 1 euro").sign(&page.key).bytes();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut socket = TcpStream::connect(back_end.address).await.unwrap();
    // The back end says 100 when it begins to read the body: by then it has checked the rest.
    let head = format!("{head}\r\nExpect: 100-continue\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let go_on = tokio::time::timeout(LONG, WireAnswer::read(&mut socket)).await.unwrap();
    assert_eq!(go_on.status, 100);
    page.sign_out().await;
    tokio::time::timeout(LONG, held.ended()).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(WireAnswer::read(&mut socket).await.outcome(), "sessionGone");
}

/// A part of a request that is flipped: a field, the request target, the method, the body.
#[derive(Debug, Clone, Copy)]
enum Flipped {
    Field(usize),
    Target,
    Method,
    Body,
}

fn flip(request: &mut WireRequest, part: Flipped, at: usize, bit: u32) -> Option<()> {
    let text = match part {
        Flipped::Body => {
            request.body[at] ^= 1 << bit;
            return Some(());
        }
        Flipped::Field(index) => &mut request.fields[index].1,
        Flipped::Target => &mut request.target,
        Flipped::Method => &mut request.method,
    };
    let mut bytes = text.clone().into_bytes();
    bytes[at] ^= 1 << bit;
    let flipped = String::from_utf8(bytes).ok()?;
    // A host is the same in upper case.
    let is_same_host = matches!(part, Flipped::Field(0)) && flipped.eq_ignore_ascii_case(text);
    *text = flipped;
    (!is_same_host).then_some(())
}

/// As the HTTP library reads it; `None` for what it refuses itself.
fn head_of(request: &WireRequest) -> Option<Parts> {
    let mut builder = Request::builder().method(request.method.as_str()).uri(request.target.as_str());
    for (name, value) in &request.fields {
        builder = builder.header(name, value.as_bytes());
    }
    Some(builder.body(()).ok()?.into_parts().0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_which_one_bit_was_flipped_is_refused() {
    let server = TestServer::start_in_real_time().await;
    let back_end = BackEnd::start(&server).await;
    let (page, session) = signed_in(&server, "ada@shop.example", 1).await;
    back_end.live.wait_for(session.session_id, LONG).await.unwrap();
    let sign = || back_end.get(&session, "/notes?a=1").post("pay 1 euro").sign(&page.key);
    let good = sign();
    let fields =
        good.fields.iter().enumerate().map(|(index, (_, value))| (Flipped::Field(index), value.len()));
    let others = [
        (Flipped::Target, good.target.len()),
        (Flipped::Method, good.method.len()),
        (Flipped::Body, good.body.len()),
    ];
    let mut tried = 0;
    for (part, bytes) in fields.chain(others) {
        for (at, bit) in (0..bytes).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut request = sign();
            if flip(&mut request, part, at, bit).is_none() {
                continue;
            }
            let Some(head) = head_of(&request) else { continue };
            tried += 1;
            // The name of another session is waited for, and nothing else.
            let verdict = back_end.proofs.verify(&head, &request.body);
            if let Ok(verdict) = tokio::time::timeout(Duration::from_millis(1), verdict).await {
                use ProofError::{Expired, Invalid};
                assert!(matches!(verdict, Err(Invalid(_) | Expired)), "{part:?} {at} {bit}: {verdict:?}");
            }
        }
    }
    assert!(tried > 1_500, "{tried}");
    assert!(back_end.proofs.verify(&head_of(&good).unwrap(), &good.body).await.is_ok());
}
