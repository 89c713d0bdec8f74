//! The open flows: packet sockets, the addresses where we take connections, and connections.
//!
//! Invariants: each index holds exactly what the connections say; connections are never more than `max_connections`, those that
//! we asked for never more than `max_dialled`; each connection has one timer.

use super::connection::{Connection, Ended};
use super::token::{FlowTokens, Named, TokenError};
use super::{Flow, FlowId, Peer, Transport};
use crate::config::Limits;
use crate::message::{ConnectionEnd, Frame, FrameError};
use crate::time::{Instant, Timers};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// For how long no connection is tried for a large request where one was refused, and of how many addresses that is known.
const SHYNESS: Duration = Duration::from_mins(10);
const MAX_SHY: usize = 1000;

/// The open flows. Packet sockets are few, so that the first that fits is always the same one.
#[derive(Debug, Default)]
pub struct Flows {
    packets: BTreeMap<FlowId, Flow>,
    connections: BTreeMap<FlowId, Connection>,
    /// Where we take connections.
    listeners: BTreeSet<(Transport, SocketAddr)>,
    /// Connections by what they reach.
    by_remote: BTreeSet<(Transport, SocketAddr, FlowId)>,
    /// Our addresses, and how many flows and listeners have them.
    locals: BTreeMap<SocketAddr, usize>,
    /// How many connections each host has.
    hosts: BTreeMap<IpAddr, usize>,
    /// When connections are looked at: those that never came about, and those that nobody uses.
    due: Timers<FlowId>,
    /// Who takes no TCP, until when that is believed.
    shy: BTreeMap<SocketAddr, Instant>,
    dialled: usize,
    serial: u64,
    /// What all connections hold of unfinished messages, in bytes.
    buffered: usize,
    /// None where nobody is told of flows.
    tokens: Option<FlowTokens>,
}

impl Flows {
    /// No flow yet; those to come are told of by `tokens`.
    pub(crate) fn with_tokens(tokens: FlowTokens) -> Self {
        Self { tokens: Some(tokens), ..Self::default() }
    }

    /// What names the flow to `peer` (RFC 5626 5.2).
    pub(crate) fn token_of(&self, peer: Peer) -> Option<String> {
        let tokens = self.tokens.as_ref()?;
        match self.packets.get(&peer.flow) {
            Some(flow) => Some(tokens.of_datagrams(flow.local, peer)),
            None => self.connections.contains_key(&peer.flow).then(|| tokens.of_connection(peer.flow)),
        }
    }

    /// The flow that `token` names (5.3.1).
    pub(crate) fn by_token(&self, token: &str) -> Result<Peer, TokenError> {
        let named = self.tokens.as_ref().and_then(|tokens| tokens.read(token)).ok_or(TokenError::Forged)?;
        let peer = match named {
            Named::Connection(flow) => self.remote(flow).map(|address| Peer { flow, address }),
            Named::Datagrams { local, remote } => {
                let is_it = |flow: &Flow| (flow.local.ip(), flow.local.port()) == (local.ip(), local.port());
                let flow = self.packets.iter().find(|(_, flow)| is_it(flow));
                flow.map(|(flow, _)| Peer { flow: *flow, address: remote })
            }
            Named::Earlier => None,
        };
        peer.ok_or(TokenError::Gone)
    }

    /// Adds a packet socket.
    pub fn open(&mut self, id: FlowId, flow: Flow) {
        add(&mut self.locals, flow.local);
        if let Some(old) = self.packets.insert(id, flow) {
            remove(&mut self.locals, old.local);
        }
    }

    /// Adds an address where connections are taken, which lets us open some as well.
    pub fn listen(&mut self, transport: Transport, local: SocketAddr) {
        if self.listeners.insert((transport, local)) {
            add(&mut self.locals, local);
        }
    }

    /// Whether we take connections with TLS, and so may open some.
    pub(crate) fn offers_tls(&self) -> bool {
        self.listeners.iter().any(|(transport, _)| transport.is_secure())
    }

