//! A phone: a user agent that registers, with the habits of its make.

use super::agent::{Agent, Io, Purpose};
use super::makes::Make;
use super::net::{DOMAIN, phone_address};
use bytes::Bytes;
use sip_survivability::auth::{Ha1, Session};
use sip_survivability::headers::{Auth, Contact, HeaderName};
use sip_survivability::message::Response;
use sip_survivability::rng::Token;
use sip_survivability::time::Instant;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// The Request-URI of a REGISTER.
const REGISTRAR_URI: &str = "sip:office.example";
pub const PASSWORD: &str = "zanzibar";

#[derive(Debug)]
pub struct Phone {
    pub agent: Agent,
    pub make: &'static Make,
    /// The servers that it knows, the best first; and the one in use.
    servers: [SocketAddr; 2],
    in_use: usize,
    /// Until when it believes to be registered there.
    pub until: Instant,
    /// When it registers there next; none while a REGISTER is on its way.
    refresh_at: Option<Instant>,
    /// When it asks for its first server, if that is not in use.
    home_at: Option<Instant>,
    keep_alive_at: Option<Instant>,
    failures: u32,
    /// Challenges answered in a row.
    answered: u32,
    session: Option<Session>,
    /// What its REGISTERs have before and behind the branch.
    texts: [String; 2],
    cseq: u32,
    /// When the latest REGISTER left.
    sent_at: Instant,
    /// Its alarm in the queue.
    pub alarm: Option<Instant>,
}

/// The user of phone `index`, and back.
pub fn user_of(index: u32) -> String {
    format!("p{index:05}")
}

pub fn index_of(user: &str) -> Option<u32> {
    user.strip_prefix('p')?.parse().ok()
}

impl Phone {
    /// A phone that is switched on at `boot`.
    pub fn new(index: u32, servers: [SocketAddr; 2], boot: Instant, call_id: u64) -> Self {
        let (make, user, address) = (Make::of(index), user_of(index), phone_address(index));
        Self {
            make,
            servers,
            in_use: 0,
            until: Instant::ZERO,
            refresh_at: Some(boot),
            home_at: None,
            keep_alive_at: make.keep_alive.map(|interval| boot + interval),
            failures: 0,
            answered: 0,
            session: None,
            texts: texts(&user, address, make, call_id),
            cseq: 0,
            sent_at: Instant::ZERO,
            alarm: None,
            agent: Agent::new(user, address, false),
        }
    }

    /// The server that it talks to.
    pub fn server(&self) -> SocketAddr {
        self.servers[self.in_use]
    }

    pub fn has_second_server(&self) -> bool {
        self.servers[0] != self.servers[1]
    }

    pub fn is_registered(&self, now: Instant) -> bool {
        self.until > now
    }

    pub fn dial(&mut self, io: &mut Io<'_>, number: u32, uri: &str) {
        let hasty = self.has_second_server() && self.in_use == 0;
        self.agent.dial(io, number, uri, self.server(), hasty);
    }

    fn register(&mut self, io: &mut Io<'_>, purpose: Purpose) {
        let server = if purpose == Purpose::Home { self.servers[0] } else { self.server() };
        self.cseq += 1;
        self.sent_at = io.now;
        let branch = io.net.rng.bits();
        // Of these there are millions. Writing to a String cannot fail.
        let mut text = String::with_capacity(self.texts[0].len() + self.texts[1].len() + 560);
        text.push_str(&self.texts[0]);
        text.push_str(Token::of(branch).as_str());
        text.push_str(&self.texts[1]);
        let _ = write!(text, "CSeq: {} REGISTER\r\n", self.cseq);
        if let Some(session) = &mut self.session {
            let credentials = session.answer("REGISTER", REGISTRAR_URI, b"");
            let _ = write!(text, "Authorization: {credentials}\r\n");
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        if purpose == Purpose::Register {
            self.refresh_at = None;
        }
        let address = self.agent.address;
        self.agent.clients.start(&mut io.wire(address), branch, Bytes::from(text), server, purpose);
    }

    pub fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        if let Some((purpose, response)) = self.agent.receive(io, from, data) {
            self.on_registered(io, purpose, &response);
        }
    }

