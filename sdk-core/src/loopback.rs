//! Whether a host is this machine: the one place that an API key may go unencrypted without being allowed to.

use std::net::IpAddr;

/// Whether a host of a URL is this machine. An IPv6 address may stand in brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
