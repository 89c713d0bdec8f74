//! Where a request goes, and why (`sas.md` section 4): a pure function of the request, its source, the state, and
//! read-only views of the configuration, the database and the proxy set.
//!
//! [`decide`] gives a [`Decision`]: the target set, or the answer of our own, with the chain of reasons that led there.
//! Nothing is changed and nothing is sent, so that a decision can be asked for in a test, a drill or a debugger.

mod affinity;
mod dialog;
mod flow;
mod initial;
mod mapping;
mod reason;
mod redirect;
mod table;
mod target;
mod trust;

use crate::config::{self, Config, Trust};
use crate::dialplan::Number;
use crate::headers::{HeaderName, Method, NameAddr};
use crate::message::Request;
use crate::mode::State;
use crate::registrar;
use crate::transport::{Flows, Peer, Transport};
use crate::upstream::Upstream;
use crate::uri::{HomeHosts, Host, Uri, UriBuf};
use std::net::SocketAddr;

pub(crate) use affinity::{affinity, affinity_of_user};
pub use mapping::{MappedNumber, Mapping};
pub use reason::{Reason, Reasons, Step};
pub(crate) use redirect::redirect;
pub(crate) use target::as_request_uri;
pub use target::{Hop, Target};

/// Who sent a request (`sas.md` 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A proxy of the set.
    Proxy,
    /// A default gateway.
    Gateway,
    /// The redundant SAS, an address that the routing table names, or a call of ours that has come round to us.
    Peer,
    /// Anyone else: a phone.
    User,
}

/// What a decision is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The request, which has passed validation.
    pub request: &'a Request,
    /// Who sent it.
    pub source: Source,
    /// Where from.
    pub from: Peer,
    /// Normal or emergency.
    pub state: State,
    /// The proxy set left this request unanswered: decide as in the emergency state (`sas.md` 3.3, suspect).
    pub rescue: bool,
    /// The sender is a proxy, a gateway, or at an address from which somebody has registered.
    pub known: bool,
    /// No proxy is known to be reachable at present.
    pub suspect: bool,
    /// What ENUM says of the number that is called.
    pub mapping: Mapping<'a>,
    /// How far the sender is trusted, where the branch serves itself (`sas.md` 7.6).
    pub trust: Trust,
}

impl Query<'_> {
    /// Whether `target` sent it.
    fn came_from(&self, target: &config::Target) -> bool {
        sender_places(self.request, self.from.address).into_iter().flatten().any(|place| target.is_at(place))
    }

    /// Whether it was sent from `address`.
    fn is_from(&self, address: SocketAddr) -> bool {
        sender_places(self.request, self.from.address).contains(&Some(address))
    }

    /// Whether the rules of the emergency state apply.
    const fn is_emergency(&self) -> bool {
        self.rescue || matches!(self.state, State::Emergency)
    }

    /// Whether it counts how far the sender is trusted: where the branch serves itself, of its phones.
    const fn asks_trust(&self) -> bool {
        self.is_emergency() && matches!(self.source, Source::User)
    }
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Proxies, gateways, emergency numbers, the dial plan.
    pub config: &'a Config,
    /// The database.
    pub registrar: registrar::View<'a>,
    /// The health of the proxies.
    pub upstream: &'a Upstream,
    /// Our own addresses.
    pub flows: &'a Flows,
    /// The hosts whose users are this branch's.
    pub home: &'a HomeHosts,
}

/// The address that `uri` names, if it does so by number: names are for the proxy to resolve. `maddr` overrides the host
/// (RFC 3261 19.1.1; 16.6 step 7).
pub(crate) fn address_of(uri: &Uri<'_>) -> Option<SocketAddr> {
    let mut there = uri.host_port()?;
    if let Some(Some(maddr)) = uri.param("maddr") {
        there.host = Host::parse(maddr)?;
    }
    // A transport that is not known here is the proxy's to speak.
    there.socket_addr(Transport::of(uri)?.default_port())
}

/// Whether `uri` leads to `target`, by one of its addresses or by its name.
fn is_at(target: &config::Target, uri: &Uri<'_>) -> bool {
    match address_of(uri) {
        Some(address) => target.is_at(address),
        None => uri.param("maddr").is_none() && target.is_host_of(uri),
    }
}

/// Where the sender of `request` is: at the `address` that it came from, and at the port that its Via claims there.
fn sender_places(request: &Request, address: SocketAddr) -> [Option<SocketAddr>; 2] {
    [Some(address), claimed_by(request, address)]
}

