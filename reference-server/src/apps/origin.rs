//! Web origins in the one spelling that browsers send.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Scheme, host and, if not the scheme's own, port: `https://shop.example`, `http://localhost:8080`.
///
/// `http` is allowed for localhost only: browsers offer passkeys in secure contexts alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `shop.example`
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_once(':').map_or(rest, |(host, _)| host)
    }

    /// Whether passkeys of this RP ID can be used there: its host is the RP ID or a name below it.
    pub fn is_within(&self, rp_id: &str) -> bool {
        let host = self.host();
        host == rp_id || host.strip_suffix(rp_id).is_some_and(|rest| rest.ends_with('.') && !rp_id.is_empty())
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let refused = |reason| NotAnOrigin { text: text.chars().take(128).collect(), reason };
        let url = Url::parse(text).map_err(|_| refused("it is not a URL"))?;
        let Some(Host::Domain(host)) = url.host() else { return Err(refused("passkeys need a host name")) };
        let is_local = host == "localhost" || host.ends_with(".localhost");
        match url.scheme() {
            "https" => {}
            "http" if is_local => {}
            "http" => return Err(refused("browsers allow passkeys on https only, except on localhost")),
            _ => return Err(refused("it must start with https://")),
        }
        let ascii = url.origin().ascii_serialization();
        if ascii == text {
            Ok(Self(ascii))
        } else {
            Err(refused("write it as scheme://host[:port], in lower case"))
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not an origin that passkeys work at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be an origin: {reason}")]
pub struct NotAnOrigin {
    text: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn only_the_browsers_own_spelling_is_an_origin() {
        for text in [
            "https://shop.example",
            "https://shop.example:8443",
            "http://localhost:8080",
            "http://app.localhost",
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "shop.example",
            "http://shop.example",
            "https://shop.example/",
            "https://SHOP.example",
            "https://shop.example:443",
            "https://127.0.0.1",
            "https://user@shop.example",
            "ftp://shop.example",
            "null",
            "https://shop.example/path",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
