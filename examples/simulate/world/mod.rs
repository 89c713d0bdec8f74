//! A branch in virtual time: the core of this library in the middle, phones, a PBX and a PSTN gateway around it, and lines that are
//! slow and lose packets. What happens next is always the earliest of all that is due; between two events there is nothing, so a day
//! takes as long as its messages do. All chance comes from one seed.
//!
//! - `queue`, `net`: what is due when; addresses, lines, packets
//! - `makes`, `phone`, `agent`, `dialog`, `transactions`: phones and their habits
//! - `pbx`: the PBX
//! - `scenario`: what goes wrong
//! - `branch`: the branch, and what is decided while it lives
//! - `log`, `outcome`: what is counted, and what the figures mean

pub mod agent;
mod branch;
mod dialog;
pub mod log;
pub mod makes;
mod net;
pub mod outcome;
mod pbx;
mod phone;
mod queue;
pub mod scenario;
mod transactions;

use branch::Branch;
use outcome::Outcome;
use scenario::Scenario;
use sip_survivability::time::Instant;
use std::time::Duration;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    pub phones: u32,
    pub span: Duration,
    /// The share of packets that each line loses, each way.
    pub loss: f64,
    pub seed: u64,
    pub scenario: Scenario,
    /// Calls an hour in the whole branch.
    pub calls: u32,
}

impl Plan {
    /// Calls an hour in a branch of so many phones: one for each four of them, and some in a small branch too.
    pub const fn usual_calls(phones: u32) -> u32 {
        if phones < 480 { 120 } else { phones / 4 }
    }
}

/// Lives through `plan`. `progress` is told the time from time to time.
pub fn run(plan: &Plan, mut progress: impl FnMut(Instant)) -> Outcome {
    let mut outcome = None;
    let heap = allocation_counter::measure(|| {
        let mut branch = Branch::new(plan);
        branch.live(&mut progress);
        outcome = Some(branch.outcome());
    });
    let mut outcome = outcome.expect("measured once");
    outcome.memory_bytes = heap.bytes_max;
    outcome
}
