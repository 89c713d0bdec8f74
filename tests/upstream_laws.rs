//! The laws of the proxy set's health: over a simulated line, and for any facts at any times.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sip_survivability::config::{Balancing, Config, Redundancy, Settings, SurvivabilityMode};
use sip_survivability::mode::{Condition, ModeEvent, ModeMachine, State};
use sip_survivability::rng::Rng;
use sip_survivability::time::Instant;
use sip_survivability::upstream::{
    Affinity, ProbeId, ProxyStatus, TargetId, Upstream, UpstreamAction, UpstreamEvent,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const REPROBE: Duration = Duration::from_millis(250);

fn configuration(targets: usize, change: impl FnOnce(&mut Settings)) -> Config {
    let mut settings = Settings::default();
    settings.proxy_set.targets =
        (1..=targets).map(|host| format!("sip:192.0.2.{host}").parse().unwrap()).collect();
    change(&mut settings);
    settings.validate().unwrap()
}

/// A line to one proxy that answers every probe that reaches it.
struct Line {
    config: Config,
    upstream: Upstream,
    mode: ModeMachine,
    /// Of the core.
    rng: Rng,
    /// Of the line.
    chance: Rng,
    now: Instant,
    /// Answers on their way, by arrival.
    answers: BTreeMap<(Instant, u64), ProbeId>,
    /// Out of a thousand datagrams, each way.
    loss: u64,
    round_trip: Duration,
    /// While it is cut nothing arrives, not even what is on its way.
    cut: bool,
    /// When the set went suspect, lost and so on, and the state with it.
    facts: Vec<(Instant, ModeEvent)>,
    changes: Vec<(Instant, State)>,
}

impl Line {
    fn new(seed: u8, loss: u64, round_trip: Duration) -> Self {
        Self::with(configuration(1, |_| {}), seed, loss, round_trip)
    }

    fn with(config: Config, seed: u8, loss: u64, round_trip: Duration) -> Self {
        Self {
            upstream: Upstream::new(&config, Instant::ZERO),
            mode: ModeMachine::new(&config, Instant::ZERO),
            config,
            rng: Rng::new([seed; 32]),
            chance: Rng::new([seed ^ 0xff; 32]),
            now: Instant::ZERO,
            answers: BTreeMap::new(),
            loss,
            round_trip,
            cut: false,
            facts: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn lucky(&mut self) -> bool {
        self.chance.bits() % 1000 >= self.loss
    }

    fn tell(&mut self, event: UpstreamEvent) {
        let mut out = Vec::new();
        self.upstream.handle(self.now, event, &self.config, &mut self.rng, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Vec<UpstreamAction>) {
        for action in out {
            match action {
                UpstreamAction::Probe { probe, .. } => self.carry(probe),
                UpstreamAction::Mode(fact) => {
                    self.facts.push((self.now, fact));
                    self.tell_mode(fact);
                }
                UpstreamAction::StatusChanged { .. } | _ => {}
            }
        }
    }

    fn carry(&mut self, probe: ProbeId) {
        if !self.cut && self.lucky() && self.lucky() {
            let arrival = self.now + self.chance.between(self.round_trip / 2, self.round_trip);
            self.answers.insert((arrival, probe.0), probe);
        }
    }

    fn tell_mode(&mut self, fact: ModeEvent) {
        let probing = self.mode.probing();
        if let Some(change) = self.mode.handle(self.now, fact).transition {
            self.changes.push((self.now, change.to));
        }
        match (probing, self.mode.probing()) {
            (false, true) => self.tell(UpstreamEvent::ProbingStarted),
            (true, false) => self.tell(UpstreamEvent::ProbingStopped),
            (true, true) | (false, false) => {}
        }
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            let arrival = self.answers.first_key_value().map(|((at, _), _)| *at);
            let next = [arrival, self.upstream.next_timeout(), self.mode.next_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, probe) = self.answers.pop_first().unwrap();
                if !self.cut {
                    self.tell(UpstreamEvent::ProbeAnswered { probe, status: 200, retry_after: None });
                }
            } else if self.upstream.next_timeout() == Some(next) {
                self.tell(UpstreamEvent::Tick);
            } else {
                self.tell_mode(ModeEvent::Tick);
            }
        }
    }

    fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }
}

#[test]
fn a_day_at_five_percent_loss_each_way_brings_no_false_verdict() {
    for seed in 0..20 {
        let mut line = Line::new(seed, 50, Duration::from_millis(40));
        line.run_for(Duration::from_hours(24));
        assert!(!line.facts.iter().any(|(_, fact)| *fact == ModeEvent::ProxyLost), "seed {seed}");
        assert!(line.changes.is_empty(), "seed {seed}: {:?}", line.changes);
        let suspicions = line.facts.iter().filter(|(_, fact)| *fact == ModeEvent::ProxySuspected).count();
        assert!(suspicions > 1_000, "the loss is real: {suspicions}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_silent_target_is_offline_within_the_promised_time(
        seed in any::<u8>(), cut_after in 100_000..60_000_000_u64, round_trip in 0..120_u64,
    ) {
        let mut line = Line::new(seed, 0, Duration::from_millis(round_trip));
        line.run_until(Instant::from_micros(cut_after));
        line.cut = true;
        let cut = line.now;
        line.run_for(Duration::from_secs(30));
        let (lost, state) = *line.changes.first().unwrap();
        prop_assert_eq!(state, State::Emergency);
        // With 120 ms to spare for the slack of the caller's timers.
        prop_assert!(lost - cut <= Duration::from_millis(5_880), "{:?}", lost - cut);
    }

    #[test]
    fn after_the_proxy_returns_normal_comes_in_bounded_time(
        seed in any::<u8>(), outage in 6_000..300_000_u64, round_trip in 0..120_u64,
    ) {
        let mut line = Line::new(seed, 0, Duration::from_millis(round_trip));
        line.run_for(Duration::from_secs(10));
        line.cut = true;
        line.run_for(Duration::from_millis(outage));
        line.cut = false;
        let back = line.now;
        line.run_for(Duration::from_secs(60));
        let (normal, state) = *line.changes.last().unwrap();
        prop_assert_eq!(state, State::Normal);
        prop_assert!(normal - back <= Duration::from_millis(10_500), "{:?}", normal - back);
    }
}

/// What may happen on a line with the mode machine behind it.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Cut(bool),
    RequestUnanswered,
    TransportFailed,
    ResponseSeen,
    ModeSet(SurvivabilityMode),
    /// Another configuration: with keep-alive or without, "always emergency" or not, and the same proxy or another one.
    Reload(bool, bool, bool),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        4 => any::<bool>().prop_map(Blow::Cut),
        2 => Just(Blow::RequestUnanswered),
        2 => Just(Blow::TransportFailed),
        2 => Just(Blow::ResponseSeen),
        1 => Just(Blow::ModeSet(SurvivabilityMode::Standard)),
        1 => Just(Blow::ModeSet(SurvivabilityMode::AlwaysEmergency)),
        2 => any::<(bool, bool, bool)>().prop_map(|(keepalive, always, other)| Blow::Reload(keepalive, always, other)),
    ]
}

