//! What is counted while it happens. What each figure means is said in `outcome.rs`.

use super::agent::Purpose;
use super::net::{DOMAIN, SAS};
use super::phone::user_of;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    Internal,
    Outgoing,
    Incoming,
    Emergency,
}

/// A call that was up when the PBX was lost: what became of its three trials. The status of each; 0 for none at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    pub by_caller: Option<u16>,
    pub by_callee: Option<u16>,
    pub bye: Option<u16>,
}

impl Watch {
    pub fn is_kept(&self) -> bool {
        [self.by_caller, self.by_callee, self.bye].iter().all(|status| *status == Some(200))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct CallRecord {
    pub kind: CallKind,
    /// The phone that is called, if one is.
    pub callee: u32,
    pub dialled: Instant,
    /// When the callee's end heard of it.
    pub rung: Option<Instant>,
    /// When the caller's end had a final answer, and which; 0 for none.
    pub ended: Option<(Instant, u16)>,
    /// Dialled when the PBX was lost and nobody knew.
    pub in_gap: bool,
    pub watch: Option<Watch>,
}

impl CallRecord {
    /// How long the caller waited until something happened at the other end, or he was told that nothing will.
    pub fn delay(&self) -> Option<Duration> {
        let end = self.ended.map(|(at, _)| at);
        Some(self.rung.or(end)? - self.dialled)
    }
}

/// A loss of the whole PBX.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    pub from: Instant,
    pub to: Option<Instant>,
    /// When the branch knew.
    pub detected: Option<Instant>,
}

/// A point of the curves.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Instant,
    /// REGISTERs at the PBX since the point before.
    pub registers: u32,
    pub calls_up: u32,
    /// Phones that the PBX could not reach for want of a registration.
    pub away: u32,
}

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Log {
    /// SAS does not watch the PBX.
    pub is_blind: bool,
    pub calls: Vec<CallRecord>,
    pub outages: Vec<Outage>,
    /// Each state and since when.
    pub states: Vec<(Instant, State)>,
    pub samples: Vec<Sample>,
    pub false_failovers: u32,
    /// Users that a notice of SAS named as not home though the PBX knew them.
    pub named_wrongly: u64,
    /// Phones that SAS held for home though the PBX did not know them, at each sample.
    pub held_for_home: u64,
    pub bindings_lost: u64,
    /// What nobody answered, and when it was given up.
    pub unanswered: Vec<(Instant, Purpose)>,
    /// How long each return took until all phones were home.
    pub homecomings: Vec<Duration>,
    /// The return that is under way.
    pub returned: Option<Instant>,
    pub peak_on_return: u32,
    pub peak_ever: u32,
    /// REGISTERs that came to the PBX, copies among them.
    pub registers: u64,
    /// The latest second of them.
    latest: VecDeque<Instant>,
    registers_sampled: u64,
}

impl Log {
    pub fn dialled(&mut self, kind: CallKind, callee: u32, now: Instant) -> u32 {
        let in_gap = self.is_gap();
        let record = CallRecord { kind, callee, dialled: now, rung: None, ended: None, in_gap, watch: None };
        self.calls.push(record);
        self.calls.len() as u32 - 1
    }

    fn call(&mut self, number: u32) -> Option<&mut CallRecord> {
        self.calls.get_mut(number as usize)
    }

    pub fn kind(&self, number: u32) -> Option<CallKind> {
        self.calls.get(number as usize).map(|call| call.kind)
    }

    /// The Request-URI of a call.
    pub fn destination(&self, number: u32) -> String {
        let user = match self.calls.get(number as usize) {
            Some(CallRecord { kind: CallKind::Emergency, .. }) => "911".to_owned(),
            Some(CallRecord { kind: CallKind::Internal | CallKind::Incoming, callee, .. }) => {
                user_of(*callee)
            }
            _ => format!("0{number:07}"),
        };
        format!("sip:{user}@{DOMAIN}")
    }

    pub fn on_rung(&mut self, number: u32, now: Instant) {
        if let Some(call) = self.call(number) {
            call.rung.get_or_insert(now);
        }
    }

    pub fn on_final(&mut self, number: u32, now: Instant, status: u16) {
        if let Some(call) = self.call(number) {
            call.ended = Some((now, status));
        }
    }

    pub fn on_renegotiated(&mut self, number: u32, by_caller: bool, status: u16) {
        if let Some(watch) = self.call(number).and_then(|call| call.watch.as_mut()) {
            *(if by_caller { &mut watch.by_caller } else { &mut watch.by_callee }) = Some(status);
        }
    }

    pub fn on_hung_up(&mut self, number: u32, status: u16) {
        if let Some(watch) = self.call(number).and_then(|call| call.watch.as_mut()) {
            watch.bye = Some(status);
        }
    }

    /// A request that its sender gave up: only what was sent to SAS is its business.
    pub fn on_silence(&mut self, purpose: Purpose, to: SocketAddr, by_caller: bool, now: Instant) {
        match purpose {
            Purpose::Invite(number) => self.on_final(number, now, 0),
            Purpose::Reinvite(number) => self.on_renegotiated(number, by_caller, 0),
            Purpose::Bye(number) => self.on_hung_up(number, 0),
            Purpose::HastyInvite(_) | Purpose::Register | Purpose::Home => {}
        }
        if to == SAS {
            self.unanswered.push((now, purpose));
        }
    }

    /// A REGISTER has come to the PBX.
    pub fn on_register(&mut self, now: Instant) {
        self.registers += 1;
        while self.latest.front().is_some_and(|oldest| now - *oldest >= SECOND) {
            self.latest.pop_front();
        }
        self.latest.push_back(now);
        self.peak_ever = self.peak_ever.max(self.latest.len() as u32);
        if let Some(since) = self.returned {
            let rate = self.latest.len() - self.latest.partition_point(|at| *at < since);
            self.peak_on_return = self.peak_on_return.max(rate as u32);
        }
    }

    pub fn sample(&mut self, now: Instant, calls_up: u32, away: u32) {
        let registers = (self.registers - self.registers_sampled) as u32;
        self.registers_sampled = self.registers;
        self.samples.push(Sample { at: now, registers, calls_up, away });
    }

    /// The loss that lasts.
    pub fn outage(&self) -> Option<&Outage> {
        self.outages.last().filter(|outage| outage.to.is_none())
    }

    /// Whether the PBX is lost and the branch does not know yet.
    pub fn is_gap(&self) -> bool {
        !self.is_blind && self.outage().is_some_and(|outage| outage.detected.is_none())
    }
}
