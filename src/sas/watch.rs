//! The proxy set watched, the mode kept, and what their changes lead to.

use super::homecoming::Homecoming;
use super::{Actions, Notice, Sas, ledger};
use crate::headers::HeaderName;
use crate::message::{RequestBuilder, Response};
use crate::mode::{ModeEvent, State, Transition};
use crate::proxy::SilenceKind;
use crate::transport::Peer;
use crate::upstream::{ProbeId, ProxyStatus, TargetId, UpstreamAction, UpstreamEvent};

/// The branch of a probe: behind it the probe's id, 16 digits.
const PROBE_BRANCH: &str = "z9hG4bKp";

/// Which probe `response` answers.
pub(super) fn probe_of(response: &Response) -> Option<ProbeId> {
    let via = response.top_via().ok()?;
    ProbeId::parse(via.branch()?.strip_prefix(PROBE_BRANCH)?)
}

impl Sas {
    /// Tells the proxy set's health, and does what it asks for.
    pub(super) fn tell_upstream(&mut self, event: UpstreamEvent, out: &mut Actions) {
        let mut actions = Vec::new();
        let world = &mut self.world;
        self.upstream.handle(world.now, event, &world.config, &mut world.rng, &mut actions);
        self.do_upstream(actions, out);
    }

    pub(super) fn do_upstream(&mut self, actions: Vec<UpstreamAction>, out: &mut Actions) {
        for action in actions {
            match action {
                UpstreamAction::Probe { target, probe } => self.send_probe(target, probe, out),
                UpstreamAction::StatusChanged { target, status, cause } => {
                    if let Some(proxy) = self.world.config.proxies().get(target.0) {
                        let target = proxy.uri.as_str().into();
                        out.push(Notice::ProxyStatus { target, status, cause }.into());
                    }
                }
                UpstreamAction::Mode(event) => {
                    self.tell_mode(event, out);
                }
            }
        }
    }

    /// Tells the mode machine, and does what its change of mind asks for. Whether an unanswered request is to be rescued.
    pub(super) fn tell_mode(&mut self, event: ModeEvent, out: &mut Actions) -> bool {
        let (probing, patience) = (self.mode.probing(), self.mode.patience());
        let outcome = self.mode.handle(self.world.now, event);
        if let Some(transition) = outcome.transition {
            self.on_transition(transition, out);
        }
        if probing != self.mode.probing() {
            let event = if probing { UpstreamEvent::ProbingStopped } else { UpstreamEvent::ProbingStarted };
            self.tell_upstream(event, out);
        }
        // What was sent to a proxy that is gone keeps the patience that it had.
        if event != ModeEvent::ProxiesReplaced
            && let Some(patience) =
                self.mode.patience().filter(|now| patience.is_some_and(|before| *now < before))
        {
            for context in self.proxy.waiting() {
                self.proxy.hurry(self.world.now, context, patience);
            }
        }
        outcome.rescue
    }

    pub(super) fn on_transition(&mut self, Transition { from, to, cause }: Transition, out: &mut Actions) {
        out.push(Notice::StateChanged { from, to, cause }.into());
        if to == State::Emergency {
            self.world.ledger.on_loss();
        }
        match to {
            State::Emergency if self.mode.patience().is_some() => {
                self.homecoming = Homecoming::Over;
                for context in self.proxy.waiting() {
                    self.proxy.wait_no_more(context);
                    if let Some(silence) = self.rescue(context, SilenceKind::Impatient, out) {
                        self.on_silence(silence, out);
                    }
                }
                self.catch_up_past_dead_proxy(out);
            }
            // sas.md 3.4: transactions under way finish by their own timers.
            State::Emergency => self.homecoming = Homecoming::Over,
            State::Normal => {
                // Phones come home within their last lifetime.
                let storm = self.world.config.sas.registration_time + ledger::SLACK;
                self.pacer.on_return(self.world.now, storm);
                let pace = self.pacer.time_for(self.registrar.len());
                self.world.ledger.on_return(self.world.now, &self.world.config, pace);
                self.start_homecoming();
            }
        }
    }

    /// An OPTIONS, sent once: the next probe is its retransmission.
    fn send_probe(&mut self, target: TargetId, probe: ProbeId, out: &mut Actions) {
        self.choose_place(target);
        // One whose name is not resolved yet misses its probes: it is not there.
        let proxy = self.world.config.proxies().get(target.0).filter(|proxy| proxy.is_resolved());
        let Some((address, transport)) = proxy.map(|proxy| (proxy.address, proxy.transport)) else {
            return;
        };
        // What is sent to a proxy that is away waits in its connection, which tries again less and less often: each question is asked
        // on a new one.
        if transport.is_reliable()
            && self.upstream.status(target) == ProxyStatus::Offline
            && let Some(old) = self.world.flows.connection_to(transport, address)
        {
            self.close_flow(old, out);
        }
        let Some(flow) = self.world.ctx(out).reach(transport, address, None) else {
            return;
        };
        let world = &mut self.world;
        let (Some(ours), Some(proxy)) =
            (world.flows.find(flow).copied(), world.config.proxies().get(target.0))
        else {
            return;
        };
        let local = ours.local;
        let options = RequestBuilder::new("OPTIONS", proxy.uri.as_uri())
            .header(HeaderName::Via, ours.via(&format!("{PROBE_BRANCH}{probe}")))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<sip:keepalive@{local}>;tag={}", world.rng.token()))
            .header(HeaderName::To, format_args!("<{}>", proxy.uri))
            .header(HeaderName::CallId, world.rng.token())
            .header(HeaderName::CSeq, "1 OPTIONS")
            .finish();
        // It is valid: the configuration has been checked.
        if let Ok(options) = options {
            self.world.ctx(out).send(Peer { flow, address }, options);
        }
    }
}
