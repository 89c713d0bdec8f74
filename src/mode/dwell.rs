//! How long the emergency state is held before the first return, so that a bad line cannot make the branch flap.
//!
//! `sas.md` 3.3: the minimum dwell, doubled by each flip inside 10 minutes, up to the maximum dwell. A flip is a return
//! to normal. Whatever comes in, a return is therefore at least one dwell after the loss before it.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a flip is held against the line (`sas.md` 3.3).
const MEMORY: Duration = Duration::from_mins(10);

/// Flips remembered at most. A dwell of one millisecond doubled so often is longer than any maximum that can be
/// configured, so that older flips could change nothing.
const REMEMBERED: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dwell {
    minimum: Duration,
    maximum: Duration,
    /// The latest returns to normal, oldest first.
    returns: VecDeque<Instant>,
}

impl Dwell {
    pub(super) fn new(minimum: Duration, maximum: Duration) -> Self {
        Self { minimum, maximum, returns: VecDeque::new() }
    }

    /// What the next dwells are between.
    pub(super) const fn set_bounds(&mut self, minimum: Duration, maximum: Duration) {
        (self.minimum, self.maximum) = (minimum, maximum);
    }

    /// The dwell of an emergency state entered at `now`.
    pub(super) fn at(&self, now: Instant) -> Duration {
        let flips = self.returns.iter().filter(|&&at| now - at < MEMORY).count();
        let doubled = (0..flips).fold(self.minimum, |dwell, _| dwell.saturating_mul(2));
        doubled.min(self.maximum)
    }

    pub(super) fn on_return(&mut self, now: Instant) {
        if self.returns.len() == REMEMBERED {
            self.returns.pop_front();
        }
        self.returns.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_return_of_the_last_ten_minutes_doubles_the_dwell_up_to_the_maximum() {
        let mut dwell = Dwell::new(Duration::from_secs(10), Duration::from_mins(5));
        let mut seen = Vec::new();
        for second in 0..7 {
            seen.push(dwell.at(Instant::from_secs(second)).as_secs());
            dwell.on_return(Instant::from_secs(second));
        }
        assert_eq!(seen, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_return_is_forgotten_after_ten_minutes() {
        let mut dwell = Dwell::new(Duration::from_secs(10), Duration::from_mins(5));
        dwell.on_return(Instant::ZERO);
        assert_eq!(dwell.at(Instant::from_micros(599_999_999)), Duration::from_secs(20));
        assert_eq!(dwell.at(Instant::from_secs(600)), Duration::from_secs(10));
    }

    #[test]
    fn the_memory_of_returns_is_bounded() {
        let mut dwell = Dwell::new(Duration::ZERO, Duration::from_mins(5));
        for second in 0..1000 {
            dwell.on_return(Instant::from_secs(second));
        }
        assert_eq!(dwell.returns.len(), REMEMBERED);
        assert_eq!(dwell.at(Instant::from_secs(1000)), Duration::ZERO);
    }
}
