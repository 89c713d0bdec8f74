//! The mode machine, checked by walking all orders of events: breadth first, each state once, to the depth that the test prints.
//!
//! A node is the machine with what the proxy set last said of its health, and the ages of the latest returns. Time goes on in steps of
//! ten seconds, or up to the deadline; two nodes are the same if they are the same as seen from their own now. The proxy set says only
//! what it can: what was lost returns, what was suspected is trusted or lost.
//!
//! Of each node that is reached:
//! - while the proxy answers from now on, normal is reached within the longest dwell;
//! - while it does not, emergency is reached with the next loss;
//! - no emergency state has ended before its dwell, and of six returns the last is ten minutes behind the first.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and says how far it went"
)]

use sip_survivability::config::{Config, EnteringEmergency, Settings, SurvivabilityMode};
use sip_survivability::mode::{ModeEvent, ModeMachine, State};
use sip_survivability::time::Instant;
use std::collections::HashSet;
use std::time::Duration;

/// Events in a row, each with the time before it.
const DEPTH: usize = 20;
/// How long a return is held against the line, and how many of them there may be in that time.
const MEMORY: Duration = Duration::from_mins(10);
const MOST_RETURNS: usize = 5;

/// What the proxy set has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Health {
    Unknown,
    Good,
    Suspect,
    Lost,
}

#[derive(Clone, Debug)]
struct Node {
    mode: ModeMachine,
    health: Health,
    now: Instant,
    lost_at: Instant,
    /// The returns of the last ten minutes, oldest first.
    returns: Vec<Instant>,
}

/// A node as seen from its own now.
type Key = (String, Health, Duration, Option<Duration>, Vec<Duration>);

impl Node {
    fn new(config: &Config) -> Self {
        let now = Instant::from_secs(1_000);
        let mode = ModeMachine::new(config, now);
        Self { mode, health: Health::Unknown, now, lost_at: now, returns: Vec::new() }
    }

    fn key(&self) -> Key {
        let shown = self.mode.to_string();
        let stage = shown.split(", until").next().unwrap_or_default().to_owned();
        let dwell = self.mode.dwell_until().map_or(Duration::ZERO, |until| until - self.now);
        let deadline = self.mode.next_timeout().map(|due| due - self.now);
        let ages = self.returns.iter().map(|at| self.now - *at).collect();
        (stage, self.health, dwell, deadline, ages)
    }

    /// What the proxy set can say now.
    fn news(&self) -> Vec<ModeEvent> {
        let mut news = match self.health {
            Health::Unknown | Health::Suspect => vec![ModeEvent::ProxySuspected, ModeEvent::ProxyTrusted],
            Health::Good => vec![ModeEvent::ProxySuspected],
            Health::Lost => return vec![ModeEvent::ProxyReturned],
        };
        // Only probes can tell that it is lost.
        if self.mode.probing() {
            news.push(ModeEvent::ProxyLost);
        }
        news
    }

    /// Takes in `event` after `pause`, and holds the laws.
    fn tell(&mut self, pause: Duration, event: ModeEvent) {
        self.now = self.now + pause;
        let before = (self.mode.probing(), self.mode.next_dwell(self.now));
        let outcome = self.mode.handle(self.now, event);
        match event {
            ModeEvent::ProxySuspected => self.health = Health::Suspect,
            ModeEvent::ProxyTrusted | ModeEvent::ProxyReturned => self.health = Health::Good,
            ModeEvent::ProxyLost => self.health = Health::Lost,
            // What is said of requests, of time and of the mode says nothing of the proxy.
            _ => {}
        }
        // Whose probing begins has nothing proved, whose probing ends is not known to be anything.
        match (before.0, self.mode.probing()) {
            (false, true) => self.health = Health::Lost,
            (true, false) => self.health = Health::Unknown,
            (true, true) | (false, false) => {}
        }
        match outcome.transition.map(|transition| transition.to) {
            Some(State::Emergency) => {
                self.lost_at = self.now;
                let until = self.mode.dwell_until();
                assert!(until.is_none_or(|until| until == self.now + before.1), "{self:?}");
            }
            Some(State::Normal) => self.on_return(),
            None => {}
        }
        self.returns.retain(|at| self.now - *at < MEMORY);
    }

