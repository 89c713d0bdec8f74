//! From a datagram to a request or response that somebody waits for.

use super::relay::Arrival;
use super::shortcut::MOST_PASSAGES;
use super::{Actions, Sas};
use crate::config::{Config, SurvivabilityMode};
use crate::headers::{HeaderName, Method, delta_seconds};
use crate::message::{
    Edits, Essentials, Fault, Message, ParseLimits, Request, Response, ResponseBuilder, Rules,
};
use crate::mode::State;
use crate::proxy::{ContextId, is_loop, own_branch};
use crate::routing::{Decision, Hop, Reason, Source, Step, Target, redirect};
use crate::transaction::{ClientId, RequestMatch, ResponseMatch, ServerId};
use crate::transport::{Outbox as _, Peer};
use crate::upstream::UpstreamEvent;
use crate::uri::Scheme;
use bytes::Bytes;
use std::time::Duration;

/// Methods that we answer or relay (RFC 3261 20.5).
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE, PUBLISH";

/// Extensions that we know as a registrar.
pub(super) const EXTENSIONS: &[&str] = &["path", "outbound", "gruu"];

/// What we ask of an OPTIONS that is for us (RFC 3261 8.2), the limits apart, which are the branch's and have been looked at.
const SERVER: Rules<'_> =
    Rules::user_agent().extensions(EXTENSIONS).max_message(usize::MAX).max_fields(usize::MAX);

/// A refusal that the routing decided on, with the fields it has to have (21.4.6, 21.5.2).
pub(super) fn fault_of(status: u16, decision: &Decision) -> Fault {
    let fault = match (decision.step, decision.reasons.last()) {
        (Step::Untrusted, Some(Reason::MayNotCallUsers(_))) => {
            Fault::because(status, "Not Trusted To Call Users")
        }
        (Step::Untrusted, _) => Fault::because(status, "Not Trusted To Call Out"),
        _ => Fault::new(status),
    };
    if status == 501 { fault.with(HeaderName::Allow, ALLOW) } else { fault }
}

impl Sas {
    pub(super) fn on_message(&mut self, from: Peer, data: Bytes, out: &mut Actions) {
        // Line ends alone keep a NAT binding alive (RFC 5626 3.5.1).
        if data.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        let limits = &self.world.config.limits;
        let limits = ParseLimits::new(limits.max_message, limits.max_headers);
        match Message::parse_within(data, &limits) {
            Ok(Message::Request(request)) => self.on_request(request, from, out),
            Ok(Message::Response(response)) => self.on_response(&response, MOST_PASSAGES, from, out),
            Err(_) => self.on_dropped(from, out),
        }
    }

    fn on_request(&mut self, request: Request, from: Peer, out: &mut Actions) {
        let read = Essentials::of(&request);
        // Without a Via there is nobody to answer.
        let Ok(via) = read.via() else {
            return self.on_dropped(from, out);
        };
        if self.is_ignored(&request) && !self.transactions.has(&request, via) {
            return self.send_home(&request, &read, from, out);
        }
        if request.method() == Method::Register {
            let rate = self.world.config.limits.register_rate_per_source;
            if !self.source_rate.admits(self.world.now, from.address.ip(), rate) {
                return self.on_full(&request, from, out);
            }
        }
        let reserved = |config: &Config| is_emergency_call(config, &request);
        self.note_alias(via, from);
        if request.method() == Method::Register && self.serves_registers() {
            return match self.undo_strict_routing(&request, &read) {
                Some(restored) => self.serve_register(&restored, &Essentials::of(&restored), from, out),
                None => self.serve_register(&request, &read, from, out),
            };
        }
        match self.transactions.on_request(&mut self.world.ctx(out), &request, Some(via), from, reserved) {
            RequestMatch::Absorbed => {}
            RequestMatch::Full => self.on_full(&request, from, out),
            RequestMatch::StrayAck => match self.undo_strict_routing(&request, &read) {
                Some(restored) => self.relay_ack(&restored, &Essentials::of(&restored), from, out),
                None => self.relay_ack(&request, &read, from, out),
            },
            RequestMatch::New(server) => match self.undo_strict_routing(&request, &read) {
                Some(restored) => {
                    let read = Essentials::of(&restored);
                    let source = self.settle_here(server, &restored, &read, from, out);
                    let trying = source.and_then(|_| trying(&restored, &read, from));
                    self.pass_on(server, restored, from, source, trying, out);
                }
                None => {
                    let source = self.settle_here(server, &request, &read, from, out);
                    let trying = source.and_then(|_| trying(&request, &read, from));
                    self.pass_on(server, request, from, source, trying, out);
                }
            },
        }
    }

