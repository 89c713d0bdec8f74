//! Requests sent on: the decision, the silence of a target, and the rescue of a request that the proxy leaves unanswered
//! (`sas.md` 3.3).

use super::admission::TurnedAway;
use super::homecoming::Homecoming;
use super::inbound::fault_of;
use super::{Actions, Notice, Sas};
use crate::config::Trust;
use crate::headers::{Contact, HeaderName, Method};
use crate::message::{Essentials, Fault, Request, Rules};
use crate::mode::{ModeEvent, State};
use crate::proxy::{ContextId, Patience, Plan, Relayed, Silence, SilenceKind, breadth_of, forward};
use crate::registrar::Named;
use crate::routing::{Decision, Hop, Mapping, Outcome, Query, Source, Step, Target, affinity, decide};
use crate::transaction::{ServerId, Unanswered, span_of_sends};
use crate::transport::{Outbox as _, Peer};
use crate::upstream::{ProxyStatus, TargetId, UpstreamEvent};
use bytes::Bytes;
use std::time::Duration;

/// In the emergency state a BYE, and any request to an address that we know nothing of, is answered 481 after this time
/// without a response: nothing of a call that is over may wait 32 s (`sas.md` section 9). It has been sent twice by then.
const LOST_DIALOG_PATIENCE: Duration = Duration::from_millis(900);

/// A request that waits for an answer.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) server: ServerId,
    pub(super) request: Request,
    pub(super) from: Peer,
    pub(super) source: Source,
    /// Its 100, if it is an INVITE.
    pub(super) trying: Option<Bytes>,
}

impl Sas {
    /// Sends on, or answers, a request other than REGISTER, CANCEL and ACK.
    pub(super) fn relay(&mut self, arrival: Arrival, out: &mut Actions) {
        self.relay_mapped(arrival, Mapping::Unasked, out);
    }

    /// The same when it is known what ENUM says of the number that is called.
    pub(super) fn relay_mapped(&mut self, arrival: Arrival, mapping: Mapping<'_>, out: &mut Actions) {
        let Arrival { server, request, from, source, .. } = &arrival;
        let query = Query { mapping, ..self.query(request, *from, *source, false) };
        let decision = decide(&query, &self.view());
        match decision.outcome {
            Outcome::Ask(number) => self.map_arrival(number, arrival, out),
            Outcome::Answer(200..=299) => self.answer_ok(*server, request, *from, out),
            Outcome::Answer(status) => {
                if decision.step == Step::EmergencyNumber {
                    out.push(Notice::emergency_call_failed(request).into());
                }
                self.refuse(*server, request, *from, &fault_of(status, &decision), out);
            }
            Outcome::Forward(_) => {
                notify_routed(request, &decision, out);
                self.keep_to_proxy(request, *source, &decision, out);
                self.start(arrival, decision, false, out);
            }
        }
    }

    /// Hands a request with its targets to the proxy layer. `path`: with our Path.
    pub(super) fn start(&mut self, arrival: Arrival, decision: Decision, path: bool, out: &mut Actions) {
        let Arrival { server, request, from, source, trying } = arrival;
        let Outcome::Forward(groups) = decision.outcome else {
            return;
        };
        let sas = &self.world.config.sas;
        // RFC 3261 16.6 step 4: what may start a dialog needs it, the NOTIFY that comes before its 2xx too (RFC 6665 4.3); in a
        // dialog it serves an end that has lost its state. A REGISTER never has it.
        let starts_dialog =
            matches!(request.method(), Method::Invite | Method::Subscribe | Method::Notify | Method::Refer);
        let record_route = starts_dialog && (sas.record_route || self.must_record_route(&request, &groups));
        let plan = Plan {
            groups,
            drop_routes: decision.drop_routes,
            source,
            record_route,
            path,
            may_switch: true,
            patience: self.patience(&request, decision.step),
        };
        let silence = self.proxy.relay(
            &mut self.world.ctx(out),
            &mut self.transactions,
            server,
            request,
            from,
            plan,
            trying,
        );
        if let Some(silence) = silence {
            self.on_silence(silence, out);
        }
    }

