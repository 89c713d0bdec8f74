//! What happens when: a heap of small keys. Equal times come out in the order in which they were put in, so that one seed makes one
//! run. Nothing is ever taken out of the middle: who has changed his mind ignores what comes.

use sip_survivability::time::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A packet arrives: its place in the net.
    Deliver(u32),
    /// What SAS sent to this PBX came back: nobody listens there.
    Refused(u8),
    /// A phone wanted to be woken.
    Wake(u32),
    /// The PSTN gateway wanted to be woken.
    WakeGateway,
    /// This step of the scenario.
    Step(u16),
    /// Somebody calls somebody.
    Dial { again: bool },
    /// Somebody calls 911.
    Emergency { again: bool },
    /// The curves of the plot get another point.
    Sample,
}

#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(Instant, u64, Job)>>,
    serial: u64,
}

impl Queue {
    pub fn push(&mut self, at: Instant, job: Job) {
        self.serial += 1;
        self.heap.push(Reverse((at, self.serial, job)));
    }

    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub fn pop(&mut self) -> Option<(Instant, Job)> {
        self.heap.pop().map(|Reverse((at, _, job))| (at, job))
    }
}
