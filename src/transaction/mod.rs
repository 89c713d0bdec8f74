//! Transactions: RFC 3261 section 17 with the Accepted states of RFC 6026. Over a transport that is reliable nothing is sent again,
//! and nothing waits for what would be (Timers A, D, E, G, I, J and K).
//!
//! Four machines, one table. A retransmission ends here; what is new goes up as a return value, never as a callback:
//!
//! * [`Transactions::on_request`] tells whether a request is new, a retransmission, or an ACK to pass on.
//! * [`Transactions::on_response`] tells which of our requests a response belongs to.
//! * [`Transactions::on_tick`] and [`Transactions::on_send_failed`] tell which of our requests failed.
//!
//! Invariants: each transaction has a lifetime timer unless it waits for its user (server in Trying or Proceeding,
//! client INVITE in Proceeding, which Timer C of the proxy bounds); a transaction that ended leaves nothing behind.

mod answered;
mod client;
mod key;
mod server;
mod way;

use crate::config::Config;
use crate::headers::{CSeq, Method, Via};
use crate::message::{Message, ParseLimits, Request, Response};
use crate::rng::Token;
use crate::time::{Instant, TimerId, Timers};
use crate::transport::{Ctx, FlowId, Peer, Transport};
use answered::Answered;
use bytes::Bytes;
use client::{Client, ClientMachine, ResponseStep};
use key::{Key, KeyHasher, Keyed};
use server::{Server, ServerMachine};
use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use way::Way;

pub(crate) use crate::slab::{Slab, SlabId};

/// Round-trip time estimate (RFC 3261 17.1.1.1).
pub(crate) const T1: Duration = Duration::from_millis(500);
/// The longest interval between retransmissions of non-INVITE requests and INVITE responses.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message stays in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L and M: 64*T1.
pub(crate) const LIFETIME: Duration = Duration::from_secs(32);
/// Timer D: at least 32 s over UDP (RFC 3261 17.1.1.2).
pub(crate) const TIMER_D: Duration = Duration::from_secs(32);

/// From the first send of a request over UDP to when it would be sent for the time after `sends` (Timers A and E).
pub(crate) fn span_of_sends(method: Method, sends: u32) -> Duration {
    let mut machine = ClientMachine::new(method);
    let spans = (1..sends).map_while(|_| machine.on_resend());
    spans.fold(T1, Duration::saturating_add)
}

/// A transaction that we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerId(SlabId);

/// A transaction that we started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientId(SlabId);

/// Whoever started a client transaction, as its starter names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) SlabId);

/// What a request that came in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestMatch {
    /// A new one; whoever works on it answers to this id.
    New(ServerId),
    /// A retransmission, or the ACK of a refusal: dealt with.
    Absorbed,
    /// An ACK that belongs to no transaction: that of a 2xx, which travels on its own (RFC 3261 17.1.1.3).
    StrayAck,
    /// No room for another transaction.
    Full,
}

/// A request that gets no transaction.
#[derive(Debug)]
pub(crate) struct Repeatable {
    key: Key,
    way: Way,
    /// It has been answered with a 2xx, not long ago.
    pub(crate) was_accepted: bool,
}

/// What a response that came in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMatch {
    /// One that the starter of this transaction has to see.
    Pass(ClientId, Option<Owner>),
    /// A retransmission: dealt with.
    Absorbed,
    /// It belongs to no transaction.
    Stray,
}

/// A request of ours that will not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    pub(crate) client: ClientId,
    pub(crate) owner: Option<Owner>,
}

/// A request that starts a client transaction.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    /// The method as its CSeq has it.
    pub(crate) name: &'a str,
    /// The branch of its topmost Via.
    pub(crate) branch: &'a str,
    pub(crate) bytes: Bytes,
    pub(crate) peer: Peer,
}

/// Which timer of which transaction.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// Timers A and E.
    Resend(ClientId),
    /// Timers B, D, F, K and M.
    ClientEnd(ClientId),
    /// Timer G.
    ResendResponse(ServerId),
    /// Timers H, I, J and L.
    ServerEnd(ServerId),
}

/// The two timers that a transaction can have.
#[derive(Debug, Default)]
struct Armed {
    resend: Option<TimerId>,
    end: Option<TimerId>,
}

