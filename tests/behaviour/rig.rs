//! A branch in virtual time: a `Sas`, a proxy that answers its probes while it is up, and whoever the test plays.

use bytes::Bytes;
use sip_survivability::config::{ConfigError, Settings};
use sip_survivability::mode::State;
use sip_survivability::registrar::Record;
use sip_survivability::resolve::{Answer, QueryId, Record as DnsRecord, Srv};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Notice, Sas};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const SAS: &str = "192.0.2.10:5080";
pub(crate) const PROXY: &str = "192.0.2.1:5060";
pub(crate) const PROXY_2: &str = "192.0.2.2:5060";
pub(crate) const GATEWAY: &str = "192.0.2.9:5060";
pub(crate) const GATEWAY_2: &str = "192.0.2.8:5060";
pub(crate) const ALICE: &str = "10.0.0.1:5060";
pub(crate) const BOB: &str = "10.0.0.2:5060";
pub(crate) const CAROL: &str = "10.0.0.3:5060";
pub(crate) const MALLORY: &str = "10.0.0.66:5060";

pub(crate) const FLOW: FlowId = FlowId(1);

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A datagram that SAS sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) flow: FlowId,
    pub(crate) to: SocketAddr,
    pub(crate) text: String,
}

impl Sent {
    pub(crate) fn line(&self) -> &str {
        self.text.lines().next().unwrap()
    }

    /// `INVITE 10.0.0.2:5060`, `486 10.0.0.1:5060`.
    pub(crate) fn brief(&self) -> String {
        let mut words = self.line().split(' ');
        let first = words.next().unwrap();
        let what = if first == "SIP/2.0" { words.next().unwrap() } else { first };
        format!("{what} {}", self.to)
    }

    pub(crate) fn is_request(&self) -> bool {
        !self.text.starts_with("SIP/2.0")
    }

    /// The values of the header fields `name`, as they stand there.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap();
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| *field == name).map(|(_, value)| value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    pub(crate) fn uri(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    /// The answer of whoever got this request.
    pub(crate) fn answer(&self, status: u16, lines: &str) -> String {
        let mut text = format!("SIP/2.0 {status} x\r\n");
        for via in self.all("Via") {
            let _ = write!(text, "Via: {via}\r\n");
        }
        let to = self.header("To");
        let tag = if to.contains(";tag=") || status == 100 {
            String::new()
        } else {
            format!(";tag=t{}", self.to.to_string().replace([':', '.'], ""))
        };
        let _ = write!(
            text,
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{lines}Content-Length: 0\r\n\r\n",
            self.header("From"),
            self.header("Call-ID"),
            self.header("CSeq"),
        );
        text
    }

    fn is_probe(&self) -> bool {
        self.line().starts_with("OPTIONS") && self.header("Via").contains("branch=z9hG4bKp")
    }
}

/// A connection that SAS has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialled {
    pub(crate) flow: FlowId,
    pub(crate) transport: Transport,
    pub(crate) to: SocketAddr,
    pub(crate) name: Option<String>,
}

pub(crate) struct Rig {
    pub(crate) sas: Sas,
    pub(crate) now: Instant,
    /// The proxies that answer their probes.
    pub(crate) up: BTreeSet<SocketAddr>,
    pub(crate) probes: usize,
    /// Status and header fields of the answers to them.
    pub(crate) probe_status: u16,
    pub(crate) probe_lines: &'static str,
    pub(crate) notices: Vec<Notice>,
    /// The connections that SAS has asked for, and those that it has closed.
    pub(crate) dialled: Vec<Dialled>,
    pub(crate) closed: Vec<FlowId>,
    /// What the DNS knows, by name and kind.
    pub(crate) dns: BTreeMap<String, Vec<DnsRecord>>,
    /// Whether it answers at all; if not, the questions wait here.
    pub(crate) dns_is_up: bool,
    pub(crate) unanswered: Vec<QueryId>,
    pub(crate) questions: Vec<String>,
    /// What a store was told, and when.
    pub(crate) stored: Vec<(Instant, Record)>,
    settings: Settings,
    serial: u32,
}

