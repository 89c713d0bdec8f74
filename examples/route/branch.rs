//! A branch that only thinks: its database and the health of its proxies as they would be, and the library's decision.

use crate::args::Situation;
use crate::site::Site;
use sip_survivability::config::{Config, SurvivabilityMode, Trust};
use sip_survivability::message::{Message, Request};
use sip_survivability::registrar::{Home, Registrar};
use sip_survivability::rng::Rng;
use sip_survivability::routing::{Decision, Mapping, Outcome, Query, Source, View, decide};
use sip_survivability::time::Instant;
use sip_survivability::transport::{Flow, FlowId, Flows, Peer, Transport};
use sip_survivability::upstream::{TargetId, Upstream, UpstreamEvent};
use sip_survivability::uri::{Component, HomeHosts, Host, escape};
use std::net::SocketAddr;
use std::time::Duration;

/// Where one calls from who is not registered.
const STRANGER: ([u8; 4], u16) = ([10, 255, 255, 254], 5060);
const FLOW: FlowId = FlowId(0);

pub(crate) struct Branch {
    pub(crate) site: Site,
    registrar: Registrar,
    flows: Flows,
    home: HomeHosts,
    /// Users and where they are.
    phones: Vec<(String, SocketAddr)>,
    /// How far whoever calls is trusted, where that is told.
    trust: Option<Trust>,
}

impl Branch {
    pub(crate) fn new(site: Site, trust: Option<Trust>) -> Self {
        let mut flows = Flows::default();
        flows.open(FLOW, Flow { transport: Transport::Udp, local: site.local, remote: None });
        let mut home = site.config.home_hosts();
        home.add(Host::from(site.local.ip()));
        let registrar = Registrar::new(&site.config, [0, 0]);
        Self { site, registrar, flows, home, phones: Vec::new(), trust }
    }

    /// Registers `user`, at `contact` or at an address of its own.
    pub(crate) fn register(&mut self, user: &str, contact: Option<&str>) -> Result<(), String> {
        let number = u8::try_from(self.phones.len() % 200).unwrap_or_default();
        let place = SocketAddr::from(([10, 0, 1, number + 10], 5060));
        let written = escape(user.as_bytes(), Component::User);
        let contact = contact.map_or_else(|| format!("sip:{written}@{place}"), str::to_owned);
        let text = format!(
            "REGISTER sip:{local} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKr\r\nMax-Forwards: 70\r\n\
             From: <sip:{written}@{host}>;tag=r\r\nTo: <sip:{written}@{host}>\r\nCall-ID: r{number}\r\nCSeq: 1 REGISTER\r\n\
             Contact: <{contact}>\r\nContent-Length: 0\r\n\r\n",
            local = self.site.local,
            host = self.domain(),
        );
        let request = request(text).ok_or_else(|| format!("{user} {contact}: cannot be registered"))?;
        let contact = request.contacts().flatten().find_map(|contact| contact.address().copied());
        let address = contact.and_then(|at| at.uri.host_port()?.socket_addr(5060)).unwrap_or(place);
        let (from, hour) = (Peer { flow: FLOW, address }, |_| Duration::from_secs(3600));
        self.registrar
            .register(Instant::ZERO, &request, from, &self.home, Home::LocalOnly, hour)
            .map_err(|refusal| format!("{user}: {refusal}"))?;
        self.phones.push((user.to_owned(), address));
        Ok(())
    }

    fn domain(&self) -> String {
        self.site.config.domains.first().cloned().unwrap_or_else(|| self.site.local.ip().to_string())
    }

    /// Where a call goes, and why.
    pub(crate) fn decide(&self, from: &str, to: &str, situation: Situation) -> Result<Decision, String> {
        let uri = |text: &str| match text.contains(':') {
            true => text.to_owned(),
            false => format!("sip:{}@{}", escape(text.as_bytes(), Component::User), self.domain()),
        };
        let phone = self.phones.iter().find(|(user, _)| user == from);
        let address = phone.map_or_else(|| STRANGER.into(), |(_, address)| *address);
        let text = format!(
            "INVITE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKq\r\nMax-Forwards: 70\r\n\
             From: <{from}>;tag=q\r\nTo: <{to}>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
            to = uri(to),
            from = uri(from),
        );
        let wrong = || format!("{from:?} calls {to:?}: must be numbers, users or SIP URIs");
        let request = request(text).ok_or_else(wrong)?;
        if request.validate().is_err() {
            return Err(wrong());
        }
        let upstream = health(&self.site.config, situation);
        let view = View {
            config: &self.site.config,
            registrar: self.registrar.at(Instant::ZERO, Duration::ZERO),
            upstream: &upstream,
            flows: &self.flows,
            home: &self.home,
        };
        let from = Peer { flow: FLOW, address };
        let source = view.source_of(&request, from);
        let query = Query {
            request: &request,
            source,
            from,
            state: situation.state(),
            rescue: situation == Situation::Suspect,
            known: source != Source::User || phone.is_some(),
            suspect: situation != Situation::Normal,
            // Without a network, ENUM knows nothing.
            mapping: Mapping::None,
            trust: self.trust.unwrap_or_else(|| self.trust_of(address, phone.is_some())),
        };
        Ok(decide(&query, &view))
    }