    /// Who sent `request`. A call of ours that has come round a ring of other SASes (`sas.md` section 8) has a branch of ours that still
    /// waits, which nobody can make up; its caller has been let in before.
    fn source_of(&self, request: &Request, from: Peer) -> Source {
        let source = self.view().source_of(request, from);
        let has_peer = self.world.config.redundant_sas().is_some();
        let is_ours =
            || own_branch(request, &self.world.flows).is_some_and(|branch| self.live(branch).is_some());
        if has_peer && source == Source::User && request.method() == Method::Invite && is_ours() {
            Source::Peer
        } else {
            source
        }
    }

    /// The INVITE that we sent with `branch`, if it still waits for an answer that counts.
    fn live(&self, branch: &str) -> Option<(ContextId, ClientId)> {
        let (client, owner) = self.transactions.pending_invite(branch)?;
        let context = ContextId::from(owner?);
        self.proxy.is_live(context, client).then_some((context, client))
    }

    /// RFC 3261 16.4: a strict router has put our Record-Route value into the Request-URI, and the remote target last into
    /// Route. It is put back.
    fn undo_strict_routing(&self, request: &Request, read: &Essentials<'_>) -> Option<Request> {
        let uri = read.uri.as_ref().ok()?;
        if uri.user().is_some() || uri.param("lr").is_none() || !self.view().is_own(uri) {
            return None;
        }
        let target = request.addresses(HeaderName::Route).last()?.ok()?;
        let mut routes: Vec<&str> = request.values(HeaderName::Route).collect();
        routes.pop();
        let mut edits = Edits::new(request);
        edits.set_uri(request, target.uri).remove_all(HeaderName::Route);
        for route in routes {
            edits.insert_first(HeaderName::Route, route);
        }
        match Message::parse_within(edits.finish(), &ParseLimits::new(usize::MAX, usize::MAX)) {
            Ok(Message::Request(restored)) => Some(restored),
            Ok(Message::Response(_)) | Err(_) => None,
        }
    }

    pub(super) fn is_emergency_call(&self, request: &Request) -> bool {
        is_emergency_call(&self.world.config, request)
    }

    /// Answers a request that needs nobody else. Gives where it came from if it is to be passed on.
    fn settle_here(
        &mut self,
        server: ServerId,
        request: &Request,
        read: &Essentials<'_>,
        from: Peer,
        out: &mut Actions,
    ) -> Option<Source> {
        let is_register = request.method() == Method::Register;
        let source = if is_register { Source::User } else { self.source_of(request, from) };
        if let Err(fault) = self.validate(request, read, source) {
            self.refuse(server, request, from, &fault, out);
            return None;
        }
        if is_register && !self.relays_registers() {
            self.answer_register(server, request, read, from, out);
            return None;
        }
        Some(source)
    }

    fn pass_on(
        &mut self,
        server: ServerId,
        request: Request,
        from: Peer,
        source: Option<Source>,
        trying: Option<Bytes>,
        out: &mut Actions,
    ) {
        let Some(source) = source else { return };
        match request.method() {
            Method::Cancel => self.on_cancel(Arrival { server, request, from, source, trying }, out),
            Method::Register => self.relay_register(server, request, from, out),
            Method::Options if request.max_forwards() == Ok(Some(0)) => {
                // RFC 3261 16.3 step 3: the hop at which it ends answers.
                self.answer_ok(server, &request, from, out);
            }
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Options
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Info
            | Method::Refer
            | Method::Message
            | Method::Update
            | Method::Other => {
                match self.returned(&request, source) {
                    Some(Returned::Ghost) => {
                        return self.refuse(server, &request, from, &Fault::new(487), out);
                    }
                    Some(Returned::Taken(context, client)) => self.on_taken(context, client, out),
                    None => {}
                }
                self.admit_or_relay(Arrival { server, request, from, source, trying }, out);
            }
        }
    }

