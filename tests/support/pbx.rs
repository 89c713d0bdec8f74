//! The central PBX: a registrar and a transaction-stateful proxy that record-routes calls, honours Path and follows
//! loose routes, as an ordinary open-source one does with a ten-line configuration.

use super::dialog::{address_of, fresh_via};
use super::net::{Io, Node};
use super::transactions::{Clients, Reply, Seen, ServerKey, Servers, without_top_via};
use super::user_agent::UserAgent;
use bytes::Bytes;
use sip_survivability::headers::{Contact, HeaderName, Method, NameAddr};
use sip_survivability::message::{Edits, Message, Request, RequestBuilder, Response, ResponseBuilder};
use sip_survivability::time::Instant;
use sip_survivability::uri::{Host, Uri, UriBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The user that the PBX answers for.
pub const VOICEMAIL: &str = "voicemail";

/// How the PBX is today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Healthy,
    /// Every request gets this status.
    Refusing(u16),
    /// It takes everything and answers nothing.
    Silent,
}

/// Where a user can be reached.
#[derive(Clone, Debug)]
pub struct Binding {
    pub contact: UriBuf,
    /// The proxies on the way, next hop first (RFC 3327).
    pub path: Vec<String>,
    pub expires_at: Instant,
}

/// Why the PBX sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leg {
    /// It passes on the one of this server transaction.
    Forward(ServerKey),
    Cancel,
}

#[derive(Debug)]
pub struct Pbx {
    pub address: SocketAddr,
    pub domain: String,
    pub mood: Mood,
    /// Whether calls stay in its path.
    pub record_route: bool,
    /// The longest lifetime that it grants.
    pub max_expires: Duration,
    /// Answers calls to [`VOICEMAIL`]: there the PBX is an end of the call itself.
    pub voicemail: UserAgent,
    /// Where numbers go that are no user's.
    pub trunk: Option<SocketAddr>,
    pub location: BTreeMap<String, Vec<Binding>>,
    /// When each REGISTER came, copies apart.
    pub registers: Vec<Instant>,
    clients: Clients<Leg>,
    servers: Servers,
    /// Legs to cancel as soon as they have a provisional response.
    to_cancel: BTreeSet<ServerKey>,
}

/// Where a request goes.
enum Route {
    Forward { uri: Option<UriBuf>, path: Vec<String>, hop: SocketAddr, own_routes: usize },
    Answer(u16),
}

impl Pbx {
    pub fn new(domain: &str, address: SocketAddr) -> Self {
        Self {
            address,
            domain: domain.to_owned(),
            mood: Mood::Healthy,
            record_route: true,
            max_expires: Duration::from_hours(1),
            voicemail: UserAgent::new(VOICEMAIL, domain, address, address),
            trunk: None,
            location: BTreeMap::new(),
            registers: Vec::new(),
            clients: Clients::default(),
            servers: Servers::default(),
            to_cancel: BTreeSet::new(),
        }
    }

    /// Whether `user` can be called now.
    pub fn knows(&self, user: &str, now: Instant) -> bool {
        self.location.get(user).is_some_and(|bindings| bindings.iter().any(|b| b.expires_at > now))
    }

    /// What broke the rule of one final response for each request it passed on.
    pub fn anomalies(&self) -> &[String] {
        &self.clients.anomalies
    }

    fn is_me(&self, uri: &Uri<'_>) -> bool {
        address_of(uri) == Some(self.address) || uri.host() == Host::parse(&self.domain)
    }

    fn own_uri(&self) -> String {
        format!("<sip:{};lr>", self.address)
    }

    fn on_request(&mut self, io: &mut Io<'_>, request: &Request, from: SocketAddr) {
        let key = match self.servers.on_request(io, request, from) {
            Some(Seen::New(key)) => key,
            Some(Seen::Ack) => return self.on_ack(io, request),
            Some(Seen::Before) | None => return,
        };
        if let Mood::Refusing(status) = self.mood {
            return self.servers.answer(io, &key, status);
        }
        match request.method() {
            Method::Cancel => return self.on_cancel(io, &key),
            Method::Register => return self.on_register(io, &key, request, from),
            Method::Invite => self.servers.answer(io, &key, 100),
            _ => {}
        }
        match self.route(request, io.now) {
            Route::Answer(status) => self.servers.answer(io, &key, status),
            Route::Forward { uri, path, hop, own_routes } => {
                let bytes = self.forwarded(io, request, uri.as_ref(), &path, own_routes);
                self.clients.send(io, bytes, hop, Leg::Forward(key));
            }
        }
    }

