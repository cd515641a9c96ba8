//! Settings of `serve`: file, then environment, then flags. Unknown keys and unsafe values are errors that say how to mend them.

mod acme;
mod authenticators;
mod tls;

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat, Source};
use passkey_accounts::{
    proof::{NotServed, Origins},
    protocol::AppID,
};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

pub use acme::{Acme, BadAcme};
pub use authenticators::{Authenticator, BadAuthenticator};
pub(crate) use tls::ACME_TLS;
pub use tls::{CertificateFiles, FileWatch, Identity, TlsError, TlsVersion, certified, server_config};

use crate::{
    apps::{NotAnOrigin, Origin},
    ceremony::Authenticators,
    crypto::RootKeySource,
    log::Retention,
    rates::{Rates, list},
    sessions::{Assurance, SessionLimits},
};

/// What every variable of the environment starts with: `PASSKEY_ACCOUNTS_SERVER__LISTEN`, `..._SERVER__TLS__CERT_FILE`.
pub const ENVIRONMENT_PREFIX: &str = "PASSKEY_ACCOUNTS_SERVER";

/// Everything that an operator can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Where people reach the server: `https://auth.example`.
    pub public_url: String,
    /// Other origins that back ends reach the server at, beside `public_url`: `["https://auth.internal:8443"]`.
    #[serde(default, deserialize_with = "list")]
    pub internal_urls: Vec<String>,
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// The file of the root keys; not in the data folder. Or one of the two that follow.
    #[serde(default)]
    pub root_key_file: Option<PathBuf>,
    /// A program that prints the root keys, and its arguments, with spaces between them.
    #[serde(default)]
    pub root_key_command: Option<String>,
    /// The root keys themselves; from the environment only.
    #[serde(default)]
    root_key: Option<Secret>,
    /// Certificate and key. Left out only behind a proxy that does TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// A proxy in front does TLS and is the only one that can reach `listen`. Default false.
    #[serde(default)]
    pub behind_tls_proxy: bool,
    /// How mail is sent.
    pub mail: Mail,
    /// The app that the server's own login page signs in to.
    #[serde(default)]
    pub site_app: Option<AppID>,
    /// What apps with the policy `hardware` take.
    #[serde(default)]
    pub authenticators: Vec<Authenticator>,
    /// How long sessions last.
    #[serde(default)]
    pub sessions: Sessions,
    /// How often strangers may ask.
    #[serde(default)]
    pub limits: Rates,
    /// How much of each app's log is kept.
    #[serde(default)]
    pub log: Log,
    /// How long sockets may take to leave when the server stops, in seconds. 0 to 60; default 5.
    #[serde(default = "drain_seconds")]
    pub drain_seconds: u64,
}

/// A setting that `Debug` hides.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hidden")
    }
}

const fn drain_seconds() -> u64 {
    5
}

/// How much of each app's log is kept, unless the app has a wish of its own: whichever limit is reached first.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Longest age of an event, in days. 1 to 3,650; default 7.
    pub retention_days: u64,
    /// Largest number of events. 1,000 to 1,000,000,000; default 1,000,000.
    pub retention_events: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self { retention_days: 7, retention_events: 1_000_000 }
    }
}

impl Log {
    /// In the server's own units.
    pub const fn retention(self) -> Retention {
        Retention { age_ms: self.retention_days * 24 * 60 * 60 * 1_000, entries: self.retention_events }
    }
}

/// Where the certificate comes from: two files, or an authority.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain as PEM, the server's own certificate first.
    cert_file: Option<PathBuf>,
    /// The private key as PEM; ECDSA is the fastest.
    key_file: Option<PathBuf>,
    /// The server gets its certificate by itself.
    acme: Option<Acme>,
    /// The oldest version that is spoken: `1.3` (default) or `1.2`.
    #[serde(default)]
    pub min_version: TlsVersion,
}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum CertificateSource {
    /// Files that somebody else renews.
    Files(CertificateFiles),
    /// An authority.
    Acme(Acme),
}

/// How mail is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtps://user:password@host`
    pub smtp_url: String,
    /// `Name <address>`
    pub from: String,
}

