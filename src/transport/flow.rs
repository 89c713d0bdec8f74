//! A flow: a way to send and receive.

use crate::headers::push_address;
pub use crate::uri::Transport;
use std::fmt;
use std::net::SocketAddr;

/// Names a flow. Whoever opens it chooses the name and never uses it again for another flow, so that an event that comes late
/// for a closed flow finds nothing.
///
/// The names of connections that the core asks for have the [highest bit](Self::DIALLED) set; those of the caller's have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

impl FlowId {
    /// The bit that the names of the core's own connections have.
    pub const DIALLED: u64 = 1 << 63;

    /// Whether this is the name of a connection that the core asked for.
    #[must_use]
    pub const fn is_dialled(self) -> bool {
        self.0 & Self::DIALLED != 0
    }
}

/// The other end of an exchange: an address, and the flow to reach it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an address on a flow is no more than that")]
pub struct Peer {
    /// The flow.
    pub flow: FlowId,
    /// The address.
    pub address: SocketAddr,
}

/// An open flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what runs on it, and its two ends")]
pub struct Flow {
    /// What runs on it.
    pub transport: Transport,
    /// Our address as the other side sees it, or where we take connections if we opened this one.
    pub local: SocketAddr,
    /// The other end of a connection; none where one socket reaches everyone.
    pub remote: Option<SocketAddr>,
}

impl Flow {
    /// Our Via for a request with `branch` (RFC 3261 18.1.1). RFC 3581 is for datagrams.
    pub(crate) const fn via<'a>(&self, branch: &'a str) -> OwnVia<'a> {
        OwnVia { flow: *self, branch }
    }

    /// The URI that leads back to us by this flow, for Record-Route and Path. `is_sips`: what it stands in is all `sips:` (RFC
    /// 3261 16.6 step 4), which a flow that is not secure cannot be.
    pub(crate) const fn uri(&self, is_sips: bool) -> OwnUri<'static> {
        OwnUri {
            flow: *self,
            is_sips: is_sips && self.transport.is_secure(),
            token: None,
            is_outbound: false,
        }
    }
}

/// Our own Via.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnVia<'a> {
    flow: Flow,
    branch: &'a str,
}

impl OwnVia<'_> {
    /// Writes it behind `text`: it goes into each request that we forward, and formatting takes several times as long.
    pub(crate) fn push_to(&self, text: &mut String) {
        let Flow { transport, local, .. } = self.flow;
        for part in ["SIP/2.0/", transport.via_name(), " "] {
            text.push_str(part);
        }
        push_address(text, local);
        for part in [";branch=", self.branch, if transport.is_reliable() { "" } else { ";rport" }] {
            text.push_str(part);
        }
    }
}

impl fmt::Display for OwnVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

/// Our own address as a URI, with `lr`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnUri<'t> {
    flow: Flow,
    is_sips: bool,
    token: Option<&'t str>,
    is_outbound: bool,
}

impl<'t> OwnUri<'t> {
    /// With a flow token for its user, if there is one (RFC 5626 5.2).
    pub(crate) const fn with_token(self, token: Option<&'t str>) -> Self {
        Self { token, ..self }
    }

    /// With `ob` if there is a flow token: we are the first hop, and keep the flow (RFC 5626 5.1).
    pub(crate) const fn outbound(self) -> Self {
        Self { is_outbound: self.token.is_some(), ..self }
    }
}

impl OwnUri<'_> {
    /// Writes it behind `text` in angle brackets, as Record-Route and Path have it.
    pub(crate) fn push_bracketed(&self, text: &mut String) {
        text.push('<');
        self.push_to(text);
        text.push('>');
    }

    fn push_to(&self, text: &mut String) {
        let scheme = if self.is_sips { "sips:" } else { "sip:" };
        let transport = match self.flow.transport {
            Transport::Udp => "",
            Transport::Tls if self.is_sips => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            // RFC 7118 5.2.2: one name for both.
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        text.push_str(scheme);
        if let Some(token) = self.token {
            text.push_str(token);
            text.push('@');
        }
        push_address(text, self.flow.local);
        text.push_str(transport);
        text.push_str(if self.is_outbound { ";lr;ob" } else { ";lr" });
    }
}

impl fmt::Display for OwnUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_address_is_written_as_any_other() {
        for text in ["0.0.0.0:0", "10.20.30.40:5060", "255.255.255.255:65535", "[2001:db8::1]:5061"] {
            let local: SocketAddr = text.parse().unwrap();
            let flow = Flow { transport: Transport::Udp, local, remote: None };
            assert_eq!(
                flow.via("z9hG4bK1").to_string(),
                format!("SIP/2.0/UDP {local};branch=z9hG4bK1;rport")
            );
            assert_eq!(flow.uri(false).to_string(), format!("sip:{local};lr"));
        }
    }
}
