//! `host = hostname / IPv4address / IPv6reference` and `hostport` (RFC 3261 25.1), shared by URIs and Via.

use super::class::Class;
use super::escape::bad_escape;
use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host: a name, or an address.
#[derive(Clone, Copy, Debug, Eq)]
#[non_exhaustive]
pub enum Host<'a> {
    /// A domain name, as written.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
    /// An IPv6 address and the zone that it is in, as written, without the `%25` between them (RFC 6874 2). A zone is a name
    /// for one of the network interfaces of whoever wrote it, and means nothing to others (RFC 4007 6).
    V6Zone(Ipv6Addr, &'a str),
}

impl<'a> Host<'a> {
    /// Parses a whole text.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        Self::prefix(text).filter(|(_, used)| *used == text.len()).map(|(host, _)| host)
    }

    /// Reads a host from the front of `text`, up to the first byte that stands in none. Gives the number of bytes read.
    pub(super) fn prefix(text: &'a str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        if let Some(b'[') = bytes.first() {
            let end = memchr::memchr(b']', bytes)?;
            return Some((Self::v6(text.get(1..end)?)?, end + 1));
        }
        if let Some((address, end)) = v4(bytes) {
            return Some((Self::V4(address), end));
        }
        let end = name(bytes)?;
        Some((Self::Name(text.get(..end)?), end))
    }

    /// `IPv6address / IPv6addrz`, `IPv6addrz = IPv6address "%25" ZoneID` (RFC 6874 2); the bare `%` that people write is let
    /// pass.
    fn v6(text: &'a str) -> Option<Self> {
        let Some((address, zone)) = text.split_once('%') else {
            return text.parse().ok().map(Self::V6);
        };
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        // ZoneID = 1*( unreserved / pct-encoded )
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%');
        if zone.is_empty() || !zone.bytes().all(is_plain) || bad_escape(zone).is_some() {
            return None;
        }
        address.parse().ok().map(|address| Self::V6Zone(address, zone))
    }

    /// Puts it into a hash: the same for hosts that are equal.
    pub(crate) fn hash_into(&self, hash: &mut impl Hasher) {
        match self {
            Self::V4(address) => hash.write_u32(address.to_bits()),
            Self::V6(address) => hash.write_u128(address.to_bits()),
            Self::V6Zone(address, zone) => {
                hash.write_u128(address.to_bits());
                hash.write(zone.as_bytes());
            }
            Self::Name(name) => {
                // Lower case, some bytes at a time.
                let mut some = [0; 32];
                for bytes in name.as_bytes().chunks(some.len()) {
                    let lower =
                        some.iter_mut().zip(bytes).map(|(lower, byte)| *lower = byte.to_ascii_lowercase());
                    let len = lower.count();
                    hash.write(some.get(..len).unwrap_or_default());
                }
            }
        }
    }

    /// The address, if the host is one, without its zone.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match *self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) | Self::V6Zone(address, _) => Some(IpAddr::V6(address)),
        }
    }
}

/// The length of `hostname = *( domainlabel "." ) toplabel [ "." ]` at the front of `bytes`.
///
/// `domainlabel = alphanum / alphanum *( alphanum / "-" ) alphanum`, with the underscore that the field uses. A toplabel starts with a
/// letter, so that what ends in a number is an address or nothing.
fn name(bytes: &[u8]) -> Option<usize> {
    let (mut end, mut label, mut top) = (0, 0, 0);
    while let Some(rest) = bytes.get(end..) {
        end += WORD.run(rest);
        match bytes.get(end) {
            Some(b'-') if end > label => {}
            Some(b'.') if end > label && bytes.get(end - 1) != Some(&b'-') => (top, label) = (label, end + 1),
            Some(b'-' | b'.') => return None,
            _ => break,
        }
        end += 1;
    }
    if end > label {
        top = label;
    }
    let starts_with_digit = bytes.get(top).is_some_and(u8::is_ascii_digit);
    let ends_in_hyphen = bytes.get(end.checked_sub(1)?) == Some(&b'-');
    (!starts_with_digit && !ends_in_hyphen).then_some(end)
}

/// `IPv4address = 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT` at the front of `bytes`, and its length. Each number goes to 255 and has
/// no needless zeros, which some read as octal. None if it is the front of a name.
fn v4(bytes: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut address, mut rest) = octet(bytes)?;
    for _ in 0..3 {
        let (next, behind) = octet(rest.strip_prefix(b".")?)?;
        (address, rest) = (address << 8 | next, behind);
    }
    let is_end = !rest.first().is_some_and(|&byte| WORD.has(byte) || matches!(byte, b'-' | b'.'));
    is_end.then(|| (Ipv4Addr::from_bits(address), bytes.len() - rest.len()))
}

/// One of its numbers, and what stands behind it.
#[inline]
fn octet(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |bytes: &[u8]| bytes.first().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    let mut octet = digit(bytes).filter(|digit| *digit < 10)?;
    let mut rest = bytes.get(1..)?;
    // Behind a zero nothing but the end is left, and behind three digits too.
    let more = if octet == 0 { 0 } else { 2 };
    for _ in 0..more {
        let Some(digit @ ..10) = digit(rest) else { break };
        octet = octet * 10 + digit;
        rest = rest.get(1..)?;
    }
    (octet <= 255).then_some((octet, rest))
}

/// What stands anywhere in a label.
static WORD: Class = Class::alphanum(b"_");

