//! Very many users of one branch, their registrations and their calls, in time that passes as fast as it is told.

use super::requests;
use bytes::Bytes;
use sip_survivability::config::{Settings, SurvivabilityMode};
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Message, Request, RequestBuilder, ResponseBuilder};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Sas};
use std::net::SocketAddr;
use std::time::Duration;

/// A branch that serves itself, and its users.
pub struct Crowd {
    pub sas: Sas,
    pub now: Instant,
    out: Actions,
}

const OURS: &str = "192.0.2.200:5060";

/// Where the phone of a user is.
fn phone(user: usize) -> SocketAddr {
    SocketAddr::from(([10, (user >> 16) as u8, (user >> 8) as u8, user as u8], 5060))
}

fn datagram(from: SocketAddr, data: impl Into<Bytes>) -> Event {
    Event::Datagram { flow: FlowId(1), from, data: data.into() }
}

/// A phone's REGISTER for an hour, 11 header fields in some 480 bytes, with a contact of 60 bytes.
pub fn register(user: usize, cseq: usize) -> Event {
    let phone = phone(user);
    let contact = format!("sip:user{user}@{phone};transport=udp;line=");
    let text = format!(
        "REGISTER sip:branch.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP {phone};branch=z9hG4bK-7c1-{user}-{cseq};rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Bob\" <sip:user{user}@branch.example>;tag=8c23\r\n\
         To: \"Bob\" <sip:user{user}@branch.example>\r\n\
         Call-ID: 843817637684230-{user}@{ip}\r\n\
         CSeq: {cseq} REGISTER\r\n\
         Contact: <{contact}{line:0>width$}>;expires=3600\r\n\
         User-Agent: Desk Phone 5 (7.2.1)\r\n\
         Supported: path\r\n\
         Content-Length: 0\r\n\r\n",
        ip = phone.ip(),
        line = user,
        width = 60_usize.saturating_sub(contact.len()),
    );
    datagram(phone, text)
}

impl Crowd {
    /// Nobody yet, but room for `users`.
    pub fn new(users: usize) -> Self {
        let mut settings = Settings::default();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.registration_time = Duration::from_hours(1);
        settings.domains = vec!["branch.example".to_owned()];
        settings.registrar.max_users = users.max(1);
        settings.limits.max_transactions = 1_000_000;
        let mut sas = Sas::new(settings.validate().unwrap(), [7; 32], Instant::ZERO);
        let (flow, local) = (FlowId(1), OURS.parse().unwrap());
        let _ = sas.handle(
            Instant::ZERO,
            Event::FlowOpened { flow, transport: Transport::Udp, local, remote: None },
        );
        Self { sas, now: Instant::ZERO, out: Actions::new() }
    }

    /// The same with `users` registered, 3000 a second, and their transactions over.
    pub fn registered(users: usize) -> Self {
        let mut crowd = Self::new(users);
        (0..users).for_each(|user| crowd.join(user));
        crowd.wait(Duration::from_secs(40));
        crowd
    }

    /// One user more.
    pub fn join(&mut self, user: usize) {
        self.wait(Duration::from_micros(333));
        self.tell(register(user, 1));
    }

    /// What the core makes of `event` is dropped.
    pub fn tell(&mut self, event: Event) {
        self.sas.handle_into(self.now, event, &mut self.out);
        self.out.drain().for_each(drop);
    }

    /// Time passes, with all that is due in it.
    pub fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.sas.next_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.tell(Event::Tick);
        }
        self.now = end;
    }

    /// User 0 calls user 1: INVITE, 180, 200, ACK, BYE, 200, with record-routing. `call` makes it another call than all others.
    pub fn call(&mut self, call: usize) {
        let (alice, bob) = (phone(0), phone(1));
        let invite = super::INVITE
            .replace("<sip:bob@branch.example>", "<sip:user1@branch.example>")
            .replace("INVITE sip:bob@", "INVITE sip:user1@")
            .replace("<sip:alice@branch.example>", "<sip:user0@branch.example>")
            .replace("192.0.2.101:5060", &alice.to_string())
            .replace("9f3c1d", &format!("9f3c1d{call}"))
            .replace("1j9FpLxk3uxtm8tn", &format!("1j9FpLxk3uxtm8tn{call}"));
        let forwarded = self.request_of(datagram(alice, invite));
        let routes: Vec<_> =
            forwarded.all(HeaderName::RecordRoute).map(|route| route.value().to_owned()).collect();
        assert!(!routes.is_empty(), "the call is record-routed");
        let reply = |request: &Request, status: u16| {
            let response = ResponseBuilder::new(request, OURS.parse().unwrap(), status, "b0b");
            let response = routes
                .iter()
                .fold(response, |response, route| response.header(HeaderName::RecordRoute, route));
            let contact = format!("<sip:user1@{bob}>");
            datagram(bob, response.header(HeaderName::Contact, contact).finish().unwrap())
        };
        self.tell(reply(&forwarded, 180));
        self.tell(reply(&forwarded, 200));
        let next = |method: &str, cseq: u32| {
            let request = RequestBuilder::new(method, format!("sip:user1@{bob}").as_str())
                .header(HeaderName::Via, format!("SIP/2.0/UDP {alice};branch=z9hG4bK{method}{call};rport"));
            let request =
                routes.iter().fold(request, |request, route| request.header(HeaderName::Route, route));
            let request = request
                .header(HeaderName::From, forwarded.first(HeaderName::From).unwrap().value())
                .header(
                    HeaderName::To,
                    format!("{};tag=b0b", forwarded.first(HeaderName::To).unwrap().value()),
                )
                .header(HeaderName::CallId, forwarded.call_id().unwrap())
                .header(HeaderName::CSeq, format!("{cseq} {method}"));
            datagram(alice, request.finish().unwrap())
        };
        self.request_of(next("ACK", 102));
        let bye = self.request_of(next("BYE", 103));
        self.tell(reply(&bye, 200));
    }

    /// The request that the core sends on because of `event`.
    fn request_of(&mut self, event: Event) -> Request {
        let actions = self.sas.handle(self.now, event);
        requests(&actions).pop().unwrap_or_else(|| panic!("sent on: {actions:?}"))
    }

    /// Whether the core answers `event` with 200.
    pub fn is_ok(&mut self, event: Event) -> bool {
        let actions = self.sas.handle(self.now, event);
        actions.iter().any(|action| {
            let Action::Send { payload, .. } = action else { return false };
            matches!(Message::parse(payload.clone()), Ok(Message::Response(ok)) if ok.status() == 200)
        })
    }
}