impl View<'_> {
    /// Whether `uri` leads to us.
    #[must_use]
    pub fn is_own(&self, uri: &Uri<'_>) -> bool {
        let named = |name: &UriBuf| {
            let port = |uri: &Uri<'_>| {
                uri.port().unwrap_or_else(|| Transport::of(uri).unwrap_or_default().default_port())
            };
            name.as_uri().host() == uri.host() && port(&name.as_uri()) == port(uri)
        };
        match address_of(uri) {
            Some(address) => self.flows.is_local(address),
            None => self.config.names.iter().any(named),
        }
    }

    /// How `address` is reached, which is that of `uri`. TCP that is not spoken here gives way to UDP, which most who have TCP
    /// have as well.
    pub(crate) fn transport_of(&self, uri: &Uri<'_>, address: SocketAddr) -> Transport {
        let asked = Transport::of(uri).unwrap_or_default();
        let is_spoken = asked != Transport::Tcp || self.flows.can_reach(asked, address);
        if is_spoken { asked } else { Transport::Udp }
    }

    /// The target that `uri` names by its `address`, with the Request-URI as it came.
    fn target_at(&self, uri: &Uri<'_>, address: SocketAddr) -> Target {
        Target::address(address, self.transport_of(uri, address))
    }

    /// The address that `uri` names, if phones have registered from that host, and neither we nor a proxy or gateway are there.
    fn phone_address(&self, uri: &Uri<'_>) -> Option<SocketAddr> {
        let address = address_of(uri)?;
        let is_server = self.proxy_at(uri).is_some() || self.gateway_at(uri).is_some();
        (!is_server && !self.flows.is_local(address) && self.registrar.knows(address.ip())).then_some(address)
    }

    fn proxy_at(&self, uri: &Uri<'_>) -> Option<usize> {
        self.config.proxies().iter().position(|proxy| is_at(proxy, uri))
    }

    fn gateway_at(&self, uri: &Uri<'_>) -> Option<usize> {
        self.config.gateways().iter().position(|gateway| is_at(gateway, uri))
    }

    /// Who sent `request` from `peer`: by the address it came from, or by the port that it claims at that address in its
    /// Via, since a proxy may send from another port than the one it listens on.
    #[must_use]
    pub fn source_of(&self, request: &Request, peer: Peer) -> Source {
        // Phones are many, and at other hosts: their Via is not asked.
        let is_server = self.config.targets().any(|target| target.is_on(peer.address.ip()));
        let places =
            if is_server { sender_places(request, peer.address) } else { [Some(peer.address), None] };
        let is = |target: &config::Target| places.into_iter().flatten().any(|place| target.is_at(place));
        if self.config.proxies().iter().any(is) {
            Source::Proxy
        } else if self.config.gateways().iter().any(is) {
            Source::Gateway
        } else if self.config.redundant_sas().is_some_and(is) || self.config.hops().iter().any(is) {
            Source::Peer
        } else {
            Source::User
        }
    }
}

/// The address that the sender of `request` claims in its Via, if it is on the host that it came from.
fn claimed_by(request: &Request, address: SocketAddr) -> Option<SocketAddr> {
    let via = request.top_via().ok()?;
    // RFC 3261 18.1.1: without a port it is the transport's own. Datagrams without one come from phones as well.
    let transport = Transport::named(via.transport).filter(|transport| transport.is_reliable());
    let port = via.sent_by.port.or_else(|| transport.map(Transport::default_port))?;
    via.sent_by.socket_addr(port).filter(|claimed| claimed.ip() == address.ip())
}

/// Where a request goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// What becomes of it.
    pub outcome: Outcome,
    /// The step that decided.
    pub step: Step,
    /// Which steps matched or were passed over, in their order.
    pub reasons: Reasons,
    /// How many Route values, from the top, it leaves behind: our own, and those of dead hops.
    pub drop_routes: usize,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Sent on: to all targets of the first group at once, to the next group if that one fails.
    Forward(Vec<Vec<Target>>),
    /// Answered by us with this status: a success, or a refusal.
    Answer(u16),
    /// Decided when ENUM has been asked for the number ([`Query::mapping`]).
    Ask(Number),
}

/// Decides about a request that has passed validation and is not a REGISTER or CANCEL.
#[must_use]
pub fn decide(query: &Query<'_>, view: &View<'_>) -> Decision {
    // sas.md 2.1: requests in a dialog follow the route set, never the routing tables.
    if query.request.is_in_dialog() || query.request.method() == Method::Ack {
        dialog::decide(query, view)
    } else {
        trust::restrict(query, view, initial::decide(query, view))
    }
}

/// Decides about a REGISTER that is to be relayed.
#[must_use]
pub fn decide_register(query: &Query<'_>, view: &View<'_>) -> Decision {
    initial::to_proxies(query, view, Reasons::default())
}

/// How many Route values from the top are ours (RFC 3261 16.4), and the one below them. More than one where we record-routed a request
/// twice.
fn own_routes<'r>(request: &'r Request, view: &View<'_>) -> (usize, Option<NameAddr<'r>>) {
    let mut own = 0;
    for route in request.addresses(HeaderName::Route) {
        match route {
            Ok(route) if view.is_own(&route.uri) => own += 1,
            next => return (own, next.ok()),
        }
    }
    (own, None)
}

#[cfg(test)]
mod tests;
