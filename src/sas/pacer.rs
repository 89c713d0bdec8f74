//! The way home, paced: how many REGISTERs a returning proxy gets (`sas.md` 3.4, `return_rate`).
//!
//! A window that slides rather than a bucket that fills: in *any* second the proxy gets at most `return_rate` of them, and
//! a small branch, which fits into one second, is home at once.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pacer {
    rate: usize,
    /// When the latest were let through, oldest first; never more than `rate`.
    latest: VecDeque<Instant>,
    /// Pacing lasts at least until then; none: nothing to pace.
    until: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: rate as usize, latest: VecDeque::new(), until: None }
    }

    /// The proxy is back at `now`. Phones come within `storm`, the lifetime that they were granted meanwhile.
    pub(super) fn on_return(&mut self, now: Instant, storm: Duration) {
        self.until = Some(now + storm);
    }

    /// Whether a REGISTER may go to the proxy now. `unconfirmed`: how many bindings the proxy has yet to confirm.
    pub(super) fn admits(&mut self, now: Instant, unconfirmed: usize) -> bool {
        match self.until {
            None => return true,
            Some(until) if until <= now && unconfirmed == 0 => {
                self.until = None;
                self.latest.clear();
                return true;
            }
            Some(_) => {}
        }
        if self.latest.len() >= self.rate {
            if self.latest.front().is_some_and(|oldest| now - *oldest < WINDOW) {
                return false;
            }
            self.latest.pop_front();
        }
        self.latest.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_after_the_return_lets_more_through_than_the_rate() {
        let mut pacer = Pacer::new(50);
        pacer.on_return(Instant::ZERO, Duration::from_secs(20));
        let admitted: Vec<u64> =
            (0..10_000).map(|i| i * 1000).filter(|at| pacer.admits(Instant::from_micros(*at), 500)).collect();
        assert!(admitted.windows(51).all(|w| w[50] - w[0] >= 1_000_000));
        assert_eq!(admitted.len(), 500);
    }

    #[test]
    fn pacing_ends_when_all_are_home() {
        let mut pacer = Pacer::new(1);
        assert!(pacer.admits(Instant::ZERO, 5) && pacer.admits(Instant::ZERO, 5));
        pacer.on_return(Instant::ZERO, Duration::from_secs(20));
        assert!(pacer.admits(Instant::from_secs(1), 0) && !pacer.admits(Instant::from_secs(1), 0));
        assert!(pacer.admits(Instant::from_secs(21), 1) && !pacer.admits(Instant::from_secs(21), 1));
        assert!(pacer.admits(Instant::from_secs(21), 0) && pacer.admits(Instant::from_secs(21), 9));
    }
}
