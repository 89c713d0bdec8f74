//! The proxy set: the health of each target, by keep-alive probes and by what becomes of requests (`sas.md` 3.1, 3.2).
//!
//! Pure: facts come in as [`UpstreamEvent`]s, and [`UpstreamAction`]s say what to send and what to tell. A probe is an
//! OPTIONS request (RFC 3261 section 11) that the caller makes, with the [`ProbeId`] in its branch, and sends **once**:
//! each probe is a transaction of its own, and the next one is its retransmission.
//!
//! While all is well a target is probed each `keepalive_interval`. A probe unanswered for `reprobe_interval` is a miss,
//! makes the target *suspect* and is followed at once by the next one, until one is answered or `down_after` in a row
//! are missed: then it is *offline*. So silence is known for what it is after
//! `keepalive_interval + down_after * reprobe_interval` at the latest, and random loss is not taken for it.
//!
//! Four [`ModeEvent`]s tell the set as a whole: suspected, trusted, lost, returned.
//!
//! Invariants: work and memory for each event are bounded by the number of targets; probes to a target are never closer
//! than `reprobe_interval`, whatever comes in; every target that is probed has a deadline.

mod balance;
mod reload;
mod rtt;
mod target;
#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::mode::ModeEvent;
use crate::rng::{Rng, Token};
use crate::time::Instant;
use balance::Balance;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use target::{Target, Watch};

pub use balance::Affinity;
pub(crate) use reload::Moved;

/// Names a target: its place in [`Config::proxies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub usize);

impl TargetId {
    /// One that is not configured any more.
    pub(crate) const GONE: Self = Self(usize::MAX);
}

/// Names a probe by 64 random bits, so that nobody who did not see it can answer it.
///
/// ```
/// use sip_survivability::upstream::ProbeId;
/// let probe = ProbeId(0x0123_4567_89ab_cdef);
/// assert_eq!(probe.to_string(), "0123456789abcdef");
/// assert_eq!(ProbeId::parse("0123456789abcdef"), Some(probe));
/// assert_eq!(ProbeId::parse("123456789abcdef"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeId(pub u64);

impl ProbeId {
    /// The 16 lower-case hexadecimal digits of [`Display`](fmt::Display), and nothing else.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let lower = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let sixteen = digits.len() == 16 && digits.bytes().all(lower);
        sixteen.then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Token::of(self.0).as_str())
    }
}

/// What is thought of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyStatus {
    /// Neither answered nor failed yet, or not watched.
    Unknown,
    /// Answers.
    Online,
    /// Missed a probe, left a request unanswered or gave a transport error; the re-probes decide.
    Suspect,
    /// Answers 503: reachable, but not to be loaded while another one serves (RFC 3261 21.5.4).
    Overloaded,
    /// `down_after` probes in a row were missed.
    Offline,
}

impl ProxyStatus {
    /// In snake case: `online`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Suspect => "suspect",
            Self::Overloaded => "overloaded",
            Self::Offline => "offline",
        }
    }

    /// Whether the target is known to be reachable.
    #[must_use]
    pub const fn is_reachable(self) -> bool {
        match self {
            Self::Online | Self::Overloaded => true,
            Self::Unknown | Self::Suspect | Self::Offline => false,
        }
    }
}

impl fmt::Display for ProxyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a target's status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusCause {
    /// It answered a probe or a request.
    Answered,
    /// A probe was unanswered.
    ProbeUnanswered,
    /// A relayed request was unanswered.
    RequestUnanswered,
    /// The transport could not deliver: port unreachable, no route, connection refused.
    TransportFailed,
    /// It answered a probe with 503, or a relayed request with 503 and Retry-After.
    Refused,
    /// The time that such a Retry-After asked for is over.
    RetryAfterOver,
    /// It answered a probe with one of `failure_responses`.
    FailureResponse,
    /// Probing began or ended, and what was known is no evidence any more.
    Unproven,
}

impl StatusCause {
    /// In snake case: `probe_unanswered`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ProbeUnanswered => "probe_unanswered",
            Self::RequestUnanswered => "request_unanswered",
            Self::TransportFailed => "transport_failed",
            Self::Refused => "refused",
            Self::RetryAfterOver => "retry_after_over",
            Self::FailureResponse => "failure_response",
            Self::Unproven => "unproven",
        }
    }
}

