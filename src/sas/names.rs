//! Names: those of proxies and gateways, kept resolved, and those that requests bring.
//!
//! Questions go out as [`Action::Resolve`], answers come in as [`Event::Resolved`](super::Event::Resolved). Targets of the
//! configuration are resolved at start and again before their answers are over; without a new answer they keep the last.

use super::mapping::Mappings;
use super::{Action, Actions, Notice, Sas};
use crate::config::{Config, Place, TargetRef};
use crate::resolve::{
    Answer, Destination, Means, QueryId, Question, Resolution, ResolutionId, Resolved, Resolver,
    ResolverAction, Unresolved,
};
use crate::time::Instant;
use crate::transport::Flows;
use crate::upstream::{TargetId, UpstreamEvent};
use crate::uri::{Host, Uri};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// After so many missed probes in a row the next address of a proxy is tried (RFC 3263 4.3). One or two are lost now and then.
const MISSES_OF_ONE_ADDRESS: u32 = 3;

/// Addresses of proxies whose users count as this branch's.
const MAX_HOME_ADDRESSES: usize = 100;

#[derive(Debug)]
pub(super) struct Names {
    resolver: Resolver,
    targets: Vec<NamedTarget>,
}

/// A target of the configuration that has a name.
#[derive(Debug)]
struct NamedTarget {
    which: TargetRef,
    uri: Box<str>,
    destination: Destination,
    /// When to resolve it again; none while that is under way.
    due: Option<Instant>,
    waits: Option<ResolutionId>,
    places: Vec<Place>,
    /// The addresses that it has had, if it is a proxy: their users are this branch's.
    home: Vec<IpAddr>,
    /// Why it could not be resolved the last time.
    failure: Option<Unresolved>,
}

impl Names {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let named = |(which, uri): (TargetRef, crate::uri::UriBuf)| {
            Some(NamedTarget {
                which,
                uri: uri.as_str().into(),
                destination: Destination::of_uri(&uri.as_uri()).ok()?,
                due: Some(now),
                waits: None,
                places: Vec::new(),
                home: Vec::new(),
                failure: None,
            })
        };
        Self {
            resolver: Resolver::default(),
            targets: config.named().into_iter().filter_map(named).collect(),
        }
    }

    /// Goes on with the targets of `config`. Who stays keeps all that is known, and an answer that is on its way.
    pub(super) fn reconfigure(&mut self, config: &Config, now: Instant) {
        let Self { targets: named, .. } = Self::new(config, now);
        let known = std::mem::take(&mut self.targets).into_iter();
        let mut known: BTreeMap<_, _> =
            known.map(|target| ((target.which.kind(), target.uri.clone()), target)).collect();
        let keep = |target: NamedTarget| match known.remove(&(target.which.kind(), target.uri.clone())) {
            Some(known) => NamedTarget { which: target.which, ..known },
            None => target,
        };
        self.targets = named.into_iter().map(keep).collect();
    }

    /// The addresses of proxies whose users are this branch's.
    pub(super) fn home(&self) -> impl Iterator<Item = IpAddr> {
        self.targets.iter().flat_map(|target| &target.home).copied()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let targets = self.targets.iter().filter_map(|target| target.due);
        self.resolver.next_timeout().into_iter().chain(targets).min()
    }
}

/// What can be reached by the flows that are open.
fn means(flows: &Flows) -> Means {
    let (v4, v6) = flows.families();
    Means { transports: flows.transports().collect(), v4, v6 }
}

impl Sas {
    /// A way to send was opened: what could not be reached before may be now.
    pub(super) fn resolve_again(&mut self) {
        for target in &mut self.names.targets {
            if target.places.is_empty() && target.waits.is_none() {
                target.due = Some(self.world.now);
            }
        }
    }

    /// The DNS has answered.
    pub(super) fn on_resolved(&mut self, query: QueryId, answer: &Answer, out: &mut Actions) {
        if Mappings::has_asked(query) {
            return self.on_number_answered(query, answer, out);
        }
        let (now, mut actions) = (self.world.now, Vec::new());
        self.names.resolver.on_answer(now, query, answer, &mut self.world.rng, &mut actions);
        self.carry_out(actions, out);
    }

    /// Ends what has taken too long, and resolves again what is due.
    pub(super) fn tell_names(&mut self, out: &mut Actions) {
        let (now, mut actions) = (self.world.now, Vec::new());
        self.names.resolver.on_tick(now, &mut self.world.rng, &mut actions);
        self.carry_out(actions, out);
        for index in 0..self.names.targets.len() {
            self.resolve_if_due(index, out);
        }
    }