impl Line {
    fn reload(&mut self, keepalive: bool, always: bool, other: bool) {
        let config = configuration(1, |settings| {
            settings.proxy_set.keepalive = keepalive;
            if always {
                settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
            }
            if other {
                settings.proxy_set.targets = vec!["sip:192.0.2.99".parse().unwrap()];
            }
        });
        let outcome = self.mode.reconfigure(self.now, &config);
        self.changes.extend(outcome.transition.map(|change| (self.now, change.to)));
        let old = std::mem::replace(&mut self.config, config);
        let mut out = Vec::new();
        self.upstream.reconfigure(self.now, &old, &self.config, &self.mode, &mut self.rng, &mut out);
        self.take(out);
    }

    fn strike(&mut self, blow: Blow) {
        let target = TargetId(0);
        match blow {
            Blow::Cut(cut) => self.cut = cut,
            Blow::RequestUnanswered => {
                self.tell(UpstreamEvent::RequestUnanswered { target });
                self.tell_mode(ModeEvent::RequestUnanswered);
            }
            Blow::TransportFailed => self.tell(UpstreamEvent::TransportFailed { target }),
            Blow::ResponseSeen => self.tell(UpstreamEvent::ResponseSeen { target }),
            Blow::ModeSet(mode) => self.tell_mode(ModeEvent::ModeSet(mode)),
            Blow::Reload(keepalive, always, other) => self.reload(keepalive, always, other),
        }
    }
}

