//! The memory of used nonces: "if the same nc value is seen twice, then the request is a replay" (RFC 7616 3.4).
//!
//! Only nonces that came back with a right password are remembered, so strangers fill nothing. Where the memory is full,
//! the oldest nonce gives way, and from then on no nonce is taken that is as old: nothing forgotten can be replayed.

use super::nonce::Issue;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a nonce is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Without `qop` nothing tells one use from another, so there is one.
    Once,
    /// With this nonce count.
    Counted(u32),
}

/// The counts seen with one nonce: the highest, and which of the 63 below it. Requests overtake each other on UDP, and a
/// client that signs several at once sends them in any order.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit `n`: the count `highest - n` was seen.
    seen: u64,
}

impl Window {
    const fn of(first: Use) -> Self {
        match first {
            Use::Once => Self { highest: u32::MAX, seen: u64::MAX },
            Use::Counted(count) => Self { highest: count, seen: 1 },
        }
    }

    /// Whether `count` is new; from now on it is not.
    fn admit(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        // What lies further back may have been seen.
        let Some(bit) = 1_u64.checked_shl(self.highest - count) else {
            return false;
        };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

/// The nonces that were used, with their counts.
#[derive(Debug)]
pub(super) struct Replay {
    used: BTreeMap<Issue, Window>,
    most: usize,
    /// The youngest nonce that gave way.
    floor: Option<Issue>,
}

impl Replay {
    pub(super) const fn new(most: usize) -> Self {
        Self { used: BTreeMap::new(), most, floor: None }
    }

    /// From now on `most` are remembered.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
        while self.used.len() > most {
            self.give_way();
        }
    }

    /// The oldest is forgotten, and refused.
    fn give_way(&mut self) {
        self.floor = self.floor.max(self.used.pop_first().map(|(oldest, _)| oldest));
    }

    /// Whether this use of a nonce is the first of its kind; from now on it is not.
    pub(super) fn admit(&mut self, issue: Issue, use_: Use) -> bool {
        if let Some(window) = self.used.get_mut(&issue) {
            return match use_ {
                Use::Once => false,
                Use::Counted(count) => window.admit(count),
            };
        }
        if self.used.len() >= self.most {
            self.give_way();
        }
        if self.floor.is_some_and(|floor| issue <= floor) {
            return false;
        }
        self.used.insert(issue, Window::of(use_));
        true
    }

    /// Forgets up to `limit` nonces that have expired at `now`.
    pub(super) fn forget(&mut self, now: Instant, lifetime: Duration, limit: usize) {
        for _ in 0..limit {
            if self.next_expiry(lifetime).is_none_or(|expiry| expiry > now) {
                return;
            }
            self.used.pop_first();
        }
    }

    /// When the first of them expires.
    pub(super) fn next_expiry(&self, lifetime: Duration) -> Option<Instant> {
        self.used.first_key_value().map(|(issue, _)| issue.at + lifetime)
    }

    pub(super) fn len(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn nonce(second: u64) -> Issue {
        Issue { at: Instant::from_secs(second), serial: 0 }
    }

    proptest! {
        #[test]
        fn no_count_is_admitted_twice_and_none_within_the_window_is_lost(counts in prop::collection::vec(0_u32..200, 1..300)) {
            let mut replay = Replay::new(1);
            let (mut seen, mut highest) = (BTreeSet::new(), 0);
            for count in counts {
                let admitted = replay.admit(nonce(1), Use::Counted(count));
                let is_new = seen.insert(count);
                prop_assert!(is_new || !admitted, "{count} twice");
                prop_assert!(admitted || !is_new || count + 63 < highest, "{count} is new, {highest} the highest");
                highest = highest.max(count);
            }
        }

        #[test]
        fn whatever_is_used_the_memory_is_bounded_and_nothing_is_replayed(uses in prop::collection::vec((0_u64..40, 1_u32..4), 1..300)) {
            let mut replay = Replay::new(8);
            let mut admitted = BTreeSet::new();
            for (second, count) in uses {
                if replay.admit(nonce(second), Use::Counted(count)) {
                    prop_assert!(admitted.insert((second, count)), "{second} {count} twice");
                }
                prop_assert!(replay.len() <= 8);
            }
        }
    }

    #[test]
    fn the_ends_of_the_count_hold() {
        let mut window = Window::of(Use::Counted(0));
        assert!(window.admit(u32::MAX) && !window.admit(u32::MAX) && !window.admit(0));
        assert!(window.admit(u32::MAX - 63) && !window.admit(u32::MAX - 64));
    }

    #[test]
    fn a_nonce_without_count_is_good_for_one_use_of_any_kind() {
        let mut replay = Replay::new(8);
        assert!(replay.admit(nonce(1), Use::Once));
        for again in [Use::Once, Use::Counted(0), Use::Counted(1), Use::Counted(u32::MAX)] {
            assert!(!replay.admit(nonce(1), again), "{again:?}");
        }
        assert!(replay.admit(nonce(2), Use::Counted(1)) && !replay.admit(nonce(2), Use::Once));
    }

    #[test]
    fn when_full_the_oldest_gives_way_and_is_not_taken_again() {
        let mut replay = Replay::new(2);
        assert!(replay.admit(nonce(10), Use::Once) && replay.admit(nonce(20), Use::Once));
        assert!(replay.admit(nonce(30), Use::Once));
        assert!(!replay.admit(nonce(10), Use::Once), "it was used");
        assert!(!replay.admit(nonce(5), Use::Once), "nobody knows any more");
        assert!(replay.admit(nonce(40), Use::Once), "the young are served");
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let (mut replay, lifetime) = (Replay::new(8), Duration::from_secs(10));
        for second in 1..=3 {
            replay.admit(nonce(second), Use::Once);
        }
        assert_eq!(replay.next_expiry(lifetime), Some(Instant::from_secs(11)));
        replay.forget(Instant::from_secs(12), lifetime, 100);
        assert_eq!(replay.len(), 1);
        replay.forget(Instant::from_secs(99), lifetime, 0);
        assert_eq!(replay.len(), 1, "no more than it may");
    }
}
