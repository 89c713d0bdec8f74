//! Which of the targets that are equally fit is first (`sas.md` 3.1): the one in use, or, where the load is balanced, that of whom
//! the request is for.
//!
//! A choice changes nothing. What came of it is told afterwards, by [`UpstreamEvent::Served`](super::UpstreamEvent::Served), and from
//! then on whoever was served keeps to that target.
//!
//! Invariant: at most as many are remembered as users may be registered; for another one the one that was served longest ago is
//! forgotten, and dealt out again when it comes.

use super::{Moved, TargetId};
use crate::config::{Balancing, Config, Redundancy};
use crate::rng::{Rng, by_weight};
use std::collections::BTreeMap;

/// Whom a request is for, as a hash: all that is to keep to one target has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, whatever it was made of")]
pub struct Affinity(pub u64);

#[derive(Clone, Debug)]
pub(super) struct Balance {
    redundancy: Redundancy,
    balancing: Balancing,
    /// Of each target in its order; none: all the same.
    weights: Vec<u16>,
    /// The one that all go to, without balancing.
    in_use: TargetId,
    shares: BTreeMap<Affinity, Share>,
    /// By when they were served last.
    latest: BTreeMap<u64, Affinity>,
    served: u64,
    /// How many are remembered at most.
    most: usize,
    /// The last one whose turn it was.
    last: Option<TargetId>,
    /// What the next one without a share draws.
    lot: u64,
}

/// Where somebody is served.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// The target that was dealt first.
    home: TargetId,
    /// The one that serves at present.
    current: TargetId,
    served: u64,
}

impl Balance {
    pub(super) fn new(config: &Config) -> Self {
        let set = &config.proxy_set;
        Self {
            redundancy: set.redundancy,
            balancing: set.balancing,
            weights: set.weights.clone(),
            in_use: TargetId(0),
            shares: BTreeMap::new(),
            latest: BTreeMap::new(),
            served: 0,
            most: config.registrar.max_users,
            last: None,
            lot: 0,
        }
    }

    /// Goes on with `config`, where the targets have `moved`. Who is served by one that stays is served by it further on; who has none left
    /// is dealt out anew. `best`: the one that is in use where none was, or it is gone.
    pub(super) fn reconfigure(&mut self, config: &Config, moved: &Moved, best: Option<TargetId>) {
        let (had_one, set) = (self.in_use().is_some(), &config.proxy_set);
        (self.redundancy, self.balancing) = (set.redundancy, set.balancing);
        self.weights.clone_from(&set.weights);
        let in_use = moved.of(self.in_use).filter(|_| had_one);
        self.in_use = in_use.or(best).unwrap_or(TargetId(0));
        self.last = self.last.and_then(|last| moved.of(last));
        self.most = config.registrar.max_users;
        let is_balanced = self.balancing != Balancing::None;
        let latest = &mut self.latest;
        self.shares.retain(|_, share| {
            let (home, current) = (moved.of(share.home), moved.of(share.current));
            let left = home.or(current).zip(current.or(home)).filter(|_| is_balanced);
            match left {
                Some(left) => (share.home, share.current) = left,
                None => drop(latest.remove(&share.served)),
            }
            left.is_some()
        });
        self.forget_first();
    }

    /// Whoever is too many is forgotten.
    fn forget_first(&mut self) {
        while self.shares.len() > self.most
            && let Some((_, forgotten)) = self.latest.pop_first()
        {
            self.shares.remove(&forgotten);
        }
    }

    /// The one that all go to while it is fit; none: the first that is.
    pub(super) const fn in_use(&self) -> Option<TargetId> {
        match (self.balancing, self.redundancy) {
            (Balancing::None, Redundancy::Parking) => Some(self.in_use),
            (Balancing::None, Redundancy::Homing) | (Balancing::RoundRobin | Balancing::SrvWeight, _) => None,
        }
    }

    /// The one in use is offline, and `next` is the best of the others.
    pub(super) const fn park(&mut self, next: TargetId) {
        self.in_use = next;
    }

    /// The target of `fit` for `who`.
    pub(super) fn first_for(&self, who: Affinity, fit: &[TargetId]) -> Option<TargetId> {
        if self.balancing == Balancing::None {
            return self.in_use();
        }
        if let Some(share) = self.shares.get(&who) {
            if self.redundancy == Redundancy::Homing && fit.contains(&share.home) {
                return Some(share.home);
            }
            if fit.contains(&share.current) {
                return Some(share.current);
            }
        }
        self.dealt(who, fit)
    }

    /// The next of `fit` in turn, or by lot.
    fn dealt(&self, who: Affinity, fit: &[TargetId]) -> Option<TargetId> {
        match self.balancing {
            Balancing::None => None,
            Balancing::RoundRobin => {
                let mut behind = fit.iter().filter(|target| Some(**target) > self.last);
                behind.next().or_else(|| fit.iter().min()).copied()
            }
            Balancing::SrvWeight => {
                // Large, so that the inclusive range of RFC 2782 gives the first one no share worth the name.
                let weight = |target: &TargetId| {
                    u64::from(self.weights.get(target.0).copied().unwrap_or(1)) * u64::from(u16::MAX)
                };
                fit.get(by_weight(fit.iter().map(weight), self.lot ^ who.0)).copied()
            }
        }
    }

    /// `who` is served by `target`. `is_lost`: whether a target is.
    pub(super) fn on_served(
        &mut self,
        who: Affinity,
        target: TargetId,
        is_lost: impl Fn(TargetId) -> bool,
        rng: &mut Rng,
    ) {
        if self.balancing == Balancing::None {
            return;
        }
        self.served += 1;
        let served = self.served;
        let before = self.shares.get(&who).copied();
        let share = match before {
            None => Share { home: target, current: target, served },
            // A doubt is no failure: parked is who was moved for good.
            Some(share) if self.redundancy == Redundancy::Homing || is_lost(share.current) => {
                Share { current: target, served, ..share }
            }
            Some(share) => Share { served, ..share },
        };
        let is_dealt = before.is_none_or(|before| before.home != target && before.current != target);
        if is_dealt {
            self.last = Some(target);
            if self.balancing == Balancing::SrvWeight {
                self.lot = rng.bits();
            }
        }
        if let Some(before) = before {
            self.latest.remove(&before.served);
        }
        self.shares.insert(who, share);
        self.latest.insert(served, who);
        self.forget_first();
    }
}
