//! The health of one target (`sas.md` 3.1).
//!
//! ```text
//!             answer             miss, request unanswered, transport failed
//!   Unknown ---------> Online -----------------------------------------------> Suspect <--+ miss, fewer than
//!      |                ^ |  <----------------------------------- answer ------  |   |    | `down_after` in a row
//!      | as from    503 | | 503                                                  |   +----+
//!      | Online         | v                                                      |
//!      +-----> ...   Overloaded  (as Online: the same ways in and out)           | `down_after` misses in a row
//!                       ^                                                        v
//!        Online, or     |                                                     Offline <--+ miss: the row of
//!        by 503 --------+------------------ `up_after` answers in a row ------   |       | answers begins again
//!                                                                                +-------+
//! ```
//!
//! A request's own 503 with Retry-After makes it Overloaded as well, until that time is over, whatever probes are answered with.
//!
//! Invariants: each probe is one miss at most; two probes are never closer than the re-probe interval, whatever comes in,
//! so that a burst of errors in one millisecond can neither flip the target nor make us flood it; at most
//! [`OPEN_PROBES`] probes are remembered.

use super::rtt::RoundTrip;
use super::{ProbeId, ProxyStatus, StatusCause, TargetId, UpstreamAction};
use crate::config::ProxySet;
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// No Retry-After of a request's 503 counts for longer.
const LONGEST_REFUSAL: Duration = Duration::from_mins(2);

/// Probes whose answers are still welcome, for each target. The oldest is given up for a new one: with the default
/// intervals that is after half a minute, when RFC 3261 17.1.2.2 gives up too.
const OPEN_PROBES: usize = 16;

/// What a target needs to take a fact in.
pub(super) struct Watch<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a ProxySet,
    pub(super) rng: &'a mut Rng,
    pub(super) out: &'a mut Vec<UpstreamAction>,
}

impl Watch<'_> {
    /// From one probe to the next. Below the configured interval, so that detection stays inside it even with slack in
    /// the caller's timers, and spread, so that the branches of one proxy do not probe in step.
    fn jittered(&mut self, interval: Duration) -> Duration {
        self.rng.between(interval * 85 / 100, interval * 97 / 100)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    id: TargetId,
    address: SocketAddr,
    health: Health,
    turn: Turn,
    /// The probes that may still be answered, oldest first.
    open: VecDeque<Open>,
    /// When the newest probe left.
    last_sent: Option<Instant>,
    round_trip: RoundTrip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Unknown,
    Online,
    Overloaded {
        /// What Retry-After asks for (RFC 3261 21.5.4).
        retry_at: Option<Instant>,
        /// A request was refused, and not a probe: so it is until then.
        is_held: bool,
    },
    Suspect {
        /// In a row; none yet if a request or an error raised the suspicion.
        misses: u32,
    },
    Offline {
        /// In a row.
        answers: u32,
    },
}

impl Health {
    const fn status(self) -> ProxyStatus {
        match self {
            Self::Unknown => ProxyStatus::Unknown,
            Self::Online => ProxyStatus::Online,
            Self::Overloaded { .. } => ProxyStatus::Overloaded,
            Self::Suspect { .. } => ProxyStatus::Suspect,
            Self::Offline { .. } => ProxyStatus::Offline,
        }
    }
}

/// What happens next by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The target is not probed.
    Never,
    /// The next probe. The newest one, if any, is answered or counted as a miss.
    Probe { at: Instant },
    /// The newest probe is a miss unless it is answered before.
    Verdict { at: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    probe: ProbeId,
    sent: Instant,
}

impl Target {
    /// A target of which nothing is known; with `probed`, its first probe is due at once.
    pub(super) fn new(id: TargetId, address: SocketAddr, probed: bool, now: Instant) -> Self {
        Self {
            id,
            address,
            health: Health::Unknown,
            turn: if probed { Turn::Probe { at: now } } else { Turn::Never },
            open: VecDeque::new(),
            last_sent: None,
            round_trip: RoundTrip::default(),
        }
    }

