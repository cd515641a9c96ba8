//! The first message of a back end: whose log, from where, and which events.

use std::collections::HashSet;

use passkey_accounts::protocol::{
    AppID, Code, UnixMillis,
    gateway::Failure,
    stream::{DEFAULT_TYPES, FirstMessage, MAX_TYPES, PROTOCOL, Start},
};

use crate::{
    keys::ApiKey,
    store::{KeyState, Store},
};

/// What a back end asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Account edges from now on, in the shortest shape.
    Shortest,
    /// A view of the log.
    View(ViewRequest),
}

/// What a view asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ViewRequest {
    pub(super) after: Option<String>,
    pub(super) start: Start,
    pub(super) types: Types,
}

/// Which events a view gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Types {
    All,
    Only(HashSet<String>),
}

impl Types {
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Why a first message is refused, with a sentence for the developer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn failure(&self) -> Failure {
        Failure { message: self.message.clone(), ..Failure::from(self.code) }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, code.message())
    }
}

/// Reads the first message. Pure.
pub(super) fn read(text: &str) -> Result<(ApiKey, Request), Refusal> {
    let first = FirstMessage::decode(text).map_err(|error| {
        Refusal::new(Code::BadMessage, format!("the first message cannot be read: {error}"))
    })?;
    let key = first.api_key.as_deref().and_then(ApiKey::parse).ok_or(Code::BadKey)?;
    let Some(version) = first.protocol else { return Ok((key, Request::Shortest)) };
    if version < PROTOCOL {
        let message = format!("this server speaks protocol {PROTOCOL}, not {version}");
        return Err(Refusal::new(Code::UnsupportedProtocol, message));
    }
    let types = match first.types {
        None => Types::Only(DEFAULT_TYPES.map(str::to_owned).into()),
        Some(names) if names.len() > MAX_TYPES => {
            return Err(Refusal::new(
                Code::BadMessage,
                format!("\"types\" names more than {MAX_TYPES} types"),
            ));
        }
        Some(names) if names.iter().any(|name| name == "*") => Types::All,
        Some(names) => Types::Only(names.into_iter().collect()),
    };
    Ok((
        key,
        Request::View(ViewRequest { after: first.after, start: first.start.unwrap_or_default(), types }),
    ))
}

/// The app that the key speaks for.
pub(super) async fn authenticate(store: &Store, key: &ApiKey, now: UnixMillis) -> Result<AppID, Refusal> {
    let row = store.key(key.id()).await.map_err(|error| {
        tracing::error!(%error, "an API key could not be looked up");
        Code::Internal
    })?;
    let Some(row) = row.filter(|row| key.matches(&row.hash)) else { return Err(Code::BadKey.into()) };
    match row.state(now) {
        KeyState::Live => Ok(row.app_id),
        KeyState::Expired => Err(Code::KeyExpired.into()),
        KeyState::Revoked => Err(Code::KeyRevoked.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Request, Start, Types, read};
    use crate::keys::{ApiKey, KeyEnvironment};

    fn first(rest: &str) -> Result<Request, Code> {
        let key = ApiKey::new(KeyEnvironment::Dev, &[1; 42]);
        let text = format!(r#"{{"apiKey":"{}"{rest}}}"#, key.reveal());
        read(&text).map(|(_, request)| request).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_key_alone_asks_for_the_shortest_shape() {
        assert_eq!(first(""), Ok(Request::Shortest));
        assert_eq!(first(r#","future":{"a":1}"#), Ok(Request::Shortest));
    }

    #[test]
    fn a_protocol_asks_for_a_view() {
        let Ok(Request::View(view)) = first(r#","protocol":1"#) else { panic!("not a view") };
        assert_eq!((view.after, view.start), (None, Start::State));
        assert!(view.types.contains("loggedIn") && !view.types.contains("registered"));
        let Ok(Request::View(view)) = first(r#","protocol":7,"types":["*"],"start":"now""#) else {
            panic!("not a view")
        };
        assert_eq!((view.types, view.start), (Types::All, Start::Now));
    }

    #[test]
    fn what_is_wrong_with_a_first_message_has_a_code() {
        for (text, code) in [
            ("", Code::BadMessage),
            ("[]", Code::BadMessage),
            ("hello", Code::BadMessage),
            (r#"{"apiKey":5}"#, Code::BadMessage),
            ("{}", Code::BadKey),
            (r#"{"apiKey":""}"#, Code::BadKey),
            (r#"{"apiKey":"pa_dev_nonsense"}"#, Code::BadKey),
        ] {
            assert_eq!(read(text).unwrap_err().code, code, "{text}");
        }
        assert_eq!(first(r#","protocol":0"#), Err(Code::UnsupportedProtocol));
        let many = vec![r#""x""#; 65].join(",");
        assert_eq!(first(&format!(r#","protocol":1,"types":[{many}]"#)), Err(Code::BadMessage));
    }
}