    /// What the proxy is to answer, it challenges itself.
    fn admit_or_relay(&mut self, arrival: Arrival, out: &mut Actions) {
        let Arrival { server, request, from, source, .. } = &arrival;
        if self.mode.state() == State::Emergency
            && let Err(away) = self.admit(request, *from, *source)
        {
            let (status, response) = away.told(request, out);
            return self.transactions.respond(&mut self.world.ctx(out), *server, status, response);
        }
        self.relay(arrival, out);
    }

    /// What a proxy looks at before it forwards (RFC 3261 16.3).
    pub(super) fn validate(
        &self,
        request: &Request,
        read: &Essentials<'_>,
        source: Source,
    ) -> Result<(), Fault> {
        let flows = &self.world.flows;
        // One that has one Via has come by nobody yet.
        let is_loop = |request: &Request| read.only_via().is_none() && is_loop(request, source, flows);
        let rules = Rules::proxy().as_final_recipient().seen_before(&is_loop);
        // RFC 3261 10.3: a REGISTER that we answer goes no further, so that its hops do not count.
        let is_registrar = self.mode.state() == State::Emergency
            || self.has_unresolved_proxies_only()
            || self.world.config.sas.survivability_mode == SurvivabilityMode::AutoAnswerRegister;
        let rules = if is_registrar { rules.as_registrar() } else { rules };
        let rules = if self.lacks_tls(request, read) {
            rules.schemes(&["sip", "tel"])
        } else if self.is_emergency_service(read) {
            rules.schemes(&["urn"])
        } else {
            rules
        };
        // The limits of the parser are the branch's.
        let rules = rules.max_message(usize::MAX).max_fields(usize::MAX);
        let asks = read.has(HeaderName::ProxyRequire) || read.has(HeaderName::MaxBreadth);
        // A call to an emergency number is not refused for anything that it can do without.
        let rules = if asks && self.is_emergency_call(request) { rules.lenient() } else { rules };
        request.validate_read(&rules, read)
    }

    /// RFC 3261 26.2.2: what asks for TLS on each hop gets it or goes nowhere. Without a flow that has it, `sips` is no scheme of ours;
    /// but an emergency call goes, and so does what belongs to a call that is up.
    fn lacks_tls(&self, request: &Request, read: &Essentials<'_>) -> bool {
        let is_sips = read.uri.as_ref().is_ok_and(|uri| uri.scheme() == Scheme::Sips);
        let is_open = || !request.is_in_dialog() && !self.is_emergency_call(request);
        is_sips && is_open() && !self.world.flows.offers_tls()
    }

    /// Whether emergency services are asked for by name (RFC 5031), and there is a number for them here. A CANCEL asks for what its INVITE
    /// did.
    fn is_emergency_service(&self, read: &Essentials<'_>) -> bool {
        let has_number = !self.world.config.sas.emergency_numbers.is_empty();
        has_number && read.uri.is_ok_and(|uri| uri.is_emergency_service())
    }

    /// What an INVITE of the proxy's is, if it is one of ours come back.
    fn returned(&self, request: &Request, source: Source) -> Option<Returned> {
        if request.method() != Method::Invite || source != Source::Proxy || request.is_in_dialog() {
            return None;
        }
        let branch = own_branch(request, &self.world.flows)?;
        Some(self.live(branch).map_or(Returned::Ghost, |(context, client)| Returned::Taken(context, client)))
    }

    /// What the proxy sends on it has received. Its own responses may be lost, but the call is not rescued any more: the phone that has
    /// this copy would refuse the second one, 482, which is no answer for the caller (RFC 3261 8.2.2.2).
    fn on_taken(&mut self, context: ContextId, client: ClientId, out: &mut Actions) {
        if let Some(Hop::Proxy(target)) = self.proxy.hop_of(context, client) {
            self.tell_upstream(UpstreamEvent::ResponseSeen { target }, out);
        }
        self.proxy.on_taken(self.world.now, context);
    }

