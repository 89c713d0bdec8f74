//! Another proxy set at run time: who stays keeps what is thought of it, who comes is probed at once, who goes is forgotten.

use super::target::{Target, Watch};
use super::{Standing, TargetId, Upstream, UpstreamAction, fact};
use crate::config::Config;
use crate::mode::{ModeEvent, ModeMachine, State};
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::BTreeMap;

/// Where each target of one configuration is in another one: it is the same one if it has the same URI, to the letter.
#[derive(Clone, Debug)]
pub(crate) struct Moved(Vec<Option<TargetId>>);

impl Moved {
    pub(crate) fn between(old: &Config, new: &Config) -> Self {
        let places = new.proxies().iter().enumerate().map(|(index, proxy)| (proxy.uri.as_str(), index));
        let places: BTreeMap<_, _> = places.collect();
        let moved = old.proxies().iter().map(|proxy| places.get(proxy.uri.as_str()).copied().map(TargetId));
        Self(moved.collect())
    }

    /// Where `target` is now.
    pub(crate) fn of(&self, target: TargetId) -> Option<TargetId> {
        self.0.get(target.0).copied().flatten()
    }
}

impl Upstream {
    /// Goes on with the proxies of `config` instead of those of `old`; `mode` has gone on with it already. Those with the same URI, to the
    /// letter, are the same, and keep what is thought of them.
    ///
    /// Whoever is served by one that stays keeps to it, where the load is balanced; parked is who is parked there.
    ///
    /// A new one starts unknown, and is probed at once. While the branch serves itself it counts as offline instead, since only a row
    /// of answers leads home.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        old: &Config,
        config: &Config,
        mode: &ModeMachine,
        rng: &mut Rng,
        out: &mut Vec<UpstreamAction>,
    ) {
        self.now = self.now.max(now);
        let (before, had_probes) = (self.standing(), self.probing);
        self.probing = mode.probing();
        let moved = Moved::between(old, config);
        let stayed = std::mem::take(&mut self.targets).into_iter();
        let mut stayed: BTreeMap<_, _> =
            stayed.filter_map(|target| Some((moved.of(target.id())?, target))).collect();
        let mut watch = Watch { now: self.now, config: &config.proxy_set, rng, out };
        for (index, proxy) in config.proxies().iter().enumerate() {
            let id = TargetId(index);
            let (mut target, had_probes) = match stayed.remove(&id) {
                Some(target) => (target.renamed(id), had_probes),
                None => (Target::new(id, proxy.address, false, self.now), false),
            };
            match (had_probes, self.probing) {
                (false, true) if mode.state() == State::Emergency => target.on_probing_started(&mut watch),
                (false, true) => target.on_keepalive_started(&mut watch),
                (true, false) => target.on_probing_stopped(&mut watch),
                (true, true) => target.on_intervals_changed(&watch),
                (false, false) => {}
            }
            self.targets.push(target);
        }
        let after = self.standing();
        let is_new = before != Standing::Unknown && after == Standing::Unknown;
        let news = if is_new { Some(ModeEvent::ProxiesReplaced) } else { fact(before, after, false) };
        out.extend(news.map(UpstreamAction::Mode));
        let best = self.in_order(None).next();
        self.balance.reconfigure(config, &moved, best);
        self.park();
        self.deadline = self.targets.iter().filter_map(Target::deadline).min();
    }
}
