//! Who was registered once: a callee that is known but away is told from one that never was (480 and 404, `sas.md` 4.4
//! step 10). The memory is bounded; who left first is forgotten first.

use std::collections::BTreeMap;

/// Addresses of record that have no contact any more, by a keyed hash of 64 bits: the names themselves would be as many
/// texts again.
#[derive(Debug)]
pub(super) struct Former {
    max: usize,
    left_at: BTreeMap<u64, u64>,
    by_time: BTreeMap<u64, u64>,
    serial: u64,
}

impl Former {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, left_at: BTreeMap::new(), by_time: BTreeMap::new(), serial: 0 }
    }

    /// From now on `max` are remembered at most.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.forget_first();
    }

    /// Whoever is too many is forgotten.
    fn forget_first(&mut self) {
        while self.left_at.len() > self.max
            && let Some((_, first)) = self.by_time.pop_first()
        {
            self.left_at.remove(&first);
        }
    }

    pub(super) fn contains(&self, name: u64) -> bool {
        self.left_at.contains_key(&name)
    }

    pub(super) fn insert(&mut self, name: u64) {
        self.remove(name);
        self.serial += 1;
        self.left_at.insert(name, self.serial);
        self.by_time.insert(self.serial, name);
        self.forget_first();
    }

    pub(super) fn remove(&mut self, name: u64) {
        if let Some(serial) = self.left_at.remove(&name) {
            self.by_time.remove(&serial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_first_is_forgotten_first() {
        let mut former = Former::new(2);
        for user in [1, 2, 1, 3] {
            former.insert(user);
        }
        assert!(former.contains(1) && former.contains(3) && !former.contains(2));
        former.remove(1);
        assert_eq!((former.left_at.len(), former.by_time.len()), (1, 1));
        former.set_max(0);
        assert_eq!((former.left_at.len(), former.by_time.len()), (0, 0));
    }
}
