//! Random lives of a branch: scripts that proptest makes up and shrinks.

use crate::support::*;
use proptest::prelude::*;
use sip_survivability::config::{EnteringEmergency, Settings, SurvivabilityMode};
use sip_survivability::mode::State;
use sip_survivability::time::Instant;

pub const PHONES: usize = 3;

/// Something that a person, or fate, does to the branch.
#[derive(Clone, Debug)]
pub enum Step {
    /// Milliseconds pass.
    Wait(u64),
    Register(usize),
    Unregister(usize),
    /// A phone calls another phone, or a number.
    Dial(usize, Number),
    /// Someone outside the branch calls a phone: through the gateway, or from the head office.
    CallFromOutside(usize),
    CallFromHeadOffice(usize),
    /// A phone ends its latest call.
    HangUp(usize),
    /// A phone puts its latest call on hold, if it is up.
    Hold(usize),
    /// From now on, a phone treats calls so.
    PhoneAnswers(usize, Answer),
    Unplug(usize),
    PlugIn(usize),
    /// A phone asks for something that is no call.
    Ask(usize, &'static str),
    Cut,
    Mend,
    Freeze,
    Thaw,
    Kill,
    Restart,
    PbxIs(Mood),
    /// Bytes from nowhere arrive at us.
    Rubbish(Vec<u8>),
    /// Our own host does nothing for so many milliseconds.
    Doze(u64),
}

/// How the site has set us up (`sas.md` 2.2 and 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Defaults,
    /// Only unanswered keep-alives lead to the emergency state.
    KeepAliveOnly,
    /// Only unanswered requests do.
    RequestsOnly,
    AlwaysEmergency,
}