    /// RFC 3261 9.2 and 16.10.
    fn on_cancel(&mut self, arrival: Arrival, out: &mut Actions) {
        let Some(invite) = self.transactions.invite_of(&arrival.request) else {
            return self.relay_cancel(&arrival, out);
        };
        let Arrival { server, request, from, .. } = arrival;
        // 22.1: nobody can be asked for the password of a CANCEL, which is taken from "the same hop that sent the request being
        // canceled".
        let caller = self.proxy.source_of(invite).or_else(|| self.mappings.source_of(invite));
        if caller.is_some_and(|caller| caller.address.ip() != from.address.ip()) {
            self.refuse(server, &request, from, &Fault::new(481), out);
            // The caller's own CANCEL must not be taken for this one come again.
            return self.transactions.abandon(server);
        }
        // 9.2: "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same".
        let early = self.transactions.early_tag(invite);
        let tag = self.transactions.stateless_tag(&request);
        let ok = ResponseBuilder::new(&request, from.address, 200, early.as_deref().unwrap_or(tag.as_str()));
        self.transactions.respond(&mut self.world.ctx(out), server, 200, ok.finish_or_500());
        if let Some(Arrival { request, from, .. }) = self.mappings.take(invite) {
            return self.refuse(invite, &request, from, &Fault::new(487), out);
        }
        let reason = request.values(HeaderName::Reason).collect::<Vec<_>>().join(", ");
        self.proxy.cancel(&mut self.world.ctx(out), &mut self.transactions, invite, &reason);
        self.cancel_past_dead_proxy(invite, &reason, out);
    }

    /// 16.10: a CANCEL of nothing that we know is forwarded "statelessly", since the call may have gone there before our time. What
    /// comes of it cannot come back (RFC 6026 7.3), so its sender hears what is true here: 481 (9.2).
    fn relay_cancel(&mut self, arrival: &Arrival, out: &mut Actions) {
        let Arrival { server, request, from, source, .. } = arrival;
        self.refuse(*server, request, *from, &Fault::new(481), out);
        if !is_loop(request, *source, &self.world.flows) {
            self.send_on(request, *from, *source, out);
        }
    }

    /// 200, with what we can do where an OPTIONS asks for it (RFC 3261 11.2) in a way that we understand (8.2.2.3, 8.2.3).
    pub(super) fn answer_ok(&mut self, server: ServerId, request: &Request, from: Peer, out: &mut Actions) {
        if request.method() == Method::Options
            && let Err(fault) = request.validate_as(&SERVER)
        {
            return self.refuse(server, request, from, &fault, out);
        }
        let tag = self.transactions.stateless_tag(request);
        let mut response = ResponseBuilder::new(request, from.address, 200, tag.as_str());
        if request.method() == Method::Options {
            response = response
                .header(HeaderName::Allow, ALLOW)
                .header(HeaderName::Accept, "application/sdp")
                .header(HeaderName::AcceptEncoding, "identity")
                .header(HeaderName::AcceptLanguage, "en")
                .header(HeaderName::Supported, EXTENSIONS.join(", "));
        }
        self.transactions.respond(&mut self.world.ctx(out), server, 200, response.finish_or_500());
    }

    /// Answers with a refusal of our own, and says so.
    pub(super) fn refuse(
        &mut self,
        server: ServerId,
        request: &Request,
        from: Peer,
        fault: &Fault,
        out: &mut Actions,
    ) {
        let response = self.refusal(request, from, fault);
        self.transactions.respond(&mut self.world.ctx(out), server, fault.status, response);
        out.note_refusal(request, fault);
    }

    pub(super) fn refusal(&self, request: &Request, from: Peer, fault: &Fault) -> Bytes {
        let tag = self.transactions.stateless_tag(request);
        fault.answer(request, from.address, tag.as_str()).finish_or_500()
    }

