//! What the server reads besides sockets: requests, settings, forwarded addresses, what it has sealed.

use std::{collections::HashMap, fmt::Debug, net::IpAddr, sync::LazyLock};

use passkey_accounts::protocol::{
    gateway::{MAX_ACTION_BYTES, RawJson},
    http::{
        AccountInfo, AppInfo, Checkpoint, CreatedKey, EventsPage, JwkSet, KeyList, NewKey, PasskeyList,
        Problem, Rotation, SessionsPage,
    },
};
use passkey_accounts_server::{
    ceremony::Action,
    clock::Clock,
    config::{Config, Overrides},
    crypto::{DataKey, Ring, RootKeys, Sealed},
    rates::{Rates, Rationing, Source},
    routes,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    edits::edited,
    world::{NOW, text},
};

/// The one form of an action: it is its own, and means what was sent.
pub(crate) fn action(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(action) = Action::parse(&RawJson(text.to_owned())) else { return };
    assert!(action.as_str().len() <= MAX_ACTION_BYTES);
    assert_eq!(Action::parse(&RawJson(action.as_str().to_owned())).as_ref(), Ok(&action));
    let [sent, signed] = [text, action.as_str()].map(|json| serde_json::from_str::<Value>(json).ok());
    assert_eq!(sent.map(as_doubles), signed.map(as_doubles), "{text}");
}

/// The value as every browser reads it.
fn as_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            // There is one zero in JSON's RFC 8785 form.
            let double = number.as_f64().expect("no other numbers are read");
            Value::from(if double == 0.0 { 0.0 } else { double })
        }
        Value::Array(items) => items.into_iter().map(as_doubles).collect(),
        Value::Object(members) => members.into_iter().map(|(name, item)| (name, as_doubles(item))).collect(),
        other => other,
    }
}

/// Bodies and queries of the HTTP API.
pub(crate) fn api_requests(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    reads_back::<NewKey>(text);
    reads_back::<Rotation>(text);
    if let Some(query) = text.strip_prefix('?') {
        routes::read_queries(query);
    }
}

/// Answers of the HTTP API, which a back end reads.
pub(crate) fn api_answers(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    reads_back::<AccountInfo>(text);
    reads_back::<AppInfo>(text);
    reads_back::<Checkpoint>(text);
    reads_back::<CreatedKey>(text);
    reads_back::<EventsPage>(text);
    reads_back::<JwkSet>(text);
    reads_back::<KeyList>(text);
    reads_back::<PasskeyList>(text);
    reads_back::<Problem>(text);
    reads_back::<SessionsPage>(text);
}

fn reads_back<T: DeserializeOwned + Serialize + Debug>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else { return };
    let written = serde_json::to_string(&value).expect("it can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
}

/// Settings in a file: read whole, or refused with a sentence.
pub(crate) fn config(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let nothing = Config::environment().source(Some(HashMap::new()));
    match Config::read(Some(text), nothing, Overrides::default()) {
        Ok(config) => {
            assert!(config.origin().is_ok() && config.root_keys().is_ok());
            assert!(config.sessions.limits().grace_ms <= 300_000);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Whom a request comes from: the peer on the first line, `X-Forwarded-For` on the others.
pub(crate) fn forwarded(bytes: &[u8]) {
    static RATIONING: LazyLock<Rationing> = LazyLock::new(|| {
        let trusted_proxies =
            ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().expect("a network")).into();
        Rationing::new(Rates { trusted_proxies, ..Rates::off() }, &Clock::manual(NOW))
    });
    let Some(text) = text(bytes) else { return };
    let mut lines = text.split('\n');
    let Some(peer) = lines.next().and_then(|line| line.parse::<IpAddr>().ok()) else { return };
    let mut headers = axum::http::HeaderMap::new();
    for line in lines.clone() {
        if let Ok(value) = axum::http::HeaderValue::from_str(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let source = RATIONING.source(peer, &headers);
    let is_proxy = match peer.to_canonical() {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0x0db8],
    };
    let mut said = lines.flat_map(|line| line.split(',')).filter_map(|hop| hop.trim().parse::<IpAddr>().ok());
    assert!(source == Source::from(peer) || is_proxy && said.any(|address| Source::from(address) == source));
}

const FIELD: Sealed<'_> = Sealed { label: "email", owner: &[b"app", b"account"] };

/// What the database says is sealed: after `!`, `w` and `s`, a real field, wrapped key or signature that was changed.
pub(crate) fn sealed(bytes: &[u8]) {
    struct Real {
        key: DataKey,
        ring: Ring,
        sealed: Vec<u8>,
        wrapped: Vec<u8>,
        signature: Vec<u8>,
    }
    static REAL: LazyLock<Real> = LazyLock::new(|| {
        let key = DataKey::new(&[7; 32]);
        let ring = Ring::new(&RootKeys::one(&[1; 32]).turned(&[2; 32]).expect("there is room"));
        let sealed = FIELD.seal(&key, b"ada@example.org");
        let (wrapped, signature) = (ring.wrap(FIELD, &[9; 32]), ring.sign("roll", &[b"a", b"b"]));
        Real { key, ring, sealed, wrapped, signature }
    });
    let Real { key, ring, sealed, wrapped, signature } = &*REAL;
    match bytes.split_first() {
        Some((b'!', edits)) => {
            let changed = edited(sealed, edits);
            assert_eq!(FIELD.open(key, &changed).is_ok(), changed == *sealed);
        }
        Some((b'w', edits)) => {
            let changed = edited(wrapped, edits);
            assert_eq!(ring.unwrap(FIELD, &changed).is_ok(), changed == *wrapped);
        }
        Some((b's', edits)) => {
            let changed = edited(signature, edits);
            assert_eq!(ring.verify("roll", &[b"a", b"b"], &changed).is_ok(), changed == *signature);
        }
        _ => {
            // What is compared finds its way into inputs, so the real ones come here too.
            assert_eq!(FIELD.open(key, bytes).is_ok(), bytes == sealed.as_slice());
            assert_eq!(ring.unwrap(FIELD, bytes).is_ok(), bytes == wrapped.as_slice());
            assert!(ring.open_field(FIELD, bytes).is_err() && ring.verify("roll", &[bytes], bytes).is_err());
            assert_eq!(Ring::id_of(bytes).is_some(), bytes.len() >= 4);
        }
    }
}