    /// Goes on with `config` after `pause`, which leaves the proxies as they are.
    fn reload(&mut self, pause: Duration, config: &Config) {
        self.now = self.now + pause;
        let (probing, state) = (self.mode.probing(), self.mode.state());
        let (until, dwell) = (self.mode.dwell_until(), self.mode.next_dwell(self.now));
        let outcome = self.mode.reconfigure(self.now, config);
        match (probing, self.mode.probing()) {
            // Keep-alive that begins in the normal state takes nothing back.
            (false, true) if self.mode.state() == State::Emergency => self.health = Health::Lost,
            (true, false) => self.health = Health::Unknown,
            (false, true) | (true, true) | (false, false) => {}
        }
        // Only "always emergency" is a state that a configuration has, and its end is no return.
        let to = outcome.transition.map(|transition| transition.to);
        assert_eq!(to, (self.mode.state() != state).then_some(State::Emergency), "{self:?}");
        match (until, self.mode.dwell_until()) {
            (Some(until), Some(now)) => assert_eq!(until, now, "a dwell that runs goes on: {self:?}"),
            (None, Some(now)) => {
                self.lost_at = self.now;
                assert_eq!(now, self.now + dwell, "{self:?}");
            }
            (Some(_) | None, None) => {}
        }
    }

    /// The proxy set is replaced.
    fn replace(&mut self, pause: Duration) {
        let state = self.mode.state();
        self.tell(pause, ModeEvent::ProxiesReplaced);
        assert_eq!(self.mode.state(), state, "{self:?}");
        self.health = if state == State::Normal { Health::Unknown } else { Health::Lost };
    }

    fn on_return(&mut self) {
        self.returns.retain(|at| self.now - *at < MEMORY);
        // The dwell is 10 s, doubled by each return that is remembered; it never exceeds 5 min.
        assert!(self.now - self.lost_at >= Duration::from_secs(10), "{self:?}");
        self.returns.push(self.now);
        assert!(self.returns.len() <= MOST_RETURNS, "six returns in ten minutes: {self:?}");
    }

    /// The proxy answers everything from now on.
    fn holds_up(&self, longest: Duration) {
        let mut node = self.clone();
        let answer = match node.health {
            Health::Good => None,
            Health::Unknown | Health::Suspect => Some(ModeEvent::ProxyTrusted),
            Health::Lost => Some(ModeEvent::ProxyReturned),
        };
        if let Some(event) = answer {
            node.tell(Duration::ZERO, event);
        }
        if let Some(due) = node.mode.next_timeout() {
            let pause = due - node.now;
            node.tell(pause, ModeEvent::Tick);
        }
        assert_eq!(node.mode.state(), State::Normal, "it answers, from {self:?}");
        assert!(node.now - self.now <= longest, "within the longest dwell, from {self:?}");
    }

    /// The proxy answers nothing from now on: its probes say so, or the requests do where there are none.
    fn goes_down(&self, has_keepalive: bool) {
        let mut node = self.clone();
        if node.health != Health::Lost {
            let event = if has_keepalive { ModeEvent::ProxyLost } else { ModeEvent::RequestUnanswered };
            node.tell(Duration::ZERO, event);
        }
        assert_eq!(node.mode.state(), State::Emergency, "it does not answer, from {self:?}");
    }
}

fn configuration(change: impl FnOnce(&mut Settings)) -> Config {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
    change(&mut settings);
    settings.validate().unwrap()
}

