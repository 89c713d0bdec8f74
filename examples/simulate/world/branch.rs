//! The branch, and the loop that lets it live.

use super::agent::{Agent, Io};
use super::log::{CallKind, Log, Outage, Watch};
use super::net::{GATEWAY, Net, PBXS, Place, SAS, place_of};
use super::pbx::Pbx;
use super::phone::{Phone, index_of};
use super::queue::Job;
use super::scenario::{Scenario, Step, boot_time, steps, trouble};
use super::{Plan, outcome};
use bytes::Bytes;
use sip_survivability::config::{Config, Settings, SurvivabilityMode};
use sip_survivability::mode::State;
use sip_survivability::registrar::{Binding, Record};
use sip_survivability::rng::Rng;
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::upstream::ProxyStatus;
use sip_survivability::uri::Uri;
use sip_survivability::{Action, Actions, Event, Notice, Sas};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Points of a curve.
const SAMPLES: u32 = 1_200;
/// A verdict that comes so long after the line was mended may still be about the cut.
const VERDICT_LAG: Duration = Duration::from_secs(6);
const FLOW: FlowId = FlowId(0);

pub struct Branch<'a> {
    pub plan: &'a Plan,
    pub net: Net,
    pub log: Log,
    pub phones: Vec<Phone>,
    gateway: Agent,
    gateway_alarm: Option<Instant>,
    pub pbx: Pbx,
    pub config: Config,
    /// None while it is down.
    pub sas: Option<Sas>,
    /// When it wants to be told of time.
    sas_due: Option<Instant>,
    sas_starts: u64,
    actions: Actions,
    steps: Vec<(Instant, Step)>,
    /// Phones whose binding was found missing, until they have one again.
    missing: Vec<bool>,
    /// What the store has of each binding, and since when: it outlives the core.
    store: BTreeMap<String, (Instant, Record)>,
    pub now: Instant,
    pub events: u64,
}

