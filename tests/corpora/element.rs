//! What becomes of a message at an element of each role.

use sip_survivability::config::Settings;
use sip_survivability::message::{Fault, Message, ParseLimits, Request, Rules};
use sip_survivability::registrar::{Home, Registered, Registrar};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Peer, Transport};
use sip_survivability::uri::HomeHosts;
use sip_survivability::{Action, Event, Sas};
use std::time::Duration;

/// Who reads the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A proxy without extensions.
    Proxy,
    /// A registrar with Path, which holds the outcome to be that of the whole registration.
    Registrar,
    /// A phone that knows no extension.
    UserAgent,
}

const PHONE: Rules<'_> = Rules::user_agent()
    .methods(&["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE", "NOTIFY", "SUBSCRIBE"])
    .media_types(&["application/sdp", "text/plain", "multipart/mixed"])
    .answers_with(&["application/sdp"]);

impl Role {
    const fn rules(self) -> Rules<'static> {
        match self {
            Self::Proxy => Rules::proxy(),
            Self::Registrar => Rules::registrar().extensions(&["path"]),
            Self::UserAgent => PHONE,
        }
    }
}

/// Wide enough to read what validation is to judge.
const WIDE: ParseLimits = ParseLimits::new(1 << 18, 1 << 12);

/// `refused`, `dropped`, `fine`, or the status that a request is answered with, with its phrase and its header fields.
pub(crate) fn outcome(bytes: &[u8], role: Role) -> String {
    match Message::parse_within(bytes.to_vec(), &WIDE) {
        Err(_) => "refused".to_owned(),
        Ok(Message::Request(request)) => match answer(&request, role) {
            Ok(()) => "fine".to_owned(),
            Err(fault) => {
                let fields = fault.fields().map(|(name, value)| format!(" / {name}: {value}"));
                format!("{fault}{}", fields.collect::<String>())
            }
        },
        Ok(Message::Response(response)) => {
            response.validate().map_or_else(|defect| format!("dropped: {defect}"), |()| "fine".to_owned())
        }
    }
}

fn answer(request: &Request, role: Role) -> Result<(), Fault> {
    request.validate_as(&role.rules().max_message(1 << 18))?;
    if role == Role::Registrar { registered(request).map(drop) } else { Ok(()) }
}

/// The request as a registrar with an empty database takes it.
pub(crate) fn registered(request: &Request) -> Result<Registered, Fault> {
    let from = Peer { flow: FlowId(1), address: "192.0.2.10:5060".parse().unwrap() };
    let grant = |asked: Option<Duration>| asked.unwrap_or(Duration::from_hours(1));
    let mut registrar = Registrar::new(&settings().validate().unwrap(), [1, 2]);
    let (now, hosts) = (Instant::ZERO, HomeHosts::default());
    registrar.register(now, request, from, &hosts, Home::LocalOnly, grant).map_err(Fault::from)
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec!["sip:192.0.2.1:5060".parse().unwrap()];
    settings.sas.default_gateway = vec!["sip:192.0.2.9".parse().unwrap()];
    settings
}

/// What the whole branch sends when the message comes to it out of the blue: start lines and receivers.
pub(crate) fn sent_by_the_branch(bytes: &[u8]) -> Vec<String> {
    let mut sas = Sas::new(settings().validate().unwrap(), [7; 32], Instant::ZERO);
    let (flow, local) = (FlowId(0), "10.0.0.1:5060".parse().unwrap());
    let _ =
        sas.handle(Instant::ZERO, Event::FlowOpened { flow, transport: Transport::Udp, local, remote: None });
    let from = "10.0.0.7:5060".parse().unwrap();
    let actions = sas.handle(Instant::ZERO, Event::Datagram { flow, from, data: bytes.to_vec().into() });
    let sent = actions.iter().filter_map(|action| {
        let Action::Send { to, payload, .. } = action else {
            return None;
        };
        Some(format!("{to} {}", String::from_utf8_lossy(payload).lines().next().unwrap_or_default()))
    });
    sent.filter(|line| !line.contains("OPTIONS sip:192.0.2.1:5060")).collect()
}
