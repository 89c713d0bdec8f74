//! Time as the caller tells it, and the one queue of deadlines.
//!
//! The core has no clock: an [`Instant`] comes in with each event. [`Timers`] keeps what is due when; a cancelled timer is
//! gone at once. With tombstones a flood of short transactions would pile up dead entries for 32 s, and deadlines would be
//! reported that are none.

use crate::slab::{Slab, SlabId};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: microseconds since an epoch of the caller's choosing, which must not run backwards.
///
/// Only differences matter. A natural epoch is the start of the program, or of the simulation.
///
/// ```
/// use sip_survivability::time::Instant;
/// use std::time::Duration;
/// let later = Instant::ZERO + Duration::from_millis(500);
/// assert_eq!(later - Instant::ZERO, Duration::from_millis(500));
/// assert_eq!(later.as_micros(), 500_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// The instant `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The same as [`Instant::since`].
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Names one armed timer, to cancel it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimerId {
    at: Instant,
    id: SlabId,
}

impl TimerId {
    /// Names no timer.
    pub(crate) const NONE: Self = Self { at: Instant::ZERO, id: SlabId::LAST };

    /// When the timer is due.
    #[must_use]
    pub const fn at(self) -> Instant {
        self.at
    }
}

/// What is due when, each deadline with a key of the armer's. Equal deadlines come out in the order of arming.
///
/// A heap of four children to each parent. Each timer knows its place in it, so that a cancelled one is gone at once, and the
/// next deadline is a look at the first place.
#[derive(Debug)]
pub struct Timers<K> {
    heap: Vec<Deadline>,
    armed: Slab<Armed<K>>,
    serial: u32,
}

/// One place of the heap.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    serial: u32,
    slot: u32,
}

impl Deadline {
    /// The serial number wraps: of two equal deadlines the one armed less than 2^31 armings after the other is the later one.
    const fn is_before(self, other: Self) -> bool {
        self.at.0 < other.at.0
            || (self.at.0 == other.at.0 && (self.serial.wrapping_sub(other.serial) as i32) < 0)
    }
}

#[derive(Debug)]
struct Armed<K> {
    place: u32,
    key: K,
}

const CHILDREN: usize = 4;

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { heap: Vec::new(), armed: Slab::default(), serial: 0 }
    }
}

impl<K> Timers<K> {
    /// Arms a timer for `at`.
    pub fn arm(&mut self, at: Instant, key: K) -> TimerId {
        let place = self.heap.len();
        let id = self.armed.insert(Armed { place: place as u32, key });
        self.serial = self.serial.wrapping_add(1);
        self.heap.push(Deadline { at, serial: self.serial, slot: id.slot() });
        self.rise(place);
        TimerId { at, id }
    }

    /// Moves `id` to `at`, as if it were armed now; nothing happens if it has fired.
    pub fn rearm(&mut self, id: TimerId, at: Instant) -> TimerId {
        if let Some(place) = self.armed.get(id.id).map(|armed| armed.place as usize)
            && let Some(deadline) = self.heap.get_mut(place)
        {
            self.serial = self.serial.wrapping_add(1);
            (deadline.at, deadline.serial) = (at, self.serial);
            self.settle(place);
        }
        TimerId { at, ..id }
    }

