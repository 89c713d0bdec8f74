//! What was dropped without an answer: counted, and told at most once a second, so that a flood of rubbish is no flood of
//! notices, and none of it goes untold.

use super::Notice;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// At most one notice in this time.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Drops {
    /// Since the latest notice.
    count: u64,
    /// Who sent the latest.
    from: Option<SocketAddr>,
    /// When the next notice may come.
    quiet_until: Instant,
}

impl Drops {
    pub(super) const fn add(&mut self, from: SocketAddr) {
        self.count += 1;
        self.from = Some(from);
    }

    /// When there is something to tell.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        (self.count > 0).then_some(self.quiet_until)
    }

    /// What there is to tell at `now`.
    pub(super) fn take_notice(&mut self, now: Instant) -> Option<Notice> {
        let from = self.from.filter(|_| self.next_timeout().is_some_and(|due| due <= now))?;
        self.quiet_until = now + INTERVAL;
        Some(Notice::MessagesDropped { from, count: std::mem::take(&mut self.count) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_together_a_second_later() {
        let (mut drops, from) = (Drops::default(), SocketAddr::from(([192, 0, 2, 66], 5060)));
        let count = |notice| match notice {
            Some(Notice::MessagesDropped { count, .. }) => count,
            _ => 0,
        };
        drops.add(from);
        assert_eq!(count(drops.take_notice(Instant::from_secs(5))), 1);
        for _ in 0..7 {
            drops.add(from);
        }
        assert_eq!(drops.take_notice(Instant::from_millis(5999)), None);
        assert_eq!(drops.next_timeout(), Some(Instant::from_secs(6)));
        assert_eq!(count(drops.take_notice(Instant::from_secs(6))), 7);
        assert_eq!(drops.next_timeout(), None);
    }
}
