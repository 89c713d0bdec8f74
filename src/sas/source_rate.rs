//! How many REGISTERs one source may send in a second (`limits.register_rate_per_source`).

use crate::time::Instant;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(1);

/// So many sources are told apart in a second. Who can make up more addresses is not held back by a limit for each, and those that come
/// after them pay nothing for it.
const SOURCES: usize = 10_000;

/// The sources of this second, and how often each came.
#[derive(Debug, Default)]
pub(super) struct SourceRate {
    since: Instant,
    counts: BTreeMap<IpAddr, u32>,
}

impl SourceRate {
    /// Whether one more at `now` from `source` is within `rate` a second; 0: any is.
    pub(super) fn admits(&mut self, now: Instant, source: IpAddr, rate: u32) -> bool {
        if rate == 0 {
            return true;
        }
        if now - self.since >= WINDOW {
            self.since = now;
            self.counts.clear();
        }
        let source = subscriber(source);
        if self.counts.len() >= SOURCES && !self.counts.contains_key(&source) {
            return true;
        }
        let count = self.counts.entry(source).or_default();
        *count = count.saturating_add(1);
        *count <= rate
    }
}

/// What one host has to itself: of IPv6 a whole /64 (RFC 4291 2.5.4).
fn subscriber(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_source_has_its_own_count_and_each_second_a_new_one() {
        let mut rate = SourceRate::default();
        let one = address("192.0.2.1");
        let now = Instant::from_secs(5);
        assert_eq!([1, 2, 3].map(|_| rate.admits(now, one, 2)), [true, true, false]);
        assert!(rate.admits(now, address("192.0.2.2"), 2));
        assert!(!rate.admits(Instant::from_millis(5999), address("::ffff:192.0.2.1"), 2));
        assert!(rate.admits(Instant::from_secs(6), one, 2));
        assert!((0..100).all(|_| rate.admits(now, one, 0)), "no limit");
    }

    #[test]
    fn a_host_with_a_network_of_its_own_is_one_source() {
        let mut rate = SourceRate::default();
        assert!(rate.admits(Instant::ZERO, address("2001:db8::1"), 1));
        assert!(!rate.admits(Instant::ZERO, address("2001:db8::ffff:2"), 1));
        assert!(rate.admits(Instant::ZERO, address("2001:db8:0:1::1"), 1));
    }

    #[test]
    fn made_up_sources_take_no_more_than_their_room() {
        let mut rate = SourceRate::default();
        for i in 0..20_000_u32 {
            assert!(rate.admits(Instant::ZERO, IpAddr::V4(i.into()), 1));
        }
        assert_eq!(rate.counts.len(), SOURCES);
        assert!(!rate.admits(Instant::ZERO, IpAddr::V4(7.into()), 1), "who was counted stays so");
    }
}
