//! What is to be resolved, and what we can send by.

use super::{Name, Unresolved};
use crate::uri::{Host, HostPort, Scheme, Transport, Uri, unescape};
use std::net::IpAddr;

/// The transports that we can send by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    const fn bit(transport: Transport) -> u8 {
        match transport {
            Transport::Udp => 1,
            Transport::Tcp => 2,
            Transport::Tls => 4,
            Transport::Ws => 8,
            Transport::Wss => 16,
        }
    }

    /// These and `transport`.
    #[must_use]
    pub const fn with(self, transport: Transport) -> Self {
        Self(self.0 | Self::bit(transport))
    }

    /// Whether `transport` is among them.
    #[must_use]
    pub const fn contains(self, transport: Transport) -> bool {
        self.0 & Self::bit(transport) != 0
    }
}

impl FromIterator<Transport> for Transports {
    fn from_iter<T: IntoIterator<Item = Transport>>(transports: T) -> Self {
        transports.into_iter().fold(Self::default(), Self::with)
    }
}

/// What we can reach others by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "transports and the two families of addresses")]
pub struct Means {
    /// The transports.
    pub transports: Transports,
    /// Whether IPv4 addresses can be reached.
    pub v4: bool,
    /// Whether IPv6 addresses can be reached.
    pub v6: bool,
}

/// A next hop, before it is resolved: TARGET of RFC 3263 section 4, with its port and transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    pub(super) target: Target,
    pub(super) port: Option<u16>,
    pub(super) transport: Option<Transport>,
    /// Nothing but TLS will do (RFC 3261 26.2.2).
    pub(super) is_secure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Name(Name),
    Address(IpAddr),
}

impl Destination {
    /// The next hop that a Request-URI, a Route or a configured URI names.
    ///
    /// # Errors
    /// The URI is no SIP URI with a host that can be asked for, or wants a transport that there is none of.
    ///
    /// ```
    /// use sip_survivability::resolve::{Destination, Unresolved};
    /// use sip_survivability::uri::Uri;
    /// assert!(Destination::of_uri(&Uri::parse("sip:pbx.example.com;transport=tcp")?).is_ok());
    /// let by_sctp = Uri::parse("sip:pbx.example.com;transport=sctp")?;
    /// assert_eq!(Destination::of_uri(&by_sctp), Err(Unresolved::NoTransport));
    /// # Ok::<(), sip_survivability::uri::UriError>(())
    /// ```
    pub fn of_uri(uri: &Uri<'_>) -> Result<Self, Unresolved> {
        let is_secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other(_) => return Err(Unresolved::NoHost),
        };
        // RFC 3263 4: "the value of the maddr parameter of the URI, if present, otherwise, the host".
        let maddr = uri.param("maddr").flatten().map(unescape);
        let host = match &maddr {
            Some(maddr) => Host::parse(maddr),
            None => uri.host(),
        };
        let transport = match uri.param("transport").flatten() {
            Some(name) => Some(transport(&unescape(name), is_secure)?),
            None => None,
        };
        Self::new(host, uri.port(), transport, is_secure)
    }

    /// Where a response goes when the way that its request came is closed: `sent-by` and transport of its topmost Via (RFC 3263
    /// section 5).
    ///
    /// # Errors
    /// `sent_by` has no host that can be asked for.
    pub fn of_sent_by(transport: Transport, sent_by: &HostPort<'_>) -> Result<Self, Unresolved> {
        Self::new(Some(sent_by.host), sent_by.port, Some(transport), transport.is_secure())
    }

    fn new(
        host: Option<Host<'_>>,
        port: Option<u16>,
        transport: Option<Transport>,
        is_secure: bool,
    ) -> Result<Self, Unresolved> {
        let target = match host {
            Some(Host::Name(name)) => Name::parse(name).map(Target::Name),
            Some(address) => address.ip().filter(|ip| !ip.is_unspecified()).map(Target::Address),
            None => None,
        };
        match target {
            Some(target) if port != Some(0) => Ok(Self { target, port, transport, is_secure }),
            _ => Err(Unresolved::NoHost),
        }
    }

    /// The domain that has to be asked for; none where an address is written.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        match &self.target {
            Target::Name(name) => Some(name),
            Target::Address(_) => None,
        }
    }
}

/// The transport parameter (RFC 3261 19.1.1, RFC 7118 5.2.2). In a SIPS URI `tcp` and `ws` are those over TLS; `tls` is out of use and
/// says the same as the scheme.
fn transport(name: &str, is_secure: bool) -> Result<Transport, Unresolved> {
    let named = |other: &str| name.eq_ignore_ascii_case(other);
    match () {
        () if named("udp") && !is_secure => Ok(Transport::Udp),
        () if named("tcp") && !is_secure => Ok(Transport::Tcp),
        () if named("tcp") || named("tls") => Ok(Transport::Tls),
        () if named("ws") && !is_secure => Ok(Transport::Ws),
        () if named("ws") || named("wss") => Ok(Transport::Wss),
        () => Err(Unresolved::NoTransport),
    }
}

/// What stands before a domain in the name of its SRV records (RFC 3263 4.2: "the service identifier \"_sips\"" for TLS).
pub(super) const fn service(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    }
}
