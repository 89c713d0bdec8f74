//! A flow: a way to send and receive.

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
    pub(crate) const fn uri(&self, is_sips: bool) -> OwnUri {
        OwnUri { flow: *self, is_sips: is_sips && self.transport.is_secure() }
    }
}

/// Our own Via.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnVia<'a> {
    flow: Flow,
    branch: &'a str,
}

impl fmt::Display for OwnVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { transport, local, .. } = self.flow;
        let rport = if transport.is_reliable() { "" } else { ";rport" };
        write!(f, "SIP/2.0/{} {local};branch={}{rport}", transport.via_name(), self.branch)
    }
}

/// Our own address as a URI, with `lr`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnUri {
    flow: Flow,
    is_sips: bool,
}

impl fmt::Display for OwnUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_sips { "sips" } else { "sip" };
        let transport = match self.flow.transport {
            Transport::Udp => "",
            Transport::Tls if self.is_sips => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            // RFC 7118 5.2.2: one name for both.
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        write!(f, "{scheme}:{}{transport};lr", self.flow.local)
    }
}
