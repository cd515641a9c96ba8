//! How often strangers may ask, by where they come from and whom they ask about. Nothing here delays anybody who keeps
//! within the rates: a check is one look into a table in memory.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderMap;
use governor::{
    Quota, RateLimiter, clock::Clock as _, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::HashMapStateStore,
};
use ipnet::IpNet;
use passkey_accounts::{defended, protocol::Code};
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    limits::{CONNECTION_BURST, MAX_TRACKED_ADDRESSES},
};

/// What an operator can set. 0 anywhere: no such limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Connections of every kind that the server has at once; more wait in the kernel's queue. Default 20,000.
    pub connections: u32,
    /// Connections of every kind that one address has at once. Default 1,000. Trusted proxies have no such limit.
    pub connections_per_address: u32,
    /// Connections that one address opens in a minute, 1,000 of them at once. Default 3,000.
    pub connections_per_minute_per_address: u32,
    /// Browser sockets that one address has at once. Default 500: many people share the address of an office.
    pub page_sockets_per_address: u32,
    /// Sign-ins and sign-ups that one address begins in a minute. Default 300.
    pub sign_ins_per_minute_per_address: u32,
    /// Codes that one address has mailed in an hour. Default 60.
    pub codes_per_hour_per_address: u32,
    /// Codes that are mailed to one email address in an hour, whoever asks. Default 5.
    pub codes_per_hour_per_email: u32,
    /// Sign-ins and sign-ups that begin in a second on the whole server. What comes beyond is told to come again.
    /// Default 500.
    pub sign_ins_per_second: u32,
    /// The proxies whose `X-Forwarded-For` is believed: addresses or networks, `10.0.0.0/8`. Default none.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 1_000,
            connections_per_minute_per_address: 3_000,
            page_sockets_per_address: 500,
            sign_ins_per_minute_per_address: 300,
            codes_per_hour_per_address: 60,
            codes_per_hour_per_email: 5,
            sign_ins_per_second: 500,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Rates {
    /// Whether anything is counted by address.
    pub const fn know_addresses(&self) -> bool {
        self.connections_per_address != 0
            || self.connections_per_minute_per_address != 0
            || self.page_sockets_per_address != 0
            || self.sign_ins_per_minute_per_address != 0
            || self.codes_per_hour_per_address != 0
    }

    /// No limits: for developing, where everybody has one address.
    pub const fn off() -> Self {
        Self {
            connections: 0,
            connections_per_address: 0,
            connections_per_minute_per_address: 0,
            page_sockets_per_address: 0,
            sign_ins_per_minute_per_address: 0,
            codes_per_hour_per_address: 0,
            codes_per_hour_per_email: 0,
            sign_ins_per_second: 0,
            trusted_proxies: Vec::new(),
        }
    }
}

/// A list, or, from the environment, one text with commas.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        List(Vec<String>),
        Text(String),
    }
    let said = match Said::deserialize(deserializer)? {
        Said::List(list) => list,
        Said::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(said.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
}

/// Addresses or networks.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    list(deserializer)?
        .iter()
        .map(|text| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)))
        .collect::<Result<_, _>>()
        .map_err(|error| D::Error::custom(format!("trusted_proxies: {error}")))
}

/// Where a request comes from: an IPv4 address, or the network of an IPv6 address, of which a stranger has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

/// The rates of one server, and what was counted.
pub struct Rationing {
    rates: Rates,
    connections: Arc<Counts>,
    sockets: Arc<Counts>,
    opened: Option<Limiter<Source>>,
    sign_ins: Option<Limiter<Source>>,
    codes_from: Option<Limiter<Source>>,
    codes_to: Option<Limiter<[u8; 32]>>,
    all_sign_ins: Option<Limiter<()>>,
}

impl Rationing {
    /// Nothing counted yet.
    pub fn new(rates: Rates, clock: &Clock) -> Self {
        Self {
            connections: Arc::default(),
            sockets: Arc::default(),
            // Where strangers have more addresses than can be remembered, there is still the cap on all connections.
            opened: limiter(rates.connections_per_minute_per_address, MINUTE, CONNECTION_BURST, true, clock),
            // Where strangers have more addresses than can be remembered, what all begin together is still counted.
            sign_ins: limiter(rates.sign_ins_per_minute_per_address, MINUTE, u32::MAX, true, clock),
            codes_from: limiter(rates.codes_per_hour_per_address, HOUR, u32::MAX, false, clock),
            codes_to: limiter(rates.codes_per_hour_per_email, HOUR, u32::MAX, false, clock),
            all_sign_ins: limiter(rates.sign_ins_per_second, SECOND, u32::MAX, false, clock),
            rates,
        }
    }