    /// Disarms `id`; nothing happens if it has fired.
    pub fn cancel(&mut self, id: TimerId) {
        if let Some(armed) = self.armed.remove(id.id) {
            self.take_out(armed.place as usize);
        }
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|first| first.at)
    }

    /// The earliest timer.
    pub(crate) fn first(&self) -> Option<(Instant, &K)> {
        let first = self.heap.first()?;
        self.armed.at(first.slot).map(|(_, armed)| (first.at, &armed.key))
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let first = self.heap.first().filter(|first| first.at <= now)?;
        let id = self.armed.at(first.slot)?.0;
        self.take_out(0);
        self.armed.remove(id).map(|armed| armed.key)
    }

    /// How many timers are armed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no timer is armed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Fills the place with the last deadline.
    fn take_out(&mut self, place: usize) {
        let Some(last) = self.heap.pop() else { return };
        if place < self.heap.len() {
            self.put(place, last);
            self.settle(place);
        }
        // What a burst has needed is given back, a half at a time.
        if self.heap.capacity() > 64 && self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(self.heap.capacity() / 2);
        }
    }

    fn settle(&mut self, place: usize) {
        if self.rise(place) == place {
            self.sink(place);
        }
    }

    fn put(&mut self, place: usize, deadline: Deadline) {
        if let Some(free) = self.heap.get_mut(place) {
            *free = deadline;
        }
        if let Some(armed) = self.armed.at_mut(deadline.slot) {
            armed.place = place as u32;
        }
    }

    /// Moves what is at `place` up to where it belongs. Gives its new place.
    fn rise(&mut self, mut place: usize) -> usize {
        let Some(deadline) = self.heap.get(place).copied() else { return place };
        let start = place;
        while place > 0
            && let Some(parent) = self.heap.get((place - 1) / CHILDREN).copied()
            && deadline.is_before(parent)
        {
            self.put(place, parent);
            place = (place - 1) / CHILDREN;
        }
        if place != start {
            self.put(place, deadline);
        }
        place
    }

    /// Moves what is at `place` down to where it belongs.
    fn sink(&mut self, mut place: usize) {
        let Some(deadline) = self.heap.get(place).copied() else { return };
        let start = place;
        while let Some((child, first)) = self.first_child(place)
            && first.is_before(deadline)
        {
            self.put(place, first);
            place = child;
        }
        if place != start {
            self.put(place, deadline);
        }
    }

    /// The earliest child of `place`.
    fn first_child(&self, place: usize) -> Option<(usize, Deadline)> {
        let start = place * CHILDREN + 1;
        let children = self.heap.get(start..self.heap.len().min(start + CHILDREN))?;
        let mut found: Option<(usize, Deadline)> = None;
        for (child, deadline) in (start..).zip(children) {
            if found.is_none_or(|(_, first)| deadline.is_before(first)) {
                found = Some((child, *deadline));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_out_by_time_and_then_by_order_of_arming() {
        let mut timers = Timers::default();
        timers.arm(Instant::from_secs(2), "b");
        timers.arm(Instant::from_secs(1), "a");
        timers.arm(Instant::from_secs(2), "c");
        assert_eq!(timers.next(), Some(Instant::from_secs(1)));
        let now = Instant::from_secs(2);
        let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(now)).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn any_order_of_arming_moving_and_cancelling_fires_in_order() {
        // A small linear generator; the model is a sorted map.
        let (mut timers, mut model, mut ids) =
            (Timers::default(), std::collections::BTreeMap::new(), Vec::new());
        let mut bits = 1_u64;
        for step in 0..20_000_u64 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = Instant::from_micros((bits >> 33) % 1000);
            match (bits >> 20) % 8 {
                0..4 => {
                    ids.push((timers.arm(at, step), step, (at, step)));
                    model.insert((at, step), step);
                }
                4 | 5 if !ids.is_empty() => {
                    let one = (bits >> 24) as usize % ids.len();
                    let (id, key, place) = ids[one];
                    if model.remove(&place).is_some() {
                        ids[one] = (timers.rearm(id, at), key, (at, step));
                        model.insert((at, step), key);
                    }
                }
                6 if !ids.is_empty() => {
                    let (id, _, place) = ids.swap_remove((bits >> 24) as usize % ids.len());
                    timers.cancel(id);
                    model.remove(&place);
                }
                _ => {
                    let now = Instant::from_micros(500);
                    let first =
                        model.first_key_value().filter(|((at, _), _)| *at <= now).map(|(place, _)| *place);
                    assert_eq!(timers.pop_due(now), first.and_then(|place| model.remove(&place)));
                }
            }
            assert_eq!(timers.next(), model.first_key_value().map(|((at, _), _)| *at));
            assert_eq!(timers.len(), model.len());
        }
        let rest: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant::from_secs(1))).collect();
        assert_eq!(rest, model.into_values().collect::<Vec<_>>());
        assert!(timers.heap.capacity() <= 64 && timers.is_empty());
    }

    #[test]
    fn a_cancelled_timer_leaves_nothing_behind() {
        let mut timers = Timers::default();
        let id = timers.arm(Instant::from_secs(1), ());
        timers.cancel(id);
        timers.cancel(id);
        assert_eq!(timers.next(), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_timer_does_not_fire_early() {
        let mut timers = Timers::default();
        timers.arm(Instant::from_millis(500), ());
        assert_eq!(timers.pop_due(Instant::from_millis(499)), None);
        assert_eq!(timers.pop_due(Instant::from_millis(500)), Some(()));
    }

    #[test]
    fn time_saturates_rather_than_wraps() {
        assert_eq!(Instant::from_micros(u64::MAX) + Duration::from_secs(1), Instant::from_micros(u64::MAX));
        assert_eq!(Instant::ZERO - Instant::from_secs(1), Duration::ZERO);
    }
}
