//! What the browser socket says in both directions, and the short texts that things are named by.

use passkey_accounts::{
    ceremony::binding::thumbprint,
    log::{Epoch, EventID, head::HeadKey},
    proof::Origins,
    protocol::{
        AccountID, AppID, CeremonyID, Code, ConnectionID, PasskeyID, Scope, SessionID, UnixMillis, base64url,
        gateway::{ClientMessage, ServerMessage, SessionKey},
    },
    transport::{elsewhere, events_address},
};
use passkey_accounts_server::{
    apps::Origin,
    ceremony::is_on_curve,
    crypto::{Email, RootKeys},
    keys::ApiKey,
};

use crate::world::text;

/// What a page sends: what was read reads back as it was written.
pub(crate) fn client_frames(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match ClientMessage::decode(text) {
        (id, Ok(message)) => {
            let written = message.encode(id);
            assert_eq!(ClientMessage::decode(&written), (id, Ok(message)), "{written}");
        }
        (_, Err(error)) => assert!(matches!(error.code(), Code::BadMessage | Code::UnknownType)),
    }
}

/// What the server sends to a page.
pub(crate) fn server_frames(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok((id, message)) = ServerMessage::decode(text) {
        let written = message.encode(id);
        assert_eq!(ServerMessage::decode(&written), Ok((id, message)), "{written}");
    }
}

/// Ids, positions, times, base64url: one value has one spelling.
pub(crate) fn ids(bytes: &[u8]) {
    if let Ok(decoded) = base64url::decode(bytes) {
        assert_eq!(base64url::encode(&decoded).as_bytes(), bytes);
        assert_eq!(
            base64url::decode_array::<32>(bytes).ok().map(Vec::from),
            Some(decoded).filter(|d| d.len() == 32)
        );
    } else {
        assert!(
            base64url::decode_array::<32>(bytes).is_err() && base64url::decode_array::<0>(bytes).is_err()
        );
    }
    let Some(text) = text(bytes) else { return };
    macro_rules! spelt_once {
        ($($kind:ty)*) => {$(
            if let Ok(id) = text.parse::<$kind>() {
                assert_eq!(id.to_string(), text);
            }
        )*};
    }
    spelt_once!(AppID AccountID PasskeyID SessionID ConnectionID CeremonyID EventID Scope);
    if let Ok(epoch) = text.parse::<Epoch>() {
        assert_eq!(epoch.as_str(), text);
    }
    if let Ok(time) = text.parse::<UnixMillis>() {
        assert_eq!(time.to_string().parse::<UnixMillis>().ok(), Some(time));
    }
    if let Some(code) = Code::from_wire(text) {
        assert_eq!(code.as_str(), text);
    }
}

/// Origins, addresses of servers, addresses of people.
pub(crate) fn addresses(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.as_str(), text);
        let host = text.split_once("://").expect("an origin has a scheme").1;
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        assert!(origin.is_within(host));
        assert!(!origin.is_within("") && !origin.is_within(&format!("x{host}")));
    }
    if let Ok(origins) = Origins::new([text]) {
        let host = text.split_once("://").expect("an origin has a scheme").1;
        let made = origins.target_uri(host, "/path?query").expect("it serves its own host");
        assert_eq!(made, format!("{text}/path?query"));
        assert!(origins.target_uri(host, "*").is_err());
        assert!(origins.target_uri(&format!("x{host}"), "/").is_err());
    }
    if let Ok(address) = events_address(text, false) {
        assert!(address.starts_with("wss://") || address.starts_with("ws://"), "{address}");
        assert!(!address.contains('@') && address.ends_with("/v1/events"), "{address}");
        assert_eq!(events_address(&address, false).ok(), Some(address.clone()));
    }
    if let Some(address) = elsewhere("wss://auth.example/v1/events", text) {
        // The API key is sent there next.
        let rest = address.strip_prefix("wss://").expect("a key never travels in clear");
        let host = rest.split(['/', '?']).next().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        assert!(host == "auth.example" || host.ends_with(".auth.example"), "{address}");
    }
    if let Ok(email) = text.parse::<Email>() {
        let typed = email.as_typed();
        assert!(
            typed.len() <= 254 && typed.contains('@') && !typed.contains(['"', '\r', '\n', '\0', '<', '>'])
        );
        assert!(typed.parse::<Email>().is_ok_and(|again| again == email));
    }
}

/// API keys, root keys, keys of heads, session keys.
pub(crate) fn keys(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(key) = ApiKey::parse(text) {
        assert_eq!(key.reveal(), text);
        assert!(text.contains(key.id()) && key.matches(&key.hash()) && !key.matches(&[0; 32]));
    }
    match RootKeys::parse(text, "the input") {
        Ok(keys) => {
            let mut ids = keys.ids();
            assert!((1..=16).contains(&ids.len()));
            ids.sort_unstable_by_key(|id| id.0);
            ids.dedup();
            assert_eq!(ids.len(), keys.ids().len(), "no key comes twice");
        }
        // What was read is a secret.
        Err(error) => {
            let said = error.to_string();
            let is_hex = |word: &&str| word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(text.split_whitespace().filter(is_hex).all(|word| !said.contains(word)));
        }
    }
    if let Ok(key) = HeadKey::from_jwk_x(text) {
        assert_eq!(key.jwk_x(), text);
    }
    if let Ok(key) = serde_json::from_str::<SessionKey>(text) {
        let written = serde_json::to_string(&key).expect("it can be written");
        assert_eq!(serde_json::from_str::<SessionKey>(&written).ok(), Some(key.clone()));
        if is_on_curve(&key) {
            assert_eq!((key.x.0.len(), key.y.0.len()), (32, 32));
        }
        assert_eq!(thumbprint(&key), thumbprint(&key));
    }
}
