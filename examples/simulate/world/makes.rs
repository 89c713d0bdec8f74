//! What phones do by themselves: the habits of makes that are found in branches, as their makers' manuals and sources describe the
//! defaults. The names say whose habits a row is modelled on; no phone is all of its row.
//!
//! | make | asks for | refreshes | after a failure | keep-alive | goes back to its first server |
//! |---|---|---|---|---|---|
//! | polycom-vvx | 3600 s | 60 s before the end, of lifetimes below that at half | 60 s, of which a random half | | each 60 s |
//! | yealink-t4 | 3600 s | at half | 30 s | | each 120 s |
//! | aastra-6700 | 3600 s | at half, or 15 s before the end if that is later | 120 s | | each 300 s |
//! | audiocodes-mp | 3600 s | at half | 30 s | | each 60 s |
//! | cisco-spa | 3600 s | at 95 % | 30 s | | each 3600 s |
//! | baresip | 3600 s | at 90 % | 30 s, doubled up to 1800 s, of which a random half | | each 120 s |
//! | linphone | 3600 s | at 90 % | 60 s | CRLF each 30 s | each 120 s |
//! | panasonic-hdv | 3600 s | at half | 10 s | | each 120 s |
//!
//! What the manuals do not say is our assumption: when Yealink's and Cisco's refresh, and how often a phone that has gone to its second
//! server asks for the first (`fall back` in the manuals, where there is a timer at all).

use sip_survivability::rng::Rng;
use std::time::Duration;

/// When a phone refreshes, of the lifetime that it was granted.
#[derive(Clone, Copy, Debug)]
pub enum Refresh {
    /// After so many percent.
    Percent(u32),
    /// So long before the end; at half of a lifetime that is shorter than that.
    BeforeEnd(Duration),
    /// At half, or so long before the end, whatever is later.
    HalfOrBeforeEnd(Duration),
}

/// When a phone tries again after a failure.
#[derive(Clone, Copy, Debug)]
pub enum Retry {
    After(Duration),
    /// RFC 5626 4.5: doubled with each failure up to the second, and a random half of it.
    BackOff(Duration, Duration),
}

#[derive(Debug)]
pub struct Make {
    pub name: &'static str,
    /// How many of a hundred phones.
    pub share: u32,
    pub expires: Duration,
    pub refresh: Refresh,
    pub retry: Retry,
    pub keep_alive: Option<Duration>,
    pub homing: Duration,
    /// Whether the PBX wants its password (digest).
    pub is_challenged: bool,
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn make(name: &'static str, share: u32, refresh: Refresh, retry: Retry, homing: u64) -> Make {
    let (expires, homing) = (secs(3600), secs(homing));
    Make { name, share, expires, refresh, retry, keep_alive: None, homing, is_challenged: false }
}

pub static MAKES: [Make; 8] = [
    make("polycom-vvx", 25, Refresh::BeforeEnd(secs(60)), Retry::BackOff(secs(60), secs(60)), 60),
    Make { is_challenged: true, ..make("yealink-t4", 25, Refresh::Percent(50), Retry::After(secs(30)), 120) },
    make("aastra-6700", 10, Refresh::HalfOrBeforeEnd(secs(15)), Retry::After(secs(120)), 300),
    make("audiocodes-mp", 10, Refresh::Percent(50), Retry::After(secs(30)), 60),
    Make { is_challenged: true, ..make("cisco-spa", 12, Refresh::Percent(95), Retry::After(secs(30)), 3600) },
    make("baresip", 5, Refresh::Percent(90), Retry::BackOff(secs(30), secs(1800)), 120),
    Make {
        keep_alive: Some(secs(30)),
        ..make("linphone", 5, Refresh::Percent(90), Retry::After(secs(60)), 120)
    },
    make("panasonic-hdv", 8, Refresh::Percent(50), Retry::After(secs(10)), 120),
];

impl Make {
    /// The make of a phone: spread, so that neighbours differ.
    pub fn of(phone: u32) -> &'static Self {
        let mut place = phone.wrapping_mul(37) % 100;
        for make in &MAKES {
            if place < make.share {
                return make;
            }
            place -= make.share;
        }
        &MAKES[0]
    }

    pub fn refresh_after(&self, granted: Duration) -> Duration {
        match self.refresh {
            Refresh::Percent(percent) => granted * percent / 100,
            Refresh::BeforeEnd(overlap) if granted <= overlap => granted / 2,
            Refresh::BeforeEnd(overlap) => granted - overlap,
            Refresh::HalfOrBeforeEnd(overlap) => (granted / 2).max(granted.saturating_sub(overlap)),
        }
    }

    pub fn retry_after(&self, failures: u32, rng: &mut Rng) -> Duration {
        match self.retry {
            Retry::After(span) => span,
            Retry::BackOff(base, longest) => {
                let span = (base * (1 << failures.saturating_sub(1).min(6))).min(longest);
                rng.between(span / 2, span)
            }
        }
    }
}
