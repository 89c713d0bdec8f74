//! One target of a request: the Request-URI it goes out with, and the next hop.

use super::View;
use crate::config;
use crate::headers::NameAddr;
use crate::registrar::Binding;
use crate::transport::{FlowId, Peer, Transport};
use crate::upstream::TargetId;
use crate::uri::{Uri, unescape};
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// What kind of hop a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// A proxy of the set.
    Proxy(TargetId),
    /// A default gateway.
    Gateway,
    /// The redundant SAS.
    Peer,
    /// An address that the routing table names.
    Route,
    /// A registered user.
    User,
    /// An address that the Request-URI or a Route names.
    Address,
}

impl Hop {
    /// Which proxy of the set it is, if it is one.
    #[must_use]
    pub const fn proxy(self) -> Option<TargetId> {
        match self {
            Self::Proxy(target) => Some(target),
            Self::Gateway | Self::Peer | Self::Route | Self::User | Self::Address => None,
        }
    }
}

/// One target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The Request-URI to send it with; none: as it came.
    pub uri: Option<Box<str>>,
    /// Where to send it.
    pub address: SocketAddr,
    /// By which transport.
    pub transport: Transport,
    /// Whether there is somebody who takes requests there, rather than the outside of a NAT.
    pub is_listening: bool,
    /// On which flow, if it has to be a certain one.
    pub flow: Option<FlowId>,
    /// Route values to put on top: the Path that the user registered with (RFC 3327).
    pub routes: Vec<Box<str>>,
    /// The token of the flow that the dialog which starts here is to stay on (RFC 5626 5.3.1).
    pub flow_token: Option<Box<str>>,
    /// Other ways to the same instance, each of which is tried when the one before has failed, and never beside it (RFC 5626 7).
    pub others: Vec<Self>,
    /// What is there.
    pub hop: Hop,
}

impl Target {
    const fn new(hop: Hop, address: SocketAddr, transport: Transport, uri: Option<Box<str>>) -> Self {
        Self {
            uri,
            address,
            transport,
            is_listening: true,
            flow: None,
            routes: Vec::new(),
            flow_token: None,
            others: Vec::new(),
            hop,
        }
    }

    /// The other end of a flow, with the Request-URI as it came.
    pub(super) fn at_flow(peer: Peer, transport: Transport) -> Self {
        let target = Self::new(Hop::User, peer.address, transport, None);
        Self { flow: Some(peer.flow), is_listening: false, ..target }
    }

    /// The first of the other ways, with the rest of them.
    pub(crate) fn take_other(&mut self) -> Option<Self> {
        let mut others = std::mem::take(&mut self.others).into_iter();
        let next = others.next()?;
        Some(Self { others: others.collect(), ..next })
    }

    /// The hop at `address`, with the Request-URI as it came.
    pub(super) const fn address(address: SocketAddr, transport: Transport) -> Self {
        Self::new(Hop::Address, address, transport, None)
    }

    /// A proxy or gateway, with the Request-URI as it came.
    pub(super) const fn hop(hop: Hop, target: &config::Target) -> Self {
        Self::new(hop, target.address, target.transport, None)
    }

    /// The proxy number `index`, at each of its places: where one fails the next is tried (RFC 3263 4.3). A Request-URI that names us
    /// names the proxy instead: phones that have us as their registrar write it so, and the proxy would send it back.
    pub(super) fn proxy(index: usize, uri: &Uri<'_>, view: &View<'_>) -> impl Iterator<Item = Vec<Self>> {
        let proxy = view.config.proxies().get(index);
        let rewritten = proxy.filter(|_| view.is_own(uri)).map(|proxy| at_host(uri, &proxy.uri.as_uri()));
        Self::at_places(Hop::Proxy(TargetId(index)), proxy, rewritten)
    }

    /// The gateway number `index`, called with the number of `uri`, undecorated, at each of its places.
    pub(super) fn gateway(index: usize, uri: &Uri<'_>, view: &View<'_>) -> impl Iterator<Item = Vec<Self>> {
        let gateway = view.config.gateways().get(index);
        Self::at_places(Hop::Gateway, gateway, gateway.map(|gateway| at_host(uri, &gateway.uri.as_uri())))
    }

    /// The redundant SAS, or an address of the routing table, called with the number of `uri`.
    pub(super) fn other(hop: Hop, target: &config::Target, uri: &Uri<'_>) -> impl Iterator<Item = Vec<Self>> {
        Self::at_places(hop, Some(target), Some(at_host(uri, &target.uri.as_uri())))
    }

    fn at_places(
        hop: Hop,
        target: Option<&config::Target>,
        uri: Option<Box<str>>,
    ) -> impl Iterator<Item = Vec<Self>> {
        let places = target.into_iter().flat_map(config::Target::places);
        places.map(move |(transport, address)| vec![Self::new(hop, address, transport, uri.clone())])
    }

