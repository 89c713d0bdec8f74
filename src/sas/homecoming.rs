//! After the return: the proxy is told again who is registered here.
//!
//! Phones that registered in the emergency state have a short lifetime and come by themselves. Those that the proxy had
//! granted a long one may not come for an hour, and a proxy that was restarted has forgotten them: nobody outside could
//! call them until then. So their bindings are told to it, one at a time, each for the lifetime that is left, and within
//! `return_rate`. A proxy that wants credentials gets no more than the first one, since nobody here has any.

use super::register::refuses_path;
use super::{Actions, Sas};
use crate::headers::{HeaderName, Method};
use crate::message::{RequestBuilder, Response};
use crate::mode::State;
use crate::registrar::{Binding, BindingId, CurrentContact, Origin};
use crate::routing::affinity_of_user;
use crate::time::Instant;
use crate::transaction::{ClientId, Outgoing};
use crate::transport::Peer;
use crate::upstream::{Moved, TargetId, UpstreamEvent};
use crate::uri::Uri;
use std::time::Duration;

/// Bindings that one event looks at, and the pause before the next ones or before another try at the pace.
const LOOKED_AT_ONCE: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);

/// Where the telling has got to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Homecoming {
    /// Nothing to tell.
    #[default]
    Over,
    /// The bindings behind `last` are next, at `at`.
    Due { since: Instant, last: Option<BindingId>, at: Instant },
    /// The binding behind `before`, `last`, has been told to `target`, and its answer is awaited.
    Asked { since: Instant, before: Option<BindingId>, last: BindingId, target: TargetId, client: ClientId },
}

impl Homecoming {
    pub(super) const fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Due { at, .. } => Some(*at),
            Self::Over | Self::Asked { .. } => None,
        }
    }

    /// The proxies have `moved` at `now`. What was told to one that is gone is told again.
    pub(super) fn renumber(&mut self, now: Instant, moved: &Moved) {
        if let Self::Asked { since, before, ref mut target, .. } = *self {
            match moved.of(*target) {
                Some(moved) => *target = moved,
                None => *self = Self::Due { since, last: before, at: now },
            }
        }
    }

    /// Whether `client` is the REGISTER whose answer is awaited.
    pub(super) fn awaits(&self, client: ClientId) -> bool {
        matches!(self, Self::Asked { client: awaited, .. } if *awaited == client)
    }
}

impl Sas {
    pub(super) fn start_homecoming(&mut self) {
        if self.world.config.sas.restore_registrations {
            let now = self.world.now;
            self.homecoming = Homecoming::Due { since: now, last: None, at: now };
        }
    }

    /// Tells the next binding, if it is time.
    pub(super) fn tell_homecoming(&mut self, out: &mut Actions) {
        let now = self.world.now;
        let Homecoming::Due { since, mut last, at } = self.homecoming else {
            return;
        };
        if at > now {
            return;
        }
        for _ in 0..LOOKED_AT_ONCE {
            let Some((id, binding)) = self.registrar.next_after(last) else {
                self.homecoming = Homecoming::Over;
                return;
            };
            if !self.is_forgotten(binding, since) {
                last = Some(id);
                continue;
            }
            if !self.pacer.admits(now, self.registrar.unconfirmed()) {
                break;
            }
            let binding = binding.clone();
            self.homecoming = match self.tell_binding(&binding, out) {
                Some((target, client)) => Homecoming::Asked { since, before: last, last: id, target, client },
                None => Homecoming::Over,
            };
            return;
        }
        self.homecoming = Homecoming::Due { since, last, at: now + PAUSE };
    }

    /// Whether the proxy may have forgotten `binding`, and its phone will not come soon.
    fn is_forgotten(&self, binding: &Binding, since: Instant) -> bool {
        let soon = self.world.now + self.world.config.sas.registration_time;
        binding.origin == Origin::Proxy && binding.updated_at < since && binding.expires_at > soon
    }

    /// The proxy has answered.
    pub(super) fn on_homecoming_response(&mut self, response: &Response) {
        let Homecoming::Asked { since, before, last, target, .. } = self.homecoming else {
            return;
        };
        self.homecoming = match response.status() {
            100..=199 => return,
            // sas.md 4.5: again without our Path, which is remembered.
            420 | 421 if refuses_path(response) && self.pathless.insert(target) => {
                Homecoming::Due { since, last: before, at: self.world.now }
            }
            // 401, 403, 407: not without credentials. 5xx, 6xx: it has other troubles.
            401 | 403 | 407 | 500.. => Homecoming::Over,
            _ => Homecoming::Due { since, last: Some(last), at: self.world.now },
        };
    }

    /// A REGISTER of ours for a user of ours, to the proxy that requests go to. None if it cannot be sent.
    fn tell_binding(&mut self, binding: &Binding, out: &mut Actions) -> Option<(TargetId, ClientId)> {
        debug_assert_eq!(self.mode.state(), State::Normal, "only a proxy that is back is told");
        let aor = Uri::parse(binding.aor()).ok()?;
        let who = affinity_of_user(&aor, &self.view());
        let target = match who {
            Some(who) => self.upstream.candidates_for(who).next()?,
            None => self.upstream.candidates().next()?,
        };
        if let Some(who) = who {
            self.tell_upstream(UpstreamEvent::Served { who, target }, out);
        }
        let proxy = self.world.config.proxies().get(target.0).filter(|proxy| proxy.is_resolved())?;
        let (address, transport) = (proxy.address, proxy.transport);
        let (uri, flow) = (proxy.uri.clone(), self.world.ctx(out).reach(transport, address, binding.flow)?);
        let ours = *self.world.flows.find(flow)?;
        let registrar = if self.view().is_own(&aor) { uri.as_uri().host_port() } else { aor.host_port() };
        let left = binding.expires_at - self.world.now;
        let branch = format!("z9hG4bKh{}", self.world.rng.token());
        let mut request = RequestBuilder::new("REGISTER", format!("sip:{}", registrar?).as_str())
            .header(HeaderName::Via, ours.via(&branch))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<{aor}>;tag={}", self.world.rng.token()))
            .header(HeaderName::To, format_args!("<{aor}>"))
            .header(HeaderName::CallId, self.world.rng.token())
            .header(HeaderName::CSeq, "1 REGISTER")
            .header(HeaderName::Contact, CurrentContact::of(binding, self.world.now))
            .header(HeaderName::Expires, left.as_secs())
            .header(HeaderName::Supported, if binding.reg_id.is_some() { "path, outbound" } else { "path" });
        if self.world.config.sas.path && !self.pathless.contains(&target) {
            // RFC 5626 5.1: as if the phone had come by its flow now.
            let peer = binding.flow.map(|flow| Peer { flow, address: binding.source });
            let peer = peer.filter(|_| binding.reg_id.is_some() && binding.path().next().is_none());
            let token = peer.and_then(|peer| self.world.flows.token_of(peer));
            let uri = ours.uri(false).with_token(token.as_deref()).outbound();
            request = request.header(HeaderName::Path, format_args!("<{uri}>"));
        }
        for path in binding.path() {
            request = request.header(HeaderName::Path, path);
        }
        let outgoing = Outgoing {
            method: Method::Register,
            name: "REGISTER",
            branch: &branch,
            bytes: request.finish().ok()?,
            peer: Peer { flow, address },
        };
        Some((target, self.transactions.start(&mut self.world.ctx(out), outgoing, None)))
    }
}
