//! The address of an event stream, and the rule that an API key does not travel in the clear.

use std::net::IpAddr;

use http::{Uri, uri::Authority};

use crate::{loopback::is_loopback, stream::StreamError};

/// Where to connect to. Only made by [`Address::parse`], so it never carries a key into the open.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    uri: Uri,
    host: String,
    port: u16,
}

impl Address {
    /// Reads `wss://HOST[:PORT][/PATH]`. `ws://` is for this machine, or for whoever allows it expressly.
    pub(crate) fn parse(url: &str, plaintext_is_allowed: bool) -> Result<Self, StreamError> {
        let not_one = |_| StreamError::bad_address("that is not a URL; it looks like wss://HOST/v1/events");
        let uri: Uri = url.parse().map_err(not_one)?;
        let no_host = || StreamError::bad_address("the URL has no host; it looks like wss://HOST/v1/events");
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(no_host)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match uri.scheme_str() {
            Some("wss") => 443,
            Some("ws") if plaintext_is_allowed || is_loopback(&host) => 80,
            Some("ws") => {
                return Err(StreamError::bad_address(
                    "ws:// would send the API key in the clear; use wss://, or allow plaintext expressly \
                     (allow_plaintext) on a network that you trust",
                ));
            }
            Some(_) | None => {
                return Err(StreamError::bad_address("the URL must start with wss://"));
            }
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(StreamError::bad_address("the URL must not contain a user or password"));
        }
        if uri.port_u16().is_none() && uri.authority().is_some_and(names_a_port) {
            return Err(StreamError::bad_address("what stands behind the host is not a port: 1 to 65535"));
        }
        Ok(Self { port: uri.port_u16().unwrap_or(port), host, uri })
    }

    /// Another address of the same operator, as far as that can be told: `wss`, the same port, the same host or one
    /// below it. A server's wish to be come back to elsewhere is heard within these bounds only, because the next thing
    /// sent there is the API key.
    pub(crate) fn elsewhere(&self, url: &str) -> Option<Self> {
        let other = Self::parse(url, false).ok()?;
        let (here, there) = (self.host.to_ascii_lowercase(), other.host.to_ascii_lowercase());
        let is_below = || {
            here.parse::<IpAddr>().is_err()
                && there.strip_suffix(&here).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        };
        let is_theirs =
            other.uri.scheme_str() == Some("wss") && other.port == self.port && (here == there || is_below());
        is_theirs.then_some(other)
    }

    #[cfg(feature = "native")]
    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The origin as browsers write it.
    #[cfg(feature = "native")]
    pub(crate) fn origin(&self) -> String {
        origin_of(&self.uri.to_string()).unwrap_or_default()
    }