impl Rig {
    /// A branch whose proxy has just proved to be there.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut rig = Self::cold(change);
        rig.run(millis(10));
        rig
    }

    /// The same in the emergency state.
    pub(crate) fn lost() -> Self {
        Self::lost_with(|_| {})
    }

    pub(crate) fn lost_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut rig = Self::with(change);
        rig.cut();
        rig.run(secs(7));
        assert_eq!(rig.sas.state(), State::Emergency);
        rig
    }

    /// A branch at its very start.
    pub(crate) fn cold(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.proxy_set.targets = vec![format!("sip:{PROXY}").parse().unwrap()];
        settings.sas.default_gateway = vec![format!("sip:{GATEWAY}").parse().unwrap()];
        settings.sas.emergency_numbers = vec!["911".to_owned()];
        settings.domains = vec!["office.example".to_owned()];
        change(&mut settings);
        if settings.sas.default_gateway.is_empty() && settings.routes.is_empty() {
            // Else it would be refused: nothing would carry the calls.
            settings.sas.emergency_numbers.clear();
        }
        let mut rig = Self {
            sas: Sas::new(settings.clone().validate().unwrap(), [7; 32], Instant::ZERO),
            now: Instant::ZERO,
            up: [PROXY, PROXY_2].map(address).into(),
            probes: 0,
            probe_status: 200,
            probe_lines: "",
            notices: Vec::new(),
            dialled: Vec::new(),
            closed: Vec::new(),
            dns: BTreeMap::new(),
            dns_is_up: true,
            unanswered: Vec::new(),
            questions: Vec::new(),
            stored: Vec::new(),
            settings,
            serial: 0,
        };
        rig.event(Event::FlowOpened {
            flow: FLOW,
            transport: Transport::Udp,
            local: address(SAS),
            remote: None,
        });
        rig
    }

    /// Reloads the configuration with a change, and gives what was sent.
    pub(crate) fn reload(&mut self, change: impl FnOnce(&mut Settings)) -> Vec<Sent> {
        let mut sent = Vec::new();
        let reloaded = self.try_reload(change).unwrap();
        self.take(reloaded, &mut sent);
        sent
    }

    pub(crate) fn try_reload(&mut self, change: impl FnOnce(&mut Settings)) -> Result<Actions, ConfigError> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let reloaded = self.sas.reconfigure(self.now, settings.clone().validate().unwrap())?;
        self.settings = settings;
        Ok(reloaded)
    }

    pub(crate) fn cut(&mut self) {
        self.up.clear();
    }

    /// Takes in an event and gives what was sent, probes apart: those are answered by whoever is up.
    pub(crate) fn event(&mut self, event: Event) -> Vec<Sent> {
        let mut sent = Vec::new();
        let actions = self.sas.handle(self.now, event);
        self.take(actions, &mut sent);
        sent
    }

    fn take(&mut self, actions: Actions, sent: &mut Vec<Sent>) {
        for action in actions {
            match action {
                Action::Send { flow, to, payload } => {
                    let text = String::from_utf8(payload.to_vec()).unwrap();
                    let message = Sent { at: self.now, flow, to, text };
                    if !message.is_probe() {
                        sent.push(message);
                        continue;
                    }
                    self.probes += 1;
                    if self.up.contains(&to) {
                        let data = message.answer(self.probe_status, self.probe_lines).into();
                        let event = if self.dialled.iter().any(|dialled| dialled.flow == flow) {
                            Event::Stream { flow, data }
                        } else {
                            Event::Datagram { flow, from: to, data }
                        };
                        let answered = self.sas.handle(self.now, event);
                        self.take(answered, sent);
                    }
                }
                Action::Notify(notice) => self.notices.push(notice),
                Action::Resolve { query, name, kind } => {
                    self.questions.push(format!("{name} {kind}"));
                    if !self.dns_is_up {
                        self.unanswered.push(query);
                        continue;
                    }
                    let ttl = secs(300);
                    let answer = match self.dns.get(&format!("{name} {kind}")) {
                        Some(records) => Answer::Found { records: records.clone(), ttl },
                        None => Answer::NotFound { ttl },
                    };
                    let answered = self.sas.handle(self.now, Event::Resolved { query, answer });
                    self.take(answered, sent);
                }
                Action::Connect { flow, transport, to, name } => {
                    self.dialled.push(Dialled { flow, transport, to, name: name.map(String::from) });
                }
                Action::Close { flow } => self.closed.push(flow),
                Action::Store(record) => self.stored.push((self.now, *record)),
                _ => panic!("an action that nobody knows"),
            }
        }
    }

    /// Puts `host` into the DNS, at the IP addresses of `servers`.
    pub(crate) fn know(&mut self, host: &str, servers: &[&str]) {
        let record = |server: &&str| match address(server) {
            SocketAddr::V4(v4) => DnsRecord::A(*v4.ip()),
            SocketAddr::V6(v6) => DnsRecord::Aaaa(*v6.ip()),
        };
        self.dns.insert(format!("{host} A"), servers.iter().map(record).collect());
    }

    /// Puts the UDP service of `domain` into the DNS: hosts by priority, on port 5060.
    pub(crate) fn know_service(&mut self, domain: &str, hosts: &[&str]) {
        let service = |(host, priority): (&&str, u16)| {
            DnsRecord::Srv(Srv { priority, weight: 0, port: 5060, target: (*host).to_owned() })
        };
        self.dns.insert(format!("_sip._udp.{domain} SRV"), hosts.iter().zip(0..).map(service).collect());
    }

    /// What SAS sends when `text` comes from `from`.
    pub(crate) fn feed(&mut self, from: &str, text: impl Into<String>) -> Vec<Sent> {
        let data = Bytes::from(text.into());
        self.event(Event::Datagram { flow: FLOW, from: address(from), data })
    }

    /// The same, where it is one datagram.
    pub(crate) fn feed_one(&mut self, from: &str, text: impl Into<String>) -> Sent {
        let mut sent = self.feed(from, text);
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    /// Takes connections at `local`.
    pub(crate) fn listen(&mut self, transport: Transport, local: &str) {
        self.event(Event::Listening { transport, local: address(local) });
    }

    /// A connection of somebody else's.
    pub(crate) fn accept(&mut self, flow: u64, transport: Transport, from: &str) -> FlowId {
        let (flow, remote) = (FlowId(flow), Some(address(from)));
        self.event(Event::FlowOpened { flow, transport, local: address(SAS), remote });
        flow
    }

    /// What SAS sends when `text` comes by the connection `flow`.
    pub(crate) fn stream(&mut self, flow: FlowId, text: impl Into<String>) -> Vec<Sent> {
        self.event(Event::Stream { flow, data: Bytes::from(text.into()) })
    }

    pub(crate) fn close(&mut self, flow: FlowId) -> Vec<Sent> {
        self.event(Event::FlowClosed { flow })
    }

    pub(crate) fn failed(&mut self, to: &str) -> Vec<Sent> {
        self.event(Event::SendFailed { flow: FLOW, to: address(to) })
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn run(&mut self, span: Duration) -> Vec<Sent> {
        let end = self.now + span;
        let mut sent = Vec::new();
        while let Some(due) = self.sas.next_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            sent.extend(self.event(Event::Tick));
            let next = self.sas.next_timeout();
            // The answers to probes are events of their own, so that only what lies behind is too early.
            assert!(next.is_none_or(|next| next >= self.now), "{next:?} at {:?}", self.now);
        }
        self.now = end;
        sent
    }

    /// Lets time pass until all that was under way has ended, and checks that it has.
    pub(crate) fn drain(&mut self) {
        self.run(secs(700));
        assert_eq!(self.sas.load(), (0, 0), "transactions and contexts that never end");
    }

    /// Binds `user` at `at`, in either state.
    pub(crate) fn bind(&mut self, user: &str, at: &str) {
        self.bind_as(user, at, &format!("<sip:{user}@{at}>"));
    }

    pub(crate) fn bind_as(&mut self, user: &str, at: &str, contacts: &str) {
        self.serial += 1;
        let text = register(user, at, &format!("Contact: {contacts}\r\nExpires: 3600\r\n"), self.serial);
        let sent = self.feed_one(at, text);
        let ok = if sent.is_request() {
            let granted = format!("Contact: {contacts};expires=3600\r\n");
            self.feed_one(PROXY, sent.answer(200, &granted))
        } else {
            sent
        };
        assert_eq!(ok.brief(), format!("200 {at}"), "{ok:?}");
        self.notices.clear();
    }

    /// The states that were entered, as told.
    pub(crate) fn states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for notice in &self.notices {
            if let Notice::StateChanged { to, .. } = notice {
                states.push(*to);
            }
        }
        states
    }
}