/// All nodes that `depth` events lead to; with `with_sets`, the mode is set at run time too.
fn explore(name: &str, config: &Config, depth: usize, with_sets: bool) {
    let mut events = vec![ModeEvent::RequestUnanswered, ModeEvent::Tick];
    if with_sets {
        events.push(ModeEvent::ModeSet(SurvivabilityMode::Standard));
        events.push(ModeEvent::ModeSet(SurvivabilityMode::AlwaysEmergency));
    }
    let has_keepalive = config.proxy_set.keepalive;
    let start = Node::new(config);
    let mut seen: HashSet<Key> = HashSet::from([start.key()]);
    let mut edge = vec![start];
    let mut orders = 0_u64;
    for _ in 0..depth {
        let mut next = Vec::new();
        for node in &edge {
            let to_deadline = node.mode.next_timeout().map(|due| due - node.now);
            let pauses = [Some(Duration::ZERO), Some(Duration::from_secs(10)), to_deadline];
            for event in node.news().into_iter().chain(events.iter().copied()) {
                for pause in pauses.into_iter().flatten() {
                    let mut after = node.clone();
                    after.tell(pause, event);
                    orders += 1;
                    if seen.insert(after.key()) {
                        next.push(after);
                    }
                }
            }
        }
        for node in next.iter().filter(|node| node.mode.probing() || !has_keepalive) {
            let is_always = node.mode.state() == State::Emergency && !node.mode.probing();
            if !is_always {
                node.holds_up(config.sas.maximum_dwell);
                node.goes_down(has_keepalive);
            }
        }
        edge = next;
        if edge.is_empty() {
            break;
        }
    }
    let rest = if edge.is_empty() { "and no more can be reached" } else { "and more beyond" };
    println!("{name}: {} states within {depth} events, {orders} steps, {rest}", seen.len());
    assert!(seen.len() > 6, "{name}: the walk leads somewhere");
}

/// All nodes that `depth` events lead to where the configuration and the proxy set change at run time.
fn explore_reloads(depth: usize) {
    let configs = [
        configuration(|_| {}),
        configuration(|s| s.sas.entering_emergency = EnteringEmergency::KeepAlive),
        configuration(|s| s.proxy_set.keepalive = false),
        configuration(|s| s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency),
    ];
    let start = Node::new(&configs[0]);
    let mut seen: HashSet<(usize, Key)> = HashSet::from([(0, start.key())]);
    let mut edge = vec![(0, start)];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (before, node) in &edge {
            let mut after = Vec::new();
            let to_deadline = node.mode.next_timeout().map(|due| due - node.now);
            for pause in
                [Some(Duration::ZERO), Some(Duration::from_secs(10)), to_deadline].into_iter().flatten()
            {
                for event in node.news().into_iter().chain([ModeEvent::RequestUnanswered, ModeEvent::Tick]) {
                    let mut told = node.clone();
                    told.tell(pause, event);
                    after.push((*before, told));
                }
                for (number, config) in configs.iter().enumerate() {
                    let mut reloaded = node.clone();
                    reloaded.reload(pause, config);
                    after.push((number, reloaded));
                }
                let mut replaced = node.clone();
                replaced.replace(pause);
                after.push((*before, replaced));
            }
            next.extend(after.into_iter().filter(|(number, node)| seen.insert((*number, node.key()))));
        }
        for (number, node) in &next {
            let (has_keepalive, is_always) = (configs[*number].proxy_set.keepalive, *number == 3);
            assert!(!is_always || node.mode.state() == State::Emergency, "{node:?}");
            if !is_always {
                node.holds_up(configs[*number].sas.maximum_dwell);
                node.goes_down(has_keepalive);
            }
        }
        edge = next;
    }
    println!("reloads: {} states within {depth} events", seen.len());
    assert!(seen.len() > 100, "the walk leads somewhere");
}

#[test]
fn after_any_change_of_the_configuration_the_way_home_and_the_way_out_are_bounded() {
    explore_reloads(7);
}

#[test]
fn from_every_state_the_way_home_and_the_way_out_are_bounded() {
    explore("keepalive and requests", &configuration(|_| {}), DEPTH, false);
    explore("keepalive and requests, modes set", &configuration(|_| {}), DEPTH - 4, true);
    let keepalive = configuration(|s| s.sas.entering_emergency = EnteringEmergency::KeepAlive);
    explore("keepalive only", &keepalive, DEPTH, false);
    explore("requests only", &configuration(|s| s.proxy_set.keepalive = false), DEPTH, false);
}
