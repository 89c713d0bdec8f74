//! The round-trip time of a target, smoothed, so that a slow line is not taken for a dead one (`sas.md` 3.1).

use std::time::Duration;

/// What twice the round-trip time may stretch the re-probe interval to. It bounds the time to a verdict, and a line
/// slower than this is of no use to SIP, whose own T1 is 500 ms.
const LONGEST: Duration = Duration::from_secs(2);

/// A sample above this is no round trip but a proxy that slept, or a queue that was stuck.
const ABSURD: Duration = Duration::from_secs(10);

/// The smoothed round-trip time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundTrip(Option<Duration>);

impl RoundTrip {
    /// Takes a sample in. No sample is ambiguous in the sense of Karn's algorithm, as each probe is a transaction of its
    /// own (RFC 6298 section 3).
    pub(super) fn sample(&mut self, sample: Duration) {
        if sample > ABSURD {
            return;
        }
        let sample = sample.min(LONGEST);
        self.0 = Some(match self.0 {
            None => sample,
            // Faster down than RFC 6298 2.3 has it: after a proxy that slept a while the next verdicts would be slow.
            Some(smoothed) if sample < smoothed => (smoothed + sample) / 2,
            // RFC 6298 2.3, alpha = 1/8.
            Some(smoothed) => (smoothed * 7 + sample) / 8,
        });
    }

    /// `configured`, but not below twice the smoothed round-trip time.
    pub(super) fn stretch(self, configured: Duration) -> Duration {
        let twice = self.0.map_or(Duration::ZERO, |smoothed| smoothed * 2);
        configured.max(twice.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: Duration = Duration::from_millis(250);

    #[test]
    fn a_fast_line_has_the_configured_interval() {
        let mut rtt = RoundTrip::default();
        assert_eq!(rtt.stretch(CONFIGURED), CONFIGURED);
        rtt.sample(Duration::from_millis(20));
        assert_eq!(rtt.stretch(CONFIGURED), CONFIGURED);
    }

    #[test]
    fn a_slow_line_has_twice_its_round_trip_time_up_to_a_bound() {
        let mut rtt = RoundTrip::default();
        rtt.sample(Duration::from_millis(600));
        assert_eq!(rtt.stretch(CONFIGURED), Duration::from_millis(1200));
        let mut rtt = RoundTrip::default();
        rtt.sample(Duration::from_secs(3));
        assert_eq!(rtt.stretch(CONFIGURED), LONGEST);
        assert_eq!(rtt.stretch(Duration::from_secs(5)), Duration::from_secs(5));
    }

    #[test]
    fn one_late_answer_is_soon_forgotten_and_an_absurd_one_never_counts() {
        let mut rtt = RoundTrip::default();
        rtt.sample(Duration::from_millis(2));
        rtt.sample(Duration::from_secs(2));
        assert!(rtt.stretch(CONFIGURED) > CONFIGURED);
        rtt.sample(Duration::from_millis(2));
        rtt.sample(Duration::from_millis(2));
        rtt.sample(Duration::from_secs(3600));
        assert_eq!(rtt.stretch(CONFIGURED), CONFIGURED);
    }
}
