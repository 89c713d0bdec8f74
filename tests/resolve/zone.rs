//! A DNS that is a list of lines, and a resolver that asks it.

use sip_survivability::resolve::{
    Answer, Destination, Means, Naptr, Question, Record, RecordKind, Resolution, Resolved, Resolver,
    ResolverAction, Server, Srv, Unresolved,
};
use sip_survivability::rng::Rng;
use sip_survivability::time::Instant;
use sip_survivability::transport::Transport;
use sip_survivability::uri::Uri;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) const TTL: Duration = Duration::from_secs(300);

/// `pbx.example A 192.0.2.1`; an SRV has priority, weight, port and target, a NAPTR order, preference, flags, services and
/// replacement.
pub(crate) struct Zone(BTreeMap<(String, String), Vec<Record>>);

impl Zone {
    pub(crate) fn of(lines: &str) -> Self {
        let mut zone = BTreeMap::<_, Vec<Record>>::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |i: usize| words[i].parse().unwrap();
            let text = |i: usize| words[i].to_owned();
            let record = match words[1] {
                "A" => Record::A(words[2].parse().unwrap()),
                "AAAA" => Record::Aaaa(words[2].parse().unwrap()),
                "SRV" => Record::Srv(Srv {
                    priority: number(2),
                    weight: number(3),
                    port: number(4),
                    target: text(5),
                }),
                _ => Record::Naptr(Naptr {
                    order: number(2),
                    preference: number(3),
                    flags: text(4),
                    services: text(5),
                    regexp: String::new(),
                    replacement: text(6),
                }),
            };
            zone.entry((text(0), text(1))).or_default().push(record);
        }
        Self(zone)
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        match self.0.get(&(question.name.to_string(), question.kind.to_string())) {
            Some(records) => Answer::Found { records: records.clone(), ttl: TTL },
            None => Answer::NotFound { ttl: TTL },
        }
    }
}

pub(crate) fn means(transports: &[Transport]) -> Means {
    Means { transports: transports.iter().copied().collect(), v4: true, v6: true }
}

pub(crate) const ALL: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

pub(crate) fn to(uri: &str) -> Destination {
    Destination::of_uri(&Uri::parse(uri).unwrap()).unwrap()
}

/// A resolver, its time, and the questions that wait for their answers.
pub(crate) struct Rig {
    pub(crate) resolver: Resolver,
    pub(crate) rng: Rng,
    pub(crate) now: Instant,
    pub(crate) open: VecDeque<(sip_survivability::resolve::QueryId, Question)>,
    pub(crate) asked: Vec<String>,
    pub(crate) done: Vec<Resolved>,
}

impl Rig {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            resolver: Resolver::default(),
            rng: Rng::new([seed; 32]),
            now: Instant::from_secs(1),
            open: VecDeque::new(),
            asked: Vec::new(),
            done: Vec::new(),
        }
    }

    fn take(&mut self, actions: Vec<ResolverAction>) {
        for action in actions {
            match action {
                ResolverAction::Ask { query, question } => {
                    self.asked.push(question.to_string());
                    self.open.push_back((query, question));
                }
                ResolverAction::Resolved { resolved, .. } => self.done.push(resolved),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn resolve(&mut self, destination: &Destination, means: Means) {
        let mut out = Vec::new();
        match self.resolver.resolve(self.now, destination, means, &mut self.rng, &mut out) {
            Resolution::Done(resolved) => self.done.push(resolved),
            Resolution::Waiting(_) => {}
        }
        self.take(out);
    }

    pub(crate) fn tell(&mut self, query: sip_survivability::resolve::QueryId, answer: &Answer) {
        let mut out = Vec::new();
        self.resolver.on_answer(self.now, query, answer, &mut self.rng, &mut out);
        self.take(out);
    }

    /// Answers the oldest open question, and says which it was.
    pub(crate) fn answer_one(&mut self, answer: impl Fn(&Question) -> Answer) -> Option<Question> {
        let (query, question) = self.open.pop_front()?;
        self.tell(query, &answer(&question));
        Some(question)
    }

    pub(crate) fn answer_all(&mut self, answer: impl Fn(&Question) -> Answer) {
        while self.answer_one(&answer).is_some() {}
    }

    /// To `at`, with the deadlines on the way.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.resolver.next_timeout().filter(|due| *due <= end) {
            self.now = due;
            let mut out = Vec::new();
            self.resolver.on_tick(due, &mut self.rng, &mut out);
            assert!(self.resolver.next_timeout().is_none_or(|next| next > due), "the deadline law");
            self.take(out);
        }
        self.now = end;
    }

    /// What the latest resolution came to.
    pub(crate) fn outcome(&mut self) -> Result<Vec<String>, Unresolved> {
        self.done.pop().expect("nothing was resolved").outcome.map(|servers| texts(&servers))
    }
}

/// `udp 192.0.2.1:5060`.
pub(crate) fn texts(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| format!("{} {}", server.transport, server.address)).collect()
}

/// What `uri` comes to in `zone`, and what was asked on the way.
pub(crate) fn resolve(
    zone: &str,
    uri: &str,
    transports: &[Transport],
) -> (Result<Vec<String>, Unresolved>, Vec<String>) {
    let mut rig = Rig::new(7);
    let zone = Zone::of(zone);
    match Destination::of_uri(&Uri::parse(uri).unwrap()) {
        Ok(destination) => rig.resolve(&destination, means(transports)),
        Err(reason) => return (Err(reason), Vec::new()),
    }
    rig.answer_all(|question| zone.answer(question));
    (rig.outcome(), rig.asked)
}

/// The addresses of a question for A, else nothing.
pub(crate) fn a_record(question: &Question, address: [u8; 4]) -> Answer {
    match question.kind {
        RecordKind::A => Answer::Found { records: vec![Record::A(address.into())], ttl: TTL },
        _ => Answer::NotFound { ttl: TTL },
    }
}