impl Mail {
    /// Whether codes would travel through a network in clear. A URL that cannot be read is refused elsewhere.
    fn is_in_clear(&self) -> bool {
        let Ok(url) = Url::parse(&self.smtp_url) else { return false };
        let is_encrypted = url.scheme() != "smtp"
            || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
        // The parser of URLs looks for addresses in the hosts of web schemes only.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        !is_encrypted && !is_here
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// The level of NIST SP 800-63B-4 that sessions keep to: `aal2` or `aal3`. Default: none.
    pub assurance: Option<Assurance>,
    /// Longest life, in minutes. 1 to 43,200 (30 days); default 720.
    pub absolute_minutes: Option<u64>,
    /// Longest time without activity of the person, in minutes; default what the level allows, or 720.
    pub idle_minutes: Option<u64>,
    /// How many sessions an account may have open, 1 to 1,000; default 20.
    pub per_account: u64,
    /// Time to resume after a dropped socket, in seconds. 0 to 300; default 30.
    pub grace_seconds: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            assurance: None,
            absolute_minutes: None,
            idle_minutes: None,
            per_account: SessionLimits::default().per_account,
            grace_seconds: 30,
        }
    }
}

/// How long sessions last, and how long their people may do nothing, when nothing is said.
const DEFAULT_MINUTES: u64 = 12 * 60;

impl Sessions {
    /// In the server's own units.
    pub fn limits(self) -> SessionLimits {
        let (absolute, idle) = self.minutes();
        SessionLimits {
            absolute_ms: absolute * 60_000,
            idle_ms: idle * 60_000,
            grace_ms: self.grace_seconds * 1_000,
            per_account: self.per_account,
        }
    }

    /// The longest life and the longest silence, in minutes.
    fn minutes(self) -> (u64, u64) {
        let (most_life, most_idle) = self.assurance.map_or((u64::MAX, u64::MAX), Assurance::most_minutes);
        let absolute = self.absolute_minutes.unwrap_or(DEFAULT_MINUTES.min(most_life));
        (absolute, self.idle_minutes.unwrap_or(DEFAULT_MINUTES.min(most_idle)))
    }
}

