//! What an API key may be used for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A thing that an API key may do. A key has several.
///
/// ```
/// use passkey_accounts::protocol::Scope;
///
/// assert_eq!("sessions:write".parse(), Ok(Scope::SessionsWrite));
/// assert_eq!(Scope::SessionsWrite.to_string(), "sessions:write");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// To read events, on the socket and over HTTP.
    #[serde(rename = "events:read")]
    EventsRead,
    /// To read the events about keys and operators too.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// To list the open sessions.
    #[serde(rename = "sessions:read")]
    SessionsRead,
    /// To end sessions.
    #[serde(rename = "sessions:write")]
    SessionsWrite,
    /// To look at accounts and their passkeys.
    #[serde(rename = "accounts:read")]
    AccountsRead,
    /// To remove passkeys, cancel recoveries and erase accounts.
    #[serde(rename = "accounts:write")]
    AccountsWrite,
    /// To approve the recovery of an account: one of two operators, each with a key of their own.
    #[serde(rename = "recovery:approve")]
    RecoveryApprove,
    /// To list, make, rotate and revoke the app's API keys.
    #[serde(rename = "keys:write")]
    KeysWrite,
    /// A newer server's. It can be read, not asked for.
    #[serde(other, rename = "other")]
    Other,
}

impl Scope {
    /// Every scope that this version knows.
    pub const ALL: [Self; 8] = [
        Self::EventsRead,
        Self::AuditRead,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::RecoveryApprove,
        Self::KeysWrite,
    ];

    /// What a key may do that was made without a word about it: everything but to approve recoveries, which is for operators
    /// with keys of their own.
    pub const DEFAULT: [Self; 7] = [
        Self::EventsRead,
        Self::AuditRead,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::KeysWrite,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::AuditRead => "audit:read",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::RecoveryApprove => "recovery:approve",
            Self::KeysWrite => "keys:write",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a scope that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a scope; there are events:read, audit:read, sessions:read, sessions:write, accounts:read, accounts:write, recovery:approve and keys:write"
)]
pub struct NotAScope;

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(NotAScope)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAScope, Scope};

    #[test]
    fn a_scope_has_one_spelling_in_text_and_json() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_string(&scope).unwrap(), format!("{:?}", scope.as_str()));
            assert!(
                NotAScope.to_string().contains(scope.as_str()),
                "{scope} is missing in the error's sentence"
            );
        }
        assert_eq!(serde_json::from_str::<Scope>("\"moon:write\"").unwrap(), Scope::Other);
        assert_eq!("other".parse::<Scope>(), Err(NotAScope));
    }
}