    /// RFC 3261 16.4 to 16.6: our own Route off, then by the next Route, the location, or the Request-URI.
    fn route(&self, request: &Request, now: Instant) -> Route {
        if request.max_forwards() == Ok(Some(0)) {
            return Route::Answer(483);
        }
        let routes: Vec<NameAddr<'_>> = request.addresses(HeaderName::Route).flatten().collect();
        let own_routes = routes.iter().take_while(|route| self.is_me(&route.uri)).count();
        let forward = |uri, path, hop: Option<SocketAddr>| match hop {
            Some(hop) => Route::Forward { uri, path, hop, own_routes },
            None => Route::Answer(404),
        };
        if let Some(next) = routes.get(own_routes) {
            return forward(None, Vec::new(), address_of(&next.uri));
        }
        let Ok(uri) = request.uri() else { return Route::Answer(400) };
        if !self.is_me(&uri) {
            return forward(None, Vec::new(), address_of(&uri));
        }
        let Some(user) = uri.user() else {
            let status = if request.method() == Method::Options { 200 } else { 404 };
            return Route::Answer(status);
        };
        let registered = self.location.get(user).and_then(|b| b.iter().rev().find(|b| b.expires_at > now));
        if let Some(Binding { contact, path, .. }) = registered {
            let first = path.first().and_then(|path| address_of(&NameAddr::parse(path).ok()?.uri));
            let hop = first.or_else(|| address_of(&contact.as_uri()));
            return forward(Some(contact.clone()), path.clone(), hop);
        }
        match self.trunk {
            Some(trunk) if user.bytes().all(|b| b.is_ascii_digit() || b == b'+') => {
                forward(format!("sip:{user}@{trunk}").parse().ok(), Vec::new(), Some(trunk))
            }
            _ => Route::Answer(404),
        }
    }

    fn forwarded(
        &self,
        io: &mut Io<'_>,
        request: &Request,
        uri: Option<&UriBuf>,
        path: &[String],
        own_routes: usize,
    ) -> Bytes {
        let hops = request.max_forwards().ok().flatten().unwrap_or(70);
        let mut edits = Edits::new(request);
        if let Some(uri) = uri {
            edits.set_uri(request, uri);
        }
        edits.set(HeaderName::MaxForwards, hops.saturating_sub(1));
        edits.remove_values(HeaderName::Route, own_routes);
        edits.insert_first(HeaderName::Via, fresh_via(io, self.address));
        if self.record_route && matches!(request.method(), Method::Invite | Method::Subscribe) {
            edits.insert_first(HeaderName::RecordRoute, self.own_uri());
        }
        for proxy in path {
            edits.insert_first(HeaderName::Route, proxy);
        }
        edits.finish()
    }

    /// An ACK for a 2xx goes its own way, and nobody answers it.
    fn on_ack(&self, io: &mut Io<'_>, ack: &Request) {
        if let Route::Forward { uri, path, hop, own_routes } = self.route(ack, io.now) {
            let bytes = self.forwarded(io, ack, uri.as_ref(), &path, own_routes);
            io.send(hop, bytes);
        }
    }

    /// RFC 3261 16.10.
    fn on_cancel(&mut self, io: &mut Io<'_>, key: &ServerKey) {
        let invite: ServerKey = (key.0.clone(), key.1.clone(), "INVITE".to_owned());
        let known = self.servers.awaits_final(&invite);
        self.servers.answer(io, key, if known.is_some() { 200 } else { 481 });
        if known == Some(true) {
            self.to_cancel.insert(invite.clone());
            self.cancel_if_possible(io, &invite);
        }
    }

    fn cancel_if_possible(&mut self, io: &mut Io<'_>, invite: &ServerKey) {
        let leg = Leg::Forward(invite.clone());
        let Some((request, to, true)) = self.clients.pending(|purpose| *purpose == leg) else { return };
        let cancel = RequestBuilder::cancel(request).expect("our INVITE has all that a CANCEL needs");
        self.to_cancel.remove(invite);
        self.clients.send(io, cancel, to, Leg::Cancel);
    }

