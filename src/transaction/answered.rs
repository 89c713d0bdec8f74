//! Requests that were answered without a transaction. A registrar may be a stateless server (RFC 3261 8.2.7): it can make the answer
//! to a REGISTER again. All that is kept of one is its key, for as long as it may come again, so that a copy that is late changes
//! nothing: a storm of registrations fills no table of transactions, and takes no room from calls.

use super::LIFETIME;
use super::key::{Hashed, Key};
use crate::time::Instant;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasherDefault;
use std::time::Duration;

/// Those whose time has come wait so long for others, so that they are forgotten together.
const PATIENCE: Duration = Duration::from_secs(1);

/// Below so many there is nothing worth giving back.
const FEW: usize = 1024;

/// The latest ones.
#[derive(Debug, Default)]
pub(super) struct Answered {
    keys: HashSet<Key, BuildHasherDefault<Hashed>>,
    /// With the time from which on they can be forgotten, which comes in the order in which they were answered.
    order: VecDeque<(Instant, Key)>,
}

impl Answered {
    pub(super) fn contains(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }

    /// Keeps `key`, and `room` at most: the oldest ones go first.
    pub(super) fn insert(&mut self, now: Instant, key: Key, room: usize) {
        if !self.keys.insert(key) {
            return;
        }
        self.order.push_back((now + LIFETIME, key));
        while self.order.len() > room {
            self.forget_first();
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at + PATIENCE)
    }

    pub(super) fn on_tick(&mut self, now: Instant) {
        if self.next_timeout().is_none_or(|due| due > now) {
            return;
        }
        while self.order.front().is_some_and(|(at, _)| *at <= now) {
            self.forget_first();
        }
        // What a burst has needed is given back.
        let len = self.order.len();
        if self.keys.capacity() > FEW && len < self.keys.capacity() / 8 {
            self.keys.shrink_to(len * 2);
            self.order.shrink_to(len * 2);
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::key::KeyHasher;

    fn key(number: u32) -> Key {
        KeyHasher::new([1, 2]).client_key(&number.to_string(), "REGISTER")
    }

    #[test]
    fn each_is_known_for_as_long_as_it_may_come_again() {
        let mut answered = Answered::default();
        answered.insert(Instant::ZERO, key(1), 10);
        answered.insert(Instant::ZERO + PATIENCE / 2, key(2), 10);
        let first = answered.next_timeout().unwrap();
        assert!(first >= Instant::ZERO + LIFETIME);
        answered.on_tick(Instant::ZERO + (LIFETIME - Duration::from_millis(1)));
        assert!(answered.contains(key(1)) && answered.contains(key(2)));
        answered.on_tick(first);
        assert!(!answered.contains(key(1)) && !answered.contains(key(2)), "together");
        assert_eq!(answered.next_timeout(), None);
    }

    #[test]
    fn one_that_comes_again_is_kept_no_longer() {
        let mut answered = Answered::default();
        answered.insert(Instant::ZERO, key(1), 10);
        answered.insert(Instant::ZERO + LIFETIME, key(1), 10);
        answered.on_tick(Instant::ZERO + LIFETIME + PATIENCE);
        assert!(!answered.contains(key(1)));
    }

    #[test]
    fn there_is_room_for_so_many_and_a_burst_leaves_nothing_behind() {
        let mut answered = Answered::default();
        for number in 0..30_000 {
            answered.insert(Instant::ZERO, key(number), 20_000);
        }
        assert_eq!((answered.keys.len(), answered.order.len()), (20_000, 20_000));
        assert!(!answered.contains(key(9_999)) && answered.contains(key(10_000)));
        answered.on_tick(Instant::ZERO + LIFETIME + PATIENCE);
        assert!(answered.keys.capacity() < FEW && answered.order.capacity() < FEW);
    }
}
