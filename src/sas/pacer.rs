//! The way home, paced: how many REGISTERs a returning proxy gets (`sas.md` 3.4, `return_rate`).
//!
//! A window that slides rather than a bucket that fills: in *any* second the proxy gets at most `return_rate` of them, and
//! a small branch, which fits into one second, is home at once.
//!
//! What counts is what arrives. Datagrams do not keep their distance on the way, and what is lost is sent again into the midst of
//! others: so the window is a little longer than a second, and a quarter of a rate that has quarters is left to those.

use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

const WINDOW: Duration = Duration::from_millis(1_100);

/// Rates below this have no room to leave.
const DIVISIBLE: usize = 8;

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
        Self { rate: paced(rate), latest: VecDeque::new(), until: None }
    }

    /// Another rate from now on, for what is on its way home already as well.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = paced(rate);
        let excess = self.latest.len().saturating_sub(self.rate);
        self.latest.drain(..excess);
    }

    /// The proxy is back at `now`. Phones come within `storm`, the lifetime that they were granted meanwhile.
    pub(super) fn on_return(&mut self, now: Instant, storm: Duration) {
        self.until = Some(now + storm);
    }

    /// How long it takes to let `count` REGISTERs through.
    pub(super) fn time_for(&self, count: usize) -> Duration {
        WINDOW.saturating_mul(u32::try_from(count.div_ceil(self.rate.max(1))).unwrap_or(u32::MAX))
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

fn paced(rate: u32) -> usize {
    let rate = rate as usize;
    if rate < DIVISIBLE { rate } else { rate - rate / 4 }
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
        // Ten windows of 1.1 s begin in ten seconds, with 38 each: 12 of 50 are left for what is sent again.
        assert_eq!(admitted.len(), 380);
    }

    #[test]
    fn with_a_twentieth_lost_each_way_the_proxy_gets_no_more_than_the_rate_all_the_same() {
        let mut pacer = Pacer::new(50);
        pacer.on_return(Instant::ZERO, Duration::from_secs(20));
        let admitted =
            (0..200_000_u64).map(|i| i * 1000).filter(|at| pacer.admits(Instant::from_micros(*at), 500));
        // Every twentieth is lost, and comes half a second later; of every twentieth the answer is, and it comes twice.
        let arrivals = admitted.enumerate().flat_map(|(i, at)| {
            let again = at + 500_000;
            match i % 20 {
                0 => vec![again],
                1 => vec![at, again],
                _ => vec![at],
            }
        });
        let mut arrivals: Vec<u64> = arrivals.collect();
        arrivals.sort_unstable();
        assert!(arrivals.windows(51).all(|w| w[50] - w[0] >= 1_000_000));
    }

    #[test]
    fn a_lower_rate_holds_at_once_and_counts_what_went_before() {
        let mut pacer = Pacer::new(7);
        pacer.on_return(Instant::ZERO, Duration::from_secs(20));
        let at = Instant::from_millis;
        assert!((0..7).all(|i| pacer.admits(at(i * 100), 9)));
        pacer.set_rate(2);
        assert!(!pacer.admits(at(1_550), 9), "two within the last 1.1 s");
        assert!(pacer.admits(at(1_600), 9) && !pacer.admits(at(1_650), 9) && pacer.admits(at(1_700), 9));
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