    /// RFC 3261 10.3 with RFC 3327, without authentication.
    fn on_register(&mut self, io: &mut Io<'_>, key: &ServerKey, request: &Request, from: SocketAddr) {
        self.registers.push(io.now);
        let user = request.to().ok().and_then(|to| to.uri.user().map(str::to_owned));
        let Some(user) = user else { return self.servers.answer(io, key, 404) };
        let path: Vec<String> = request.values(HeaderName::Path).map(str::to_owned).collect();
        let asked = request.expires().unwrap_or(self.max_expires);
        let bindings = self.location.entry(user).or_default();
        bindings.retain(|binding| binding.expires_at > io.now);
        for contact in request.contacts().flatten() {
            let Contact::Address(address) = contact else {
                bindings.clear();
                continue;
            };
            bindings.retain(|binding| !binding.contact.as_uri().equivalent(&address.uri));
            let lifetime = address.expires().unwrap_or(asked).min(self.max_expires);
            if !lifetime.is_zero() {
                let (contact, path) = (address.uri.to_buf(), path.clone());
                bindings.push(Binding { contact, path, expires_at: io.now + lifetime });
            }
        }
        let mut ok = ResponseBuilder::new(request, from, 200, io.rng.token().as_str());
        for binding in bindings {
            let left = (binding.expires_at - io.now).as_secs();
            ok = ok.header(HeaderName::Contact, format_args!("<{}>;expires={left}", binding.contact));
        }
        for path in path {
            ok = ok.header(HeaderName::Path, path);
        }
        self.servers.respond(io, key, 200, ok.finish_or_500());
    }

    fn on_reply(&mut self, io: &mut Io<'_>, reply: Reply<Leg>) {
        match reply {
            Reply::Response(Leg::Forward(key), response) => {
                // RFC 3261 16.7 step 5: a 100 goes no further.
                if response.status() > 100 {
                    self.servers.respond(io, &key, response.status(), without_top_via(&response));
                }
                if response.is_provisional() && self.to_cancel.contains(&key) {
                    self.cancel_if_possible(io, &key);
                } else if !response.is_provisional() {
                    self.to_cancel.remove(&key);
                }
            }
            // RFC 4320 4.2: nobody waits for the 408 of anything but an INVITE any more.
            Reply::TimedOut(Leg::Forward(key)) if key.2 != "INVITE" => {}
            Reply::TimedOut(Leg::Forward(key)) => self.give_up(io, &key, 408),
            Reply::Unreachable(Leg::Forward(key)) => self.give_up(io, &key, 500),
            Reply::Response(Leg::Cancel, _)
            | Reply::TimedOut(Leg::Cancel)
            | Reply::Unreachable(Leg::Cancel) => {}
        }
    }

    /// The leg came to nothing.
    fn give_up(&mut self, io: &mut Io<'_>, key: &ServerKey, status: u16) {
        self.to_cancel.remove(key);
        self.servers.answer(io, key, status);
    }

    fn on_response(&mut self, io: &mut Io<'_>, from: SocketAddr, response: Response, data: Bytes) {
        match self.clients.on_response(io, response) {
            Some(reply) => self.on_reply(io, reply),
            // Perhaps one that the voicemail waits for.
            None => drop(self.voicemail.receive(io, from, data)),
        }
    }

    fn is_for_voicemail(&self, request: &Request) -> bool {
        let is_ours = request.uri().is_ok_and(|uri| self.is_me(&uri) && uri.user() == Some(VOICEMAIL));
        is_ours && self.mood == Mood::Healthy
    }
}

impl Node for Pbx {
    fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        if self.mood == Mood::Silent {
            return;
        }
        match Message::parse(data.clone()) {
            Ok(Message::Request(request)) if self.is_for_voicemail(&request) => {
                self.voicemail.receive(io, from, data);
            }
            Ok(Message::Request(request)) => self.on_request(io, &request, from),
            Ok(Message::Response(response)) => self.on_response(io, from, response, data),
            Err(_) => {}
        }
    }

    fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr) {
        self.voicemail.unreachable(io, to);
        for reply in self.clients.on_unreachable(to) {
            self.on_reply(io, reply);
        }
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.servers.tick(io);
        self.voicemail.tick(io);
        for reply in self.clients.tick(io) {
            self.on_reply(io, reply);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let own = [self.clients.next_timeout(), self.servers.next_timeout(), self.voicemail.next_timeout()];
        own.into_iter().flatten().min()
    }
}
