//! Connections: their beginning, their bytes, and their end (RFC 3261 section 18, RFC 5626 4.4.1, RFC 5923, RFC 7118).

use super::{Actions, Notice, Sas};
use crate::headers::{Method, Via};
use crate::message::{Fault, Frame, FrameError, Message, PONG, ParseLimits};
use crate::proxy::SilenceKind;
use crate::transport::{Ended, Flow, FlowId, Outbox as _, Peer, Transport};
use crate::upstream::UpstreamEvent;
use crate::uri::Host;
use bytes::Bytes;
use std::net::SocketAddr;

impl Sas {
    pub(super) fn on_flow_opened(&mut self, id: FlowId, flow: Flow, out: &mut Actions) {
        if id.is_dialled() {
            // What is known of it stays.
            return self.world.flows.on_up(id);
        }
        if !flow.transport.is_reliable() {
            self.world.flows.open(id, flow);
            return self.on_listening(flow.transport, flow.local, out);
        }
        let (now, limits) = (self.world.now, &self.world.config.limits);
        let remote = flow.remote;
        if !remote.is_some_and(|remote| self.world.flows.accept(now, id, flow, remote, limits)) {
            out.push(super::Action::Close { flow: id });
            self.on_dropped(Peer { flow: id, address: remote.unwrap_or(flow.local) }, out);
        }
    }

    pub(super) fn on_listening(&mut self, transport: Transport, local: SocketAddr, out: &mut Actions) {
        self.world.listening.insert(local.ip());
        self.world.home.add(Host::from(local.ip()));
        self.resolve_again();
        out.push(Notice::Listening { transport, address: local }.into());
    }

    pub(super) fn on_stream(&mut self, flow: FlowId, data: Bytes, out: &mut Actions) {
        let Some(address) = self.world.flows.remote(flow) else {
            return;
        };
        let from = Peer { flow, address };
        self.world.flows.push(flow, data);
        loop {
            let world = &mut self.world;
            match world.flows.next_frame(world.now, flow, &world.config.limits) {
                Ok(Some(Frame::Message(message))) => self.on_message(from, message, out),
                // RFC 5626 4.4.1.
                Ok(Some(Frame::Ping)) => out.send(from, PONG),
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => return self.on_unreadable(from, &error, out),
            }
        }
        if self.world.flows.buffered() > self.world.config.limits.max_buffered {
            self.on_dropped(from, out);
            self.close_flow(flow, out);
        }
    }

    /// Where the next message starts is unknown: what can be answered is, and the connection ends. A WebSocket goes on.
    fn on_unreadable(&mut self, from: Peer, error: &FrameError, out: &mut Actions) {
        let limits = ParseLimits::new(usize::MAX, self.world.config.limits.max_headers);
        let head = error.head.clone().and_then(|head| Message::parse_within(head, &limits).ok());
        if let Some(Message::Request(request)) = head
            && request.method() != Method::Ack
            && request.top_via().is_ok()
        {
            let fault = Fault::because(error.kind.status(), error.kind.to_string());
            let tag = self.transactions.stateless_tag(&request);
            out.send(from, fault.answer(&request, from.address, tag.as_str()).finish_or_500());
            out.note_refusal(&request, &fault);
        }
        self.on_dropped(from, out);
        let is_stream = self.world.flows.find(from.flow).is_some_and(|flow| !flow.transport.is_websocket());
        if is_stream {
            self.close_flow(from.flow, out);
        }
    }

    /// RFC 5923: who says `alias` takes requests for its sent-by on this connection. That it is the host that it comes from is as
    /// much as is known of it.
    pub(super) fn note_alias(&mut self, via: &Via<'_>, from: Peer) {
        let Some(transport) = self.world.flows.find(from.flow).map(|flow| flow.transport) else {
            return;
        };
        let is_wanted = match transport {
            Transport::Tls => true,
            Transport::Tcp => self.world.config.sas.connection_reuse,
            Transport::Udp | Transport::Ws | Transport::Wss => false,
        };
        if is_wanted
            && via.params.find("alias").is_some()
            && let Some(at) = via.sent_by.socket_addr(transport.default_port())
            && at.ip() == from.address.ip()
        {
            self.world.flows.set_alias(from.flow, at);
        }
    }

    /// Ends a flow of our own accord.
    pub(super) fn close_flow(&mut self, flow: FlowId, out: &mut Actions) {
        out.push(super::Action::Close { flow });
        self.on_flow_closed(flow, out);
    }

    /// A flow is gone, and with it what was under way on it (RFC 3261 17.1.4).
    pub(super) fn on_flow_closed(&mut self, flow: FlowId, out: &mut Actions) {
        let ended = self.world.flows.close(self.world.now, flow);
        self.registrar.on_flow_closed(flow);
        let failed = self.transactions.on_flow_closed(flow);
        // A connection that nobody used says nothing of whoever closed it.
        if let Some(ended) = ended.filter(|ended| ended.is_refused || !failed.is_empty()) {
            self.note_failed_connection(&ended, out);
        }
        for unanswered in failed {
            self.on_unanswered(unanswered, SilenceKind::TransportFailed, out);
        }
    }

    fn note_failed_connection(&mut self, ended: &Ended, out: &mut Actions) {
        let is_its_way = |proxy: &crate::config::Target| proxy.transport == ended.transport;
        if let Some(target) = self.upstream.target_at(ended.remote)
            && self.world.config.proxies().get(target.0).is_some_and(is_its_way)
        {
            self.tell_upstream(UpstreamEvent::TransportFailed { target }, out);
        }
    }

    /// Connections that did not come about, and those that nobody needs.
    pub(super) fn close_idle(&mut self, out: &mut Actions) {
        loop {
            let (now, limits, registrar) = (self.world.now, &self.world.config.limits, &self.registrar);
            let Some(flow) = self.world.flows.next_idle(now, limits, |flow| registrar.uses_flow(flow)) else {
                return;
            };
            self.close_flow(flow, out);
        }
    }
}
