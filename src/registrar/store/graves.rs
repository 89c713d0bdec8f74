//! Who is gone: so that no older record brings a binding back. The memory is bounded; who went first is forgotten first.

use std::collections::BTreeMap;

/// When a binding was last touched, as far as it matters which of two came later: milliseconds since the epoch, which may lie
/// ahead, and the CSeq number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registrar) struct Stamp {
    pub(super) millis: i64,
    pub(super) cseq: u32,
}

/// When bindings ended, by a keyed hash of their names.
#[derive(Debug)]
pub(in crate::registrar) struct Graves {
    max: usize,
    ended: BTreeMap<u64, (Stamp, u64)>,
    by_turn: BTreeMap<u64, u64>,
    turn: u64,
}

impl Graves {
    pub(in crate::registrar) const fn new(max: usize) -> Self {
        Self { max, ended: BTreeMap::new(), by_turn: BTreeMap::new(), turn: 0 }
    }

    /// From now on `max` are remembered at most.
    pub(in crate::registrar) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.forget_first();
    }

    /// Whatever is too much is forgotten.
    fn forget_first(&mut self) {
        while self.ended.len() > self.max
            && let Some((_, first)) = self.by_turn.pop_first()
        {
            self.ended.remove(&first);
        }
    }

    /// Whether none is ever remembered.
    pub(super) const fn is_off(&self) -> bool {
        self.max == 0
    }

    /// Whether the binding was gone at `stamp` or later.
    pub(super) fn hold(&self, name: u64, stamp: Stamp) -> bool {
        self.ended.get(&name).is_some_and(|(ended, _)| *ended >= stamp)
    }

    pub(super) fn insert(&mut self, name: u64, stamp: Stamp) {
        if self.is_off() || self.hold(name, stamp) {
            return;
        }
        self.remove(name);
        self.turn += 1;
        self.ended.insert(name, (stamp, self.turn));
        self.by_turn.insert(self.turn, name);
        self.forget_first();
    }

    pub(super) fn remove(&mut self, name: u64) {
        if let Some((_, turn)) = self.ended.remove(&name) {
            self.by_turn.remove(&turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_end_counts_and_who_went_first_is_forgotten_first() {
        let at = |millis| Stamp { millis, cseq: 1 };
        let mut graves = Graves::new(2);
        for (name, millis) in [(1, 5), (2, -5), (1, 4), (2, 6), (3, 1)] {
            graves.insert(name, at(millis));
        }
        assert!(!graves.hold(1, at(0)), "forgotten");
        assert!(graves.hold(2, at(6)) && !graves.hold(2, at(7)) && graves.hold(3, at(1)));
        graves.remove(2);
        assert_eq!((graves.ended.len(), graves.by_turn.len()), (1, 1));
        let mut off = Graves::new(0);
        off.insert(1, at(1));
        assert!(!off.hold(1, at(0)));
    }
}