impl fmt::Display for StatusCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fact about the targets. One about a target or a probe that does not exist is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamEvent {
    /// The instant of [`Upstream::next_timeout`] has come. Early or late does no harm.
    Tick,
    /// A response to a probe came from the wire. One that was made here, such as a 408 for silence, is none.
    ProbeAnswered {
        /// Which probe.
        probe: ProbeId,
        /// Its status code.
        status: u16,
        /// Its Retry-After, if it had one.
        retry_after: Option<Duration>,
    },
    /// Something sent to the target could not be delivered.
    TransportFailed {
        /// To which target.
        target: TargetId,
    },
    /// A relayed request got no response from the target for as long as patience lasted.
    RequestUnanswered {
        /// From which target.
        target: TargetId,
    },
    /// A response to a relayed request came from the wire.
    ResponseSeen {
        /// From which target.
        target: TargetId,
    },
    /// It answered a relayed request with 503 and Retry-After: for that long, but two minutes at most, it is not loaded while another
    /// one serves. Answers to probes do not change that, since they are no load.
    RequestRefused {
        /// Which target.
        target: TargetId,
        /// For how long.
        retry_after: Duration,
    },
    /// A request was sent to the target that [`Upstream::candidates_for`] had put first. Only where the load is balanced is it of any
    /// account.
    Served {
        /// For whom.
        who: Affinity,
        /// By which target.
        target: TargetId,
    },
    /// The target is to be reached at another address from now on. What was thought of it stays, and it is probed there.
    AddressChanged {
        /// Which target.
        target: TargetId,
        /// Its address.
        address: SocketAddr,
    },
    /// [`ModeMachine::probing`](crate::mode::ModeMachine::probing) became true: the emergency state was entered without
    /// keep-alive (T8), or "always emergency" ended. Every target counts as offline until it proves otherwise.
    ProbingStarted,
    /// [`ModeMachine::probing`](crate::mode::ModeMachine::probing) became false.
    ProbingStopped,
}

/// What to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamAction {
    /// Send an OPTIONS to the target, once.
    Probe {
        /// To which target.
        target: TargetId,
        /// What its branch has to carry.
        probe: ProbeId,
    },
    /// A target's status changed: worth a notice.
    StatusChanged {
        /// Which target.
        target: TargetId,
        /// What it is now.
        status: ProxyStatus,
        /// Why.
        cause: StatusCause,
    },
    /// Tell the mode machine.
    Mode(ModeEvent),
}

/// The health of the proxy set.
///
/// ```
/// use sip_survivability::config::Settings;
/// use sip_survivability::mode::ModeEvent;
/// use sip_survivability::rng::Rng;
/// use sip_survivability::time::Instant;
/// use sip_survivability::upstream::{ProxyStatus, TargetId, Upstream, UpstreamAction, UpstreamEvent};
/// let mut settings = Settings::default();
/// settings.proxy_set.targets = vec!["sip:192.0.2.1".parse()?];
/// let (config, mut rng, mut out) = (settings.validate()?, Rng::new([7; 32]), Vec::new());
/// let mut upstream = Upstream::new(&config, Instant::ZERO);
///
/// let mut now = Instant::ZERO;
/// while !out.contains(&UpstreamAction::Mode(ModeEvent::ProxyLost)) {
///     now = upstream.next_timeout().unwrap_or(now);
///     upstream.handle(now, UpstreamEvent::Tick, &config, &mut rng, &mut out);
/// }
/// assert_eq!(now, Instant::from_secs(2)); // eight probes, 250 ms each
/// assert_eq!(upstream.status(TargetId(0)), ProxyStatus::Offline);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Upstream {
    targets: Vec<Target>,
    balance: Balance,
    probing: bool,
    /// The earliest of the targets' deadlines.
    deadline: Option<Instant>,
    /// The latest time that was told.
    now: Instant,
}

/// What the targets come to together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// One is reachable.
    Trusted,
    /// None is reachable, one is suspect.
    Suspected,
    /// None is reachable or suspect, one is unknown.
    Unknown,
    /// All are offline.
    Lost,
}

/// Who is tried before whom.
const ORDER: [ProxyStatus; 4] =
    [ProxyStatus::Online, ProxyStatus::Unknown, ProxyStatus::Suspect, ProxyStatus::Overloaded];