    /// What to resolve and to dial.
    #[cfg(feature = "native")]
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

/// The parser of addresses takes any text for a port, and says that there is none when it is no number.
fn names_a_port(authority: &Authority) -> bool {
    authority.as_str() != authority.host()
}

/// The address of the event stream of the server at `https://HOST[:PORT]`, or at any `wss://` address of it. For drivers
/// outside of this crate.
///
/// # Errors
/// An address that can never work, or `http://` and `ws://` to another machine where that was not allowed (`badAddress`).
pub fn events_address(url: &str, plaintext_is_allowed: bool) -> Result<String, StreamError> {
    let origin = read_origin(url).ok_or_else(not_an_address)?;
    let address = format!("{}/v1/events", origin.replacen("http", "ws", 1));
    Ok(Address::parse(&address, plaintext_is_allowed)?.uri.to_string())
}

/// The origin of the server, whichever of its addresses was given. No user or password: they would be sent nowhere.
pub(crate) fn read_origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = match uri.scheme_str()? {
        "https" | "wss" => "https",
        "http" | "ws" => "http",
        _ => return None,
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    Some(format!("{scheme}://{authority}"))
}

/// The origin of an address as browsers write it: in lower case, without the scheme's own port. A key pair signs it.
pub fn origin_of(address: &str) -> Option<String> {
    let origin = read_origin(address)?.to_ascii_lowercase();
    let own_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    Some(origin.strip_suffix(own_port).map_or_else(|| origin.clone(), str::to_owned))
}

/// For what has no origin.
pub(crate) fn not_an_address() -> StreamError {
    StreamError::bad_address("that is no address; it looks like https://HOST")
}

/// The address to come back to when the server at `address` has named `url` in `drain`: `None` when it is not to be
/// followed, because it is not `wss`, or has another port, or its host is neither the same nor below the same.
pub fn elsewhere(address: &str, url: &str) -> Option<String> {
    let here = Address::parse(address, true).ok()?;
    here.elsewhere(url).map(|there| there.uri.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Address, events_address, read_origin};

    #[test]
    fn any_address_of_the_server_leads_to_its_origin_and_to_its_stream() {
        for (url, origin) in [
            ("https://auth.example", "https://auth.example"),
            ("https://auth.example/", "https://auth.example"),
            ("wss://auth.example:8443/v1/events", "https://auth.example:8443"),
            ("ws://localhost:8080/", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(read_origin(url).as_deref(), Some(origin));
            let socket = format!("{}/v1/events", origin.replacen("http", "ws", 1));
            assert_eq!(events_address(url, false).as_deref(), Ok(socket.as_str()));
        }
        for url in ["", "auth.example", "https://", "ftp://auth.example", "https://a:b@auth.example"] {
            assert_eq!(events_address(url, false).unwrap_err().code().as_str(), "badAddress", "{url}");
        }
        assert!(events_address("http://auth.example", false).is_err(), "the key would travel in the clear");
        assert!(events_address("http://auth.example", true).is_ok());
    }

    #[test]
    fn a_key_travels_in_the_clear_only_on_this_machine_or_when_allowed() {
        for url in
            ["ws://localhost:8080/", "ws://127.0.0.1:1", "ws://127.8.8.8/", "ws://[::1]:8080/v1/events"]
        {
            assert!(Address::parse(url, false).is_ok(), "{url}");
        }
        for url in ["ws://auth.example/", "ws://10.0.0.1/", "ws://localhost.example/", "ws://[::2]/"] {
            let error = Address::parse(url, false).unwrap_err();
            assert!(error.to_string().starts_with("badAddress: ws:// would send the API key"), "{error}");
            assert!(Address::parse(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_sentence() {
        for url in [
            "",
            "auth.example",
            "https://auth.example/",
            "wss://",
            "wss:///v1",
            "wss://a:b@auth.example/",
            // The parser leaves such a port to whoever asks for it: it must not become the scheme's own.
            "wss://auth.example:443p/",
            "wss://auth.example:65979/",
            "wss://[::1]:x/",
        ] {
            let error = Address::parse(url, true).unwrap_err();
            assert!(error.reason().split(' ').count() > 4, "{url}: {error}");
        }
    }

    #[test]
    fn the_key_follows_the_server_only_to_its_own_port_and_host_or_below() {
        let here = Address::parse("wss://auth.example/v1/events", false).unwrap();
        for url in
            ["wss://auth.example/v1/events", "wss://AUTH.example:443/", "wss://eu.auth.example/v1/events"]
        {
            assert!(here.elsewhere(url).is_some(), "{url}");
        }
        for url in [
            "ws://auth.example/",
            "ws://localhost/",
            "https://auth.example/",
            "wss://auth.example:8443/",
            "wss://auth.example:443p/",
            "wss://example/",
            "wss://other.example/",
            "wss://evilauth.example/",
            "wss://.auth.example/",
            "wss://auth.example.evil/",
            "wss://auth.example@evil.example/",
            "nonsense",
        ] {
            assert!(here.elsewhere(url).is_none(), "{url}");
        }
        let by_number = Address::parse("wss://192.0.2.1/", false).unwrap();
        assert!(by_number.elsewhere("wss://7.192.0.2.1/").is_none());
    }

    #[test]
    fn ports_follow_from_the_scheme() {
        let dial = |url| {
            let address = Address::parse(url, true).unwrap();
            let (host, port) = address.host_and_port();
            format!("{host} {port}")
        };
        assert_eq!(dial("wss://auth.example/v1/events"), "auth.example 443");
        assert_eq!(dial("ws://auth.example"), "auth.example 80");
        assert_eq!(dial("wss://[2001:db8::1]:8443/"), "2001:db8::1 8443");
    }
}