/// Flags that go before file and environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`
    pub listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--data-dir`
    pub data_dir: Option<String>,
}

impl Config {
    /// Reads and checks the settings; a file is TOML.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting is wrong and how to mend it.
    pub fn load(
        file: Option<&Path>,
        environment: Environment,
        flags: Overrides,
    ) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| ConfigError::NoFile(path.to_owned(), error))
        };
        Self::read(file.map(read).transpose()?.as_deref(), environment, flags)
    }

    /// As [`load`](Self::load), with what the file says.
    ///
    /// # Errors
    /// As of `load`.
    pub fn read(file: Option<&str>, environment: Environment, flags: Overrides) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(text) = file {
            let source = File::from_str(text, FileFormat::Toml);
            check_names(&source)?;
            builder = builder.add_source(source.clone());
            let in_file = config::Config::builder().add_source(source).build()?;
            if in_file.get_string("root_key").is_ok() {
                return Err(ConfigError::KeyInFile);
            }
        }
        let environment = environment.prefix_separator("__").separator("__");
        check_names(&environment)?;
        let config: Self = builder
            .add_source(environment)
            .set_override_option("listen", flags.listen)?
            .set_override_option("public_url", flags.public_url)?
            .set_override_option("data_dir", flags.data_dir)?
            .build()?
            .try_deserialize()?;
        config.check()?;
        Ok(config)
    }

    /// The environment's part, from this process.
    pub fn environment() -> Environment {
        Environment::with_prefix(ENVIRONMENT_PREFIX)
    }

    /// The public URL as an origin.
    ///
    /// # Errors
    /// [`ConfigError::PublicUrl`].
    pub fn origin(&self) -> Result<Origin, ConfigError> {
        Ok(self.public_url.trim_end_matches('/').parse()?)
    }

    /// Every origin that back ends reach the server at: what key pairs sign.
    ///
    /// # Errors
    /// [`ConfigError::PublicUrl`] and [`ConfigError::InternalUrls`].
    pub fn origins(&self) -> Result<Origins, ConfigError> {
        let public = self.origin()?.to_string();
        let internal = self.internal_urls.iter().map(|url| url.trim_end_matches('/').to_owned());
        Ok(Origins::new(std::iter::once(public).chain(internal))?)
    }

    /// Where the root keys are.
    ///
    /// # Errors
    /// [`ConfigError::RootKeySource`] unless there is exactly one such place.
    pub fn root_keys(&self) -> Result<RootKeySource, ConfigError> {
        match (&self.root_key_file, &self.root_key_command, &self.root_key) {
            (Some(path), None, None) => Ok(RootKeySource::File(path.clone())),
            (None, Some(command), None) => Ok(RootKeySource::Command(command.clone())),
            (None, None, Some(Secret(text))) => Ok(RootKeySource::Text(text.clone())),
            _ => Err(ConfigError::RootKeySource),
        }
    }

    /// What apps with the policy `hardware` take: the files are read now.
    ///
    /// # Errors
    /// [`ConfigError::Authenticator`]
    pub fn authenticators(&self) -> Result<Authenticators, ConfigError> {
        Ok(authenticators::read(&self.authenticators)?)
    }

    /// Where the certificate comes from; `None` without TLS.
    ///
    /// # Errors
    /// [`ConfigError::Certificate`] and [`ConfigError::Acme`]
    pub fn certificate(&self) -> Result<Option<CertificateSource>, ConfigError> {
        let Some(tls) = &self.tls else { return Ok(None) };
        Ok(Some(match (&tls.cert_file, &tls.key_file, &tls.acme) {
            (Some(cert_file), Some(key_file), None) => CertificateSource::Files(CertificateFiles {
                cert_file: cert_file.clone(),
                key_file: key_file.clone(),
            }),
            (None, None, Some(acme)) => {
                CertificateSource::Acme(acme.checked(self.origin()?.host(), self.behind_tls_proxy)?)
            }
            _ => return Err(ConfigError::Certificate),
        }))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let origin = self.origin()?;
        self.origins()?;
        self.certificate()?;
        if origin.as_str().starts_with("http:") && !self.listen.ip().is_loopback() {
            return Err(ConfigError::PlainHttp(self.listen));
        }
        if self.tls.is_none() && !self.behind_tls_proxy && !self.listen.ip().is_loopback() {
            return Err(ConfigError::NoTls(self.listen));
        }
        if self.behind_tls_proxy && self.limits.trusted_proxies.is_empty() && self.limits.know_addresses() {
            return Err(ConfigError::NoTrustedProxy);
        }
        if self.mail.is_in_clear() {
            return Err(ConfigError::MailInClear);
        }
        if let RootKeySource::File(path) = self.root_keys()?
            && path.starts_with(&self.data_dir)
        {
            return Err(ConfigError::KeyBesideData(path));
        }
        let Sessions { assurance, per_account, grace_seconds, .. } = self.sessions;
        let (absolute, idle) = self.sessions.minutes();
        if !(1..=43_200).contains(&absolute) || !(1..=43_200).contains(&idle) {
            return Err(ConfigError::SessionTimes);
        }
        if let Some((most_absolute, most_idle)) = assurance.map(Assurance::most_minutes)
            && (absolute > most_absolute || idle > most_idle)
        {
            return Err(ConfigError::Assurance { most_absolute, most_idle });
        }
        if !(1..=1_000).contains(&per_account) {
            return Err(ConfigError::SessionsPerAccount);
        }
        if grace_seconds > 300 {
            return Err(ConfigError::Grace(grace_seconds));
        }
        let Log { retention_days, retention_events } = self.log;
        if !(1..=3_650).contains(&retention_days) || !(1_000..=1_000_000_000).contains(&retention_events) {
            return Err(ConfigError::Retention);
        }
        if self.drain_seconds > 60 {
            return Err(ConfigError::Drain(self.drain_seconds));
        }
        Ok(())
    }
}

/// The names of a source are paths to the library: `a[9]` makes a list of ten, and `a[99999999999999]` asks for more memory
/// than there is.
fn check_names(source: &dyn Source) -> Result<(), ConfigError> {
    let names = source.collect()?.into_keys();
    match names.into_iter().find(|name| name.contains(['[', ']'])) {
        Some(name) => Err(ConfigError::Name(name)),
        None => Ok(()),
    }
}

/// Which setting is wrong, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is missing, unknown, or of the wrong kind.
    #[error("the settings cannot be read: {0}; every key is in docs/operating.md")]
    Unreadable(#[from] config::ConfigError),
    /// Every name has letters and `_` in it, and nothing else.
    #[error("no setting has a name like {0:?}; every key is in docs/operating.md")]
    Name(String),
    /// The file is not there, or nobody may read it.
    #[error("the settings file {} cannot be read: {}", .0.display(), .1)]
    NoFile(PathBuf, io::Error),
    /// Passkeys would not work there.
    #[error("public_url: {0}; write it like https://auth.example")]
    PublicUrl(#[from] NotAnOrigin),
    /// Key pairs could not sign for there.
    #[error("internal_urls: {0}")]
    InternalUrls(#[from] NotServed),
    /// People's sign-ins would travel in clear.
    #[error(
        "public_url is plain http but {0} can be reached from other machines; use https, or listen on 127.0.0.1"
    )]
    PlainHttp(SocketAddr),
    /// There is no certificate, or nobody knows which one.
    #[error("[tls] needs either cert_file and key_file, or [tls.acme], and not both")]
    Certificate,
    /// Nobody could vouch for a model.
    #[error(transparent)]
    Authenticator(#[from] BadAuthenticator),
    /// No authority would give a certificate.
    #[error(transparent)]
    Acme(#[from] BadAcme),
    /// Nothing encrypts.
    #[error(
        "listening on {0} without TLS; set [tls] cert_file and key_file, or [tls.acme], or behind_tls_proxy = true if a proxy in front does TLS and nobody else can reach this address"
    )]
    NoTls(SocketAddr),
    /// The level promises less.
    #[error(
        "sessions.assurance allows at most {most_absolute} absolute_minutes and {most_idle} idle_minutes; lower them, or leave assurance out"
    )]
    Assurance {
        /// Minutes.
        most_absolute: u64,
        /// Minutes.
        most_idle: u64,
    },
    /// None would fit, or too many.
    #[error("sessions.per_account is 1 to 1000")]
    SessionsPerAccount,
    /// A stolen data folder would include its key.
    #[error("root_key_file {} lies inside data_dir: a stolen copy of the folder would open itself; put the key elsewhere", .0.display())]
    KeyBesideData(PathBuf),
    /// Whoever listens on the way would read the codes.
    #[error(
        "mail.smtp_url sends mail in clear to another machine; write smtps://..., or smtp://...?tls=required for STARTTLS"
    )]
    MailInClear,
    /// There is no root key, or nobody knows which one.
    #[error(
        "exactly one of root_key_file, root_key_command and, in the environment, root_key says where the root keys are"
    )]
    RootKeySource,
    /// Whoever reads the settings would have it.
    #[error(
        "root_key belongs in the environment (PASSKEY_ACCOUNTS_SERVER__ROOT_KEY), not in a file; for a file of its own there is root_key_file"
    )]
    KeyInFile,
    /// Everybody would be one stranger.
    #[error(
        "behind_tls_proxy is true and limits.trusted_proxies is empty: all people would count as one address; name the proxy, for example trusted_proxies = [\"127.0.0.1\"], or set the limits by address to 0"
    )]
    NoTrustedProxy,
    /// Never or for ever.
    #[error("sessions.absolute_minutes and sessions.idle_minutes go from 1 to 43200 (30 days)")]
    SessionTimes,
    /// A vanished page would count as signed in for too long.
    #[error("sessions.grace_seconds is {0}; it goes from 0 (a session ends with its socket) to 300")]
    Grace(u64),
    /// Back ends that were away would be sent a gap at once, or the disk would fill up.
    #[error("log.retention_days goes from 1 to 3650, log.retention_events from 1000 to 1000000000")]
    Retention,
    /// Whatever starts the server again would lose patience first.
    #[error("drain_seconds is {0}; it goes from 0 (sockets are closed at once) to 60")]
    Drain(u64),
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use config::Environment;

    use super::{CertificateSource, Config, ConfigError, Overrides, SessionLimits};

    const GOOD: [(&str, &str); 7] = [
        ("LIMITS__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
        ("LISTEN", "0.0.0.0:8443"),
        ("PUBLIC_URL", "https://auth.example"),
        ("DATA_DIR", "data"),
        ("ROOT_KEY_FILE", "secrets/root.key"),
        ("MAIL__SMTP_URL", "smtps://mail.example"),
        ("MAIL__FROM", "Auth <auth@mail.example>"),
    ];

    fn load(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut variables: HashMap<String, String> = HashMap::new();
        for (key, value) in GOOD.iter().chain(changes) {
            variables.insert(format!("PASSKEY_ACCOUNTS_SERVER__{key}"), (*value).to_owned());
        }
        let environment = Environment::with_prefix("PASSKEY_ACCOUNTS_SERVER").source(Some(variables));
        Config::load(None, environment, Overrides::default())
    }

    #[test]
    fn good_settings_are_read_and_flags_go_first() {
        let config = load(&[("BEHIND_TLS_PROXY", "true"), ("SESSIONS__GRACE_SECONDS", "0")]).unwrap();
        assert_eq!(config.origin().unwrap().as_str(), "https://auth.example");
        assert_eq!(config.sessions.limits().grace_ms, 0);
        let flags = Overrides { listen: Some("127.0.0.1:1".into()), ..Overrides::default() };
        let variables: HashMap<String, String> = GOOD
            .iter()
            .map(|(key, value)| (format!("PASSKEY_ACCOUNTS_SERVER__{key}"), (*value).to_owned()))
            .collect();
        let environment = Environment::with_prefix("PASSKEY_ACCOUNTS_SERVER").source(Some(variables));
        assert_eq!(Config::load(None, environment, flags).unwrap().listen.port(), 1);
    }

    #[test]
    fn an_assurance_level_sets_what_is_not_set() {
        let minutes = |level: &str| {
            let config = load(&[("BEHIND_TLS_PROXY", "true"), ("SESSIONS__ASSURANCE", level)]).unwrap();
            let limits = config.sessions.limits();
            (limits.absolute_ms / 60_000, limits.idle_ms / 60_000)
        };
        assert_eq!((minutes("aal2"), minutes("aal3")), ((720, 60), (720, 15)));
        let config = load(&[("BEHIND_TLS_PROXY", "true")]).unwrap();
        assert_eq!(config.sessions.limits(), SessionLimits::default());
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_key() {
        let error = load(&[("LISTEM", "x")]).unwrap_err().to_string();
        assert!(error.contains("listem"), "{error}");
        assert!(error.contains("docs/operating.md"), "{error}");
    }

    #[test]
    fn a_key_that_asks_for_an_enormous_list_is_refused() {
        let read = |text| Config::read(Some(text), Environment::default(), Overrides::default());
        for text in ["\"un[67067706013282877]\" = ''", "'a.b[9]' = 1"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("no setting has a name like") && error.contains('['), "{error}");
        }
        let error = load(&[("UN[67067706013282877]", "")]).unwrap_err().to_string();
        assert!(error.contains("un[67067706013282877]"), "{error}");
    }

    #[test]
    fn unsafe_settings_are_errors_that_say_how_to_mend_them() {
        for (changes, part) in [
            (&[][..], "behind_tls_proxy = true"),
            (&[("PUBLIC_URL", "http://auth.example")], "write it like https://auth.example"),
            (&[("PUBLIC_URL", "http://localhost:8443")], "use https, or listen on 127.0.0.1"),
            (&[("BEHIND_TLS_PROXY", "true"), ("ROOT_KEY_FILE", "data/root.key")], "put the key elsewhere"),
            (
                &[("BEHIND_TLS_PROXY", "true"), ("SESSIONS__GRACE_SECONDS", "301")],
                "0 (a session ends with its socket) to 300",
            ),
            (&[("BEHIND_TLS_PROXY", "true"), ("SESSIONS__IDLE_MINUTES", "0")], "from 1 to 43200"),
            (
                &[
                    ("BEHIND_TLS_PROXY", "true"),
                    ("SESSIONS__ASSURANCE", "aal3"),
                    ("SESSIONS__IDLE_MINUTES", "16"),
                ],
                "at most 720 absolute_minutes and 15 idle_minutes",
            ),
            (&[("BEHIND_TLS_PROXY", "true"), ("SESSIONS__PER_ACCOUNT", "0")], "1 to 1000"),
            (&[("BEHIND_TLS_PROXY", "true"), ("INTERNAL_URLS", "auth.internal")], "is no origin"),
            (&[("LISTEN", "everywhere")], "cannot be read"),
            (
                &[("BEHIND_TLS_PROXY", "true"), ("MAIL__SMTP_URL", "smtp://mail.example")],
                "?tls=required for STARTTLS",
            ),
            (
                &[("BEHIND_TLS_PROXY", "true"), ("MAIL__SMTP_URL", "smtp://10.0.0.1:25?tls=opportunistic")],
                "mail in clear to another machine",
            ),
            (
                &[("BEHIND_TLS_PROXY", "true"), ("LIMITS__TRUSTED_PROXIES", "")],
                "all people would count as one",
            ),
            (&[("LIMITS__TRUSTED_PROXIES", "proxy")], "cannot be read"),
            (&[("BEHIND_TLS_PROXY", "true"), ("ROOT_KEY", "0a")], "exactly one of"),
        ] {
            let error = load(changes).unwrap_err().to_string();
            assert!(error.contains(part), "{changes:?}: {error}");
        }
    }

    #[test]
    fn mail_goes_in_clear_to_this_machine_only() {
        for url in [
            "smtp://127.0.0.1:2525",
            "smtp://localhost",
            "smtp://[::1]:25",
            "smtp://mail.example:587?tls=required",
            "smtps://user:password@mail.example",
        ] {
            load(&[("BEHIND_TLS_PROXY", "true"), ("MAIL__SMTP_URL", url)]).unwrap();
        }
    }

    #[test]
    fn an_impossible_certificate_is_refused_with_what_to_do() {
        let terms = ("TLS__ACME__ACCEPT_TERMS", "true");
        for (changes, part) in [
            (&[("TLS__CERT_FILE", "cert.pem")][..], "either cert_file and key_file, or [tls.acme]"),
            (&[("TLS__MIN_VERSION", "1.2")], "either cert_file and key_file, or [tls.acme]"),
            (
                &[terms, ("TLS__CERT_FILE", "cert.pem"), ("TLS__KEY_FILE", "key.pem")],
                "either cert_file and key_file, or [tls.acme]",
            ),
            (&[terms, ("BEHIND_TLS_PROXY", "true")], "the proxy needs the certificate"),
            (&[("TLS__ACME__DOMAINS", "auth.example")], "accept_terms is not true"),
            (&[terms, ("TLS__ACME__DIRECTORY", "http://ca.example/dir")], "must start with https://"),
            (&[terms, ("TLS__ACME__CONTACT", "ops")], "\"ops\" is not an email address"),
            (&[terms, ("TLS__ACME__DOMAINS", "auth.example, *.auth.example")], "wildcards and addresses"),
            (&[terms, ("TLS__ACME__DOMAINS", "192.0.2.1")], "wildcards and addresses"),
            (&[terms, ("TLS__ACME__DOMAINS", "Auth.example")], "is not a DNS name in lower case"),
            (
                &[terms, ("TLS__ACME__DOMAINS", "login.example")],
                "does not have auth.example, the host of public_url",
            ),
        ] {
            let error = load(changes).unwrap_err().to_string();
            assert!(error.contains(part), "{changes:?}: {error}");
        }
        let config = load(&[terms, ("TLS__ACME__CONTACT", "ops@auth.example")]).unwrap();
        let Some(CertificateSource::Acme(acme)) = config.certificate().unwrap() else { panic!("by itself") };
        assert_eq!(
            (acme.domains, acme.contact),
            (vec!["auth.example".into()], vec!["ops@auth.example".into()])
        );
        assert!(acme.directory.starts_with("https://acme-v02."), "{}", acme.directory);
    }
}