impl Upstream {
    /// The proxies of `config`, all unknown. The first probes are due at once, unless keep-alive is off or the mode is
    /// "always emergency": the same as [`ModeMachine::probing`](crate::mode::ModeMachine::probing) at start-up.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        // sas.md 2.2: no keep-alive where it is always emergency.
        let probing = config.proxy_set.keepalive && !config.sas.survivability_mode.is_always_emergency();
        let target = |(index, proxy): (usize, &crate::config::Target)| {
            Target::new(TargetId(index), proxy.address, probing, now)
        };
        let targets: Vec<Target> = config.proxies().iter().enumerate().map(target).collect();
        let deadline = targets.iter().filter_map(Target::deadline).min();
        Self { targets, balance: Balance::new(config), probing, deadline, now }
    }

    /// Takes in a fact and appends what follows to `out`. A `now` before the latest one counts as the latest one.
    pub fn handle(
        &mut self,
        now: Instant,
        event: UpstreamEvent,
        config: &Config,
        rng: &mut Rng,
        out: &mut Vec<UpstreamAction>,
    ) {
        self.now = self.now.max(now);
        let before = self.standing();
        let mut watch = Watch { now: self.now, config: &config.proxy_set, rng, out };
        let returned = self.dispatch(event, &mut watch);
        out.extend(fact(before, self.standing(), returned).map(UpstreamAction::Mode));
        self.park();
        self.deadline = self.targets.iter().filter_map(Target::deadline).min();
    }

    /// When to tell [`UpstreamEvent::Tick`]; none while nothing is probed and no Retry-After runs. May change with every
    /// [`handle`](Self::handle).
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// What is thought of `target`; unknown if there is no such target.
    #[must_use]
    pub fn status(&self, target: TargetId) -> ProxyStatus {
        self.targets.get(target.0).map_or(ProxyStatus::Unknown, Target::status)
    }

    /// How many probes in a row `target` has missed while it is suspect; as many as it takes once it is offline.
    pub(crate) fn misses(&self, target: TargetId, config: &Config) -> u32 {
        self.targets.get(target.0).map_or(0, |target| target.misses(config.proxy_set.down_after))
    }

    /// When an overloaded `target` wants to be asked again, if it said so.
    #[must_use]
    pub fn retry_at(&self, target: TargetId) -> Option<Instant> {
        self.targets.get(target.0).and_then(Target::retry_at)
    }

    /// The targets to try with a request, best first: online, unknown, suspect, overloaded; each kind in the configured order, the one in
    /// use first where [`Redundancy::Parking`](crate::config::Redundancy::Parking) keeps it. Offline ones are left out: a request would
    /// only wait there, and the probes find out sooner.
    pub fn candidates(&self) -> impl Iterator<Item = TargetId> + '_ {
        self.in_order(self.balance.in_use())
    }

    /// The same for a request that the load is balanced by, of which the first is that of `who`.
    pub fn candidates_for(&self, who: Affinity) -> impl Iterator<Item = TargetId> + '_ {
        let best = ORDER.into_iter().map(|status| self.all(status)).find(|all| !all.is_empty());
        self.in_order(best.and_then(|best| self.balance.first_for(who, &best)))
    }

    /// By status; `first` before the others of its own.
    fn in_order(&self, first: Option<TargetId>) -> impl Iterator<Item = TargetId> + '_ {
        ORDER.into_iter().flat_map(move |status| {
            let of_this = move |target: &TargetId| self.status(*target) == status;
            let others = self.targets.iter().map(Target::id).filter(move |target| Some(*target) != first);
            first.into_iter().chain(others).filter(of_this)
        })
    }

    fn all(&self, status: ProxyStatus) -> Vec<TargetId> {
        self.targets.iter().filter(|target| target.status() == status).map(Target::id).collect()
    }

    /// Where the one in use is kept until it fails: it has failed.
    fn park(&mut self) {
        let has_failed = |in_use| self.status(in_use) == ProxyStatus::Offline;
        if self.balance.in_use().is_some_and(has_failed) {
            let next = self.candidates().next();
            next.into_iter().for_each(|next| self.balance.park(next));
        }
    }

    /// Whether a target is known to be reachable: online or overloaded (`sas.md` 3.2).
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.standing() == Standing::Trusted
    }

    /// Whether no target is known to be reachable, but one may be: it is suspect, or unknown since start-up.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        match self.standing() {
            Standing::Suspected | Standing::Unknown => true,
            Standing::Trusted | Standing::Lost => false,
        }
    }

    /// The target at `address`.
    #[must_use]
    pub fn target_at(&self, address: SocketAddr) -> Option<TargetId> {
        self.targets.iter().find(|target| target.address() == address).map(Target::id)
    }

    /// Tells the event to whom it concerns, and yields whether a target came back from being offline.
    fn dispatch(&mut self, event: UpstreamEvent, watch: &mut Watch<'_>) -> bool {
        match event {
            UpstreamEvent::Tick => self.targets.iter_mut().for_each(|target| target.on_tick(watch)),
            UpstreamEvent::ProbeAnswered { probe, status, retry_after } => {
                if let Some(target) = self.targets.iter_mut().find(|target| target.awaits(probe)) {
                    let before = target.status();
                    target.on_answer(probe, status, retry_after, watch);
                    return before == ProxyStatus::Offline && target.status().is_reachable();
                }
            }
            UpstreamEvent::TransportFailed { target } => {
                if let Some(target) = self.targets.get_mut(target.0) {
                    target.on_transport_failure(watch);
                }
            }
            UpstreamEvent::RequestUnanswered { target } => {
                if let Some(target) = self.targets.get_mut(target.0) {
                    target.on_request_unanswered(watch);
                }
            }
            UpstreamEvent::ResponseSeen { target } => {
                if let Some(target) = self.targets.get_mut(target.0) {
                    target.on_response_seen(watch);
                }
            }
            UpstreamEvent::RequestRefused { target, retry_after } => {
                if let Some(target) = self.targets.get_mut(target.0) {
                    target.on_request_refused(retry_after, watch);
                }
            }
            UpstreamEvent::Served { who, target } => {
                let targets = &self.targets;
                let is_lost = |id: TargetId| {
                    targets.get(id.0).is_some_and(|target| target.status() == ProxyStatus::Offline)
                };
                if target.0 < targets.len() {
                    self.balance.on_served(who, target, is_lost, watch.rng);
                }
            }
            UpstreamEvent::AddressChanged { target, address } => {
                if let Some(target) = self.targets.get_mut(target.0) {
                    target.on_address_changed(address, watch);
                }
            }
            UpstreamEvent::ProbingStarted => {
                if !std::mem::replace(&mut self.probing, true) {
                    self.targets.iter_mut().for_each(|target| target.on_probing_started(watch));
                }
            }
            UpstreamEvent::ProbingStopped => {
                if std::mem::replace(&mut self.probing, false) {
                    self.targets.iter_mut().for_each(|target| target.on_probing_stopped(watch));
                }
            }
        }
        false
    }

    fn standing(&self) -> Standing {
        let any = |status| self.targets.iter().any(|target| target.status() == status);
        if self.targets.iter().any(|target| target.status().is_reachable()) {
            Standing::Trusted
        } else if any(ProxyStatus::Suspect) {
            Standing::Suspected
        } else if any(ProxyStatus::Unknown) {
            Standing::Unknown
        } else {
            Standing::Lost
        }
    }
}

/// What the mode machine has to know of a change.
fn fact(before: Standing, after: Standing, returned: bool) -> Option<ModeEvent> {
    use Standing::{Lost, Suspected, Trusted, Unknown};
    if returned {
        // sas.md 3.3 T4: by any proxy, whatever the others are.
        return Some(ModeEvent::ProxyReturned);
    }
    match (before, after) {
        // sas.md 3.2: all of them.
        (Trusted | Suspected | Unknown, Lost) => Some(ModeEvent::ProxyLost),
        (Trusted | Unknown, Suspected) => Some(ModeEvent::ProxySuspected),
        (Suspected | Unknown, Trusted) => Some(ModeEvent::ProxyTrusted),
        (Trusted, Trusted) | (Suspected, Suspected) | (Unknown, Unknown) | (Lost, Lost) => None,
        // Back from offline is `returned`; the rest is the end of probing.
        (Lost, Trusted | Suspected | Unknown) | (Trusted | Suspected, Unknown) => None,
    }
}
