//! Normal or emergency: the state machine of the branch (`sas.md` section 3.3), pure and useful alone.
//!
//! Facts about the proxy set come in as [`ModeEvent`]s, and a [`ModeOutcome`] says whether the state changed and what
//! the caller has to do. T1..T8 are the transitions of `sas.md` 3.3.
//!
//! ```text
//!  normal                                        emergency
//!  +-------------------------------+             +-------------------------------------------------------+
//!  | unknown --- ProxyTrusted ---+ |  ProxyLost  |                                                       |
//!  |    |                        v |  T1 ------> | lost -- ProxyReturned --> back -- ProxySuspected --+  |
//!  |    | ProxySuspected     steady|             |  ^                        |  ^                     v  |
//!  |    v                     | ^  |  Request-   |  +------ ProxyLost -------+  +--- ProxyTrusted -- doubted
//!  | suspect <- ProxySuspected+ |  |  Unanswered |  |                                                 |  |
//!  |    +------ ProxyTrusted ---+  |  T2 ------> |  +------------------- ProxyLost -------------------+  |
//!  |                               |             |                                                       |
//!  |    (enters at steady) <--------- T4 --------|  after the dwell: ProxyReturned; back: Tick;          |
//!  +-------------------------------+             |  doubted: ProxyTrusted                                |
//!        |                                       +-------------------------------------------------------+
//!        +----- ModeSet(AlwaysEmergency) T6 -----> always <--- T6 ---+    ^
//!                                                    +-- ModeSet(Standard) enters at lost
//! ```
//!
//! Invariants: a return comes at least one dwell after its loss, whatever the events; the one deadline is the end of
//! the dwell, armed only while the proxy is back; time that runs backwards is taken for standing still.

mod dwell;
#[cfg(test)]
mod tests;

use crate::config::{Config, EnteringEmergency, SurvivabilityMode};
use crate::time::Instant;
use dwell::Dwell;
use std::fmt;
use std::time::Duration;

/// Whether the branch believes that its proxy is reachable (`sas.md` section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Requests are relayed to the proxy.
    Normal,
    /// The branch serves itself.
    Emergency,
}

impl State {
    /// `normal`, `emergency`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Emergency => "emergency",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// T1: the last online proxy left the keep-alive probes unanswered.
    KeepaliveUnanswered,
    /// T2 without keep-alive: a relayed request was left unanswered by the whole proxy set.
    RequestsUnanswered,
    /// T4: a proxy answered often enough, and the dwell is over.
    ProxyAnswered,
    /// T6: the survivability mode was set to "always emergency".
    AlwaysEmergency,
}