    /// How many connections the server has at once.
    pub fn most_connections(&self) -> usize {
        match self.rates.connections {
            0 => Semaphore::MAX_PERMITS,
            most => {
                usize::try_from(most).map_or(Semaphore::MAX_PERMITS, |most| most.min(Semaphore::MAX_PERMITS))
            }
        }
    }

    /// Counts one more connection, until what is returned is dropped. What comes over a trusted proxy's is counted later,
    /// once it has said for whom.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the address has as many as it may, or has opened too many of late.
    pub fn connect(&self, peer: IpAddr) -> Result<Option<Counted>, Code> {
        if self.is_trusted(peer) {
            return Ok(None);
        }
        let source = peer.into();
        check(self.opened.as_ref(), &source, Code::RateLimited)?;
        self.connections.enter(source, self.rates.connections_per_address).map(Some)
    }

    /// Who asks: the peer, or whom the proxies in front say, as far as they are trusted. The last address that no trusted
    /// proxy has is the one that a trusted proxy has seen; what stands before it anybody may have written.
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> Source {
        if !self.is_trusted(peer) {
            return peer.into();
        }
        let lines: Vec<_> =
            headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let listed = lines.iter().flat_map(|line| line.split(',')).map(|hop| hop.trim().parse::<IpAddr>());
        for hop in listed.rev() {
            match hop {
                Ok(address) if self.is_trusted(address) => {}
                Ok(address) => return address.into(),
                Err(_) => break,
            }
        }
        peer.into()
    }

    /// Counts one more browser socket of an address, until what is returned is dropped.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when it has as many as it may.
    pub fn enter(&self, source: Source) -> Result<Counted, Code> {
        self.sockets.enter(source, self.rates.page_sockets_per_address)
    }

    /// Counts a sign-in or sign-up that begins.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the address has begun too many, [`Code::OverCapacity`] when all together have.
    pub fn begin(&self, source: Source) -> Result<(), Code> {
        check(self.sign_ins.as_ref(), &source, Code::RateLimited)?;
        check(self.all_sign_ins.as_ref(), &(), Code::OverCapacity)
    }

    /// Counts a code that is to be mailed.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the address has asked for too many, or the email address was sent too many.
    pub fn mail(&self, source: Source, email_index: &[u8; 32]) -> Result<(), Code> {
        check(self.codes_from.as_ref(), &source, Code::RateLimited)?;
        if defended!(MailRationed) {
            check(self.codes_to.as_ref(), email_index, Code::RateLimited)?;
        }
        Ok(())
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.rates.trusted_proxies.iter().any(|proxy| proxy.contains(&address.to_canonical()))
    }
}

fn limiter<K: Hash + Eq + Clone>(
    most: u32,
    period: Duration,
    most_at_once: u32,
    admits_when_full: bool,
    clock: &Clock,
) -> Option<Limiter<K>> {
    let at_once = NonZeroU32::new(most.min(most_at_once))?;
    Some(Limiter::new(NonZeroU32::new(most)?, period, at_once, admits_when_full, clock))
}

fn check<K: Hash + Eq + Clone>(limiter: Option<&Limiter<K>>, key: &K, code: Code) -> Result<(), Code> {
    if limiter.is_none_or(|limiter| limiter.admits(key)) { Ok(()) } else { Err(code) }
}

impl fmt::Debug for Rationing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rationing").field("rates", &self.rates).finish_non_exhaustive()
    }
}

/// So many in a period, for each key, and so many of them at once.
struct Limiter<K: Hash + Eq + Clone> {
    counted: RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Nanos>>,
    clock: Clock,
    /// What is said of a key when no more can be remembered.
    admits_when_full: bool,
    /// When what is over was last forgotten, in milliseconds.
    swept: AtomicU64,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(
        most: NonZeroU32,
        period: Duration,
        at_once: NonZeroU32,
        admits_when_full: bool,
        clock: &Clock,
    ) -> Self {
        let each = (period / most.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).map(|quota| quota.allow_burst(at_once));
        let quota = quota.unwrap_or(Quota::per_second(most));
        let counted = RateLimiter::new(quota, HashMapStateStore::default(), Ticks(clock.clone()));
        Self { counted, clock: clock.clone(), admits_when_full, swept: AtomicU64::new(0) }
    }

    fn admits(&self, key: &K) -> bool {
        if self.counted.len() >= MAX_TRACKED_ADDRESSES {
            let (now, swept) = (self.clock.now().0, self.swept.load(Ordering::Relaxed));
            // To go through all of them is work, and must not be had for every request.
            if now.saturating_sub(swept) >= SWEEP_MS {
                self.swept.store(now, Ordering::Relaxed);
                self.counted.retain_recent();
            }
            // So many at once are no people, and what strangers send must not fill the memory.
            if self.counted.len() >= MAX_TRACKED_ADDRESSES {
                return self.admits_when_full;
            }
        }
        self.counted.check_key(key).is_ok()
    }
}

