//! A registrar with a clock, and REGISTER requests in few words.

use sip_survivability::config::{Config, Settings};
use sip_survivability::message::{Message, Request, Response};
use sip_survivability::registrar::{BindingChange, Changes, Home, Refusal, Registered, Registrar, View};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Peer};
use sip_survivability::uri::{HomeHosts, Host, Uri};
use std::time::Duration;

pub(crate) const PROXY: &str = "192.0.2.1";
pub(crate) const GATEWAY: &str = "192.0.2.9:5060";

pub(crate) fn config(change: impl FnOnce(&mut Settings)) -> Config {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec![format!("sip:{PROXY}").parse().unwrap()];
    settings.sas.default_gateway = vec![format!("sip:{GATEWAY}").parse().unwrap()];
    settings.sas.emergency_numbers = vec!["911".to_owned()];
    settings.registrar.reserved_users = vec!["operator".to_owned()];
    change(&mut settings);
    settings.validate().unwrap()
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn from(address: &str) -> Peer {
    Peer { flow: FlowId(1), address: address.parse().unwrap() }
}

/// A REGISTER, to be sent as it is or changed a little.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) to: String,
    pub(crate) call_id: &'static str,
    pub(crate) cseq: u32,
    pub(crate) lines: Vec<String>,
    pub(crate) from: Peer,
}

/// A REGISTER of `to` with Call-ID `a`, from alice's phone.
pub(crate) fn reg(to: &str, cseq: u32) -> Sent {
    Sent { to: to.to_owned(), call_id: "a", cseq, lines: Vec::new(), from: from("192.0.2.10:5060") }
}

impl Sent {
    pub(crate) fn contact(self, contact: &str) -> Self {
        self.line(&format!("Contact: {contact}"))
    }

    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    pub(crate) fn call_id(self, call_id: &'static str) -> Self {
        Self { call_id, ..self }
    }

    pub(crate) fn from(self, address: &str) -> Self {
        Self { from: from(address), ..self }
    }

    pub(crate) fn flow(mut self, flow: u64) -> Self {
        self.from.flow = FlowId(flow);
        self
    }

    pub(crate) fn request(&self) -> Request {
        let lines: String = self.lines.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "REGISTER sip:{PROXY} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n\
             From: <{to}>;tag=1\r\n\
             To: <{to}>\r\n\
             Call-ID: {}\r\n\
             CSeq: {} REGISTER\r\n\
             {lines}\r\n",
            self.call_id,
            self.cseq,
            to = self.to,
        );
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        request
    }
}

pub(crate) fn response(status: u16, lines: &[&str]) -> Response {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!("SIP/2.0 {status} Whatever\r\n{lines}\r\n");
    let Ok(Message::Response(response)) = Message::parse(text) else { panic!("a response") };
    response
}

/// A registrar that grants 20 s, and a clock.
pub(crate) struct Branch {
    pub(crate) registrar: Registrar,
    pub(crate) hosts: HomeHosts,
    pub(crate) now: Instant,
    pub(crate) grace: Duration,
}

impl Branch {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut hosts = HomeHosts::default();
        hosts.add(Host::parse(PROXY).unwrap());
        let registrar = Registrar::new(&config(change), [1, 2]);
        Self { registrar, hosts, now: Instant::from_secs(1000), grace: Duration::ZERO }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now + secs(seconds);
    }

    /// Answers here, with 20 s or less.
    pub(crate) fn register(&mut self, sent: &Sent) -> Result<Registered, Refusal> {
        let grant = |asked: Option<Duration>| asked.unwrap_or(Duration::from_hours(1)).min(secs(20));
        self.registrar.register(self.now, &sent.request(), sent.from, &self.hosts, Home::LocalOnly, grant)
    }

    /// The contacts that the 200 lists, or the refusal.
    pub(crate) fn answer(&mut self, sent: &Sent) -> String {
        match self.register(sent) {
            Ok(registered) => join(registered.contacts),
            Err(refusal) => format!("{} {refusal}", refusal.status()),
        }
    }

    /// The proxy answers with `lines`.
    pub(crate) fn record(&mut self, sent: &Sent, status: u16, lines: &[&str]) -> Result<Changes, Refusal> {
        let response = response(status, lines);
        self.registrar.record(self.now, &sent.request(), &response, sent.from, &self.hosts)
    }

    pub(crate) fn expire(&mut self) -> String {
        told(&self.registrar.expire(self.now, self.grace, usize::MAX))
    }

    pub(crate) fn view(&self) -> View<'_> {
        self.registrar.at(self.now, self.grace)
    }

    /// The contacts that a call to `uri` goes to.
    pub(crate) fn targets(&self, uri: &str) -> String {
        let uri = Uri::parse(uri).unwrap();
        join(self.view().bindings(&uri, &self.hosts).map(|binding| binding.contact().to_string()))
    }

    pub(crate) fn by_contact(&self, uri: &str) -> Option<String> {
        self.view().by_contact(&Uri::parse(uri).unwrap()).map(|binding| binding.contact().to_string())
    }

    /// Each binding: contact, seconds left, origin, home.
    pub(crate) fn all(&self) -> String {
        join(self.registrar.iter().map(|b| {
            format!("{} {} {} {}", b.contact(), (b.expires_at - self.now).as_secs(), b.origin, b.home)
        }))
    }
}

pub(crate) fn join(parts: impl IntoIterator<Item = impl ToString>) -> String {
    parts.into_iter().map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

/// Each change: kind and contact.
pub(crate) fn told(changes: &[BindingChange]) -> String {
    join(changes.iter().map(|change| format!("{} {}", change.kind, change.binding.contact())))
}