fn seed_bytes(seed: u64, what: u8) -> [u8; 32] {
    let mut bytes = [what; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

fn settings(scenario: Scenario) -> Settings {
    let mut settings = Settings::default();
    settings.domains = vec![super::net::DOMAIN.to_owned()];
    settings.sas.default_gateway = vec![format!("sip:{GATEWAY}").parse().expect("a URI")];
    settings.sas.emergency_numbers = vec!["911".to_owned()];
    let proxies = match scenario {
        Scenario::Redundant => 0,
        Scenario::Partial => 2,
        _ => 1,
    };
    settings.proxy_set.targets =
        PBXS[..proxies].iter().map(|pbx| format!("sip:{pbx}").parse().expect("a URI")).collect();
    settings.registrar.store = scenario == Scenario::GatewayRestart;
    if scenario == Scenario::Redundant {
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    }
    settings
}

impl<'a> Branch<'a> {
    pub fn new(plan: &'a Plan) -> Self {
        let mut net = Net::new(Rng::new(seed_bytes(plan.seed, 1)), plan.loss);
        let is_redundant = plan.scenario == Scenario::Redundant;
        let servers = if is_redundant { [PBXS[0], SAS] } else { [SAS, SAS] };
        let boot = boot_time(plan.span);
        let phones: Vec<Phone> = (0..plan.phones)
            .map(|index| {
                let at = Instant::ZERO + net.between(Duration::from_secs(1), boot);
                net.queue.push(at, Job::Wake(index));
                let mut phone = Phone::new(index, servers, at, net.rng.bits());
                phone.alarm = Some(at);
                phone
            })
            .collect();
        let steps = steps(plan.scenario, plan.span, &mut net);
        for (index, (at, _)) in steps.iter().enumerate() {
            net.queue.push(*at, Job::Step(index as u16));
        }
        let mut branch = Self {
            plan,
            pbx: Pbx::new(plan.phones, !is_redundant, net.rng.secret()),
            missing: vec![false; phones.len()],
            phones,
            gateway: Agent::new("pstn".to_owned(), GATEWAY, true),
            gateway_alarm: None,
            config: settings(plan.scenario).validate().expect("a configuration that works"),
            sas: None,
            sas_due: None,
            sas_starts: 0,
            actions: Actions::new(),
            steps,
            net,
            store: BTreeMap::new(),
            log: Log::default(),
            now: Instant::ZERO,
            events: 0,
        };
        branch.log.is_blind = is_redundant;
        branch.plan_calls(boot);
        branch.start_sas();
        branch
    }

    /// Calls at random all day, and some just when it hurts: in the first seconds of a loss, in its middle, and behind its end.
    fn plan_calls(&mut self, boot: Duration) {
        let begin = Instant::ZERO + boot;
        self.net.queue.push(begin, Job::Dial { again: true });
        self.net.queue.push(begin, Job::Emergency { again: true });
        let (from, length) = trouble(self.plan.span);
        for millis in [10, 300, 700, 1_500, 2_500] {
            self.net.queue.push(from + Duration::from_millis(millis), Job::Dial { again: false });
        }
        let second = Duration::from_secs(1);
        for at in [from + second, from + length / 2 + second, from + length + second] {
            self.net.queue.push(at, Job::Emergency { again: false });
        }
        self.net.queue.push(Instant::ZERO + self.sampling(), Job::Sample);
    }

    fn sampling(&self) -> Duration {
        (self.plan.span / SAMPLES).max(Duration::from_secs(1))
    }

    pub fn start_sas(&mut self) {
        self.sas_starts += 1;
        let seed = seed_bytes(self.plan.seed.wrapping_add(self.sas_starts << 32), 2);
        let sas = Sas::new(self.config.clone(), seed, self.now);
        self.log.states.push((self.now, sas.state()));
        self.sas = Some(sas);
        let opened = Event::FlowOpened { flow: FLOW, transport: Transport::Udp, local: SAS, remote: None };
        self.tell(opened);
        for (at, record) in std::mem::take(&mut self.store).into_values() {
            let restored = Event::Restored { record: Box::new(record.clone()), age: self.now - at };
            self.tell(restored);
            self.store.insert(record.name(), (at, record));
        }
        self.audit();
    }

    /// Until the end of the plan.
    pub fn live(&mut self, progress: &mut impl FnMut(Instant)) {
        let end = Instant::ZERO + self.plan.span;
        loop {
            let due = self.sas_due.map(|due| due.max(self.now));
            let next = self.net.queue.next_at();
            let Some(at) = [due, next].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.events += 1;
            if self.events.is_multiple_of(65_536) {
                progress(at);
            }
            if due == Some(at) {
                self.now = at;
                self.tell(Event::Tick);
            } else if let Some((at, job)) = self.net.queue.pop() {
                self.now = at;
                self.carry_out(job);
            }
        }
        self.now = end;
    }

    fn carry_out(&mut self, job: Job) {
        match job {
            Job::Deliver(slot) => {
                if let Some(packet) = self.net.take(slot) {
                    self.deliver(packet.from, packet.to, packet.data);
                }
            }
            Job::Refused(pbx) => self.tell(Event::SendFailed { flow: FLOW, to: PBXS[pbx as usize] }),
            Job::Wake(index) => {
                let phone = &mut self.phones[index as usize];
                // Another alarm has been set since.
                if phone.alarm == Some(self.now) {
                    phone.alarm = None;
                    self.with_phone(index, |phone, io| phone.tick(io));
                }
            }
            Job::WakeGateway => {
                if self.gateway_alarm == Some(self.now) {
                    self.gateway_alarm = None;
                    self.with_gateway(|gateway, io| {
                        gateway.tick(io);
                    });
                }
            }
            Job::Step(index) => self.step(self.steps[index as usize].1),
            Job::Dial { again } => self.dial(again),
            Job::Emergency { again } => self.dial_emergency(again),
            Job::Sample => {
                let up = self.phones.iter().filter(|phone| phone.agent.calls_up().next().is_some()).count();
                let booted = |phone: &u32| self.phones[*phone as usize].until > Instant::ZERO;
                let away = |phone: &u32| booted(phone) && !self.pbx.knows(*phone, self.now);
                let away = (0..self.phones.len() as u32).filter(away).count();
                self.log.sample(self.now, up as u32, away as u32);
                self.audit_ledger();
                self.net.queue.push(self.now + self.sampling(), Job::Sample);
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, data: Bytes) {
        match place_of(to) {
            Some(Place::Sas) => self.tell(Event::Datagram { flow: FLOW, from, data }),
            Some(Place::Gateway) => self.with_gateway(|gateway, io| {
                gateway.receive(io, from, data);
            }),
            Some(Place::Pbx(pbx)) if !self.net.closed[pbx as usize] => {
                let mut io = Io { now: self.now, net: &mut self.net, log: &mut self.log };
                self.pbx.receive(&mut io, to, from, data);
            }
            Some(Place::Phone(index)) if (index as usize) < self.phones.len() => {
                self.with_phone(index, |phone, io| phone.receive(io, from, data));
            }
            _ => {}
        }
    }

    /// Lets a phone do something, and sets its alarm. One that is set already for a sooner time stays: it finds nothing to do then.
    pub fn with_phone(&mut self, index: u32, act: impl FnOnce(&mut Phone, &mut Io<'_>)) {
        let phone = &mut self.phones[index as usize];
        act(phone, &mut Io { now: self.now, net: &mut self.net, log: &mut self.log });
        if let Some(at) = phone.next_timeout().map(|at| at.max(self.now))
            && phone.alarm.is_none_or(|alarm| at < alarm)
        {
            phone.alarm = Some(at);
            self.net.queue.push(at, Job::Wake(index));
        }
    }

    pub fn with_gateway(&mut self, act: impl FnOnce(&mut Agent, &mut Io<'_>)) {
        act(&mut self.gateway, &mut Io { now: self.now, net: &mut self.net, log: &mut self.log });
        if let Some(at) = self.gateway.next_timeout().map(|at| at.max(self.now))
            && self.gateway_alarm.is_none_or(|alarm| at < alarm)
        {
            self.gateway_alarm = Some(at);
            self.net.queue.push(at, Job::WakeGateway);
        }
    }

    /// Tells the core what has happened, and carries out what it wants.
    fn tell(&mut self, event: Event) {
        let Some(sas) = &mut self.sas else { return };
        let mut actions = std::mem::take(&mut self.actions);
        sas.handle_into(self.now, event, &mut actions);
        for action in actions.drain() {
            match action {
                Action::Send { to, payload, .. } => self.net.send(self.now, SAS, to, payload),
                Action::Notify(notice) => self.on_notice(&notice),
                // One core alone writes to it: who is gone may be forgotten.
                Action::Store(record) if record.is_removal() => drop(self.store.remove(&record.name())),
                Action::Store(record) => drop(self.store.insert(record.name(), (self.now, *record))),
                _ => {}
            }
        }
        self.actions = actions;
        self.sas_due = self.sas.as_ref().and_then(Sas::next_timeout);
        if let (Some(since), Some(sas)) = (self.log.returned, &self.sas)
            && sas.registrar().unconfirmed() == 0
        {
            // Those that came from the outage with a long lifetime are confirmed as they stand.
            self.log.homecomings.push(self.now - since);
            self.log.returned = None;
        }
    }

    fn on_notice(&mut self, notice: &Notice) {
        match notice {
            Notice::StateChanged { to, .. } => self.on_state(*to),
            Notice::ProxyStatus { target, status: ProxyStatus::Offline, .. } => {
                let is_first = **target == *format!("sip:{}", PBXS[0]);
                if let Some(outage) = self.log.outages.last_mut().filter(|_| is_first)
                    && outage.to.is_none()
                {
                    outage.detected.get_or_insert(self.now);
                }
            }
            Notice::UserBound(contact) | Notice::UserRefreshed(contact) => {
                if let Some(phone) = phone_of(&contact.binding) {
                    self.missing[phone as usize] = false;
                }
            }
            Notice::UserUnbound(contact) | Notice::UserExpired(contact) => {
                if let Some(phone) = phone_of(&contact.binding) {
                    self.on_binding_gone(phone);
                }
            }
            Notice::UsersNotHome { users, .. } => {
                let named = users.iter().filter_map(|aor| user_of(aor));
                self.log.named_wrongly +=
                    named.filter(|phone| self.pbx.knows(*phone, self.now)).count() as u64;
            }
            _ => {}
        }
    }

    /// Holds the ledger against what the PBX knows, where it can have forgotten nobody: whom it does not know, and we do, is not home.
    fn audit_ledger(&mut self) {
        let Some(sas) = self.sas.as_ref().filter(|sas| sas.state() == State::Normal) else { return };
        if !matches!(self.plan.scenario, Scenario::WanCut | Scenario::Flapping | Scenario::Brownout) {
            return;
        }
        let not_home: BTreeSet<u32> = sas.not_home().filter_map(user_of).collect();
        let bound = sas.registrar().iter().filter_map(phone_of);
        let missed = bound.filter(|phone| !self.pbx.knows(*phone, self.now) && !not_home.contains(phone));
        self.log.held_for_home += missed.count() as u64;
    }

    fn on_state(&mut self, to: State) {
        let recent = |outage: &Outage| outage.to.is_none_or(|to| self.now - to <= VERDICT_LAG);
        let is_lost = self.log.outages.last().is_some_and(recent) && self.plan.scenario != Scenario::Partial;
        match to {
            State::Emergency => {
                self.log.returned = None;
                if !is_lost {
                    self.log.false_failovers += 1;
                }
            }
            State::Normal => self.log.returned = Some(self.now),
        }
        self.log.states.push((self.now, to));
        self.audit();
    }

    /// A binding has ended: of a phone that counts on it?
    fn on_binding_gone(&mut self, phone: u32) {
        let index = phone as usize;
        let counts_on_it = self.phones[index].server() == SAS && self.phones[index].until > self.now;
        if counts_on_it && !self.missing[index] {
            self.missing[index] = true;
            self.log.bindings_lost += 1;
        }
    }

    /// Holds the whole database against what the phones believe.
    pub fn audit(&mut self) {
        let mut is_there = vec![false; self.phones.len()];
        let bindings = self.sas.iter().flat_map(|sas| sas.registrar().iter());
        for binding in bindings.filter(|binding| binding.expires_at > self.now) {
            if let Some(there) = phone_of(binding).and_then(|phone| is_there.get_mut(phone as usize)) {
                *there = true;
            }
        }
        for index in (0..is_there.len()).filter(|index| !is_there[*index]) {
            self.on_binding_gone(index as u32);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Cut(pbx) => {
                self.net.cut[pbx] = true;
                self.on_loss();
            }
            Step::Close(pbx) => {
                self.net.closed[pbx] = true;
                self.on_loss();
            }
            Step::Mend(pbx) => {
                self.net.cut[pbx] = false;
                self.on_mended();
            }
            Step::Open(pbx) => {
                self.net.closed[pbx] = false;
                self.pbx.forget();
                self.on_mended();
            }
            Step::Wan(line) => self.net.wan = line,
            // What it has lost shows when it is back.
            Step::StopSas => (self.sas, self.sas_due) = (None, None),
            Step::StartSas => self.start_sas(),
        }
    }

    fn on_mended(&mut self) {
        if let Some(outage) = self.log.outages.last_mut() {
            outage.to = Some(self.now);
        }
    }

    fn on_loss(&mut self) {
        let is_first = self.log.outages.is_empty();
        self.log.outages.push(Outage { from: self.now, to: None, detected: None });
        if is_first {
            self.watch_calls();
        }
    }

    /// The calls that are up at both ends now are watched: each end has to get another session, and one of them to hang up.
    fn watch_calls(&mut self) {
        let mut ends: Vec<(u32, bool, Option<u32>)> = Vec::new();
        for (index, phone) in self.phones.iter().enumerate() {
            ends.extend(phone.agent.calls_up().map(|(call, caller)| (call, caller, Some(index as u32))));
        }
        ends.extend(self.gateway.calls_up().map(|(call, caller)| (call, caller, None)));
        ends.sort_unstable();
        let both: Vec<_> = ends.windows(2).filter(|pair| pair[0].0 == pair[1].0).collect::<Vec<_>>();
        let (_, length) = trouble(self.plan.span);
        let long = length.min(Duration::from_secs(600));
        for pair in both {
            let number = pair[0].0;
            let caller_hangs_up = self.net.chance(0.5);
            let early = self.now + self.net.between(Duration::from_millis(100), long / 4);
            let late = self.now + self.net.between(long * 3 / 10, long / 2);
            let end = self.now + self.net.between(long * 6 / 10, long * 8 / 10);
            self.log.calls[number as usize].watch = Some(Watch::default());
            for (_, is_caller, place) in pair {
                let renegotiate_at = if *is_caller { early } else { late };
                let hang_up_at = (*is_caller == caller_hangs_up).then_some(end);
                match place {
                    Some(phone) => self.with_phone(*phone, |phone, _| {
                        phone.agent.plan(number, renegotiate_at, hang_up_at);
                    }),
                    None => self.with_gateway(|gateway, _| gateway.plan(number, renegotiate_at, hang_up_at)),
                }
            }
        }
    }

    fn any_phone(&mut self) -> u32 {
        (self.net.rng.bits() % u64::from(self.plan.phones)) as u32
    }

    /// A phone that can call now; none after a few tries.
    fn caller(&mut self) -> Option<u32> {
        (0..8).map(|_| self.any_phone()).collect::<Vec<_>>().into_iter().find(|phone| {
            let phone = &self.phones[*phone as usize];
            phone.agent.is_free() && phone.is_registered(self.now)
        })
    }

    fn dial(&mut self, again: bool) {
        if again {
            let mean = Duration::from_secs(3_600) / self.plan.calls;
            let next = self.now + self.net.exponential(mean);
            self.net.queue.push(next, Job::Dial { again });
        }
        let (Some(caller), callee) = (self.caller(), self.any_phone()) else { return };
        let kind = match self.net.rng.bits() % 100 {
            0..65 => CallKind::Internal,
            65..85 => CallKind::Outgoing,
            _ => CallKind::Incoming,
        };
        if kind == CallKind::Internal && callee == caller {
            return;
        }
        let number = self.log.dialled(kind, callee, self.now);
        let uri = self.log.destination(number);
        if kind == CallKind::Incoming {
            // The gateway of a redundant branch tries the PBX first, and SAS when that is known to be gone.
            let pbx_first = self.plan.scenario == Scenario::Redundant && self.log.outage().is_none();
            let server = if pbx_first { PBXS[0] } else { SAS };
            self.with_gateway(|gateway, io| gateway.dial(io, number, &uri, server, false));
        } else {
            self.with_phone(caller, |phone, io| phone.dial(io, number, &uri));
        }
    }

    fn dial_emergency(&mut self, again: bool) {
        if again {
            let next = self.now + self.net.exponential(Duration::from_secs(600));
            self.net.queue.push(next, Job::Emergency { again });
        }
        if let Some(caller) = self.caller() {
            let number = self.log.dialled(CallKind::Emergency, 0, self.now);
            let uri = self.log.destination(number);
            self.with_phone(caller, |phone, io| phone.dial(io, number, &uri));
        }
    }

    pub fn outcome(mut self) -> outcome::Outcome {
        self.audit();
        outcome::Outcome::of(self)
    }
}

/// Whose address of record it is.
fn user_of(aor: &str) -> Option<u32> {
    index_of(Uri::parse(aor).ok()?.user()?)
}

/// Whose binding it is: nobody here is behind a NAT.
fn phone_of(binding: &Binding) -> Option<u32> {
    match place_of(binding.source) {
        Some(Place::Phone(phone)) => Some(phone),
        _ => None,
    }
}
