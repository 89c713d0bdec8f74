//! What happens to the branch, and when.

use super::net::{Line, Net};
use sip_survivability::time::Instant;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    WanCut,
    Flapping,
    Brownout,
    PbxRestart,
    GatewayRestart,
    Partial,
    Redundant,
}

impl Scenario {
    pub const ALL: [Self; 7] = [
        Self::WanCut,
        Self::Flapping,
        Self::Brownout,
        Self::PbxRestart,
        Self::GatewayRestart,
        Self::Partial,
        Self::Redundant,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::WanCut => "wan-cut",
            Self::Flapping => "flapping",
            Self::Brownout => "brownout",
            Self::PbxRestart => "pbx-restart",
            Self::GatewayRestart => "gateway-restart",
            Self::Partial => "partial",
            Self::Redundant => "redundant",
        }
    }

    pub const fn story(self) -> &'static str {
        match self {
            Self::WanCut => "the line to the PBX is cut once",
            Self::Flapping => "the line to the PBX comes and goes, 1 to 40 s each",
            Self::Brownout => "the line to the PBX is slow (150 to 250 ms one way) and loses at least 10 %",
            Self::PbxRestart => "the PBX ends, its host says so, and it comes back knowing nobody",
            Self::GatewayRestart => {
                "while the line is cut, SAS itself restarts, and takes its bindings from a store"
            }
            Self::Partial => "of two PBXs the first is cut off, the second stays",
            Self::Redundant => "the phones talk to the PBX, and to SAS only when that is gone",
        }
    }
}

/// Something that the scenario does. The number is that of the PBX.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Cut(usize),
    Mend(usize),
    /// Its process ends.
    Close(usize),
    /// Its process is started again, and knows nobody.
    Open(usize),
    StopSas,
    StartSas,
    Wan(Line),
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How long the phones take to be switched on, one after the other.
pub fn boot_time(span: Duration) -> Duration {
    (span / 8).min(secs(1_800))
}

/// When trouble begins, and how long it lasts: an hour, or a quarter of a run that is shorter than four.
pub fn trouble(span: Duration) -> (Instant, Duration) {
    (Instant::ZERO + span * 2 / 5, (span / 4).min(secs(3_600)))
}

/// The steps, in their order.
pub fn steps(scenario: Scenario, span: Duration, net: &mut Net) -> Vec<(Instant, Step)> {
    let (from, length) = trouble(span);
    let to = from + length;
    match scenario {
        Scenario::WanCut | Scenario::Partial | Scenario::Redundant => {
            vec![(from, Step::Cut(0)), (to, Step::Mend(0))]
        }
        Scenario::Flapping => {
            let (mut at, mut steps) = (from, Vec::new());
            while at < to {
                steps.push((at, Step::Cut(0)));
                at = at + net.between(secs(1), secs(40));
                steps.push((at, Step::Mend(0)));
                at = at + net.between(secs(1), secs(40));
            }
            steps
        }
        Scenario::Brownout => {
            let well = net.wan;
            let ill = Line {
                latency: Duration::from_millis(150),
                jitter: Duration::from_millis(100),
                loss: well.loss.max(0.1),
            };
            vec![(from, Step::Wan(ill)), (to, Step::Wan(well))]
        }
        Scenario::PbxRestart => {
            vec![(from, Step::Close(0)), (from + length.min(secs(300)), Step::Open(0))]
        }
        Scenario::GatewayRestart => {
            let half = from + length / 2;
            vec![
                (from, Step::Cut(0)),
                (half, Step::StopSas),
                (half + secs(10), Step::StartSas),
                (to, Step::Mend(0)),
            ]
        }
    }
}
