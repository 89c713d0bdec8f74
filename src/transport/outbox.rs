//! What each layer is handed to work with, and how it sends.

use super::{FlowId, Flows, Peer, Transport};
use crate::config::Config;
use crate::message::{Fault, Request};
use crate::rng::Rng;
use crate::time::Instant;
use bytes::Bytes;
use std::net::SocketAddr;

/// Takes what is to be sent and said. The composition root's list of actions is one; layers below know only this of it.
pub(crate) trait Outbox {
    /// Sends `payload` to `peer`, after everything that was sent before.
    fn send(&mut self, peer: Peer, payload: Bytes);

    /// Opens a connection to `to`, which is `flow` from now on. `name`: the domain that is there, if one is configured.
    fn connect(&mut self, flow: FlowId, transport: Transport, to: SocketAddr, name: Option<&str>);

    /// Says that we have answered `request` with a refusal of our own.
    fn note_refusal(&mut self, request: &Request, fault: &Fault);
}

/// The world during one event: disjoint borrows of what the composition root owns.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) flows: &'a mut Flows,
    pub(crate) rng: &'a mut Rng,
    pub(crate) out: &'a mut dyn Outbox,
}

impl Ctx<'_> {
    pub(crate) fn send(&mut self, peer: Peer, payload: Bytes) {
        self.flows.touch(self.now, peer.flow);
        self.out.send(peer, payload);
    }

    /// `peer`, whom `request` was sent to, by another connection if that one is gone.
    pub(crate) fn again(&mut self, peer: Peer, request: &Request) -> Option<Peer> {
        if self.flows.find(peer.flow).is_some() {
            return Some(peer);
        }
        let transport = Transport::named(request.top_via().ok()?.transport)?;
        if !transport.is_reliable() {
            return Some(peer);
        }
        Some(Peer { flow: self.reach(transport, peer.address, None)?, ..peer })
    }

    /// The flow that reaches `to`: a packet socket, `preferred` if it can; a connection that is there; or one that is asked for
    /// now.
    pub(crate) fn reach(
        &mut self,
        transport: Transport,
        to: SocketAddr,
        preferred: Option<FlowId>,
    ) -> Option<FlowId> {
        if !transport.is_reliable() {
            return self.flows.toward(to, preferred);
        }
        if let Some(flow) = self.flows.connection_to(transport, to) {
            return Some(flow);
        }
        let flow = self.flows.dial(self.now, transport, to, &self.config.limits)?;
        self.out.connect(flow, transport, to, self.config.name_at(transport, to));
        Some(flow)
    }
}