    /// Whoever sent `request` keeps to the proxy that it goes to, where the load is balanced (`sas.md` 3.1).
    pub(super) fn keep_to_proxy(
        &mut self,
        request: &Request,
        source: Source,
        decision: &Decision,
        out: &mut Actions,
    ) {
        let Outcome::Forward(groups) = &decision.outcome else {
            return;
        };
        if request.is_in_dialog() || decision.step == Step::EmergencyNumber {
            return;
        }
        let target = groups.iter().flatten().find_map(|target| target.hop.proxy());
        if let Some((who, target)) = affinity(request, source, &self.view()).zip(target) {
            self.tell_upstream(UpstreamEvent::Served { who, target }, out);
        }
    }

    /// RFC 5627 6.2, whatever the site wants: a caller's GRUU of ours behind other proxies, and a phone that is behind them. Without us on
    /// its path the call would go round by them.
    fn must_record_route(&self, request: &Request, groups: &[Vec<Target>]) -> bool {
        let is_gruu = |contact: &Contact<'_>| {
            let view = self.registrar.at(self.world.now, self.grace());
            let named = contact.address().map(|address| view.by_gruu(&address.uri, &self.world.home));
            matches!(named, Some(Named::Instance(bindings)) if !bindings.is_empty())
        };
        let calls_by_gruu = || request.contact().ok().flatten().is_some_and(|contact| is_gruu(&contact));
        let is_behind = |target: &Target| target.hop == Hop::User && !target.routes.is_empty();
        (request.first(HeaderName::RecordRoute).is_some() && calls_by_gruu())
            || groups.iter().flatten().any(is_behind)
    }

    fn patience(&self, request: &Request, step: Step) -> Patience {
        let (sas, is_in_dialog) = (&self.world.config.sas, request.is_in_dialog());
        let unsure = request.method() == Method::Bye || step == Step::RequestUri;
        let may_be_lost = is_in_dialog && unsure && self.mode.state() == State::Emergency;
        let lost_dialog = may_be_lost.then_some(LOST_DIALOG_PATIENCE);
        // A request in a dialog with a gateway has no other gateway to go to.
        let gateway = if is_in_dialog { lost_dialog } else { Some(sas.gateway_patience) };
        Patience {
            proxy: self.mode.patience(),
            swap: Some(span_of_sends(request.method(), self.world.config.proxy_set.hot_swap_retransmissions)),
            gateway,
            other: lost_dialog,
            phone: Some(sas.phone_patience),
            ring: Some(sas.ring_time),
        }
    }

    pub(super) fn query<'a>(
        &self,
        request: &'a Request,
        from: Peer,
        source: Source,
        rescue: bool,
    ) -> Query<'a> {
        let known = source != Source::User
            || self.registrar.at(self.world.now, self.grace()).knows(from.address.ip());
        // A proxy of which not even the address is known answers nobody.
        let rescue = rescue || self.has_unresolved_proxies_only();
        let state = self.mode.state();
        // The proxy asks for itself.
        let is_asked = source == Source::User && (rescue || state == State::Emergency);
        Query {
            request,
            source,
            from,
            state,
            rescue,
            known,
            suspect: !self.upstream.is_available(),
            mapping: Mapping::Unasked,
            trust: if is_asked { self.trust_of(request, from, source) } else { Trust::Unknown },
        }
    }

    /// An ACK of a 2xx travels on its own, without a transaction (RFC 3261 16.11, 17.1.1.3).
    pub(super) fn relay_ack(&mut self, ack: &Request, read: &Essentials<'_>, from: Peer, out: &mut Actions) {
        if ack.validate_read(&Rules::proxy(), read).is_err() {
            return self.on_dropped(from, out);
        }
        let source = self.view().source_of(ack, from);
        if !self.send_on(ack, from, source, out) {
            self.on_dropped(from, out);
        }
    }

    /// Forwards a request that gets no transaction (16.11). Whether it leads anywhere.
    pub(super) fn send_on(
        &mut self,
        request: &Request,
        from: Peer,
        source: Source,
        out: &mut Actions,
    ) -> bool {
        // It waits for nobody.
        let query = Query { mapping: Mapping::None, ..self.query(request, from, source, false) };
        let decision = decide(&query, &self.view());
        let Outcome::Forward(groups) = decision.outcome else {
            return false;
        };
        let plan = Plan {
            groups: Vec::new(),
            drop_routes: decision.drop_routes,
            source,
            record_route: false,
            path: false,
            // Nothing would tell that it has to be tried by UDP after all.
            may_switch: false,
            patience: Patience::default(),
        };
        let ctx = &mut self.world.ctx(out);
        for target in groups.first().into_iter().flatten() {
            if let Some(sent) = forward(ctx, request, from, &plan, target, breadth_of(request)) {
                ctx.send(sent.peer, sent.bytes);
            }
        }
        true
    }

    pub(super) fn on_send_failed(&mut self, peer: Peer, out: &mut Actions) {
        let is_in_use = |proxy: &crate::config::Target| proxy.address == peer.address;
        if let Some(index) = self.world.config.proxies().iter().position(is_in_use) {
            let target = TargetId(index);
            self.tell_upstream(UpstreamEvent::TransportFailed { target }, out);
        }
        self.registrar.on_flow_failed(peer);
        for unanswered in self.transactions.on_send_failed(peer) {
            self.on_unanswered(unanswered, SilenceKind::TransportFailed, out);
        }
    }

    pub(super) fn on_unanswered(&mut self, unanswered: Unanswered, kind: SilenceKind, out: &mut Actions) {
        if self.homecoming.awaits(unanswered.client) {
            self.homecoming = Homecoming::Over;
        }
        let context = unanswered.owner.map(ContextId::from);
        let emergency_call = context.and_then(|context| self.open_emergency_call(context)).cloned();
        let ctx = &mut self.world.ctx(out);
        let silence = self.proxy.on_unanswered(ctx, &mut self.transactions, unanswered, kind);
        if let Some(silence) = silence {
            self.on_silence(silence, out);
        } else if let (Some(request), Some(context)) = (emergency_call, context)
            && self.open_emergency_call(context).is_none()
        {
            // Taken on by a target that fell silent then.
            out.push(Notice::emergency_call_failed(&request).into());
        }
    }

    /// A target gave no response: the evidence is noted, then the request goes elsewhere, waits, or is answered.
    pub(super) fn on_silence(&mut self, silence: Silence, out: &mut Actions) {
        let mut next = Some(silence);
        while let Some(silence) = next.take() {
            let Silence { context, proxy, kind } = silence;
            // Taken out of those that wait, so that a change of state that this evidence leads to does not rescue it twice.
            self.proxy.wait_no_more(context);
            if let Some(target) = proxy.filter(|_| kind != SilenceKind::TransportFailed) {
                self.tell_upstream(UpstreamEvent::RequestUnanswered { target }, out);
            }
            next = self.after_silence(silence, out);
        }
    }

    fn after_silence(&mut self, silence: Silence, out: &mut Actions) -> Option<Silence> {
        let Silence { context, proxy, kind } = silence;
        let relayed = self.proxy.relayed(context)?;
        if relayed.is_answered {
            return self.settle(context, out);
        }
        // Of targets that were tried at once the others may yet answer (RFC 3261 16.7 step 6).
        if kind != SilenceKind::Impatient && self.proxy.is_pending(context) {
            return None;
        }
        if relayed.is_cancelled {
            // The caller has hung up, and nobody is there to say so.
            let (request, from) = (relayed.request.clone(), relayed.source);
            self.answer_relayed(context, &request, from, &Fault::new(487), out);
            return None;
        }
        if self.proxy.has_alternative(context) {
            return self.proxy.advance(&mut self.world.ctx(out), &mut self.transactions, context);
        }
        if proxy.is_some_and(|proxy| self.is_to_rescue(proxy, out)) {
            return self.rescue(context, kind, out);
        }
        match kind {
            SilenceKind::Impatient if proxy.is_none() => self.give_up_dialog(context, out),
            // It ends by its own timers.
            SilenceKind::Impatient => None,
            SilenceKind::TransportFailed => self.unreachable(context, out),
            SilenceKind::TimedOut => {
                self.note_lost_emergency_call(context, out);
                self.settle(context, out)
            }
        }
    }

    /// A request is unanswered, the last time by `proxy`, and no other address will be tried. T2 asks for the whole set: without hot swap one
    /// that is not doubted may be left, which later requests go to. The silence of one that is not configured any more says
    /// nothing of the set.
    fn is_to_rescue(&mut self, proxy: TargetId, out: &mut Actions) -> bool {
        let is_doubted =
            |target| matches!(self.upstream.status(target), ProxyStatus::Suspect | ProxyStatus::Offline);
        let of_all = || self.world.config.proxy_set.hot_swap || self.upstream.candidates().all(is_doubted);
        if proxy != TargetId::GONE && of_all() {
            return self.tell_mode(ModeEvent::RequestUnanswered, out);
        }
        self.mode.patience().is_some()
    }

    /// Every route has been tried, and none has answered (`sas.md` section 11).
    fn note_lost_emergency_call(&self, context: ContextId, out: &mut Actions) {
        if let Some(request) = self.open_emergency_call(context) {
            out.push(Notice::emergency_call_failed(request).into());
        }
    }

    /// The request of `context`, if it is a call to an emergency number that nobody has answered.
    fn open_emergency_call(&self, context: ContextId) -> Option<&Request> {
        let open = |relayed: &Relayed<'_>| !relayed.is_answered && !relayed.is_cancelled;
        let relayed = self.proxy.relayed(context).filter(open)?;
        let nobody = !self.proxy.has_answer(context) && self.is_emergency_call(relayed.request);
        nobody.then_some(relayed.request)
    }

    fn settle(&mut self, context: ContextId, out: &mut Actions) -> Option<Silence> {
        self.proxy.settle(&mut self.world.ctx(out), &mut self.transactions, context, true)
    }

    /// See [`LOST_DIALOG_PATIENCE`].
    fn give_up_dialog(&mut self, context: ContextId, out: &mut Actions) -> Option<Silence> {
        let relayed = self.proxy.relayed(context)?;
        if relayed.request.is_in_dialog() {
            let (request, from) = (relayed.request.clone(), relayed.source);
            self.answer_relayed(context, &request, from, &Fault::new(481), out);
        }
        None
    }

    /// Nothing could be delivered (RFC 3261 16.9), and that is known at once: so is the answer.
    fn unreachable(&mut self, context: ContextId, out: &mut Actions) -> Option<Silence> {
        if self.proxy.has_answer(context) {
            return self.settle(context, out);
        }
        self.note_lost_emergency_call(context, out);
        let relayed = self.proxy.relayed(context)?;
        let (request, from) = (relayed.request.clone(), relayed.source);
        let status = if request.is_in_dialog() { 481 } else { 480 };
        self.answer_relayed(context, &request, from, &Fault::new(status), out);
        None
    }

    fn answer_relayed(
        &mut self,
        context: ContextId,
        request: &Request,
        from: Peer,
        fault: &Fault,
        out: &mut Actions,
    ) {
        let response = self.refusal(request, from, fault);
        self.proxy.answer(&mut self.world.ctx(out), &mut self.transactions, context, fault.status, response);
        out.note_refusal(request, fault);
    }

    /// `sas.md` 3.3: what the proxy left unanswered is handled by the emergency rules.
    pub(super) fn rescue(
        &mut self,
        context: ContextId,
        kind: SilenceKind,
        out: &mut Actions,
    ) -> Option<Silence> {
        self.rescue_mapped(context, kind, Mapping::Unasked, out)
    }

    /// The same when it is known what ENUM says of the number that is called.
    pub(super) fn rescue_mapped(
        &mut self,
        context: ContextId,
        kind: SilenceKind,
        mapping: Mapping<'_>,
        out: &mut Actions,
    ) -> Option<Silence> {
        let relayed = self.proxy.relayed(context)?;
        if relayed.is_answered || (relayed.is_cancelled && self.proxy.is_pending(context)) {
            return None;
        }
        let (request, from, source) = (relayed.request.clone(), relayed.source, relayed.source_kind);
        if relayed.is_cancelled {
            // The caller has hung up while ENUM was asked, and nobody is there to say so.
            self.answer_relayed(context, &request, from, &Fault::new(487), out);
            return None;
        }
        // Suspect is not lost: the proxy may yet know better than to refuse.
        let waits = kind == SilenceKind::Impatient && self.mode.state() == State::Normal;
        if request.method() == Method::Register {
            match self.admit(&request, from, source) {
                Ok(pass) => self.rescue_register(context, &request, from, pass, out),
                Err(away) => self.turn_away(context, &request, away, waits, out),
            }
            return None;
        }
        let query = Query { mapping, ..self.query(&request, from, source, true) };
        let decision = decide(&query, &self.view());
        // An emergency call has tried every route by now, unless its number has only come of manipulation.
        if decision.step == Step::EmergencyNumber && self.is_emergency_call(&request) {
            return if self.proxy.is_pending(context) { None } else { self.unreachable(context, out) };
        }
        if waits && matches!(decision.outcome, Outcome::Answer(status) if status != 200) {
            self.proxy.wait_on(context);
            return None;
        }
        // Who has been let in to wait for ENUM has shown his password: a nonce count is good once.
        if matches!(mapping, Mapping::Unasked)
            && let Err(away) = self.admit(&request, from, source)
        {
            self.turn_away(context, &request, away, waits, out);
            return None;
        }
        match &decision.outcome {
            Outcome::Ask(number) => {
                self.map_rescued(number.clone(), context, kind, out);
                None
            }
            Outcome::Forward(groups) => {
                notify_routed(&request, &decision, out);
                let (groups, drop_routes) = (groups.clone(), decision.drop_routes);
                self.proxy.redirect(
                    &mut self.world.ctx(out),
                    &mut self.transactions,
                    context,
                    groups,
                    drop_routes,
                )
            }
            Outcome::Answer(200) => {
                let tag = self.transactions.stateless_tag(&request);
                let ok = crate::message::ResponseBuilder::new(&request, from.address, 200, tag.as_str())
                    .finish_or_500();
                self.proxy.answer(&mut self.world.ctx(out), &mut self.transactions, context, 200, ok);
                None
            }
            Outcome::Answer(status) => {
                self.answer_relayed(context, &request, from, &fault_of(*status, &decision), out);
                None
            }
        }
    }

    /// Answers a request that was to be rescued and is not let in, or lets it wait for the proxy.
    fn turn_away(
        &mut self,
        context: ContextId,
        request: &Request,
        away: TurnedAway,
        waits: bool,
        out: &mut Actions,
    ) {
        if waits && !away.is_stale {
            return self.proxy.wait_on(context);
        }
        let (status, response) = away.told(request, out);
        self.proxy.answer(&mut self.world.ctx(out), &mut self.transactions, context, status, response);
    }
}

fn notify_routed(request: &Request, decision: &Decision, out: &mut Actions) {
    let Outcome::Forward(groups) = &decision.outcome else {
        return;
    };
    // Requests that follow the route set of their dialog are no news.
    if request.is_in_dialog() && decision.step != Step::DeadHopSkipped {
        return;
    }
    let target = groups.first().and_then(|group| group.first());
    let uri = target.and_then(|target| target.uri.as_deref());
    out.push(
        Notice::RequestRouted {
            method: request.method_str().into(),
            from: Notice::from_uri(request),
            to: uri.unwrap_or_else(|| request.uri_str()).into(),
            step: decision.step,
            reasons: decision.reasons,
        }
        .into(),
    );
}
