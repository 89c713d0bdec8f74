//! A whole branch, fed by a script: what peers send, what cannot be delivered, and time in steps of any size.

use super::script::{Script, steps};
use bytes::Bytes;
use sip_survivability::auth::{Algorithm, Ha1};
use sip_survivability::config::{
    Authentication, Config, EnteringEmergency, Settings, SurvivabilityMode, User,
};
use sip_survivability::message::{Message, Request, RequestBuilder, ResponseBuilder};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Event, Sas};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

const LOCAL: &str = "192.0.2.200:5060";
/// The two proxies, the gateway, and three phones.
const PEERS: [&str; 6] = [
    "192.0.2.1:5060",
    "192.0.2.2:5060",
    "192.0.2.9:5060",
    "192.0.2.101:5060",
    "192.0.2.102:5060",
    "192.0.2.103:4000",
];
const USERS: [&str; 6] = ["alice", "bob", "carol", "911", "15550100", "%61lice"];
const METHODS: [&str; 10] =
    ["INVITE", "REGISTER", "BYE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "INFO", "ACK", "REFER", "WEIRD"];
const STATUSES: [u16; 16] = [100, 180, 183, 200, 200, 302, 401, 404, 408, 420, 486, 487, 500, 503, 600, 699];

/// After this time without events from outside nothing is under way any more: Timer C, and what follows it.
const QUIET: Duration = Duration::from_mins(12);

/// The first byte chooses the configuration, the rest is the script.
pub fn sas(data: &[u8]) {
    let Some((&choice, script)) = data.split_first() else { return };
    let mut branch = Branch::new(choice);
    let mut left = 200;
    steps(script, |code, script| {
        branch.step(code, script);
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    branch.fall_silent();
}

struct Branch {
    sas: Sas,
    now: Instant,
    flow: FlowId,
    most: usize,
    /// Requests that it sent, which the script answers.
    sent: Vec<(SocketAddr, Request)>,
    /// What it was sent, which the script repeats, cancels and acknowledges.
    heard: Vec<(SocketAddr, Bytes)>,
}

const REALM: &str = "branch.example";

fn configuration(choice: u8) -> Config {
    let on = |bit: u8| choice & 1 << bit != 0;
    let mut settings = Settings::default();
    let uri = |peer: &str| format!("sip:{peer}").parse().unwrap();
    settings.proxy_set.targets = PEERS[..if on(0) { 2 } else { 1 }].iter().map(|peer| uri(peer)).collect();
    if on(1) {
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    }
    if on(2) {
        settings.sas.entering_emergency = EnteringEmergency::KeepAlive;
    }
    if !on(3) {
        settings.sas.default_gateway = vec![uri(PEERS[2])];
        settings.sas.emergency_numbers = vec!["911".to_owned()];
    }
    settings.sas.record_route = !on(4);
    settings.sas.path = !on(4);
    if on(5) {
        settings.sas.subscribe_response = 200;
        settings.sas.return_rate = 1;
        settings.sas.registration_time = Duration::ZERO;
    }
    if on(6) {
        settings.limits.max_transactions = 6;
        settings.limits.emergency_reserve = 2;
        settings.registrar.max_users = 2;
    }
    if on(7) {
        let bob =
            User { name: "bob".to_owned(), ha1: vec![Ha1::new(Algorithm::Md5, "bob", REALM, "secret")] };
        settings.auth = Some(Authentication::new(REALM.parse().unwrap(), vec![bob]));
    }
    settings.registrar.max_contacts = 3;
    settings.validate().unwrap()
}

impl Branch {
    fn new(choice: u8) -> Self {
        let config = configuration(choice);
        let room = config.limits.max_transactions + config.limits.emergency_reserve;
        let mut branch = Self {
            sas: Sas::new(config, [choice; 32], Instant::ZERO),
            now: Instant::ZERO,
            flow: FlowId(1),
            // Each request that was let in may have its branches and their CANCELs.
            most: room * 32,
            sent: Vec::new(),
            heard: Vec::new(),
        };
        branch.open();
        branch
    }

    fn open(&mut self) {
        let (flow, local) = (self.flow, LOCAL.parse().unwrap());
        self.tell(Event::FlowOpened { flow, transport: Transport::Udp, local, remote: None });
    }

    fn step(&mut self, code: u8, script: &mut Script<'_>) {
        match code % 12 {
            0 => {
                let from = script.pick();
                let len = script.pick() << 8 | script.pick();
                self.hear(peer(from), Bytes::copy_from_slice(script.take(len)));
            }
            1 | 2 => {
                let picks = [(); 6].map(|()| script.pick());
                self.hear(peer(picks[0]), request(picks));
            }
            3 | 4 => {
                let (nth, status) = (script.pick(), script.pick());
                self.answer(nth, STATUSES[status % STATUSES.len()]);
            }
            5 => {
                if let Some((from, bytes)) = pick(&self.heard, script.pick()).cloned() {
                    self.hear(from, bytes);
                }
            }
            6 => self.follow_up(script.pick(), RequestBuilder::cancel),
            7 => self.tick_at(self.sas.next_timeout().unwrap_or(self.now)),
            8 => {
                let pick = script.pick() as u64;
                self.tick_at(self.now + Duration::from_millis(pick * pick));
            }
            9 => {
                let failed = pick(&self.sent, script.pick()).map(|(to, _)| *to);
                let to = failed.unwrap_or_else(|| peer(script.pick()));
                self.tell(Event::SendFailed { flow: self.flow, to });
            }
            10 => {
                self.tell(Event::FlowClosed { flow: self.flow });
                self.flow.0 += 1;
                self.open();
            }
            _ => {
                // Too early: nothing is due, so nothing comes of it.
                let due = self.sas.next_timeout();
                if due.is_none_or(|due| due > self.now) {
                    assert!(self.sas.handle(self.now, Event::Tick).is_empty());
                    assert_eq!(self.sas.next_timeout(), due);
                }
            }
        }
    }

    fn hear(&mut self, from: SocketAddr, data: Bytes) {
        if self.heard.len() < 64 {
            self.heard.push((from, data.clone()));
        }
        self.tell(Event::Datagram { flow: self.flow, from, data });
    }

    /// A response to one of the requests that were sent.
    fn answer(&mut self, nth: usize, status: u16) {
        let Some((from, request)) = pick(&self.sent, nth).cloned() else { return };
        let mut response = ResponseBuilder::new(&request, LOCAL.parse().unwrap(), status, "there");
        for name in
            [sip_survivability::headers::HeaderName::Contact, sip_survivability::headers::HeaderName::Path]
        {
            for value in request.all(name) {
                response = response.header(name, value.value());
            }
        }
        self.hear(from, response.finish_or_500());
    }

    /// A request made from one that was heard.
    fn follow_up<E>(&mut self, nth: usize, make: impl FnOnce(&Request) -> Result<Bytes, E>) {
        let Some((from, bytes)) = pick(&self.heard, nth).cloned() else { return };
        if let Ok(Message::Request(request)) = Message::parse(bytes)
            && let Ok(next) = make(&request)
        {
            self.hear(from, next);
        }
    }

    fn tick_at(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.tell(Event::Tick);
        // The deadline law.
        assert!(self.sas.next_timeout().is_none_or(|due| due > self.now));
    }

    fn tell(&mut self, event: Event) {
        for action in self.sas.handle(self.now, event) {
            if let Action::Send { flow, to, payload } = action {
                // What was under way on a flow that is closed may still try it.
                assert!(flow <= self.flow);
                // Whatever came in, only messages go out.
                if let Message::Request(request) = Message::parse(payload).unwrap()
                    && self.sent.len() < 64
                {
                    self.sent.push((to, request));
                }
            }
        }
        let (transactions, contexts) = self.sas.load();
        assert!(transactions <= self.most && contexts <= self.most);
    }

    /// Nothing comes in any more: all that is under way ends by itself.
    fn fall_silent(&mut self) {
        let end = self.now + QUIET;
        while self.sas.load() != (0, 0) {
            let due = self.sas.next_timeout().unwrap();
            assert!(due < end, "{:?} are left", self.sas.load());
            self.tick_at(due);
        }
    }
}

fn pick<T>(from: &[T], nth: usize) -> Option<&T> {
    from.get(nth.checked_rem(from.len())?)
}

fn peer(nth: usize) -> SocketAddr {
    PEERS[nth % PEERS.len()].parse().unwrap()
}

/// A request in six numbers: whence, method, from whom, to whom, which call, and odds and ends.
fn request([from, method, caller, callee, call, odds]: [usize; 6]) -> Bytes {
    let source = peer(from);
    let method = METHODS[method % METHODS.len()];
    let caller = USERS[caller % USERS.len()];
    let callee = USERS[callee % USERS.len()];
    let on = |bit: u8| odds & 1 << bit != 0;
    let uri = match call >> 5 & 3 {
        0 => format!("sip:{callee}@192.0.2.1"),
        1 => format!("sip:{callee}@{source}"),
        2 => format!("sip:{callee}@branch.example;user=phone"),
        _ => format!("tel:{callee}"),
    };
    let to_tag = if on(0) { ";tag=there" } else { "" };
    let mut more = String::new();
    if on(1) {
        more.push_str(&format!("Route: <sip:{LOCAL};lr>,<sip:192.0.2.1;lr>\r\n"));
    }
    if on(2) {
        more.push_str("Contact: *\r\nExpires: 0\r\n");
    } else {
        let expires = if on(3) { ";expires=0" } else { ";expires=30" };
        more.push_str(&format!("Contact: <sip:{caller}@{source}>{expires};q=0.{call}\r\n"));
    }
    if on(4) {
        more.push_str("Max-Forwards: 0\r\n");
    }
    if on(5) {
        more.push_str("Supported: path\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n");
    }
    let branch = call & 15;
    let rport = if on(6) { ";rport" } else { "" };
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bK{branch}{rport}\r\n\
         From: <sip:{caller}@192.0.2.1>;tag=here\r\nTo: <sip:{callee}@192.0.2.1>{to_tag}\r\n\
         Call-ID: {}\r\nCSeq: {} {method}\r\n{more}\r\n",
        branch >> 1,
        1 + (call >> 4 & 1),
    );
    text.into()
}