/// What was sent, in short.
pub(crate) fn briefs(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(Sent::brief).collect()
}

/// The requests `method` among `sent`.
pub(crate) fn of<'a>(sent: &'a [Sent], what: &str) -> Vec<&'a Sent> {
    sent.iter().filter(|sent| sent.brief().split(' ').next() == Some(what)).collect()
}

/// The one message among `sent` that is `what`, as `brief` says it, and its retransmissions.
pub(crate) fn one<'a>(sent: &'a [Sent], what: &str) -> &'a Sent {
    let mut found = sent.iter().filter(|sent| sent.brief() == what);
    let first = found.next().unwrap_or_else(|| panic!("{what} in {:?}", briefs(sent)));
    assert!(found.all(|again| again.text == first.text), "{what} more than once in {:?}", briefs(sent));
    first
}

/// A request of alice's outside a dialog. `id` is its branch, its Call-ID and From's tag.
pub(crate) fn request(method: &str, uri: &str, id: &str) -> String {
    from_to(method, uri, id, ALICE, "")
}

/// A request in a dialog of alice's.
pub(crate) fn in_dialog(method: &str, uri: &str, id: &str, routes: &[&str]) -> String {
    let text = from_to(method, uri, id, ALICE, ";tag=callee");
    routes.iter().rev().fold(text, |text, route| with(&text, &format!("Route: {route}")))
}