    /// Adds a connection that the caller has taken. Whether there was room.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        id: FlowId,
        flow: Flow,
        remote: SocketAddr,
        limits: &Limits,
    ) -> bool {
        let of_host = self.hosts.get(&remote.ip()).copied().unwrap_or_default();
        let has_room =
            self.connections.len() < limits.max_connections && of_host < limits.max_connections_of_host;
        if has_room && !self.connections.contains_key(&id) {
            self.add(id, Connection::new(now, flow, remote, ConnectionEnd::Accepted, limits));
            self.due.arm(now + limits.connection_idle, id);
        }
        has_room
    }

    /// A name for a connection that we want. None without a listener of that transport to answer to, or without room.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        transport: Transport,
        remote: SocketAddr,
        limits: &Limits,
    ) -> Option<FlowId> {
        let local = self.listener_for(transport, remote)?;
        if self.connections.len() >= limits.max_connections || self.dialled >= limits.max_dialled {
            return None;
        }
        let id = FlowId(FlowId::DIALLED | self.serial);
        self.serial += 1;
        let flow = Flow { transport, local, remote: Some(remote) };
        self.add(id, Connection::new(now, flow, remote, ConnectionEnd::Opened, limits));
        self.due.arm(now + limits.connect_time, id);
        Some(id)
    }

    fn add(&mut self, id: FlowId, connection: Connection) {
        self.by_remote.insert((connection.flow.transport, connection.remote, id));
        add(&mut self.locals, connection.flow.local);
        add(&mut self.hosts, connection.remote.ip());
        self.dialled += usize::from(id.is_dialled());
        self.connections.insert(id, connection);
    }

    /// Removes a flow. What it was, if it was a connection.
    pub(crate) fn close(&mut self, now: Instant, id: FlowId) -> Option<Ended> {
        if let Some(flow) = self.packets.remove(&id) {
            remove(&mut self.locals, flow.local);
            return None;
        }
        let connection = self.connections.remove(&id)?;
        let (transport, remote) = (connection.flow.transport, connection.remote);
        for reached in [Some(remote), connection.alias].into_iter().flatten() {
            self.by_remote.remove(&(transport, reached, id));
        }
        remove(&mut self.locals, connection.flow.local);
        remove(&mut self.hosts, remote.ip());
        self.dialled -= usize::from(id.is_dialled());
        self.buffered -= connection.buffered();
        let is_refused = !connection.is_up;
        if is_refused && transport == Transport::Tcp {
            self.shy.retain(|_, until| *until > now);
            if self.shy.len() >= MAX_SHY {
                self.shy.pop_first();
            }
            self.shy.insert(remote, now + SHYNESS);
        }
        Some(Ended { transport, remote, is_refused })
    }

    /// The flow named `id`, if it is open.
    #[must_use]
    pub fn find(&self, id: FlowId) -> Option<&Flow> {
        self.packets.get(&id).or_else(|| self.connections.get(&id).map(|connection| &connection.flow))
    }

    /// Whether what is sent on `id` need not be sent again.
    pub(crate) fn is_reliable(&self, id: FlowId) -> bool {
        self.find(id).is_some_and(|flow| flow.transport.is_reliable())
    }

    /// A packet socket that can reach `to`: `preferred` if it can, else the first one of the same address family, loopback with
    /// loopback.
    #[must_use]
    pub fn toward(&self, to: SocketAddr, preferred: Option<FlowId>) -> Option<FlowId> {
        let near = |flow: &Flow| nearness(flow.local, to) == 2;
        preferred
            .filter(|id| self.packets.get(id).is_some_and(near))
            .or_else(|| self.packets.iter().find(|(_, flow)| near(flow)).map(|(id, _)| *id))
            .or_else(|| self.packets.iter().find(|(_, flow)| nearness(flow.local, to) > 0).map(|(id, _)| *id))
    }

    /// The packet socket at the address `local`.
    pub(crate) fn packets_at(&self, local: SocketAddr) -> Option<FlowId> {
        self.packets.iter().find(|(_, flow)| flow.local == local).map(|(id, _)| *id)
    }

    /// The latest connection whose other end is at `to`, or takes requests for there.
    #[must_use]
    pub fn connection_to(&self, transport: Transport, to: SocketAddr) -> Option<FlowId> {
        let range = (transport, to, FlowId(0))..=(transport, to, FlowId(u64::MAX));
        self.by_remote.range(range).next_back().map(|(_, _, id)| *id)
    }

    /// Whether `to` is connected, or could be.
    #[must_use]
    pub fn can_reach(&self, transport: Transport, to: SocketAddr) -> bool {
        self.connection_to(transport, to).is_some() || self.listener_for(transport, to).is_some()
    }

    /// Whether a request that is too large for UDP may be tried by TCP (RFC 3261 18.1.1).
    pub(crate) fn may_take_tcp(&self, now: Instant, to: SocketAddr) -> bool {
        self.can_reach(Transport::Tcp, to) && self.shy.get(&to).is_none_or(|until| *until <= now)
    }

    fn listener_for(&self, transport: Transport, to: SocketAddr) -> Option<SocketAddr> {
        let ours = self.listeners.iter().filter(|(kind, _)| *kind == transport && transport.is_dialled());
        ours.map(|(_, local)| *local)
            .filter(|local| nearness(*local, to) > 0)
            .max_by_key(|local| nearness(*local, to))
    }

    /// What we can send by to those whom nothing connects us with yet: packets, and connections by transports that we take some by.
    pub(crate) fn transports(&self) -> impl Iterator<Item = Transport> + '_ {
        let listeners = self.listeners.iter().map(|(transport, _)| *transport);
        let dialled = listeners.filter(|transport| transport.is_dialled());
        self.packets.values().map(|flow| flow.transport).chain(dialled)
    }

    /// Whether IPv4 and IPv6 addresses can be reached.
    pub(crate) fn families(&self) -> (bool, bool) {
        (self.locals.keys().any(SocketAddr::is_ipv4), self.locals.keys().any(SocketAddr::is_ipv6))
    }

    /// Whether `address` is one of ours.
    #[must_use]
    pub fn is_local(&self, address: SocketAddr) -> bool {
        self.locals.contains_key(&address)
    }

    /// The other end of the connection `id`.
    pub(crate) fn remote(&self, id: FlowId) -> Option<SocketAddr> {
        self.connections.get(&id).map(|connection| connection.remote)
    }

    /// A connection that we asked for is there.
    pub(crate) fn on_up(&mut self, id: FlowId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_up = true;
        }
    }

    /// A message comes or goes.
    pub(crate) fn touch(&mut self, now: Instant, id: FlowId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.used = now;
        }
    }

    /// Requests for `at` may take the connection `id` (RFC 5923). The first word counts.
    pub(crate) fn set_alias(&mut self, id: FlowId, at: SocketAddr) {
        if let Some(connection) =
            self.connections.get_mut(&id).filter(|connection| connection.alias.is_none())
        {
            connection.alias = Some(at);
            self.by_remote.insert((connection.flow.transport, at, id));
        }
    }

    /// Bytes of the connection `id`, cut anywhere; a whole message where it is a WebSocket.
    pub(crate) fn push(&mut self, id: FlowId, data: Bytes) {
        if let Some(connection) = self.connections.get_mut(&id) {
            self.buffered -= connection.buffered();
            connection.is_up = true;
            connection.push(data);
            self.buffered += connection.buffered();
        }
    }

    /// What of them comes next.
    pub(crate) fn next_frame(
        &mut self,
        now: Instant,
        id: FlowId,
        limits: &Limits,
    ) -> Result<Option<Frame>, FrameError> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(None);
        };
        self.buffered -= connection.buffered();
        let frame = connection.next_frame(limits);
        self.buffered += connection.buffered();
        if matches!(frame, Ok(Some(_))) {
            connection.used = now;
        }
        frame
    }

    /// What all connections hold of unfinished messages, in bytes.
    pub(crate) const fn buffered(&self) -> usize {
        self.buffered
    }

    /// When a connection is to be looked at.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    /// A connection that is due at `now` and never came about, or that nobody has used and `is_needed` by nobody.
    pub(crate) fn next_idle(
        &mut self,
        now: Instant,
        limits: &Limits,
        is_needed: impl Fn(FlowId) -> bool,
    ) -> Option<FlowId> {
        while let Some(id) = self.due.pop_due(now) {
            let Some(connection) = self.connections.get(&id) else {
                continue;
            };
            let idle_at = connection.used + limits.connection_idle;
            if !connection.is_up || (idle_at <= now && !is_needed(id)) {
                return Some(id);
            }
            let again = if idle_at > now { idle_at } else { now + limits.connection_idle };
            self.due.arm(again, id);
        }
        None
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn remove<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// 0: another address family; 1: the same; 2: both loopback or neither.
const fn nearness(local: SocketAddr, to: SocketAddr) -> u8 {
    if local.is_ipv4() != to.is_ipv4() {
        return 0;
    }
    if local.ip().is_loopback() == to.ip().is_loopback() { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_closed_leaves_nothing_behind() {
        let (mut flows, limits, now) = (Flows::default(), Limits::default(), Instant::ZERO);
        flows.listen(Transport::Tcp, at("10.0.0.1:5060"));
        let id = flows.dial(now, Transport::Tcp, at("10.0.0.2:5060"), &limits).unwrap();
        assert!(id.is_dialled());
        flows.set_alias(id, at("10.0.0.2:5070"));
        flows.push(id, Bytes::from("OPTIONS"));
        assert!(matches!(flows.next_frame(now, id, &limits), Ok(None)));
        assert_eq!(flows.buffered(), 7);
        assert_eq!(flows.connection_to(Transport::Tcp, at("10.0.0.2:5070")), Some(id));
        assert!(flows.close(now, id).is_some_and(|ended| !ended.is_refused));
        assert_eq!((flows.buffered(), flows.dialled, flows.by_remote.len(), flows.hosts.len()), (0, 0, 0, 0));
        assert!(flows.is_local(at("10.0.0.1:5060")), "we still listen there");
    }

    #[test]
    fn connections_are_opened_by_what_we_listen_on_and_never_by_websocket() {
        let mut flows = Flows::default();
        flows.listen(Transport::Tls, at("10.0.0.1:5061"));
        flows.listen(Transport::Ws, at("10.0.0.1:80"));
        assert!(flows.can_reach(Transport::Tls, at("10.0.0.2:5061")));
        assert!(!flows.can_reach(Transport::Tls, at("[::2]:5061")));
        assert!(!flows.can_reach(Transport::Tcp, at("10.0.0.2:5060")));
        assert!(!flows.can_reach(Transport::Ws, at("10.0.0.2:80")));
    }

    #[test]
    fn a_connection_that_is_used_or_needed_stays() {
        let (mut flows, limits, now) = (Flows::default(), Limits::default(), Instant::ZERO);
        let (id, remote) = (FlowId(7), at("10.0.0.2:40000"));
        let flow = Flow { transport: Transport::Tcp, local: at("10.0.0.1:5060"), remote: Some(remote) };
        assert!(flows.accept(now, id, flow, remote, &limits));
        let idle = limits.connection_idle;
        flows.touch(now + idle / 2, id);
        assert_eq!(flows.next_idle(now + idle, &limits, |_| false), None);
        assert_eq!(flows.next_timeout(), Some(now + idle + idle / 2));
        assert_eq!(flows.next_idle(now + idle * 2, &limits, |_| true), None);
        assert_eq!(flows.next_idle(now + idle * 3, &limits, |_| false), Some(id));
    }
}