proptest! {
    #[test]
    fn whatever_happened_a_proxy_that_answers_brings_normal_back(
        keepalive in any::<bool>(),
        seed in any::<u8>(),
        blows in prop::collection::vec((0..20_000_u64, blow()), 0..60),
    ) {
        let config = configuration(1, |settings| settings.proxy_set.keepalive = keepalive);
        let mut line = Line::with(config, seed, 0, Duration::from_millis(40));
        for (pause, blow) in blows {
            line.run_for(Duration::from_millis(pause));
            line.strike(blow);
        }
        line.strike(Blow::Cut(false));
        line.strike(Blow::Reload(keepalive, false, false));
        line.strike(Blow::ModeSet(SurvivabilityMode::Standard));
        // The longest dwell and a few seconds.
        line.run_for(Duration::from_secs(310));
        prop_assert_eq!(line.mode.state(), State::Normal);
        prop_assert_eq!(line.mode.probing(), keepalive);
        prop_assert_eq!(line.upstream.next_timeout().is_some(), keepalive);
        if keepalive {
            prop_assert!(line.upstream.is_available());
            prop_assert_eq!(line.mode.condition(), Some(Condition::Steady));
        }
    }
}

/// What may happen to a proxy set; `Answer` picks one of the probes sent so far.
#[derive(Clone, Copy, Debug)]
enum Step {
    Tick,
    OnTime,
    Answer { back: usize, status: u16 },
    Guess(u64),
    TransportFailed(usize),
    RequestUnanswered(usize),
    ResponseSeen(usize),
    RequestRefused(usize, u64),
    Served(u64, usize),
    ProbingStarted,
    ProbingStopped,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Tick),
        8 => Just(Step::OnTime),
        6 => (0..20_usize, prop_oneof![Just(200), Just(503), Just(404), 100..700_u16])
            .prop_map(|(back, status)| Step::Answer { back, status }),
        1 => any::<u64>().prop_map(Step::Guess),
        3 => (0..4_usize).prop_map(Step::TransportFailed),
        3 => (0..4_usize).prop_map(Step::RequestUnanswered),
        3 => (0..4_usize).prop_map(Step::ResponseSeen),
        2 => (0..4_usize, prop_oneof![0..4_u64, Just(u64::MAX)])
            .prop_map(|(index, seconds)| Step::RequestRefused(index, seconds)),
        3 => (0..9_u64, 0..4_usize).prop_map(|(who, index)| Step::Served(who, index)),
        1 => Just(Step::ProbingStarted),
        1 => Just(Step::ProbingStopped),
    ]
}

/// From one step to the next in microseconds: mostly a burst, sometimes long, sometimes backwards.
fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..1_000_i64, 4 => 0..300_000_i64, 1 => 0..10_000_000_i64, 1 => -1_000_000..0_i64]
}

fn any_configuration() -> impl Strategy<Value = Config> {
    (1..4_usize, any::<bool>(), 0..10_u8, 1..10_u32, 1..4_u32, 0..6_u8).prop_map(
        |(targets, keepalive, always, down_after, up_after, choice)| {
            configuration(targets, |settings| {
                if choice % 2 == 1 {
                    settings.proxy_set.redundancy = Redundancy::Parking;
                }
                if targets > 1 {
                    settings.proxy_set.balancing = match choice / 2 {
                        0 => Balancing::None,
                        1 => Balancing::RoundRobin,
                        _ => Balancing::SrvWeight,
                    };
                }
                settings.registrar.max_users = 5;
                settings.proxy_set.keepalive = keepalive;
                settings.proxy_set.down_after = down_after;
                settings.proxy_set.up_after = up_after;
                settings.proxy_set.failure_responses = vec![404];
                if always == 0 {
                    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
                }
            })
        },
    )
}

