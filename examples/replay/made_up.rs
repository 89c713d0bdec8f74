//! A journal for those who have none yet: two phones, a proxy that goes away and comes back, all of them scripted.

use bytes::Bytes;
use sip_survivability::headers::HeaderName;
use sip_survivability::journal::Writer;
use sip_survivability::message::{Message, Request};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Event, Sas};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const CONFIG: &str = r#"
[listen]
udp = ["10.1.0.1:5060"]
domains = ["office.example"]
[proxy_set]
targets = ["sip:192.0.2.1"]
[sas]
default_gateway = "sip:10.1.0.9"
emergency_numbers = ["911"]
"#;

const SAS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 5060);
const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 1, 0, 9)), 5060);
const ALICE: (&str, SocketAddr) =
    ("alice", SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 1, 0, 11)), 5060));
const BOB: (&str, SocketAddr) =
    ("bob", SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 1, 0, 12)), 5060));

/// How long a datagram is under way.
const LATENCY: Duration = Duration::from_millis(5);

/// When the proxy is away.
const AWAY: std::ops::Range<u64> = 20..75;

const END: Instant = Instant::from_secs(120);

/// What is yet to come, in order of time.
#[derive(Default)]
struct Script {
    events: BTreeMap<(Instant, usize), Event>,
    written: usize,
}

impl Script {
    fn add(&mut self, at: Instant, event: Event) {
        self.written += 1;
        self.events.insert((at, self.written), event);
    }

    fn says(&mut self, at: Instant, from: SocketAddr, text: String) {
        self.add(at, Event::Datagram { flow: FlowId(0), from, data: text.into() });
    }

    fn phones_say(&mut self) {
        for second in [1, 30, 48, 66, 80] {
            for (number, phone) in (0..).zip([ALICE, BOB]) {
                let at = Instant::from_secs(second + 3 * number);
                let to = format!("<sip:{}@office.example>", phone.0);
                let more = "Expires: 600\r\n";
                self.says(at, phone.1, request(phone, "REGISTER", "sip:office.example", &to, second, more));
            }
        }
        // Before, in and after the outage; all end by the caller's BYE.
        for (second, length, caller, number) in [
            (8, 4, ALICE, "voicemail"),
            (15, 20, BOB, "voicemail"),
            (32, 5, ALICE, "bob"),
            (50, 9, BOB, "911"),
        ] {
            let (uri, end) = (format!("sip:{number}@office.example"), second + length);
            let callee = match number {
                "bob" => BOB.1,
                "911" => GATEWAY,
                _ => PROXY,
            };
            let to = format!("<{uri}>");
            self.says(Instant::from_secs(second), caller.1, request(caller, "INVITE", &uri, &to, second, ""));
            let ack = Instant::from_secs(second) + Duration::from_millis(800);
            let in_dialog = format!("{to};tag=callee");
            // What everybody's Contact and our Record-Route make of it.
            let (uri, route) = (format!("sip:{callee}"), format!("Route: <sip:{SAS};lr>\r\n"));
            for (at, method) in [(ack, "ACK"), (Instant::from_secs(end), "BYE")] {
                self.says(at, caller.1, request(caller, method, &uri, &in_dialog, second, &route));
            }
        }
    }

    /// What a peer that is reached says to a request: phones, the gateway and the proxy alike.
    fn on_sent(&mut self, now: Instant, to: SocketAddr, payload: &Bytes) {
        let away = Instant::from_secs(AWAY.start)..Instant::from_secs(AWAY.end);
        if to == PROXY && away.contains(&now) {
            return;
        }
        let Ok(Message::Request(asked)) = Message::parse(payload.clone()) else { return };
        if asked.method_str() != "ACK" {
            self.says(now + LATENCY + LATENCY, to, answer(&asked, to));
        }
    }
}

/// The bytes of the journal.
pub(crate) fn journal() -> Result<Vec<u8>, String> {
    let config = crate::site::parse(CONFIG, Path::new(""))?;
    let (seed, mut now, mut file) = ([7; 32], Instant::ZERO, Vec::new());
    let mut writer = Writer::start(seed, CONFIG, now, &mut file);
    let mut sas = Sas::new(config, seed, now);
    let mut script = Script::default();
    script
        .add(now, Event::FlowOpened { flow: FlowId(0), transport: Transport::Udp, local: SAS, remote: None });
    script.phones_say();
    while now < END {
        let next = script.events.first_key_value().map(|((at, _), _)| *at);
        let event = match (next, sas.next_timeout()) {
            (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                now = now.max(at);
                script.events.pop_first().map(|(_, event)| event)
            }
            (_, Some(deadline)) => {
                now = now.max(deadline);
                Some(Event::Tick)
            }
            (_, None) => None,
        };
        let Some(event) = event else { break };
        writer.append(now, &event, &mut file);
        for action in sas.handle(now, event) {
            if let Action::Send { to, payload, .. } = action {
                script.on_sent(now, to, &payload);
            }
        }
    }
    Ok(file)
}

fn request(from: (&str, SocketAddr), method: &str, uri: &str, to: &str, call: u64, more: &str) -> String {
    let (user, address) = from;
    let cseq = if method == "BYE" { 2 } else { 1 };
    format!(
        "{method} {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {address};branch=z9hG4bK-{user}-{call}-{method}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@office.example>;tag={user}\r\n\
         To: {to}\r\n\
         Call-ID: {user}-{call}\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:{user}@{address}>\r\n\
         {more}Content-Length: 0\r\n\r\n"
    )
}

/// 200 to whatever is asked (RFC 3261 8.2.6.2).
fn answer(asked: &Request, from: SocketAddr) -> String {
    let mut text = "SIP/2.0 200 OK\r\n".to_owned();
    let copied = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];
    for name in copied.into_iter().chain([HeaderName::RecordRoute]) {
        for header in asked.all(name) {
            let tag = if name == HeaderName::To && asked.to_tag().is_none() { ";tag=callee" } else { "" };
            text.push_str(&format!("{}: {}{tag}\r\n", header.name(), header.value()));
        }
    }
    let contact = asked.value_of(HeaderName::Contact).filter(|_| asked.method_str() == "REGISTER");
    let contact = contact.map_or_else(|| format!("<sip:{from}>"), |own| format!("{own};expires=600"));
    text.push_str(&format!("Contact: {contact}\r\nContent-Length: 0\r\n\r\n"));
    text
}