    pub(super) const fn id(&self) -> TargetId {
        self.id
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn status(&self) -> ProxyStatus {
        self.health.status()
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        match self.health {
            Health::Overloaded { retry_at, .. } => retry_at,
            Health::Unknown | Health::Online | Health::Suspect { .. } | Health::Offline { .. } => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let turn = match self.turn {
            Turn::Never => None,
            Turn::Probe { at } | Turn::Verdict { at } => Some(at),
        };
        turn.into_iter().chain(self.held_until()).min()
    }

    /// When the refusal of a request is over.
    const fn held_until(&self) -> Option<Instant> {
        match self.health {
            Health::Overloaded { retry_at, is_held: true } => retry_at,
            Health::Overloaded { is_held: false, .. }
            | Health::Unknown
            | Health::Online
            | Health::Suspect { .. }
            | Health::Offline { .. } => None,
        }
    }

    pub(super) const fn misses(&self, down_after: u32) -> u32 {
        match self.health {
            Health::Suspect { misses } => misses,
            Health::Offline { .. } => down_after,
            Health::Unknown | Health::Online | Health::Overloaded { .. } => 0,
        }
    }

    pub(super) fn awaits(&self, probe: ProbeId) -> bool {
        self.open.iter().any(|open| open.probe == probe)
    }

    pub(super) fn on_tick(&mut self, watch: &mut Watch<'_>) {
        if let Turn::Verdict { at } = self.turn
            && at <= watch.now
        {
            self.on_miss(at, StatusCause::ProbeUnanswered, watch);
        }
        if self.held_until().is_some_and(|until| until <= watch.now) {
            self.turn_into(Health::Online, StatusCause::RetryAfterOver, watch);
        }
        self.probe_if_due(watch);
    }

    /// RFC 3261 21.5.4. One that is offline has answered no probe yet.
    pub(super) fn on_request_refused(&mut self, retry_after: Duration, watch: &mut Watch<'_>) {
        if retry_after.is_zero() || matches!(self.health, Health::Offline { .. }) {
            return;
        }
        let until = watch.now + retry_after.min(LONGEST_REFUSAL);
        let retry_at = self.held_until().into_iter().chain([until]).max();
        self.turn_into(Health::Overloaded { retry_at, is_held: true }, StatusCause::Refused, watch);
    }

    /// An answer to a probe that [`awaits`](Self::awaits) says is open.
    pub(super) fn on_answer(
        &mut self,
        probe: ProbeId,
        status: u16,
        retry_after: Option<Duration>,
        watch: &mut Watch<'_>,
    ) {
        let Some(open) = self.open.iter().find(|open| open.probe == probe).copied() else {
            return;
        };
        self.round_trip.sample(watch.now - open.sent);
        if watch.config.failure_responses.contains(&status) {
            self.on_failure_response(probe, watch);
        } else {
            // Whatever the code, it came from the wire (sas.md 3.1).
            self.on_good_answer(status, retry_after, watch);
        }
        self.probe_if_due(watch);
    }

    pub(super) fn on_transport_failure(&mut self, watch: &mut Watch<'_>) {
        match self.turn {
            // sas.md 3.1: an unanswered probe at once. The next one keeps its turn.
            Turn::Verdict { at } => self.on_miss(at, StatusCause::TransportFailed, watch),
            Turn::Probe { .. } | Turn::Never => self.suspect(StatusCause::TransportFailed, watch),
        }
        self.probe_if_due(watch);
    }

    pub(super) fn on_request_unanswered(&mut self, watch: &mut Watch<'_>) {
        self.suspect(StatusCause::RequestUnanswered, watch);
        self.probe_if_due(watch);
    }

    pub(super) fn on_response_seen(&mut self, watch: &mut Watch<'_>) {
        match self.health {
            Health::Unknown | Health::Suspect { .. } => {
                self.turn_into(Health::Online, StatusCause::Answered, watch);
                self.wait_for_the_next_keepalive(watch.config.keepalive_interval, watch);
            }
            // No answer to a probe, hence none of the row that brings it back; but a good reason to ask.
            Health::Offline { .. } => self.hasten(watch),
            Health::Online | Health::Overloaded { .. } => {}
        }
        self.probe_if_due(watch);
    }

    /// Answers from the old address tell nothing of the new one. The next probe goes there, no sooner than probes may.
    pub(super) fn on_address_changed(&mut self, address: SocketAddr, watch: &mut Watch<'_>) {
        self.address = address;
        self.open.clear();
        self.round_trip = RoundTrip::default();
        if self.turn != Turn::Never {
            self.turn = Turn::Probe { at: self.earliest_probe(watch) };
        }
        self.probe_if_due(watch);
    }

    /// It, as the target `id`.
    pub(super) fn renamed(self, id: TargetId) -> Self {
        Self { id, ..self }
    }

    /// Keep-alive begins while the state is normal: what is known of it stays.
    pub(super) fn on_keepalive_started(&mut self, watch: &mut Watch<'_>) {
        self.turn = Turn::Probe { at: self.earliest_probe(watch) };
        self.probe_if_due(watch);
    }

    /// The next probe is not later than the intervals have it that there are now.
    pub(super) fn on_intervals_changed(&mut self, watch: &Watch<'_>) {
        let interval = match self.health {
            Health::Offline { .. } => watch.config.keepalive_interval_down,
            Health::Unknown | Health::Online | Health::Overloaded { .. } | Health::Suspect { .. } => {
                watch.config.keepalive_interval
            }
        };
        if let (Turn::Probe { at }, Some(sent)) = (self.turn, self.last_sent) {
            self.turn = Turn::Probe { at: at.min((sent + interval).max(self.earliest_probe(watch))) };
        }
    }

    /// Probing begins in the emergency state, where only a row of answers counts.
    pub(super) fn on_probing_started(&mut self, watch: &mut Watch<'_>) {
        let cause = match self.health {
            Health::Suspect { .. } => StatusCause::RequestUnanswered,
            Health::Unknown | Health::Online | Health::Overloaded { .. } | Health::Offline { .. } => {
                StatusCause::Unproven
            }
        };
        self.turn_into(Health::Offline { answers: 0 }, cause, watch);
        self.turn = Turn::Probe { at: self.earliest_probe(watch) };
        self.probe_if_due(watch);
    }

    pub(super) fn on_probing_stopped(&mut self, watch: &mut Watch<'_>) {
        self.turn = Turn::Never;
        self.open.clear();
        match self.health {
            // Nothing would ever clear it again.
            Health::Suspect { .. } | Health::Offline { .. } => {
                self.turn_into(Health::Unknown, StatusCause::Unproven, watch);
            }
            Health::Unknown | Health::Online | Health::Overloaded { .. } => {}
        }
    }

    /// The newest probe is unanswered, or as good as that; its verdict was due at `at`.
    fn on_miss(&mut self, at: Instant, cause: StatusCause, watch: &mut Watch<'_>) {
        let misses = match self.health {
            Health::Unknown | Health::Online | Health::Overloaded { .. } => 1,
            Health::Suspect { misses } => misses.saturating_add(1),
            Health::Offline { .. } => watch.config.down_after,
        };
        if misses < watch.config.down_after {
            self.turn_into(Health::Suspect { misses }, cause, watch);
            self.turn = Turn::Probe { at };
        } else {
            self.turn_into(Health::Offline { answers: 0 }, cause, watch);
            self.wait_for_the_next_keepalive(watch.config.keepalive_interval_down, watch);
        }
    }

    fn on_failure_response(&mut self, probe: ProbeId, watch: &mut Watch<'_>) {
        let newest = self.open.back().is_some_and(|open| open.probe == probe);
        self.open.retain(|open| open.probe != probe);
        // An older one is counted already.
        if let (true, Turn::Verdict { at }) = (newest, self.turn) {
            self.on_miss(at, StatusCause::FailureResponse, watch);
        }
    }

    fn on_good_answer(&mut self, status: u16, retry_after: Option<Duration>, watch: &mut Watch<'_>) {
        // The others are from the same time or before, and tell nothing new: a proxy that slept and answers all at once
        // has answered once.
        self.open.clear();
        if let Health::Offline { answers } = self.health
            && answers.saturating_add(1) < watch.config.up_after
        {
            self.health = Health::Offline { answers: answers.saturating_add(1) };
            self.turn = Turn::Probe { at: watch.now + self.reprobe_interval(watch.config) };
            return;
        }
        if self.held_until().is_some() {
            // No load, no evidence.
        } else if status == 503 {
            let retry_at = retry_after.map(|span| watch.now + span);
            self.turn_into(Health::Overloaded { retry_at, is_held: false }, StatusCause::Refused, watch);
        } else {
            self.turn_into(Health::Online, StatusCause::Answered, watch);
        }
        self.wait_for_the_next_keepalive(watch.config.keepalive_interval, watch);
    }

    fn suspect(&mut self, cause: StatusCause, watch: &mut Watch<'_>) {
        match self.health {
            Health::Unknown | Health::Online | Health::Overloaded { .. } => {
                self.turn_into(Health::Suspect { misses: 0 }, cause, watch);
                self.hasten(watch);
            }
            // The probes that decide are on their way.
            Health::Suspect { .. } | Health::Offline { .. } => {}
        }
    }

    fn turn_into(&mut self, health: Health, cause: StatusCause, watch: &mut Watch<'_>) {
        let before = self.status();
        self.health = health;
        let status = self.status();
        if status != before {
            watch.out.push(UpstreamAction::StatusChanged { target: self.id, status, cause });
        }
    }

    /// Counted from the newest probe and not from its answer, so that a round trip does not delay detection.
    fn wait_for_the_next_keepalive(&mut self, interval: Duration, watch: &mut Watch<'_>) {
        if let (Turn::Probe { .. } | Turn::Verdict { .. }, Some(sent)) = (self.turn, self.last_sent) {
            let at = sent + watch.jittered(interval);
            self.turn = Turn::Probe { at: at.max(self.earliest_probe(watch)) };
        }
    }

    /// Draws the next probe nearer, unless one is open.
    fn hasten(&mut self, watch: &Watch<'_>) {
        if let Turn::Probe { at } = self.turn {
            self.turn = Turn::Probe { at: at.min(self.earliest_probe(watch)) };
        }
    }

    fn earliest_probe(&self, watch: &Watch<'_>) -> Instant {
        let spaced = self.last_sent.map(|sent| sent + self.reprobe_interval(watch.config));
        spaced.map_or(watch.now, |at| at.max(watch.now))
    }

    fn probe_if_due(&mut self, watch: &mut Watch<'_>) {
        let Turn::Probe { at } = self.turn else {
            return;
        };
        if at > watch.now {
            return;
        }
        let probe = ProbeId(watch.rng.bits());
        if self.open.len() == OPEN_PROBES {
            self.open.pop_front();
        }
        self.open.push_back(Open { probe, sent: watch.now });
        self.last_sent = Some(watch.now);
        self.turn = Turn::Verdict { at: watch.now + self.reprobe_interval(watch.config) };
        watch.out.push(UpstreamAction::Probe { target: self.id, probe });
    }

    fn reprobe_interval(&self, config: &ProxySet) -> Duration {
        self.round_trip.stretch(config.reprobe_interval)
    }
}
