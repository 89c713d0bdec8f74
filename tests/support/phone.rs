//! A desk phone: a user agent that registers and keeps itself registered.

use super::net::{Io, Node};
use super::transactions::Reply;
use super::user_agent::{Purpose, UserAgent};
use bytes::Bytes;
use sip_survivability::headers::{Contact, HeaderName};
use sip_survivability::message::Response;
use sip_survivability::time::Instant;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// One REGISTER and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    pub sent: Instant,
    pub outcome: Option<(Instant, Outcome)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// For so long.
    Granted(Duration),
    Removed,
    Refused(u16),
    NoAnswer,
}

#[derive(Debug)]
pub struct Phone {
    agent: UserAgent,
    /// The lifetime that it asks for.
    pub wanted: Duration,
    /// The share of a granted lifetime after which it refreshes, in percent.
    pub refresh_percent: u32,
    /// After a refusal or silence it tries again so much later, give or take a fifth.
    pub retry: Duration,
    pub registrations: Vec<Registration>,
    /// Until when it believes itself registered.
    pub registered_until: Option<Instant>,
    call_id: String,
    cseq: u32,
    refresh_at: Option<Instant>,
    /// What the REGISTER under way asks for.
    asking: Option<Duration>,
}

impl Deref for Phone {
    type Target = UserAgent;

    fn deref(&self) -> &UserAgent {
        &self.agent
    }
}

impl DerefMut for Phone {
    fn deref_mut(&mut self) -> &mut UserAgent {
        &mut self.agent
    }
}

impl Phone {
    /// A phone of `user` whose proxy and registrar is at `proxy`.
    pub fn new(user: &str, domain: &str, address: SocketAddr, proxy: SocketAddr) -> Self {
        Self {
            agent: UserAgent::new(user, domain, address, proxy),
            wanted: Duration::from_hours(1),
            refresh_percent: 75,
            retry: Duration::from_secs(10),
            registrations: Vec::new(),
            registered_until: None,
            call_id: String::new(),
            cseq: 0,
            refresh_at: None,
            asking: None,
        }
    }

    /// Registers now, and from now on by itself.
    pub fn register(&mut self, io: &mut Io<'_>) {
        self.send_register(io, self.wanted);
    }

    pub fn unregister(&mut self, io: &mut Io<'_>) {
        self.send_register(io, Duration::ZERO);
    }

    fn send_register(&mut self, io: &mut Io<'_>, expires: Duration) {
        // RFC 3261 10.2: no new one before the last has ended.
        if self.asking.is_some() {
            return;
        }
        if self.call_id.is_empty() {
            self.call_id = io.rng.token().to_string();
        }
        self.cseq += 1;
        let (registrar, aor) = (format!("sip:{}", self.domain), self.aor());
        let register = self
            .agent
            .outside_dialog(io, "REGISTER", &registrar, &aor, &self.call_id, self.cseq)
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Expires, expires.as_secs())
            .header(HeaderName::Supported, "path")
            .finish()
            .expect("a valid REGISTER");
        self.asking = Some(expires);
        self.refresh_at = None;
        self.registrations.push(Registration { sent: io.now, outcome: None });
        let proxy = self.proxy;
        self.agent.clients.send(io, register, proxy, Purpose::Register);
    }

    pub fn is_registered(&self, now: Instant) -> bool {
        self.registered_until.is_some_and(|until| until > now)
    }

    /// What the last finished REGISTER came to.
    pub fn last_outcome(&self) -> Option<Outcome> {
        self.registrations.iter().rev().find_map(|r| r.outcome).map(|(_, outcome)| outcome)
    }

    fn on_register_reply(&mut self, io: &mut Io<'_>, reply: &Reply<Purpose>) {
        let outcome = match reply {
            Reply::Response(_, response) if response.is_provisional() => return,
            Reply::Response(_, response) if response.is_success() => {
                if self.asking == Some(Duration::ZERO) {
                    Outcome::Removed
                } else {
                    Outcome::Granted(self.granted(response))
                }
            }
            Reply::Response(_, response) => {
                if response.status() == 423 {
                    self.wanted = lifetime(response, HeaderName::MinExpires).unwrap_or(self.wanted);
                }
                Outcome::Refused(response.status())
            }
            Reply::TimedOut(_) | Reply::Unreachable(_) => Outcome::NoAnswer,
        };
        if let Some(last) = self.registrations.last_mut() {
            last.outcome = Some((io.now, outcome));
        }
        let was_removal = self.asking.take() == Some(Duration::ZERO);
        match outcome {
            Outcome::Granted(lifetime) => {
                self.registered_until = Some(io.now + lifetime);
                self.refresh_at = Some(io.now + lifetime * self.refresh_percent / 100);
            }
            Outcome::Removed => self.registered_until = None,
            Outcome::Refused(_) | Outcome::NoAnswer if was_removal => {}
            Outcome::Refused(_) | Outcome::NoAnswer => {
                let again = io.rng.between(self.retry * 4 / 5, self.retry * 6 / 5);
                self.refresh_at = Some(io.now + again);
            }
        }
    }

    /// RFC 3261 10.2.4: the expiry of our own Contact in the 200, else its Expires.
    fn granted(&self, response: &Response) -> Duration {
        let own = response.contacts().flatten().find_map(|contact| match contact {
            Contact::Address(address) if format!("<{}>", address.uri) == self.contact() => address.expires(),
            _ => None,
        });
        own.or_else(|| response.expires()).unwrap_or(self.wanted)
    }
}

fn lifetime(response: &Response, name: HeaderName) -> Option<Duration> {
    sip_survivability::headers::delta_seconds(response.value_of(name)?)
}

impl Node for Phone {
    fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        if let Some(reply) = self.agent.receive(io, from, data) {
            self.on_register_reply(io, &reply);
        }
    }

    fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr) {
        for reply in self.agent.unreachable(io, to) {
            self.on_register_reply(io, &reply);
        }
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        for reply in self.agent.tick(io) {
            self.on_register_reply(io, &reply);
        }
        if self.refresh_at.is_some_and(|at| at <= io.now) {
            self.register(io);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.agent.next_timeout(), self.refresh_at].into_iter().flatten().min()
    }
}