    /// `passages`: how many of ours may be found behind dead proxies in its Vias.
    pub(super) fn on_response(
        &mut self,
        response: &Response,
        passages: usize,
        from: Peer,
        out: &mut Actions,
    ) {
        // RFC 3261 18.1.2: a response whose topmost Via is not ours "MUST be silently discarded".
        let via = response.top_via().ok();
        let own_via = via.as_ref().is_some_and(|via| {
            via.sent_by.socket_addr(5060).is_some_and(|sent_by| self.world.flows.is_local(sent_by))
        });
        // Whatever answers a probe is there (`sas.md` 3.1).
        let cseq = if own_via { response.validate_below(via.as_ref()).ok() } else { None };
        if cseq.is_none() && super::watch::probe_of(response).is_none() {
            return self.on_dropped(from, out);
        }
        // A refusal counts once all that ring for this passage have refused (RFC 3261 16.7 step 5).
        if response.status() < 300 {
            self.pass_by_dead_proxy(response, passages, from, out);
        }
        match self.transactions.on_response(&mut self.world.ctx(out), response, via.as_ref(), cseq) {
            ResponseMatch::Absorbed => {}
            ResponseMatch::Pass(client, None) => {
                if self.homecoming.awaits(client) {
                    self.on_homecoming_response(response);
                }
            }
            ResponseMatch::Pass(client, Some(owner)) => {
                let context = ContextId::from(owner);
                if let Some(Hop::Proxy(target)) = self.proxy.hop_of(context, client) {
                    self.tell_upstream(UpstreamEvent::ResponseSeen { target }, out);
                    // RFC 3261 21.5.4; without Retry-After it is no more than a 500.
                    if response.status() == 503
                        && let Some(retry_after) = retry_after(response)
                    {
                        self.tell_upstream(UpstreamEvent::RequestRefused { target, retry_after }, out);
                    }
                    if self.on_register_response(context, client, target, response, out) {
                        return;
                    }
                }
                let targets = self.redirected(context, client, response);
                let (ctx, transactions) = (&mut self.world.ctx(out), &mut self.transactions);
                let silence = self.proxy.on_response(ctx, transactions, context, client, response, targets);
                if let Some(silence) = silence {
                    self.on_silence(silence, out);
                }
            }
            ResponseMatch::Stray => match super::watch::probe_of(response) {
                Some(probe) => {
                    let (status, retry_after) = (response.status(), retry_after(response));
                    self.tell_upstream(UpstreamEvent::ProbeAnswered { probe, status, retry_after }, out);
                }
                None => self.on_dropped(from, out),
            },
        }
    }

    fn pass_by_dead_proxy(&mut self, response: &Response, passages: usize, from: Peer, out: &mut Actions) {
        if let Some((shortened, left)) = self.past_dead_proxy(response, 1).zip(passages.checked_sub(1)) {
            self.on_response(&shortened, left, from, out);
        }
    }

    /// The targets of a phone's 3xx, where the site has them followed.
    fn redirected(&self, context: ContextId, client: ClientId, response: &Response) -> Vec<Vec<Target>> {
        let of_phone = || self.proxy.hop_of(context, client) == Some(Hop::User);
        let is_followed = self.world.config.sas.follow_redirects && response.status() / 100 == 3;
        if is_followed && of_phone() { redirect(response, &self.view()) } else { Vec::new() }
    }
}

/// The time that Retry-After asks for (RFC 3261 20.33), its comment and parameters left out.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.value_of(HeaderName::RetryAfter)?;
    delta_seconds(value.split([' ', ';', '(']).next()?)
}

/// The 100 of an INVITE that is passed on (RFC 3261 17.2.1), made while what was read of it is at hand.
fn trying(request: &Request, read: &Essentials<'_>, from: Peer) -> Option<Bytes> {
    let is_invite = request.method() == Method::Invite;
    is_invite.then(|| ResponseBuilder::with_room(read, from.address, 100, "", 0).finish_or_500())
}

/// An INVITE that came back to us from the proxy that we sent it to.
enum Returned {
    /// Ours waits no more. A proxy that was frozen reads, when it wakes, the INVITEs that it was sent meanwhile, and calls phones for
    /// calls that were served without it long ago.
    Ghost,
    /// Ours waits, as this branch.
    Taken(ContextId, ClientId),
}

fn is_emergency_call(config: &Config, request: &Request) -> bool {
    request.method() == Method::Invite
        && request.uri().is_ok_and(|uri| config.emergency_number(&uri).is_some())
}