    fn resolve_if_due(&mut self, index: usize, out: &mut Actions) {
        let (now, mut actions) = (self.world.now, Vec::new());
        let Names { resolver, targets } = &mut self.names;
        let Some(target) = targets.get_mut(index).filter(|target| target.due.is_some_and(|due| due <= now))
        else {
            return;
        };
        target.due = None;
        let means = means(&self.world.flows);
        match resolver.resolve(now, &target.destination, means, &mut self.world.rng, &mut actions) {
            Resolution::Waiting(resolution) => target.waits = Some(resolution),
            Resolution::Done(resolved) => self.on_target_resolved(index, resolved, out),
        }
        self.carry_out(actions, out);
    }

    fn carry_out(&mut self, actions: Vec<ResolverAction>, out: &mut Actions) {
        for action in actions {
            match action {
                ResolverAction::Ask { query, question: Question { name, kind } } => {
                    out.push(Action::Resolve { query, name, kind });
                }
                ResolverAction::Resolved { resolution, resolved } => {
                    let waits = |target: &NamedTarget| target.waits == Some(resolution);
                    match self.names.targets.iter().position(waits) {
                        Some(index) => self.on_target_resolved(index, resolved, out),
                        None => self.on_number_located(resolution, &resolved, out),
                    }
                }
            }
        }
    }

    /// Where the host of `uri` is, or what will tell. None if it has none that can be asked for.
    pub(super) fn locate(&mut self, uri: &Uri<'_>, out: &mut Actions) -> Option<Resolution> {
        let (now, mut actions) = (self.world.now, Vec::new());
        let (destination, means) = (Destination::of_uri(uri).ok()?, means(&self.world.flows));
        let found = self.names.resolver.resolve(now, &destination, means, &mut self.world.rng, &mut actions);
        self.carry_out(actions, out);
        Some(found)
    }

    /// A target is somewhere, or nobody knows where: then it stays where it was (`sas.md` 3.1).
    fn on_target_resolved(&mut self, index: usize, resolved: Resolved, out: &mut Actions) {
        let Some(target) = self.names.targets.get_mut(index) else {
            return;
        };
        (target.waits, target.due) = (None, Some(resolved.again_at));
        let flows = &self.world.flows;
        // A name that leads to us would have us call ourselves.
        let places = resolved.outcome.map(|servers| {
            let places = servers.into_iter().map(|server| (server.transport, server.address));
            places.filter(|place| !flows.is_local(place.1)).collect::<Vec<_>>()
        });
        let places = match places {
            Ok(places) if !places.is_empty() => places,
            other => {
                let reason = other.err().unwrap_or(Unresolved::NotFound);
                if target.failure.replace(reason) != Some(reason) {
                    out.push(Notice::NameUnresolved { target: target.uri.clone(), reason }.into());
                }
                return;
            }
        };
        target.failure = None;
        if target.places == places {
            return;
        }
        // Servers of one priority come in another order each time.
        let sorted = |places: &[Place]| {
            let mut sorted = places.to_vec();
            sorted.sort_unstable();
            sorted
        };
        if sorted(&target.places) != sorted(&places) {
            let addresses = places.iter().map(|place| place.1).collect();
            out.push(Notice::NameResolved { target: target.uri.clone(), addresses }.into());
        }
        let which = target.which;
        if matches!(which, TargetRef::Proxy(_)) {
            for (_, address) in &places {
                if target.home.len() < MAX_HOME_ADDRESSES && !target.home.contains(&address.ip()) {
                    target.home.push(address.ip());
                    self.world.home.add(Host::from(address.ip()));
                }
            }
        }
        target.places.clone_from(&places);
        if let Some(configured) = self.world.config.target_mut(which) {
            let before = (configured.transport, configured.address);
            configured.set_places(places);
            let now = (configured.transport, configured.address);
            self.registrar.on_infrastructure_changed(&self.world.config);
            if let TargetRef::Proxy(number) = which
                && now != before
            {
                let target = TargetId(number);
                self.tell_upstream(UpstreamEvent::AddressChanged { target, address: now.1 }, out);
            }
        }
    }

    /// Before a probe to `target`: if it has not answered for a while, its next place is tried.
    pub(super) fn choose_place(&mut self, target: TargetId) {
        let misses = self.upstream.misses(target, &self.world.config);
        let enough = misses > 0 && (misses.is_multiple_of(MISSES_OF_ONE_ADDRESS) || self.is_offline(target));
        if enough && let Some(proxy) = self.world.config.target_mut(TargetRef::Proxy(target.0)) {
            proxy.use_next_place();
        }
    }

    fn is_offline(&self, target: TargetId) -> bool {
        self.upstream.status(target) == crate::upstream::ProxyStatus::Offline
    }

    /// Proxies there are, and no address of any is known yet.
    pub(super) fn has_unresolved_proxies_only(&self) -> bool {
        let proxies = self.world.config.proxies();
        !proxies.is_empty() && !proxies.iter().any(crate::config::Target::is_resolved)
    }
}
