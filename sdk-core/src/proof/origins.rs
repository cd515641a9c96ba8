//! The origins that a back end serves, and the absolute address that a request was made to.

use super::ProofError;

/// The origins that proofs are accepted for. A proof made for any other address is refused.
///
/// ```
/// use passkey_accounts::proof::Origins;
///
/// let origins = Origins::new(["https://app.example", "http://localhost:8080"])?;
/// assert_eq!(origins.target_uri("app.example", "/notes?all").unwrap(), "https://app.example/notes?all");
/// assert!(origins.target_uri("evil.example", "/notes?all").is_err());
/// # Ok::<_, passkey_accounts::proof::NotServed>(())
/// ```
#[derive(Debug, Clone)]
pub struct Origins(Vec<Origin>);

/// `scheme://host[:port]`, cut in two.
#[derive(Debug, Clone)]
struct Origin {
    text: String,
    scheme_bytes: usize,
}

/// The origins of a back end cannot be these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// A text is no origin in the spelling of browsers.
    #[error(
        "{0:?} is no origin; write it as browsers do: https://host, or with a port that is not the scheme's own"
    )]
    NotAnOrigin(String),
    /// One host with `http` and with `https`: a request does not say which it came by.
    #[error("{0:?} is there with http and with https; serve one of them")]
    Ambiguous(String),
    /// There is none.
    #[error("no origin is named: say at least one, like https://app.example")]
    None,
}

impl Origins {
    /// The origins as browsers write them: `https://host`, `https://host:8443`, in lower case, without a slash at the end.
    ///
    /// # Errors
    /// [`NotServed`]
    pub fn new<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, NotServed> {
        let mut served: Vec<Origin> = Vec::new();
        for text in origins {
            let text = text.as_ref();
            let origin =
                Origin::read(text).ok_or_else(|| NotServed::NotAnOrigin(text.chars().take(128).collect()))?;
            match served.iter().find(|other| other.host() == origin.host()) {
                Some(same) if same.text == origin.text => {}
                Some(_) => return Err(NotServed::Ambiguous(origin.host().to_owned())),
                None => served.push(origin),
            }
        }
        if served.is_empty() {
            return Err(NotServed::None);
        }
        Ok(Self(served))
    }

    /// Each of them, as browsers write it.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|origin| origin.text.as_str())
    }

    /// The absolute address of a request, `@target-uri` of RFC 9421 section 2.2.2: the served origin whose host is the
    /// request's, and path and query byte for byte as they came.
    ///
    /// `host` is the Host field, or `:authority`; a proxy must hand it on as the browser sent it. Upper case and the
    /// scheme's own port are allowed there, as RFC 9110 section 4.2.3 has it.
    ///
    /// # Errors
    /// [`ProofError::Invalid`] for a host that is not served, and for what is not a path: another form of the request
    /// target has no address.
    pub fn target_uri(&self, host: &str, path_and_query: &str) -> Result<String, ProofError> {
        let origin = self.0.iter().find(|origin| origin.has_host(host));
        let origin =
            origin.ok_or(ProofError::Invalid("its host is not one that proofs are accepted for here"))?;
        if !path_and_query.starts_with('/') {
            return Err(ProofError::Invalid("its target is not a path"));
        }
        Ok([&origin.text, path_and_query].concat())
    }
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let default_port = default_port(scheme)?;
        let is_host = |byte: u8| match byte {
            b'/' | b'?' | b'#' | b'@' | b'\\' | b'%' | b'*' | b',' => false,
            byte => byte.is_ascii_graphic() && !byte.is_ascii_uppercase(),
        };
        let is_one = host.bytes().all(is_host) && !host.is_empty() && !host.ends_with([':', '.']);
        if !is_one || host.starts_with(':') || host.ends_with(default_port) {
            return None;
        }
        Some(Self { text: text.to_owned(), scheme_bytes: scheme.len() })
    }

    fn host(&self) -> &str {
        self.text.get(self.scheme_bytes + "://".len()..).unwrap_or_default()
    }

    fn has_host(&self, host: &str) -> bool {
        let own = self.host();
        let default_port = self.text.get(..self.scheme_bytes).and_then(default_port);
        let without_port = default_port.and_then(|port| host.strip_suffix(port));
        host.eq_ignore_ascii_case(own)
            || without_port.is_some_and(|host| host.eq_ignore_ascii_case(own) && !has_port(own))
    }
}

fn has_port(host: &str) -> bool {
    // The last colon of an IPv6 address is followed by a bracket.
    host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// The scheme's own port, with its colon.
fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "https" => Some(":443"),
        "http" => Some(":80"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{NotServed, Origins};

    #[test]
    fn the_address_is_that_of_the_origin_whose_host_was_asked() {
        let origins = Origins::new([
            "https://app.example",
            "http://localhost:8080",
            "http://[::1]:8080",
            "https://app.example:8443",
            "https://xn--bcher-kva.example",
            "http://plain.localhost",
        ])
        .unwrap();
        for (host, address) in [
            ("app.example", "https://app.example/a?b"),
            ("APP.example:443", "https://app.example/a?b"),
            ("app.example:8443", "https://app.example:8443/a?b"),
            ("localhost:8080", "http://localhost:8080/a?b"),
            ("[::1]:8080", "http://[::1]:8080/a?b"),
            ("xn--bcher-kva.example", "https://xn--bcher-kva.example/a?b"),
            ("plain.localhost:80", "http://plain.localhost/a?b"),
        ] {
            assert_eq!(origins.target_uri(host, "/a?b").as_deref(), Ok(address), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "app.example:80",
            "app.example.",
            "app.example:",
            "a@app.example",
            "app.example ",
            "localhost",
            "localhost:80",
            "localhost:8080:80",
            "::1",
            "[::1]",
            "app.example,app.example",
            "plain.localhost:443",
            "sub.app.example",
            "app.example:8443:443/",
        ] {
            assert!(origins.target_uri(host, "/").is_err(), "{host}");
        }
    }

    #[test]
    fn path_and_query_are_taken_byte_for_byte() {
        let origins = Origins::new(["https://app.example"]).unwrap();
        for path in ["/", "//", "/?", "/%7Ea/%2e%2E/..?a=%20+b", "/a;b,c?/?d", "/a//b/./"] {
            assert_eq!(
                origins.target_uri("app.example", path).unwrap(),
                format!("https://app.example{path}")
            );
        }
        for target in ["", "*", "app.example:443", "https://app.example/", "?a"] {
            assert!(origins.target_uri("app.example", target).is_err(), "{target}");
        }
    }

    #[test]
    fn an_origin_has_the_spelling_of_browsers() {
        for text in [
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "http://app.example:80",
            "wss://app.example",
            "https://a@app.example",
            "https://app.example?",
            "https://app.example#",
            "https://*.app.example",
            "https://bücher.example",
            "https://app.example.",
            "https://app .example",
            "null",
            "",
            "https://:8443",
            "https://app.example:",
        ] {
            assert_eq!(Origins::new([text]).unwrap_err(), NotServed::NotAnOrigin(text.to_owned()), "{text}");
        }
        assert_eq!(Origins::new::<&str>([]).unwrap_err(), NotServed::None);
    }

    #[test]
    fn one_host_with_two_schemes_is_refused() {
        let both = Origins::new(["http://app.example", "https://app.example"]);
        assert_eq!(both.unwrap_err(), NotServed::Ambiguous("app.example".to_owned()));
        assert!(Origins::new(["https://app.example", "https://app.example"]).is_ok());
    }
}