    /// How far who calls from `address` would be trusted: with the right password where there are users, and with a binding that the
    /// proxy has granted where it grants any.
    fn trust_of(&self, address: SocketAddr, is_registered: bool) -> Trust {
        let config = &self.site.config;
        let mode = config.sas.survivability_mode;
        let grants = matches!(mode, SurvivabilityMode::Standard | SurvivabilityMode::TableInNormal);
        if config.auth.is_some() {
            Trust::Verified
        } else if is_registered && grants {
            Trust::Known
        } else {
            config.trust.of_source(address.ip())
        }
    }

    /// The decision in one cell of a table.
    pub(crate) fn brief(&self, decision: &Decision) -> String {
        let groups = match &decision.outcome {
            Outcome::Answer(status) => return format!("{status}, {}", plain(decision.step.as_str())),
            Outcome::Forward(groups) => groups,
            Outcome::Ask(_) | _ => return String::new(),
        };
        let first: Vec<_> =
            groups.iter().take(1).flatten().map(|target| target.address.to_string()).collect();
        let more = match groups.len() {
            0 | 1 => String::new(),
            more => format!(" (+{})", more - 1),
        };
        self.site.with_names(&format!("{}: {}{more}", plain(decision.step.as_str()), first.join(" & ")))
    }

    /// The chain of reasons, and the targets.
    pub(crate) fn chain(&self, decision: &Decision) -> String {
        let mut text = String::new();
        for reason in decision.reasons.iter() {
            text.push_str(&format!("  - {reason}\n"));
        }
        text.push_str(&format!("  = {}", decision.step.sentence()));
        match &decision.outcome {
            Outcome::Answer(status) => text.push_str(&format!(": {status}\n")),
            Outcome::Forward(groups) => {
                text.push('\n');
                for (group, place) in groups.iter().zip(1..) {
                    for target in group {
                        let uri = target.uri.as_deref().unwrap_or("the Request-URI as it came");
                        text.push_str(&format!(
                            "    {place}. {uri} at {} by {}\n",
                            target.address, target.transport
                        ));
                    }
                }
            }
            Outcome::Ask(_) | _ => {}
        }
        self.site.with_names(&text)
    }
}

/// The proxies: answering, silent for a moment, or silent for as long as it takes.
fn health(config: &Config, situation: Situation) -> Upstream {
    let mut upstream = Upstream::new(config, Instant::ZERO);
    let (mut rng, mut out) = (Rng::new([0; 32]), Vec::new());
    for index in 0..config.proxies().len() {
        let target = TargetId(index);
        let seen = UpstreamEvent::ResponseSeen { target };
        upstream.handle(Instant::ZERO, seen, config, &mut rng, &mut out);
        if situation != Situation::Normal {
            let silent = UpstreamEvent::RequestUnanswered { target };
            upstream.handle(Instant::ZERO, silent, config, &mut rng, &mut out);
        }
    }
    // Probes that nobody answers; more than a thousand no set of proxies needs.
    for _ in 0..1000 {
        let is_lost = upstream.candidates().next().is_none();
        let Some(due) = upstream.next_timeout().filter(|_| situation == Situation::Emergency && !is_lost)
        else {
            break;
        };
        upstream.handle(due, UpstreamEvent::Tick, config, &mut rng, &mut out);
    }
    upstream
}

fn request(text: String) -> Option<Request> {
    match Message::parse(text) {
        Ok(Message::Request(request)) => Some(request),
        Ok(Message::Response(_)) | Err(_) => None,
    }
}

fn plain(snake_case: &str) -> String {
    snake_case.replace('_', " ")
}