impl Site {
    pub fn tune(self, settings: &mut Settings) {
        match self {
            Self::Defaults => {}
            Self::KeepAliveOnly => settings.sas.entering_emergency = EnteringEmergency::KeepAlive,
            Self::RequestsOnly => settings.proxy_set.keepalive = false,
            Self::AlwaysEmergency => settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Number {
    Phone(usize),
    HeadOffice,
    Outside,
    Emergency,
    Nobody,
}

/// A life, in all that it needs to be lived again.
#[derive(Clone, Debug)]
pub struct Life {
    pub seed: u64,
    pub site: Site,
    /// Percent of all datagrams, on every link.
    pub loss: u32,
    pub duplication: u32,
    pub reordering: u32,
    pub steps: Vec<Step>,
}

fn phone() -> impl Strategy<Value = usize> {
    0..PHONES
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        6 => phone().prop_map(Number::Phone),
        2 => Just(Number::HeadOffice),
        1 => Just(Number::Outside),
        1 => Just(Number::Emergency),
        1 => Just(Number::Nobody),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let asking = prop::sample::select(vec!["OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "INFO", "XYZZY"]);
    let mood = prop::sample::select(vec![
        Mood::Healthy,
        Mood::Refusing(503),
        Mood::Refusing(403),
        Mood::Refusing(420),
        Mood::Silent,
    ]);
    let answer = prop_oneof![
        (0..8_000_u64).prop_map(|ring| Answer::After(millis(ring))),
        Just(Answer::Never),
        prop::sample::select(vec![
            Answer::Refuse(486),
            Answer::Refuse(603),
            Answer::Refuse(302),
            Answer::Refuse(503)
        ]),
    ];
    prop_oneof![
        8 => (0..2_000_u64).prop_map(Step::Wait),
        6 => (0..30_000_u64).prop_map(Step::Wait),
        3 => phone().prop_map(Step::Register),
        1 => phone().prop_map(Step::Unregister),
        8 => (phone(), number()).prop_map(|(phone, number)| Step::Dial(phone, number)),
        1 => phone().prop_map(Step::CallFromOutside),
        2 => phone().prop_map(Step::CallFromHeadOffice),
        5 => phone().prop_map(Step::HangUp),
        1 => phone().prop_map(Step::Hold),
        2 => (phone(), answer).prop_map(|(phone, answer)| Step::PhoneAnswers(phone, answer)),
        1 => phone().prop_map(Step::Unplug),
        1 => phone().prop_map(Step::PlugIn),
        2 => (phone(), asking).prop_map(|(phone, method)| Step::Ask(phone, method)),
        2 => Just(Step::Cut),
        2 => Just(Step::Mend),
        1 => Just(Step::Freeze),
        1 => Just(Step::Thaw),
        1 => Just(Step::Kill),
        1 => Just(Step::Restart),
        1 => mood.prop_map(Step::PbxIs),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Rubbish),
        1 => (0..5_000_u64).prop_map(Step::Doze),
    ]
}

/// Any life of up to `steps` steps, on lines that lose, duplicate and reorder up to `bad` percent each.
pub fn life(steps: usize, bad: u32) -> impl Strategy<Value = Life> {
    let site = prop_oneof![
        5 => Just(Site::Defaults),
        1 => Just(Site::KeepAliveOnly),
        1 => Just(Site::RequestsOnly),
        1 => Just(Site::AlwaysEmergency),
    ];
    let lines = (0..=bad, 0..=bad, 0..=bad);
    (any::<u64>(), site, lines, prop::collection::vec(step(), 0..steps)).prop_map(
        |(seed, site, (loss, duplication, reordering), steps)| Life {
            seed,
            site,
            loss,
            duplication,
            reordering,
            steps,
        },
    )
}

/// How the PBX's process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    Running,
    Frozen,
    Dead,
}

/// A life being lived.
pub struct Lived {
    pub branch: Branch,
    /// A phone in the head office, at the PBX.
    pub remote: Handle<Phone>,
    pbx: Process,
}

impl Life {
    fn lines(&self) -> Link {
        let share = |percent: u32| f64::from(percent) / 100.0;
        Link::LAN
            .loss(share(self.loss))
            .duplication(share(self.duplication))
            .reordering(share(self.reordering))
    }

    /// A branch with registered phones, at the start of this life.
    pub fn begin(&self) -> Lived {
        let mut branch = Branch::with(self.seed, PHONES, |settings| self.site.tune(settings));
        branch.register_all();
        let remote = branch.add_remote_phone("hq");
        branch.net.run_for(secs(1));
        branch.disturb(self.lines());
        Lived { branch, remote, pbx: Process::Running }
    }

    /// The whole life; `after` is called after each step.
    pub fn live(&self, mut after: impl FnMut(&Step, &mut Lived)) -> Lived {
        let mut lived = self.begin();
        for step in &self.steps {
            lived.take(step);
            after(step, &mut lived);
        }
        lived
    }
}

impl Lived {
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Wait(span) => self.branch.net.run_for(millis(*span)),
            Step::Register(_)
            | Step::Unregister(_)
            | Step::Dial(..)
            | Step::HangUp(_)
            | Step::Hold(_)
            | Step::PhoneAnswers(..)
            | Step::Ask(..)
            | Step::Unplug(_)
            | Step::PlugIn(_) => self.at_a_phone(step),
            Step::CallFromOutside(phone) => {
                let user = self.number(Number::Phone(*phone));
                let gateway = self.branch.gateway;
                self.branch.net.act(gateway, |gateway, io| gateway.dial_at(io, &user, branch::DOMAIN));
            }
            Step::CallFromHeadOffice(phone) => {
                let user = self.number(Number::Phone(*phone));
                self.branch.net.act(self.remote, |remote, io| remote.dial(io, &user));
            }
            Step::Cut => self.branch.cut(),
            Step::Mend => self.branch.mend(),
            Step::Freeze | Step::Thaw | Step::Kill | Step::Restart | Step::PbxIs(_) => self.at_the_pbx(step),
            Step::Rubbish(bytes) => {
                self.branch.net.inject(at("203.0.113.66:5060"), self.branch.sas, bytes.clone());
            }
            Step::Doze(span) => {
                self.branch.net.freeze(self.branch.sas);
                self.branch.net.run_for(millis(*span));
                self.branch.net.thaw(self.branch.sas);
            }
        }
    }

    fn at_a_phone(&mut self, step: &Step) {
        let (Step::Register(phone)
        | Step::Unregister(phone)
        | Step::Dial(phone, _)
        | Step::HangUp(phone)
        | Step::Hold(phone)
        | Step::PhoneAnswers(phone, _)
        | Step::Ask(phone, _)
        | Step::Unplug(phone)
        | Step::PlugIn(phone)) = step
        else {
            return;
        };
        let handle = self.branch.phones[*phone];
        let alive = self.branch.net.is_alive(handle);
        match step {
            Step::Unplug(_) if alive => self.branch.unplug(handle),
            Step::PlugIn(_) if !alive => self.branch.plug_in(handle),
            _ if !alive => {}
            Step::Register(_) => self.branch.net.act(handle, |phone, io| phone.register(io)),
            Step::Unregister(_) => self.branch.net.act(handle, |phone, io| phone.unregister(io)),
            Step::PhoneAnswers(_, answer) => {
                self.branch.net.act(handle, |phone, _| phone.answer = *answer);
            }
            Step::Dial(_, number) => {
                let number = self.number(*number);
                self.branch.dial(handle, &number);
            }
            Step::HangUp(_) => self.branch.net.act(handle, |phone, io| {
                if let Some(call) = phone.last_call_ref() {
                    phone.hang_up(io, call);
                }
            }),
            Step::Hold(_) => self.branch.net.act(handle, |phone, io| {
                if let Some(call) = phone.last_call_ref().filter(|call| phone.call(*call).is_up()) {
                    phone.reinvite(io, call);
                }
            }),
            Step::Ask(_, method) => {
                let user = self.number(Number::Phone((phone + 1) % PHONES));
                let uri = format!("sip:{user}@{}", branch::DOMAIN);
                self.branch.net.act(handle, |phone, io| phone.ask(io, method, &uri));
            }
            _ => {}
        }
    }

    fn at_the_pbx(&mut self, step: &Step) {
        let Self { branch: Branch { net, pbx: handle, .. }, pbx, .. } = self;
        match (step, *pbx) {
            (Step::Freeze, Process::Running) => {
                net.freeze(*handle);
                *pbx = Process::Frozen;
            }
            (Step::Thaw, Process::Frozen) => {
                net.thaw(*handle);
                *pbx = Process::Running;
            }
            (Step::Kill, Process::Running | Process::Frozen) => {
                net.kill(*handle);
                *pbx = Process::Dead;
            }
            (Step::Restart, Process::Dead) => {
                net.restart(*handle, Branch::fresh_pbx());
                *pbx = Process::Running;
            }
            (Step::PbxIs(mood), Process::Running) => net.act(*handle, |pbx, _| pbx.mood = *mood),
            // Not possible as things are.
            _ => {}
        }
    }

    fn number(&self, number: Number) -> String {
        match number {
            Number::Phone(phone) => self.branch.net.name(self.branch.phones[phone]).to_owned(),
            Number::HeadOffice => "hq".to_owned(),
            Number::Outside => "5550123".to_owned(),
            Number::Emergency => "911".to_owned(),
            Number::Nobody => "nobody".to_owned(),
        }
    }

    /// Everything is well again: the PBX runs and is in a good mood, the lines are perfect, all phones are there.
    pub fn recover(&mut self) {
        self.branch.disturb(Link::LAN);
        self.branch.mend();
        self.take(&Step::Thaw);
        self.take(&Step::Restart);
        self.branch.net.act(self.branch.pbx, |pbx, _| pbx.mood = Mood::Healthy);
        for phone in 0..PHONES {
            self.take(&Step::PlugIn(phone));
            self.take(&Step::PhoneAnswers(phone, Answer::After(millis(500))));
        }
    }

    /// Once all is well the state is normal again, and phones call each other.
    pub fn comes_home(&mut self) {
        let branch = &mut self.branch;
        // The longest dwell is five minutes, and a phone tries again each ten seconds.
        branch.until_state(State::Normal, secs(330));
        branch.net.run_for(secs(60));
        let (alice, bob) = (branch.alice(), branch.bob());
        branch.net.act(bob, |bob, io| bob.register(io));
        branch.net.run_for(secs(40));
        let call = branch.talk(alice, "bob");
        branch.hang_up(alice, call);
        branch.until(alice, call, CallState::Ended(End::HungUp(Some(200))), secs(2));
    }

    /// What the core told that is like `what`, as far as it is wanted.
    pub fn told<T>(&self, what: impl Fn(Instant, &sip_survivability::Notice) -> Option<T>) -> Vec<T> {
        let notices = &self.branch.net.node(self.branch.sas).notices;
        notices.iter().filter_map(|noticed| what(noticed.at, &noticed.notice)).collect()
    }
}
