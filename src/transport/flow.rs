//! Flows: the ways to send and receive that the caller opened.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// Names a flow. The caller chooses it and never uses it again for another flow, so that an event that comes late for
/// a closed flow finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// The other end of an exchange: an address, and the flow to reach it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an address on a flow is no more than that")]
pub struct Peer {
    /// The flow.
    pub flow: FlowId,
    /// The address.
    pub address: SocketAddr,
}

/// What runs on a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// SIP over UDP (RFC 3261 section 18).
    Udp,
}

impl Transport {
    /// The name in a Via: `UDP`.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
        })
    }
}

/// An open flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what runs on it, and where we are")]
pub struct Flow {
    /// What runs on it.
    pub transport: Transport,
    /// Our address as the other side sees it.
    pub local: SocketAddr,
}

/// The open flows, as routing sees them. Few, so an ordered map: the first that fits is always the same one.
#[derive(Debug, Default)]
pub struct Flows(BTreeMap<FlowId, Flow>);

impl Flows {
    /// Adds a flow.
    pub fn open(&mut self, id: FlowId, flow: Flow) {
        self.0.insert(id, flow);
    }

    /// Removes a flow.
    pub fn close(&mut self, id: FlowId) {
        self.0.remove(&id);
    }

    /// The flow named `id`, if it is open.
    #[must_use]
    pub fn find(&self, id: FlowId) -> Option<&Flow> {
        self.0.get(&id)
    }

    /// A flow that can reach `to`: `preferred` if it can, else the first one of the same address family, loopback
    /// with loopback.
    #[must_use]
    pub fn toward(&self, to: SocketAddr, preferred: Option<FlowId>) -> Option<FlowId> {
        let fits = |flow: &Flow| flow.local.is_ipv4() == to.is_ipv4();
        let near = |flow: &Flow| fits(flow) && flow.local.ip().is_loopback() == to.ip().is_loopback();
        preferred
            .filter(|id| self.0.get(id).is_some_and(near))
            .or_else(|| self.0.iter().find(|(_, flow)| near(flow)).map(|(id, _)| *id))
            .or_else(|| self.0.iter().find(|(_, flow)| fits(flow)).map(|(id, _)| *id))
    }

    /// Whether `address` is one of ours.
    #[must_use]
    pub fn is_local(&self, address: SocketAddr) -> bool {
        self.0.values().any(|flow| flow.local == address)
    }
}
