//! Counts what is dropped and says so at most once a second, so that a flood fills no disk.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Drops {
    untold: u64,
    told: Option<Instant>,
}

impl Drops {
    /// Counts one more, and tells how many there were since the last time if that is long enough ago.
    pub(crate) fn count(&mut self, tell: impl FnOnce(u64)) {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            tell(std::mem::take(&mut self.untold));
            self.told = Some(Instant::now());
        }
    }
}