impl Cause {
    /// In snake case: `keepalive_unanswered`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepaliveUnanswered => "keepalive_unanswered",
            Self::RequestsUnanswered => "requests_unanswered",
            Self::ProxyAnswered => "proxy_answered",
            Self::AlwaysEmergency => "always_emergency",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is thought of the proxy set while the state is normal (`sas.md` 3.3, *suspect*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Start-up: no proxy has answered or failed yet. Served by the suspect rules.
    Unknown,
    /// A proxy is online.
    Steady,
    /// No proxy is online, and at least one has only just stopped answering: the fast re-probes decide.
    Suspect,
}

impl Condition {
    /// `unknown`, `steady`, `suspect`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Steady => "steady",
            Self::Suspect => "suspect",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fact that the machine judges by. The first four are about the health of the proxy set as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModeEvent {
    /// No proxy is online any more, and at least one is suspect: it missed a probe or left a request unanswered.
    ProxySuspected,
    /// A proxy that was suspect, or unknown since start-up, answered.
    ProxyTrusted,
    /// The last proxy that might have been reachable went offline.
    ProxyLost,
    /// An offline proxy answered `up_after` probes in a row.
    ProxyReturned,
    /// A relayed request got no response from any proxy of the set: in [`ModeMachine::patience`], or by its own timers.
    RequestUnanswered,
    /// The instant of [`ModeMachine::next_timeout`] has come. Early or late does no harm.
    Tick,
    /// The survivability mode was set.
    ModeSet(SurvivabilityMode),
    /// The proxy set was replaced: none of those that there are now has answered or failed yet.
    ProxiesReplaced,
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Transition {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// What an event came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct ModeOutcome {
    /// The change of the state, if it changed. Unless [`ModeMachine::patience`] is none, a change to emergency also ends
    /// the waiting of every other request that a proxy has left without a response.
    pub transition: Option<Transition>,
    /// T2: handle the unanswered request by the emergency rules, in either state, rather than answer 408 (T3).
    pub rescue: bool,
}

/// The state machine of one branch.
///
/// ```
/// use sip_survivability::config::Settings;
/// use sip_survivability::mode::{Cause, ModeEvent, ModeMachine, State};
/// use sip_survivability::time::Instant;
/// let mut settings = Settings::default();
/// settings.proxy_set.targets = vec!["sip:192.0.2.1".parse()?];
/// let mut mode = ModeMachine::new(&settings.validate()?, Instant::ZERO);
///
/// let outcome = mode.handle(Instant::from_secs(2), ModeEvent::ProxyLost);
/// assert_eq!(outcome.transition.map(|t| t.cause), Some(Cause::KeepaliveUnanswered));
///
/// // Back after 3 s, but the emergency state is held for 10 s.
/// let outcome = mode.handle(Instant::from_secs(5), ModeEvent::ProxyReturned);
/// assert_eq!((outcome.transition, mode.next_timeout()), (None, Some(Instant::from_secs(12))));
/// let outcome = mode.handle(Instant::from_secs(12), ModeEvent::Tick);
/// assert_eq!(outcome.transition.map(|t| t.to), Some(State::Normal));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeMachine {
    stage: Stage,
    evidence: Evidence,
    request_patience: Duration,
    suspect_patience: Duration,
    dwell: Dwell,
    /// The latest time that was told.
    now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Normal(Condition),
    /// `until`: the end of the dwell.
    Emergency {
        until: Instant,
        proxy: Proxy,
    },
    /// Survivability mode 1.
    Always,
}

/// What is known of the proxy set while the state is emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proxy {
    Lost,
    /// Answered `up_after` probes: the return waits for the end of the dwell only.
    Back,
    /// Was back and is suspect again: going home now would most likely be a flip.
    Doubted,
}

/// What may take us into emergency: `keepalive` and `entering_emergency` together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    Keepalive,
    KeepaliveAndRequests,
    Requests,
    /// T7. Configuration checking allows it with "always emergency" only, which needs no evidence.
    Nothing,
}

impl Evidence {
    fn of(config: &Config) -> Self {
        match (config.proxy_set.keepalive, config.sas.entering_emergency) {
            (true, EnteringEmergency::KeepAlive) => Self::Keepalive,
            (true, EnteringEmergency::Requests) => Self::KeepaliveAndRequests,
            (false, EnteringEmergency::Requests) => Self::Requests,
            (false, EnteringEmergency::KeepAlive) => Self::Nothing,
        }
    }

    /// Whether probes run in the normal state too.
    const fn has_keepalive(self) -> bool {
        match self {
            Self::Keepalive | Self::KeepaliveAndRequests => true,
            Self::Requests | Self::Nothing => false,
        }
    }

    /// Whether an unanswered request is more than the business of its own timers.
    const fn has_requests(self) -> bool {
        match self {
            Self::Requests | Self::KeepaliveAndRequests => true,
            Self::Keepalive | Self::Nothing => false,
        }
    }
}

