//! Time as the caller tells it, and the one queue of deadlines.
//!
//! The core has no clock: an [`Instant`] comes in with each event. [`Timers`] keeps what is due when; it is a
//! sorted map rather than a heap so that a cancelled timer is gone at once. A heap with tombstones would let a
//! flood of short transactions pile up dead entries for 32 s, and would report deadlines that are none.

use std::collections::BTreeMap;
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
    serial: u64,
}

impl TimerId {
    /// When the timer is due.
    #[must_use]
    pub const fn at(self) -> Instant {
        self.at
    }
}

/// What is due when, each deadline with a key of the armer's. Equal deadlines come out in the order of arming.
#[derive(Debug)]
pub struct Timers<K> {
    due: BTreeMap<TimerId, K>,
    serial: u64,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), serial: 0 }
    }
}

impl<K> Timers<K> {
    /// Arms a timer for `at`.
    pub fn arm(&mut self, at: Instant, key: K) -> TimerId {
        let id = TimerId { at, serial: self.serial };
        self.serial += 1;
        self.due.insert(id, key);
        id
    }

    /// Disarms `id`; nothing happens if it has fired.
    pub fn cancel(&mut self, id: TimerId) {
        self.due.remove(&id);
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(id, _)| id.at)
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, key)| key)
    }

    /// How many timers are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
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