/// All transactions.
#[derive(Debug)]
pub(crate) struct Transactions {
    servers: Slab<Server>,
    clients: Slab<Client>,
    server_keys: Keyed<ServerId>,
    client_keys: Keyed<ClientId>,
    /// Clients that wait for their first response, by peer, so that a transport failure finds them; for their final response where
    /// it can come no other way.
    waiting: BTreeSet<(Peer, ClientId)>,
    answered: Answered,
    /// INVITEs that have been refused and were not asked for yet by [`next_refused`](Self::next_refused).
    refused: VecDeque<ServerId>,
    timers: Timers<Due>,
    hasher: KeyHasher,
}

impl Transactions {
    pub(crate) fn new(secret: [u64; 2]) -> Self {
        Self {
            servers: Slab::default(),
            clients: Slab::default(),
            server_keys: Keyed::default(),
            client_keys: Keyed::default(),
            waiting: BTreeSet::new(),
            answered: Answered::default(),
            refused: VecDeque::new(),
            timers: Timers::default(),
            hasher: KeyHasher::new(secret),
        }
    }

    /// Whether `request`, with its topmost `via`, belongs to one that is alive.
    pub(crate) fn has(&self, request: &Request, via: &Via<'_>) -> bool {
        self.server_keys.get(self.hasher.server_key(request, Some(via))).is_some()
    }