impl ModeMachine {
    /// The machine at start-up: normal and unknown, or in emergency for good if the survivability mode says so. No
    /// transition is reported for either.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        let sas = &config.sas;
        Self {
            stage: if sas.survivability_mode.is_always_emergency() {
                Stage::Always
            } else {
                Stage::Normal(Condition::Unknown)
            },
            evidence: Evidence::of(config),
            request_patience: sas.request_patience,
            suspect_patience: sas.suspect_patience,
            dwell: Dwell::new(sas.minimum_dwell, sas.maximum_dwell),
            now,
        }
    }

    /// Takes in a fact. A `now` before the latest one counts as the latest one.
    pub fn handle(&mut self, now: Instant, event: ModeEvent) -> ModeOutcome {
        self.now = self.now.max(now);
        let from = self.state();
        let (stage, cause) = self.next(event);
        self.stage = stage;
        let to = self.state();
        if (from, to) == (State::Emergency, State::Normal) {
            self.dwell.on_return(self.now);
        }
        ModeOutcome {
            transition: cause.filter(|_| from != to).map(|cause| Transition { from, to, cause }),
            // T2 against T3; in emergency it is a request that was relayed before the loss.
            rescue: event == ModeEvent::RequestUnanswered && self.evidence.has_requests(),
        }
    }

    /// Goes on with `config` at `now`. The state changes only where "always emergency" begins or ends ([`ModeEvent::ModeSet`]); a dwell
    /// that runs ends when it would have, and the returns that make the next one longer stay remembered.
    pub fn reconfigure(&mut self, now: Instant, config: &Config) -> ModeOutcome {
        let sas = &config.sas;
        self.evidence = Evidence::of(config);
        (self.request_patience, self.suspect_patience) = (sas.request_patience, sas.suspect_patience);
        self.dwell.set_bounds(sas.minimum_dwell, sas.maximum_dwell);
        self.handle(now, ModeEvent::ModeSet(sas.survivability_mode))
    }

    /// When to tell [`ModeEvent::Tick`]: the end of the dwell, if a return waits for it. May change with every
    /// [`handle`](Self::handle).
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Emergency { until, proxy: Proxy::Back } => Some(until),
            Stage::Emergency { proxy: Proxy::Lost | Proxy::Doubted, .. }
            | Stage::Normal(_)
            | Stage::Always => None,
        }
    }

    /// Normal or emergency.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.stage {
            Stage::Normal(_) => State::Normal,
            Stage::Emergency { .. } | Stage::Always => State::Emergency,
        }
    }

    /// What is thought of the proxy set while the state is normal; none in emergency.
    #[must_use]
    pub const fn condition(&self) -> Option<Condition> {
        match self.stage {
            Stage::Normal(condition) => Some(condition),
            Stage::Emergency { .. } | Stage::Always => None,
        }
    }

    /// How long a request relayed now may stay without any response before it is rescued; none with
    /// `entering_emergency = keepalive`, where it ends by its own timers (T3).
    ///
    /// `suspect_patience` unless a proxy is online. Without keep-alive `request_patience` always: there no re-probe
    /// checks what the request says, so that one slow response would be an emergency.
    #[must_use]
    pub const fn patience(&self) -> Option<Duration> {
        match (self.evidence, self.stage) {
            (Evidence::Keepalive | Evidence::Nothing, _) => None,
            (Evidence::Requests, _) | (Evidence::KeepaliveAndRequests, Stage::Normal(Condition::Steady)) => {
                Some(self.request_patience)
            }
            (
                Evidence::KeepaliveAndRequests,
                Stage::Normal(Condition::Unknown | Condition::Suspect)
                | Stage::Emergency { .. }
                | Stage::Always,
            ) => Some(self.suspect_patience),
        }
    }

    /// Whether the proxies are to be probed: always with keep-alive on, else in emergency only (T8), and never with
    /// "always emergency" (T6).
    #[must_use]
    pub const fn probing(&self) -> bool {
        match self.stage {
            Stage::Normal(_) => self.evidence.has_keepalive(),
            Stage::Emergency { .. } => true,
            Stage::Always => false,
        }
    }

    /// The instant before which the emergency state is not left; none in normal and with "always emergency".
    #[must_use]
    pub const fn dwell_until(&self) -> Option<Instant> {
        match self.stage {
            Stage::Emergency { until, .. } => Some(until),
            Stage::Normal(_) | Stage::Always => None,
        }
    }

    /// How long an emergency state entered at `now` would be held at least.
    #[must_use]
    pub fn next_dwell(&self, now: Instant) -> Duration {
        self.dwell.at(self.now.max(now))
    }

    /// Every state and event (`sas.md` 3.3). The cause is told only if the state changes.
    fn next(&self, event: ModeEvent) -> (Stage, Option<Cause>) {
        use Condition::{Steady, Suspect};
        use ModeEvent as E;
        use Proxy::{Back, Doubted, Lost};
        use Stage::{Always, Emergency, Normal};
        use SurvivabilityMode::{
            AlwaysEmergency, AutoAnswerRegister, IgnoreRegister, Standard, TableInNormal,
        };

        let stay = (self.stage, None);
        let home = (Normal(Steady), Some(Cause::ProxyAnswered));
        match (self.stage, event) {
            (Normal(_), E::ProxySuspected) => (Normal(Suspect), None),
            (Normal(_), E::ProxyTrusted | E::ProxyReturned) => (Normal(Steady), None),
            // T1, guard: keep-alive on.
            (Normal(_), E::ProxyLost) if self.evidence.has_keepalive() => {
                (self.lost(), Some(Cause::KeepaliveUnanswered))
            }
            (Normal(_), E::ProxyLost) => stay,
            (Normal(_), E::RequestUnanswered) => match self.evidence {
                // T2 without keep-alive: straight, since no re-probe could confirm it. T8 begins.
                Evidence::Requests => (self.lost(), Some(Cause::RequestsUnanswered)),
                // T2 with keep-alive, by way of suspect: the target's health hears of the same request and says
                // ProxySuspected. Were it concluded here too, an answer in between would leave us suspect for ever.
                Evidence::KeepaliveAndRequests => stay,
                // T3, T7.
                Evidence::Keepalive | Evidence::Nothing => stay,
            },
            (
                Normal(_),
                E::Tick | E::ModeSet(Standard | IgnoreRegister | AutoAnswerRegister | TableInNormal),
            ) => stay,

            // T4, guard: the dwell is over.
            (Emergency { until, .. }, E::ProxyReturned) if until <= self.now => home,
            (Emergency { until, proxy: Back }, E::Tick) if until <= self.now => home,
            (Emergency { until, proxy: Doubted }, E::ProxyTrusted) if until <= self.now => home,
            // The return waits for the end of the dwell.
            (Emergency { until, .. }, E::ProxyReturned)
            | (Emergency { until, proxy: Doubted }, E::ProxyTrusted) => {
                (Emergency { until, proxy: Back }, None)
            }
            (Emergency { until, proxy: Back }, E::ProxySuspected) => {
                (Emergency { until, proxy: Doubted }, None)
            }
            (Emergency { until, .. }, E::ProxyLost) => (Emergency { until, proxy: Lost }, None),
            // T4 takes `up_after` answers, which come as ProxyReturned.
            (Emergency { proxy: Lost, .. }, E::ProxySuspected | E::ProxyTrusted) => stay,
            (Emergency { proxy: Back, .. }, E::ProxyTrusted) => stay,
            (Emergency { proxy: Doubted, .. }, E::ProxySuspected) => stay,
            // T5: the next probe is the target's own; time alone brings nobody home.
            (Emergency { .. }, E::Tick) => stay,
            (
                Emergency { .. },
                E::RequestUnanswered
                | E::ModeSet(Standard | IgnoreRegister | AutoAnswerRegister | TableInNormal),
            ) => stay,

            // As at start-up; but the way home is T4.
            (Normal(_), E::ProxiesReplaced) => (Normal(Condition::Unknown), None),
            (Emergency { until, .. }, E::ProxiesReplaced) => (Emergency { until, proxy: Lost }, None),
            (Always, E::ProxiesReplaced) => stay,

            // T6.
            (Normal(_) | Emergency { .. } | Always, E::ModeSet(AlwaysEmergency)) => {
                (Always, Some(Cause::AlwaysEmergency))
            }
            // T6 undone: nothing is known of the proxy, and the way home is T4.
            (Always, E::ModeSet(Standard | IgnoreRegister | AutoAnswerRegister | TableInNormal)) => {
                match self.evidence {
                    Evidence::Keepalive | Evidence::KeepaliveAndRequests | Evidence::Requests => {
                        (self.lost(), None)
                    }
                    // T7: it would never find back here.
                    Evidence::Nothing => stay,
                }
            }
            (Always, E::ProxySuspected | E::ProxyTrusted | E::ProxyLost | E::ProxyReturned) => stay,
            (Always, E::RequestUnanswered | E::Tick) => stay,
        }
    }

    fn lost(&self) -> Stage {
        Stage::Emergency { until: self.now + self.dwell.at(self.now), proxy: Proxy::Lost }
    }
}

/// The state with its details, for logs: `normal (suspect)`, `emergency (back, until 12.000000s)`.
impl fmt::Display for ModeMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        match self.stage {
            Stage::Normal(condition) => write!(f, "{state} ({condition})"),
            Stage::Emergency { until, proxy } => {
                let proxy = match proxy {
                    Proxy::Lost => "lost",
                    Proxy::Back => "back",
                    Proxy::Doubted => "doubted",
                };
                write!(f, "{state} ({proxy}, until {until:?})")
            }
            Stage::Always => write!(f, "{state} (always)"),
        }
    }
}