    /// The contact of a registered user. None if it cannot be reached.
    pub(super) fn user(binding: &Binding, view: &View<'_>) -> Option<Self> {
        let contact = binding.contact();
        // sas.md 7.4: behind NAT the address is the source of the REGISTER. With the same IP there is no NAT between, and the
        // Contact's port is the one that the phone listens on.
        let listening = super::address_of(&contact).filter(|named| named.ip() == binding.source.ip());
        let (address, by_contact) = match listening {
            Some(address) => (address, view.transport_of(&contact, address)),
            None => (binding.source, Transport::Udp),
        };
        let mut target = Self::new(Hop::User, address, by_contact, Some(as_request_uri(&contact)));
        target.is_listening = listening.is_some();
        match binding.flow.and_then(|id| Some((id, view.flows.find(id)?))) {
            // By the connection that the REGISTER came by, which may be the only way (RFC 5626 5.3, RFC 7118 5).
            Some((id, flow)) if flow.transport.is_reliable() => {
                target.flow = Some(id);
                target.transport = flow.transport;
                target.address = flow.remote.unwrap_or(binding.source);
            }
            Some(_) if by_contact.is_reliable() && view.flows.can_reach(by_contact, address) => {}
            Some((id, _)) => {
                target.flow = Some(id);
                target.transport = Transport::Udp;
            }
            // The connection is gone. A flow of RFC 5626 went with it (5.3: "the binding is no longer valid"); who is where the
            // contact says can be called there.
            None => {
                let is_reachable = by_contact.is_reliable() && view.flows.can_reach(by_contact, address);
                if !is_reachable || binding.is_lost_flow() {
                    return None;
                }
            }
        }
        if let Some(first) = binding.path().next() {
            target.follow_path(&NameAddr::parse(first).ok()?, view)?;
            // Nobody makes a gateway of the branch's his own phone: it would carry whatever Contact it is sent to.
            let is_foreign =
                |server: &config::Target| server.is_at(target.address) && !server.is_on(binding.source.ip());
            if view.config.targets().any(is_foreign) {
                return None;
            }
            target.routes = binding.path().map(Box::from).collect();
        }
        // A contact that names us would have us call ourselves.
        (!view.flows.is_local(target.address)).then_some(target)
    }

    /// An instance by the latest of its `bindings` (RFC 5627 6.1), and by the others where that fails. None if none can be reached.
    pub(super) fn instance<'b>(bindings: impl Iterator<Item = &'b Binding>, view: &View<'_>) -> Option<Self> {
        let mut bindings: Vec<_> = bindings.collect();
        // Of those that came at once the one that came last.
        bindings.reverse();
        bindings.sort_by_key(|binding| (Reverse(binding.q), Reverse(binding.updated_at)));
        let mut ways = bindings.into_iter().filter_map(|binding| Self::user(binding, view));
        let first = ways.next()?;
        Some(Self { others: ways.collect(), ..first })
    }

    /// RFC 3327 5.3: the Path becomes the route set. A proxy that came by a connection is reached by it.
    fn follow_path(&mut self, hop: &NameAddr<'_>, view: &View<'_>) -> Option<()> {
        let address = super::address_of(&hop.uri)?;
        let is_connected = self.flow.is_some() && self.transport.is_reliable();
        if !is_connected || self.address.ip() != address.ip() {
            let transport = view.transport_of(&hop.uri, address);
            self.flow = self.flow.filter(|_| !transport.is_reliable() && !is_connected);
            (self.address, self.transport) = (address, transport);
        }
        self.is_listening = true;
        Some(())
    }
}

/// `uri`'s user at the host of `other`, with the parameters that speak of the user.
fn at_host(uri: &Uri<'_>, other: &Uri<'_>) -> Box<str> {
    let mut text = String::from("sip:");
    if let Some(user) = uri.user() {
        text.push_str(if uri.is_sip() { user } else { user.split(';').next().unwrap_or_default() });
        text.push('@');
    }
    if let Some(host_port) = other.host_port() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{host_port}");
    }
    if !uri.is_sip() {
        text.push_str(";user=phone");
    }
    if uri.is_sip() {
        push_params(&mut text, uri, &["transport", "maddr", "ttl", "lr", "method"]);
    }
    text.into()
}

/// `uri` as a Request-URI may be: without header fields and without `method` (RFC 3261 16.6 step 2; 19.1.1, table 1).
pub(crate) fn as_request_uri(uri: &Uri<'_>) -> Box<str> {
    let mut text = uri.as_str().to_owned();
    if uri.is_sip() && !(uri.params_str().is_empty() && uri.headers_str().is_empty()) {
        let end = text.len().saturating_sub(uri.params_str().len() + uri.headers_str().len());
        text.truncate(end);
        push_params(&mut text, uri, &["method"]);
    }
    text.into()
}

/// Adds the parameters of `uri` but those named `except`.
fn push_params(text: &mut String, uri: &Uri<'_>, except: &[&str]) {
    for (name, value) in uri.params() {
        if except.iter().any(|other| unescape(name).eq_ignore_ascii_case(other)) {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => write!(text, ";{name}={value}"),
            None => write!(text, ";{name}"),
        };
    }
}