/// A proxy set that anything may happen to, checked at each step.
struct Ordeal<'a> {
    config: &'a Config,
    upstream: Upstream,
    rng: Rng,
    /// The latest time told.
    now: Instant,
    probes: Vec<(Instant, TargetId, ProbeId)>,
    probing: bool,
}

impl<'a> Ordeal<'a> {
    fn new(config: &'a Config, seed: u8) -> Self {
        Self {
            config,
            upstream: Upstream::new(config, Instant::ZERO),
            rng: Rng::new([seed; 32]),
            now: Instant::ZERO,
            probes: Vec::new(),
            probing: ModeMachine::new(config, Instant::ZERO).probing(),
        }
    }

    fn tell(&mut self, told: Instant, event: UpstreamEvent) -> Vec<UpstreamAction> {
        let due = self.upstream.next_timeout();
        let before: Vec<_> = self.statuses();
        let mut out = Vec::new();
        self.upstream.handle(told, event, self.config, &mut self.rng, &mut out);
        self.now = self.now.max(told);
        if event == UpstreamEvent::Tick && due.is_none_or(|due| due > self.now) {
            assert_eq!(out, [], "a tick too early does nothing");
            assert_eq!((self.upstream.next_timeout(), self.statuses()), (due, before.clone()));
        }
        if event == UpstreamEvent::Tick {
            assert!(self.upstream.next_timeout().is_none_or(|due| due > self.now), "the deadline law");
        }
        self.check(&before, &out);
        out
    }

    fn check(&mut self, before: &[ProxyStatus], out: &[UpstreamAction]) {
        assert!(out.len() <= 2 * before.len() + 1, "bounded work: {out:?}");
        let mut told = before.to_vec();
        for action in out {
            match *action {
                UpstreamAction::Probe { target, probe } => {
                    let last = self.probes.iter().rev().find(|(_, to, _)| *to == target);
                    if let Some((at, _, _)) = last {
                        assert!(self.now - *at >= REPROBE, "probes are never closer than that");
                    }
                    assert!(self.probing, "no probes unless they are wanted");
                    self.probes.push((self.now, target, probe));
                }
                UpstreamAction::StatusChanged { target, status, .. } => {
                    let known = told.get_mut(target.0).unwrap();
                    assert_ne!(*known, status, "only changes are told");
                    *known = status;
                }
                UpstreamAction::Mode(fact) => {
                    let lost = self.statuses().iter().all(|status| *status == ProxyStatus::Offline);
                    assert_eq!(fact == ModeEvent::ProxyLost, lost, "{fact:?}");
                }
                _ => unreachable!("{action:?}"),
            }
        }
        assert_eq!(told, self.statuses(), "every change is told");
        let refused = (0..before.len()).any(|index| self.upstream.retry_at(TargetId(index)).is_some());
        let has_deadline = self.upstream.next_timeout().is_some();
        assert!(if has_deadline { self.probing || refused } else { !self.probing }, "no target gets stuck");
        let online = self.statuses().contains(&ProxyStatus::Online);
        for who in 0..9 {
            let mut order: Vec<_> = self.upstream.candidates_for(Affinity(who)).collect();
            let best = order.first().map(|first| self.upstream.status(*first));
            assert!(!online || best == Some(ProxyStatus::Online), "{best:?} though one is online");
            order.sort();
            let all: Vec<_> = (0..before.len()).map(TargetId).collect();
            let left = |id: &&TargetId| self.upstream.status(**id) != ProxyStatus::Offline;
            assert_eq!(order, all.iter().filter(left).copied().collect::<Vec<_>>(), "each once");
        }
    }

    fn statuses(&self) -> Vec<ProxyStatus> {
        (0..self.config.proxies().len()).map(|index| self.upstream.status(TargetId(index))).collect()
    }