/// Names compare without case, addresses by value (RFC 3261 19.1.4), zones as written: interfaces are named with case, and
/// escapes in a host must not be taken for what they stand for (RFC 3261 19.1.2).
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a == b || a.eq_ignore_ascii_case(b),
            (Self::V4(a), Self::V4(b)) => a == b,
            (Self::V6(a), Self::V6(b)) => a == b,
            (Self::V6Zone(a, zone), Self::V6Zone(b, other)) => a == b && zone == other,
            (Self::Name(_) | Self::V4(_) | Self::V6(_) | Self::V6Zone(..), _) => false,
        }
    }
}

/// A host that owns its text.
#[derive(Clone, Debug)]
pub(crate) enum HostBuf {
    Name(Box<str>),
    Address(IpAddr),
    V6Zone(Ipv6Addr, Box<str>),
}

impl HostBuf {
    pub(crate) fn as_host(&self) -> Host<'_> {
        match self {
            Self::Name(name) => Host::Name(name),
            Self::Address(address) => (*address).into(),
            Self::V6Zone(address, zone) => Host::V6Zone(*address, zone),
        }
    }
}

impl PartialEq for HostBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_host() == other.as_host()
    }
}

impl Eq for HostBuf {}

impl From<Host<'_>> for HostBuf {
    fn from(host: Host<'_>) -> Self {
        match host {
            Host::Name(name) => Self::Name(name.into()),
            Host::V4(address) => Self::Address(address.into()),
            Host::V6(address) => Self::Address(address.into()),
            Host::V6Zone(address, zone) => Self::V6Zone(address, zone.into()),
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::V6Zone(address, zone) => write!(f, "[{address}%25{zone}]"),
        }
    }
}

/// A host with the port that was written, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostPort<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port as written; the default depends on the transport.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Host and port.
    #[must_use]
    pub const fn new(host: Host<'a>, port: Option<u16>) -> Self {
        Self { host, port }
    }

    /// Reads a host and, behind a colon, a port from the front of `text`. Gives the number of bytes that the host takes, and
    /// those read in all; a colon that no valid port follows is left unread.
    pub(crate) fn prefix(text: &'a str) -> Option<(Self, usize, usize)> {
        let (host, host_len) = Host::prefix(text)?;
        let port = text.as_bytes().get(host_len..).and_then(port);
        let (port, len) = port.map_or((None, 0), |(port, len)| (Some(port), len));
        Some((Self { host, port }, host_len, host_len + len))
    }

    /// The socket address, if the host is an address; `default_port` where none is written.
    #[must_use]
    pub fn socket_addr(&self, default_port: u16) -> Option<SocketAddr> {
        self.host.ip().map(|ip| SocketAddr::new(ip, self.port.unwrap_or(default_port)))
    }
}

/// `":" 1*DIGIT` up to 65535, and its length.
fn port(bytes: &[u8]) -> Option<(u16, usize)> {
    let (&b':', digits) = bytes.split_first()? else { return None };
    let mut port = 0_u16;
    let mut len = 0;
    for digit in digits.iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
        port = port.checked_mul(10)?.checked_add(digit.into())?;
        len += 1;
    }
    (len > 0).then_some((port, len + 1))
}

impl From<SocketAddr> for HostPort<'_> {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().into(), port: Some(address.port()) }
    }
}

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        assert_eq!(Host::parse("a-b.example."), Some(Host::Name("a-b.example.")));
        assert_eq!(Host::parse("192.0.2.1"), Some(Host::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(Host::parse("1.2.3.4.example"), Some(Host::Name("1.2.3.4.example")));
        assert_eq!(Host::parse("0.0.0.0"), Some(Host::V4(Ipv4Addr::UNSPECIFIED)));
        assert_eq!(Host::parse("[::1]"), Some(Host::V6(Ipv6Addr::LOCALHOST)));
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "192.0.2.256",
            "1.2.3",
            "a.1",
            "a-.b",
            "1.2.3.4.",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4a",
            "1..2.3",
            "[::1",
            "::1",
            "a b",
        ] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn zones_are_kept_and_compared() {
        let zone = |text| Host::parse(text).map(|host| host.to_string());
        assert_eq!(zone("[FE80::1%25eth0]").as_deref(), Some("[fe80::1%25eth0]"));
        assert_eq!(zone("[fe80::1%eth0]").as_deref(), Some("[fe80::1%25eth0]"));
        assert_eq!(zone("[fe80::1%25]").as_deref(), Some("[fe80::1%2525]"));
        for bad in ["[fe80::1%]", "[%25eth0]", "[fe80::1%25e;h]", "[fe80::1%25%4]"] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
        assert_ne!(Host::parse("[fe80::1%25%65th0]"), Host::parse("[fe80::1%25eth0]"));
        assert_ne!(Host::parse("[fe80::1%25eth0]"), Host::parse("[fe80::1]"));
    }

    #[test]
    fn names_compare_without_case() {
        assert_eq!(Host::Name("Example.COM"), Host::Name("example.com"));
        assert_ne!(Host::Name("example.com"), Host::V4(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_prefix_ends_where_the_host_and_port_end() {
        let read = |text| HostPort::prefix(text).map(|(hp, _, used)| (hp.to_string(), used));
        assert_eq!(read("h:5060;lr"), Some(("h:5060".into(), 6)));
        assert_eq!(read("[::1]:5060"), Some(("[::1]:5060".into(), 10)));
        assert_eq!(read("h:x"), Some(("h".into(), 1)));
        assert_eq!(read("h:65536"), Some(("h".into(), 1)));
        assert_eq!(read("192.0.2.1:5060;lr"), Some(("192.0.2.1:5060".into(), 14)));
        assert_eq!(read("a.b.:1"), Some(("a.b.:1".into(), 6)));
        assert_eq!(read(":5060"), None);
    }
}
