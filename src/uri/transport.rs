//! The transports that SIP runs on, and their names in URIs and Vias (RFC 3261 19.1.1, 20.42; RFC 7118 5.2).

use super::{Scheme, Uri};
use std::fmt;

/// What carries SIP messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// UDP: a message is a datagram.
    #[default]
    Udp,
    /// TCP: messages in a byte stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118): a SIP message is a WebSocket message.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The transport that a URI of the sip or sips scheme asks for: UDP, or TLS for sips, where it names none. None if it names
    /// one that is not known here, or UDP for sips.
    ///
    /// `sips` with TCP is TLS (RFC 3261 26.2.2), with `ws` it is secure WebSocket (RFC 7118 5.2.2). `transport=tls` is deprecated
    /// and common.
    #[must_use]
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        let is_secure = uri.scheme() == Scheme::Sips;
        let Some(name) = uri.param("transport").flatten() else {
            return Some(if is_secure { Self::Tls } else { Self::Udp });
        };
        match (Self::named(name)?, is_secure) {
            (Self::Udp, true) => None,
            (Self::Tcp, true) => Some(Self::Tls),
            (Self::Ws, true) => Some(Self::Wss),
            (named, _) => Some(named),
        }
    }

    /// The transport with this name in a Via, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|transport| transport.via_name().eq_ignore_ascii_case(name))
    }

    /// The name in a Via: `UDP`.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The name in lower case: `udp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether what is sent arrives in order and once, or the connection is lost: nothing is sent again (RFC 3261 17.1.1.2).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read or change it.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it is RFC 7118's.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether we may open a connection by it. Who comes by WebSocket takes no connections.
    #[must_use]
    pub const fn is_dialled(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// The port where none is named (RFC 3261 19.1.2, RFC 7118 5.2.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_its_transport() {
        let of = |text| Transport::of(&Uri::parse(text).unwrap());
        assert_eq!(of("sip:h"), Some(Transport::Udp));
        assert_eq!(of("sip:h;transport=UDP"), Some(Transport::Udp));
        assert_eq!(of("sip:h;Transport=tcp"), Some(Transport::Tcp));
        assert_eq!(of("sip:h;transport=tls"), Some(Transport::Tls));
        assert_eq!(of("sip:h;transport=ws"), Some(Transport::Ws));
        assert_eq!(of("sips:h"), Some(Transport::Tls));
        assert_eq!(of("sips:h;transport=tcp"), Some(Transport::Tls));
        assert_eq!(of("sips:h;transport=ws"), Some(Transport::Wss));
        assert_eq!(of("sips:h;transport=udp"), None);
        assert_eq!(of("sip:h;transport=sctp"), None);
    }
}