    fn event(&mut self, step: Step) -> Option<UpstreamEvent> {
        Some(match step {
            Step::Tick | Step::OnTime => UpstreamEvent::Tick,
            Step::Answer { back, status } => {
                let (_, _, probe) = *self.probes.iter().rev().nth(back)?;
                UpstreamEvent::ProbeAnswered { probe, status, retry_after: Some(Duration::MAX) }
            }
            Step::Guess(id) => {
                UpstreamEvent::ProbeAnswered { probe: ProbeId(id), status: 200, retry_after: None }
            }
            Step::TransportFailed(index) => UpstreamEvent::TransportFailed { target: TargetId(index) },
            Step::RequestUnanswered(index) => UpstreamEvent::RequestUnanswered { target: TargetId(index) },
            Step::ResponseSeen(index) => UpstreamEvent::ResponseSeen { target: TargetId(index) },
            Step::RequestRefused(index, seconds) => UpstreamEvent::RequestRefused {
                target: TargetId(index),
                retry_after: Duration::from_secs(seconds),
            },
            Step::Served(who, index) => UpstreamEvent::Served { who: Affinity(who), target: TargetId(index) },
            Step::ProbingStarted => {
                self.probing = true;
                UpstreamEvent::ProbingStarted
            }
            Step::ProbingStopped => {
                self.probing = false;
                UpstreamEvent::ProbingStopped
            }
        })
    }
}

proptest! {
    #[test]
    fn the_laws_hold_for_any_facts_at_any_times(
        config in any_configuration(),
        seed in any::<u8>(),
        life in prop::collection::vec((pause(), step()), 0..400),
    ) {
        let mut ordeal = Ordeal::new(&config, seed);
        let mut told = 0_i64;
        for (pause, step) in life {
            told = match (step, ordeal.upstream.next_timeout()) {
                (Step::OnTime, Some(due)) => i64::try_from(due.as_micros()).unwrap(),
                _ => (told + pause).max(0),
            };
            if let Some(event) = ordeal.event(step) {
                ordeal.tell(Instant::from_micros(told.unsigned_abs()), event);
            }
        }
    }

    #[test]
    fn a_flood_of_complaints_neither_floods_the_proxy_nor_flips_it(
        seed in any::<u8>(),
        flood in prop::collection::vec((0..400_u64, 0..3_u8), 1_000..3_000),
    ) {
        let config = configuration(1, |_| {});
        let mut ordeal = Ordeal::new(&config, seed);
        let mut on_the_way: VecDeque<(Instant, ProbeId)> = VecDeque::new();
        let target = TargetId(0);
        for (pause, kind) in flood {
            let now = ordeal.now + Duration::from_micros(pause);
            let mut out = Vec::new();
            while on_the_way.front().is_some_and(|(at, _)| *at <= now) {
                let (at, probe) = on_the_way.pop_front().unwrap();
                let answer = UpstreamEvent::ProbeAnswered { probe, status: 200, retry_after: None };
                out.extend(ordeal.tell(at, answer));
            }
            out.extend(ordeal.tell(now, match kind {
                0 => UpstreamEvent::RequestUnanswered { target },
                1 => UpstreamEvent::TransportFailed { target },
                _ => UpstreamEvent::Tick,
            }));
            for action in out {
                if let UpstreamAction::Probe { probe, .. } = action {
                    on_the_way.push_back((now + Duration::from_millis(5), probe));
                }
            }
            prop_assert_ne!(ordeal.upstream.status(target), ProxyStatus::Offline);
        }
        let seconds = usize::try_from(ordeal.now.as_micros() / 1_000_000).unwrap();
        prop_assert!(ordeal.probes.len() <= 4 * (seconds + 1) + 1);
    }

    #[test]
    fn the_same_seed_and_facts_give_the_same_actions(
        config in any_configuration(), seed in any::<u8>(), life in prop::collection::vec((pause(), step()), 0..100),
    ) {
        let live = || {
            let mut ordeal = Ordeal::new(&config, seed);
            let mut all = Vec::new();
            for (pause, step) in &life {
                let now = ordeal.now + Duration::from_micros(pause.unsigned_abs());
                if let Some(event) = ordeal.event(*step) {
                    all.extend(ordeal.tell(now, event));
                }
            }
            all
        };
        prop_assert_eq!(live(), live());
    }
}