    fn on_registered(&mut self, io: &mut Io<'_>, purpose: Purpose, response: &Response) {
        match response.status() {
            100..=199 => {}
            200..=299 => {
                (self.failures, self.answered) = (0, 0);
                if purpose == Purpose::Home {
                    (self.in_use, self.home_at) = (0, None);
                }
                let granted = self.granted(response);
                self.until = self.sent_at + granted;
                self.refresh_at = Some(io.now + self.make.refresh_after(granted));
            }
            401 | 407 if self.answered < 2 && self.open_session(response, io.net.rng.token()) => {
                self.answered += 1;
                self.register(io, purpose);
            }
            _ => {
                let asked = response.value_of(HeaderName::RetryAfter);
                let asked = asked.and_then(sip_survivability::headers::delta_seconds);
                self.on_failure(io, purpose, asked);
            }
        }
    }

    /// Takes up a challenge.
    fn open_session(&mut self, response: &Response, cnonce: Token) -> bool {
        let challenges = response.all(HeaderName::WwwAuthenticate);
        let challenges = challenges.filter_map(|header| Auth::parse(header.value()).ok());
        let user = self.agent.user.as_str();
        let password = |realm: &str, algorithm| Some(Ha1::new(algorithm, user, realm, PASSWORD));
        self.session = Session::open(challenges, user, password, cnonce);
        self.session.is_some()
    }

    /// RFC 3261 10.2.4: the expiry of our own Contact in the 200, else its Expires.
    fn granted(&self, response: &Response) -> Duration {
        let mut contacts = response.contacts().flatten();
        let own = contacts.find_map(|contact| match contact {
            Contact::Address(address) if address.uri.user() == Some(&self.agent.user) => address.expires(),
            _ => None,
        });
        own.or_else(|| response.expires()).unwrap_or(self.make.expires)
    }

    fn on_failure(&mut self, io: &mut Io<'_>, purpose: Purpose, asked: Option<Duration>) {
        self.answered = 0;
        if purpose == Purpose::Home {
            self.home_at = Some(io.now + self.make.homing);
            return;
        }
        self.failures += 1;
        if self.has_second_server() && self.in_use == 0 {
            return self.turn_to_second(io);
        }
        let pause = asked.unwrap_or_else(|| self.make.retry_after(self.failures, &mut io.net.rng));
        self.refresh_at = Some(io.now + pause);
    }

    fn turn_to_second(&mut self, io: &mut Io<'_>) {
        (self.in_use, self.home_at) = (1, Some(io.now + self.make.homing));
        if !self.agent.clients.has(Purpose::Register) {
            self.register(io, Purpose::Register);
        }
    }

    pub fn tick(&mut self, io: &mut Io<'_>) {
        let now = io.now;
        for (purpose, to) in self.agent.tick(io) {
            match purpose {
                Purpose::Register | Purpose::Home => {
                    io.log.on_silence(purpose, to, false, now);
                    self.on_failure(io, purpose, None);
                }
                Purpose::HastyInvite(number) => {
                    if self.in_use == 0 {
                        self.turn_to_second(io);
                    }
                    let uri = io.log.destination(number);
                    self.agent.dial(io, number, &uri, self.server(), false);
                }
                _ => {}
            }
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.register(io, Purpose::Register);
        }
        if self.home_at.is_some_and(|at| at <= now) {
            self.home_at = None;
            self.register(io, Purpose::Home);
        }
        if let (Some(at), Some(interval)) = (self.keep_alive_at, self.make.keep_alive)
            && at <= now
        {
            // RFC 5626 4.4.1. Nothing depends on the answer here.
            io.net.send(now, self.agent.address, self.server(), Bytes::from_static(b"\r\n\r\n"));
            self.keep_alive_at = Some(now + interval);
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        [self.agent.next_timeout(), self.refresh_at, self.home_at, self.keep_alive_at]
            .into_iter()
            .flatten()
            .min()
    }
}

fn texts(user: &str, address: SocketAddr, make: &Make, call_id: u64) -> [String; 2] {
    [
        format!("REGISTER {REGISTRAR_URI} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bK"),
        format!(
            "\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{DOMAIN}>;tag={:08x}\r\n\
             To: <sip:{user}@{DOMAIN}>\r\n\
             Call-ID: {call_id:016x}\r\n\
             Contact: <sip:{user}@{address}>\r\n\
             Expires: {}\r\n\
             User-Agent: {}\r\n",
            call_id >> 32,
            make.expires.as_secs(),
            make.name,
        ),
    ]
}
