//! Who was registered once: a callee that is known but away is told from one that never was (480 and 404, `sas.md` 4.4
//! step 10). The memory is bounded; who left first is forgotten first.

use crate::uri::AorKey;
use std::collections::BTreeMap;

/// Addresses of record that have no contact any more.
#[derive(Debug)]
pub(super) struct Former {
    max: usize,
    left_at: BTreeMap<AorKey, u64>,
    by_time: BTreeMap<u64, AorKey>,
    serial: u64,
}

impl Former {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, left_at: BTreeMap::new(), by_time: BTreeMap::new(), serial: 0 }
    }

    pub(super) fn contains(&self, key: &AorKey) -> bool {
        self.left_at.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: AorKey) {
        self.remove(&key);
        self.serial += 1;
        self.left_at.insert(key.clone(), self.serial);
        self.by_time.insert(self.serial, key);
        if self.left_at.len() > self.max
            && let Some((_, first)) = self.by_time.pop_first()
        {
            self.left_at.remove(&first);
        }
    }

    pub(super) fn remove(&mut self, key: &AorKey) {
        if let Some(serial) = self.left_at.remove(key) {
            self.by_time.remove(&serial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::{HomeHosts, Uri};

    #[test]
    fn who_left_first_is_forgotten_first() {
        let key = |user: &str| {
            AorKey::of(&Uri::parse(&format!("sip:{user}@h")).unwrap(), &HomeHosts::default()).unwrap()
        };
        let mut former = Former::new(2);
        for user in ["a", "b", "a", "c"] {
            former.insert(key(user));
        }
        assert!(former.contains(&key("a")) && former.contains(&key("c")) && !former.contains(&key("b")));
        former.remove(&key("a"));
        assert_eq!((former.left_at.len(), former.by_time.len()), (1, 1));
    }
}
