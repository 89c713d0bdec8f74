//! A flow: a way to send and receive.

use crate::headers::Decimal;
pub use crate::uri::Transport;
use std::fmt::{self, Display as _};
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

impl fmt::Display for OwnVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { transport, local, .. } = self.flow;
        let rport = if transport.is_reliable() { "" } else { ";rport" };
        for part in ["SIP/2.0/", transport.via_name(), " "] {
            f.write_str(part)?;
        }
        write_address(f, local)?;
        [";branch=", self.branch, rport].into_iter().try_for_each(|part| f.write_str(part))
    }
}

/// `address` as [`fmt::Display`] has it, in fewer steps: it goes into each request that we forward, three times.
fn write_address(f: &mut fmt::Formatter<'_>, address: SocketAddr) -> fmt::Result {
    let SocketAddr::V4(v4) = address else {
        return write!(f, "{address}");
    };
    let [a, b, c, d] = v4.ip().octets();
    Decimal::from(a).fmt(f)?;
    for (mark, number) in [(".", b.into()), (".", c.into()), (".", d.into()), (":", v4.port())] {
        f.write_str(mark)?;
        Decimal::from(number).fmt(f)?;
    }
    Ok(())
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

impl fmt::Display for OwnUri<'_> {
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
        f.write_str(scheme)?;
        f.write_str(":")?;
        if let Some(token) = self.token {
            f.write_str(token)?;
            f.write_str("@")?;
        }
        write_address(f, self.flow.local)?;
        f.write_str(transport)?;
        f.write_str(if self.is_outbound { ";lr;ob" } else { ";lr" })
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