/// The server's clock as a limiter reads it.
#[derive(Debug, Clone)]
pub(crate) struct Ticks(pub(crate) Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.0.now().0).into()
    }
}

impl Ticks {
    /// How long to wait from now until a limiter's word.
    pub(crate) fn wait(&self, until: &governor::NotUntil<Nanos>) -> Duration {
        until.wait_time_from(self.now())
    }
}

/// How many of something each address has.
#[derive(Debug, Default)]
struct Counts(Mutex<HashMap<Source, u32>>);

impl Counts {
    fn enter(self: &Arc<Self>, source: Source, most: u32) -> Result<Counted, Code> {
        let mut counts = self.lock();
        let count = counts.get(&source).copied().unwrap_or_default();
        if most != 0 && count >= most {
            return Err(Code::RateLimited);
        }
        counts.insert(source, count.saturating_add(1));
        Ok(Counted { counts: Arc::clone(self), source })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an address, in the count until it is dropped.
#[derive(Debug)]
pub struct Counted {
    counts: Arc<Counts>,
    source: Source,
}

impl Counted {
    /// Whose it is.
    pub const fn source(&self) -> Source {
        self.source
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

const SWEEP_MS: u64 = 1_000;
const FORWARDED_FOR: &str = "x-forwarded-for";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderValue};
    use passkey_accounts::protocol::{Code, UnixMillis};

    use super::{Clock, MAX_TRACKED_ADDRESSES, MINUTE, Rates, Rationing, Source, limiter};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_a_trusted_proxy_has_seen_is_believed() {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let rationing = Rationing::new(Rates { trusted_proxies, ..Rates::off() }, &Clock::System);
        for (peer, lines, source) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["nonsense, 203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::1", &["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        ] {
            let lines = lines.iter().map(|line| HeaderValue::from_str(line).unwrap());
            let headers: HeaderMap = lines.map(|line| ("x-forwarded-for".parse().unwrap(), line)).collect();
            assert_eq!(
                rationing.source(address(peer), &headers),
                Source::from(address(source)),
                "{peer} {headers:?}"
            );
        }
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let source = |text| Source::from(address(text));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn a_rate_comes_back_with_time() {
        let clock = Clock::manual(UnixMillis(1_000_000));
        let limiter = limiter(3, MINUTE, 3, false, &clock).unwrap();
        assert_eq!([(); 4].map(|()| limiter.admits(&"a")), [true, true, true, false]);
        assert!(limiter.admits(&"b"), "another key has a rate of its own");
        clock.advance(20_000);
        assert_eq!([(); 2].map(|()| limiter.admits(&"a")), [true, false]);
    }

    #[test]
    fn fewer_may_come_at_once_than_in_the_whole_time() {
        let clock = Clock::manual(UnixMillis(1_000_000));
        let limiter = limiter(6, MINUTE, 2, false, &clock).unwrap();
        assert_eq!([(); 3].map(|()| limiter.admits(&"a")), [true, true, false]);
        clock.advance(10_000);
        assert_eq!([(); 2].map(|()| limiter.admits(&"a")), [true, false]);
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let clock = Clock::manual(UnixMillis(1_000_000));
        for admits_when_full in [false, true] {
            let limiter = limiter(1, MINUTE, 1, admits_when_full, &clock).unwrap();
            let admitted = (0..MAX_TRACKED_ADDRESSES + 10).filter(|number| limiter.admits(number)).count();
            assert_eq!(admitted, MAX_TRACKED_ADDRESSES + if admits_when_full { 10 } else { 0 });
            assert_eq!(limiter.counted.len(), MAX_TRACKED_ADDRESSES);
            clock.advance(2 * 60_000);
            assert!(limiter.admits(&usize::MAX));
            assert_eq!(limiter.counted.len(), 1, "what is over is forgotten");
        }
    }

    #[test]
    fn a_socket_is_counted_while_it_is_open() {
        let rates = Rates { page_sockets_per_address: 2, ..Rates::off() };
        let rationing = Rationing::new(rates, &Clock::System);
        let here = Source::from(address("192.0.2.1"));
        let first = rationing.enter(here).unwrap();
        let _second = rationing.enter(here).unwrap();
        assert_eq!(rationing.enter(here).unwrap_err(), Code::RateLimited);
        assert!(rationing.enter(address("192.0.2.2").into()).is_ok());
        drop(first);
        assert!(rationing.enter(here).is_ok());
    }
}
