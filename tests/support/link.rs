//! What the way between two nodes does to datagrams.

use sip_survivability::rng::Rng;
use std::time::Duration;

/// One link, the same in both directions. A fresh one is a good LAN: a millisecond, and nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub latency: Duration,
    /// Up to so much is added to the latency, so that datagrams overtake each other.
    pub jitter: Duration,
    /// The share that is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The share that arrives twice.
    pub duplication: f64,
    /// The share that is held back long enough for later ones to overtake it.
    pub reordering: f64,
    /// Nothing passes, and nobody is told.
    pub cut: bool,
}

impl Link {
    pub const LAN: Self = Self {
        latency: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        cut: false,
    };

    /// The line to the head office.
    pub const WAN: Self = Self { latency: Duration::from_millis(15), ..Self::LAN };

    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    pub fn duplication(self, duplication: f64) -> Self {
        Self { duplication, ..self }
    }

    pub fn reordering(self, reordering: f64) -> Self {
        Self { reordering, ..self }
    }

    pub(super) fn loses(&self, rng: &mut Rng) -> bool {
        chance(rng, self.loss)
    }

    pub(super) fn duplicates(&self, rng: &mut Rng) -> bool {
        chance(rng, self.duplication)
    }

    /// How long one datagram is under way.
    pub(super) fn delay(&self, rng: &mut Rng) -> Duration {
        let mut delay = self.latency;
        if !self.jitter.is_zero() {
            delay += rng.between(Duration::ZERO, self.jitter);
        }
        if chance(rng, self.reordering) {
            delay += rng.between(self.latency, self.latency * 10);
        }
        delay
    }
}

pub(super) fn chance(rng: &mut Rng, share: f64) -> bool {
    // 53 bits are what an f64 holds exactly, so the draw is the same on every machine.
    share > 0.0 && ((rng.bits() >> 11) as f64) < share * (1u64 << 53) as f64
}