pub(crate) fn from_to(method: &str, uri: &str, id: &str, via: &str, to_tag: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {via};branch=z9hG4bK{id};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:alice@office.example>;tag={id}\r\n\
         To: <sip:bob@office.example>{to_tag}\r\n\
         Call-ID: {id}\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:alice@{ALICE}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// `text` with another header field below its Max-Forwards.
pub(crate) fn with(text: &str, line: &str) -> String {
    text.replacen("Max-Forwards: 70\r\n", &format!("Max-Forwards: 70\r\n{line}\r\n"), 1)
}

pub(crate) fn register(user: &str, via: &str, lines: &str, cseq: u32) -> String {
    format!(
        "REGISTER sip:office.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP {via};branch=z9hG4bKreg{user}{cseq};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@office.example>;tag=1\r\n\
         To: <sip:{user}@office.example>\r\n\
         Call-ID: reg-{user}-{via}\r\n\
         CSeq: {cseq} REGISTER\r\n\
         {lines}\
         Content-Length: 0\r\n\r\n"
    )
}

/// The CANCEL of `invite`, or the ACK of its refusal.
pub(crate) fn same_transaction(invite: &str, method: &str) -> String {
    invite
        .replacen("INVITE ", &format!("{method} "), 1)
        .replace("CSeq: 1 INVITE", &format!("CSeq: 1 {method}"))
}