    /// How many are alive.
    pub(crate) fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// The next deadline.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.answered.next_timeout()).min()
    }

    /// Matches a request (RFC 3261 17.2.3) with its topmost `via` that came from `source`. `reserved`: whether it may use the emergency reserve, asked
    /// only if there is no other room.
    pub(crate) fn on_request(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &Request,
        via: Option<&Via<'_>>,
        source: Peer,
        reserved: impl FnOnce(&Config) -> bool,
    ) -> RequestMatch {
        let key = self.hasher.server_key(request, via);
        let is_ack = request.method() == Method::Ack;
        if let Some(id) = self.server_keys.get(key) {
            return if is_ack { self.on_ack(ctx.now, id) } else { self.on_retransmission(ctx, id, source) };
        }
        if is_ack {
            let refused = request.to_tag().is_some_and(|tag| tag == self.stateless_tag(request).as_str());
            return if refused { RequestMatch::Absorbed } else { RequestMatch::StrayAck };
        }
        let limits = &ctx.config.limits;
        let (live, room) = (self.len(), limits.max_transactions);
        if live >= room && (live >= room + limits.emergency_reserve || !reserved(ctx.config)) {
            return RequestMatch::Full;
        }
        let way = Way::back(ctx, via, source);
        let machine = ServerMachine::new(request.method());
        let server = Server { key, way, machine, armed: Armed::default() };
        let id = ServerId(self.servers.insert(server));
        self.server_keys.insert(key, id);
        RequestMatch::New(id)
    }

    /// The same for a request whose answer can be made again, so that it needs no transaction. None if it belongs to one, which has
    /// dealt with it.
    pub(crate) fn on_repeatable(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &Request,
        via: Option<&Via<'_>>,
        source: Peer,
    ) -> Option<Repeatable> {
        let key = self.hasher.server_key(request, via);
        if let Some(id) = self.server_keys.get(key) {
            self.on_retransmission(ctx, id, source);
            return None;
        }
        let was_accepted = self.answered.contains(key);
        Some(Repeatable { key, way: Way::back(ctx, via, source), was_accepted })
    }

    /// Answers a request that has no transaction.
    pub(crate) fn answer(&mut self, ctx: &mut Ctx<'_>, request: Repeatable, status: u16, response: Bytes) {
        let Repeatable { key, mut way, .. } = request;
        way.send(ctx, response);
        if matches!(status, 200..=299) {
            self.answered.insert(ctx.now, key, ctx.config.limits.max_transactions);
        }
    }

    /// The tag of our own answers to `request`: the same for each retransmission without a transaction (RFC 3261 8.2.7), for the
    /// ACK, however late it comes, and for the CANCEL (9.2).
    pub(crate) fn stateless_tag(&self, request: &Request) -> Token {
        self.stateless_tag_by(request, request.top_via().ok().as_ref())
    }

    /// The same where the topmost `via` is known.
    pub(crate) fn stateless_tag_by(&self, request: &Request, via: Option<&Via<'_>>) -> Token {
        Token::of(self.hasher.stateless(request, via))
    }

    /// The same for a request that gets no transaction.
    pub(crate) fn tag_of(&self, request: &Repeatable) -> Token {
        Token::of(self.hasher.stateless_of(request.key))
    }

    fn on_retransmission(&mut self, ctx: &mut Ctx<'_>, id: ServerId, source: Peer) -> RequestMatch {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.way.renew(ctx, source);
            if let Some(response) = server.machine.on_retransmission().cloned() {
                server.way.send(ctx, response);
            }
        }
        RequestMatch::Absorbed
    }

    fn on_ack(&mut self, now: Instant, id: ServerId) -> RequestMatch {
        let Some(server) = self.servers.get_mut(id.0) else {
            return RequestMatch::StrayAck;
        };
        match server.machine.on_ack() {
            server::AckStep::PassOn => RequestMatch::StrayAck,
            server::AckStep::Absorb => RequestMatch::Absorbed,
            server::AckStep::Confirmed => {
                // Timer I: T4 over UDP, else zero.
                if server.way.is_reliable() {
                    self.end_server(id);
                    return RequestMatch::Absorbed;
                }
                disarm(&mut self.timers, server.armed.resend.take());
                rearm(&mut self.timers, &mut server.armed.end, now + T4, Due::ServerEnd(id));
                RequestMatch::Absorbed
            }
        }
    }

    /// The tag of To that the sender of the INVITE `id` has heard latest, if it has heard one and no final response yet.
    pub(crate) fn early_tag(&self, id: ServerId) -> Option<String> {
        let response = self.servers.get(id.0)?.machine.provisional()?;
        let limits = ParseLimits::new(usize::MAX, usize::MAX);
        let Ok(Message::Response(response)) = Message::parse_within(response.clone(), &limits) else {
            return None;
        };
        response.to().ok()?.tag().map(str::to_owned)
    }

    /// The INVITE transaction that a CANCEL means (RFC 3261 9.2).
    pub(crate) fn invite_of(&self, cancel: &Request) -> Option<ServerId> {
        let via = cancel.top_via().ok();
        self.server_keys.get(self.hasher.server_key_as(cancel, via.as_ref(), Method::Invite))
    }

    /// Sends the answer of the transaction's user. One that comes too late, or twice, is not sent.
    pub(crate) fn respond(&mut self, ctx: &mut Ctx<'_>, id: ServerId, status: u16, response: Bytes) {
        let Some(server) = self.servers.get_mut(id.0) else {
            return;
        };
        let step = server.machine.on_respond(status, &response);
        if step == server::RespondStep::Ignore {
            return;
        }
        server.way.send(ctx, response);
        let is_reliable = server.way.is_reliable();
        match step {
            server::RespondStep::Ignore | server::RespondStep::Send => {}
            // Timer J is zero.
            server::RespondStep::SendAndEndAfter { .. } if is_reliable && server.machine.is_completed() => {
                self.end_server(id);
            }
            server::RespondStep::SendAndEndAfter { resend, end } => {
                rearm(&mut self.timers, &mut server.armed.end, ctx.now + end, Due::ServerEnd(id));
                if server.machine.refusal().is_some() {
                    self.refused.push_back(id);
                }
                if resend && !is_reliable {
                    // Timer G.
                    rearm(&mut self.timers, &mut server.armed.resend, ctx.now + T1, Due::ResendResponse(id));
                }
            }
        }
    }

    /// The next INVITE that was refused: its response, and where it went. For a caller that asks after each event, or calls
    /// [`forget_refused`](Self::forget_refused).
    pub(crate) fn next_refused(&mut self) -> Option<(Bytes, Peer)> {
        let server = self.refused.pop_front().and_then(|id| self.servers.get(id.0));
        server.and_then(|server| Some((server.machine.refusal()?.clone(), server.way.peer())))
    }

    /// None of those that were refused matters.
    pub(crate) fn forget_refused(&mut self) {
        self.refused.clear();
    }

    /// All INVITEs whose refusal has had no ACK yet are to be given by [`next_refused`](Self::next_refused) once more.
    pub(crate) fn recall_refused(&mut self) {
        let waits = self.servers.iter().filter(|(_, server)| server.machine.refusal().is_some());
        self.refused = waits.map(|(id, _)| ServerId(id)).collect();
    }

    /// Ends a transaction without an answer, as RFC 4320 4.2 asks for non-INVITE requests that timed out.
    pub(crate) fn abandon(&mut self, id: ServerId) {
        self.end_server(id);
    }

    /// Starts a transaction: sends `outgoing` until it is answered.
    pub(crate) fn start(
        &mut self,
        ctx: &mut Ctx<'_>,
        outgoing: Outgoing<'_>,
        owner: Option<Owner>,
    ) -> ClientId {
        let Outgoing { method, name, branch, bytes, peer } = outgoing;
        let key = self.hasher.client_key(branch, name);
        ctx.send(peer, bytes.clone());
        let transport = ctx.flows.find(peer.flow).map_or(Transport::Udp, |flow| flow.transport);
        let machine = ClientMachine::new(method);
        let client = Client { key, peer, transport, owner, request: bytes, machine, armed: Armed::default() };
        let id = ClientId(self.clients.insert(client));
        self.client_keys.insert(key, id);
        self.waiting.insert((peer, id));
        if let Some(client) = self.clients.get_mut(id.0) {
            // Timers A and E start at T1, B and F end it after 64*T1.
            if !transport.is_reliable() {
                rearm(&mut self.timers, &mut client.armed.resend, ctx.now + T1, Due::Resend(id));
            }
            rearm(&mut self.timers, &mut client.armed.end, ctx.now + LIFETIME, Due::ClientEnd(id));
        }
        id
    }

    /// The INVITE of a client transaction that is pending, as it was sent.
    pub(crate) fn invite_request(&self, id: ClientId) -> Option<(Request, Peer)> {
        let client = self.clients.get(id.0).filter(|client| client.machine.is_pending())?;
        client.invite().map(|invite| (invite, client.peer))
    }

    /// Sends the request no more, and waits on for what comes of it.
    pub(crate) fn stop_resending(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0) {
            disarm(&mut self.timers, client.armed.resend.take());
        }
    }

    /// Ends a transaction at `at` if it is still pending then, as a CANCEL that goes unheeded asks for (RFC 3261 9.1).
    pub(crate) fn expire(&mut self, at: Instant, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0).filter(|client| client.machine.is_pending()) {
            rearm(&mut self.timers, &mut client.armed.end, at, Due::ClientEnd(id));
        }
    }

    /// The INVITE that we sent with `branch`, if it still waits for a final response, and who started it.
    pub(crate) fn pending_invite(&self, branch: &str) -> Option<(ClientId, Option<Owner>)> {
        let id = self.client_keys.get(self.hasher.client_key(branch, "INVITE"))?;
        let client = self.clients.get(id.0).filter(|client| client.machine.is_pending())?;
        Some((id, client.owner))
    }

    /// Whether an INVITE that we sent with `branch` may yet have a response that matters: a first one, or its 2xx once more.
    pub(crate) fn hears_invite(&self, branch: &str) -> bool {
        let id = self.client_keys.get(self.hasher.client_key(branch, "INVITE"));
        let client = id.and_then(|id| self.clients.get(id.0));
        client.is_some_and(|client| !client.machine.is_completed())
    }

    /// Matches a response with its topmost `via` and its `cseq`, by the branch and the method (RFC 3261 17.1.3).
    pub(crate) fn on_response(
        &mut self,
        ctx: &mut Ctx<'_>,
        response: &Response,
        via: Option<&Via<'_>>,
        cseq: Option<CSeq<'_>>,
    ) -> ResponseMatch {
        let (Some(via), Some(cseq)) = (via, cseq) else {
            return ResponseMatch::Stray;
        };
        let key = self.hasher.client_key(via.branch().unwrap_or_default(), cseq.method);
        let Some(id) = self.client_keys.get(key) else {
            return ResponseMatch::Stray;
        };
        let Some(client) = self.clients.get_mut(id.0) else {
            return ResponseMatch::Stray;
        };
        // Who came by WebSocket cannot open another connection to answer by (RFC 3261 18.2.2).
        if !(client.transport.is_websocket() && response.is_provisional()) {
            self.waiting.remove(&(client.peer, id));
        }
        let owner = client.owner;
        match client.on_response(response) {
            ResponseStep::Absorb => ResponseMatch::Absorbed,
            ResponseStep::SendAck(ack) => {
                ctx.send(client.peer, ack);
                ResponseMatch::Absorbed
            }
            ResponseStep::Pass => ResponseMatch::Pass(id, owner),
            ResponseStep::StopResending => {
                disarm(&mut self.timers, client.armed.resend.take());
                disarm(&mut self.timers, client.armed.end.take());
                ResponseMatch::Pass(id, owner)
            }
            ResponseStep::EndAfter { ack, end } => {
                if let Some(ack) = ack
                    && let Some(peer) = client.invite().and_then(|invite| ctx.again(client.peer, &invite))
                {
                    ctx.send(peer, ack);
                }
                // Timers D and K are zero; M, of an INVITE that was accepted, is not.
                if client.transport.is_reliable() && client.machine.is_completed() {
                    self.end_client(id);
                    return ResponseMatch::Pass(id, owner);
                }
                disarm(&mut self.timers, client.armed.resend.take());
                rearm(&mut self.timers, &mut client.armed.end, ctx.now + end, Due::ClientEnd(id));
                ResponseMatch::Pass(id, owner)
            }
        }
    }

    /// What was sent to `peer` did not arrive: the requests to it that have had no response fail (RFC 3261 17.1.4).
    pub(crate) fn on_send_failed(&mut self, peer: Peer) -> Vec<Unanswered> {
        let range = (peer, ClientId(SlabId::FIRST))..=(peer, ClientId(SlabId::LAST));
        let failed: Vec<ClientId> = self.waiting.range(range).map(|(_, id)| *id).collect();
        failed.into_iter().filter_map(|client| self.end_client(client)).collect()
    }

    /// `flow` is gone: the requests on it that have had no response fail (RFC 3261 17.1.4).
    pub(crate) fn on_flow_closed(&mut self, flow: FlowId) -> Vec<Unanswered> {
        // The lowest address there is, so that the walk starts with the flow's first request.
        let lowest = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let first = (Peer { flow, address: lowest }, ClientId(SlabId::FIRST));
        let on_it = self.waiting.range(first..).take_while(|(peer, _)| peer.flow == flow);
        let failed: Vec<ClientId> = on_it.map(|(_, id)| *id).collect();
        failed.into_iter().filter_map(|client| self.end_client(client)).collect()
    }

    /// Carries out what is due, up to the first request that ends without an answer. Call it until it gives none.
    pub(crate) fn on_tick(&mut self, ctx: &mut Ctx<'_>) -> Option<Unanswered> {
        self.answered.on_tick(ctx.now);
        while let Some(due) = self.timers.pop_due(ctx.now) {
            match due {
                Due::Resend(id) => self.resend(ctx, id),
                Due::ResendResponse(id) => self.resend_response(ctx, id),
                Due::ServerEnd(id) => self.end_server(id),
                Due::ClientEnd(id) => {
                    let pending = self.clients.get(id.0).is_some_and(|client| client.machine.is_pending());
                    let ended = self.end_client(id);
                    if pending && ended.is_some() {
                        return ended;
                    }
                }
            }
        }
        None
    }

    /// Timers A (doubling) and E (doubling up to T2; T2 once there was a provisional response).
    fn resend(&mut self, ctx: &mut Ctx<'_>, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0)
            && let Some(interval) = client.machine.on_resend()
        {
            ctx.send(client.peer, client.request.clone());
            client.armed.resend = Some(self.timers.arm(ctx.now + interval, Due::Resend(id)));
        }
    }

    fn resend_response(&mut self, ctx: &mut Ctx<'_>, id: ServerId) {
        if let Some(server) = self.servers.get_mut(id.0)
            && let Some((response, interval)) = server.machine.on_resend()
        {
            server.way.send(ctx, response);
            server.armed.resend = Some(self.timers.arm(ctx.now + interval, Due::ResendResponse(id)));
        }
    }

    fn end_server(&mut self, id: ServerId) {
        if let Some(server) = self.servers.remove(id.0) {
            self.server_keys.remove(server.key);
            disarm(&mut self.timers, server.armed.resend);
            disarm(&mut self.timers, server.armed.end);
        }
    }

    fn end_client(&mut self, id: ClientId) -> Option<Unanswered> {
        let client = self.clients.remove(id.0)?;
        self.client_keys.remove(client.key);
        self.waiting.remove(&(client.peer, id));
        disarm(&mut self.timers, client.armed.resend);
        disarm(&mut self.timers, client.armed.end);
        Some(Unanswered { client: id, owner: client.owner })
    }
}

fn disarm(timers: &mut Timers<Due>, timer: Option<TimerId>) {
    if let Some(timer) = timer {
        timers.cancel(timer);
    }
}

fn rearm(timers: &mut Timers<Due>, slot: &mut Option<TimerId>, at: Instant, due: Due) {
    *slot = Some(match slot.take() {
        Some(timer) => timers.rearm(timer, at),
        None => timers.arm(at, due),
    });
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
