//! The PBX across the WAN: a registrar, and a stateless proxy (RFC 3261 16.11) that record-routes calls and reaches phones by their
//! Path (RFC 3327). Being stateless it sends nothing again by itself: what is lost behind it is sent again by those who talk through it.
//! It has two addresses and one database, as a pair of servers that share theirs.

use super::agent::Io;
use super::dialog::address_of;
use super::makes::Make;
use super::net::{DOMAIN, GATEWAY, PBXS, SAS};
use super::phone::{PASSWORD, index_of};
use bytes::Bytes;
use sip_survivability::auth::{Algorithm, Authenticator, Ha1, Policy, Role, Verdict};
use sip_survivability::headers::{Contact, HeaderName, Method, NameAddr};
use sip_survivability::message::{Edits, Message, Request, Response, ResponseBuilder};
use sip_survivability::time::Instant;
use sip_survivability::uri::{Host, Uri};
use std::net::SocketAddr;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(3600);

/// Where a phone can be reached.
#[derive(Clone, Debug)]
struct Location {
    contact: String,
    path: Option<String>,
    until: Instant,
}

pub struct Pbx {
    /// By phone.
    locations: Vec<Option<Location>>,
    authenticator: Authenticator,
    /// Whether calls to the PSTN go to the gateway by way of SAS: a branch whose gateway is behind it.
    trunk_by_sas: bool,
}

enum Route {
    Forward { uri: Option<String>, via: Option<String>, hop: SocketAddr, own_routes: usize },
    Answer(u16),
}

impl Pbx {
    pub fn new(phones: u32, trunk_by_sas: bool, secret: [u8; 32]) -> Self {
        let mut policy = Policy::new(DOMAIN.parse().expect("a realm"));
        // All that many phones know.
        policy.algorithms = [Algorithm::Md5].into();
        let authenticator = Authenticator::new(policy, secret);
        Self { locations: vec![None; phones as usize], authenticator, trunk_by_sas }
    }

    /// It is started again, and knows nobody.
    pub fn forget(&mut self) {
        self.locations.fill(None);
    }

    pub fn knows(&self, phone: u32, now: Instant) -> bool {
        self.locations[phone as usize].as_ref().is_some_and(|location| location.until > now)
    }

    pub fn receive(&mut self, io: &mut Io<'_>, me: SocketAddr, from: SocketAddr, data: Bytes) {
        match Message::parse(data) {
            Ok(Message::Request(request)) => self.on_request(io, me, from, &request),
            Ok(Message::Response(response)) => Self::on_response(io, me, &response),
            Err(_) => {}
        }
    }

    fn on_request(&mut self, io: &mut Io<'_>, me: SocketAddr, from: SocketAddr, request: &Request) {
        if request.method() == Method::Register {
            io.log.on_register(io.now);
            let answer = self.on_register(io, from, request);
            return io.net.send(io.now, me, from, answer);
        }
        match self.route(request, me, io.now) {
            Route::Answer(_) if request.method() == Method::Ack => {}
            Route::Answer(status) => {
                // The same for each copy (RFC 3261 8.2.7), so that the ACK of a non-2xx finds its way.
                let response = ResponseBuilder::new(request, from, status, "pbx").finish_or_500();
                io.net.send(io.now, me, from, response);
            }
            Route::Forward { uri, via, hop, own_routes } => {
                let bytes = forwarded(request, me, uri.as_deref(), via.as_deref(), own_routes);
                io.net.send(io.now, me, hop, bytes);
            }
        }
    }

    /// RFC 3261 16.4 to 16.6: our own Route off, then by the next Route, the location, or the Request-URI.
    fn route(&self, request: &Request, me: SocketAddr, now: Instant) -> Route {
        if request.max_forwards() == Ok(Some(0)) {
            return Route::Answer(483);
        }
        let is_me = |uri: &Uri<'_>| address_of(uri).is_some_and(|address| PBXS.contains(&address));
        let routes: Vec<NameAddr<'_>> = request.addresses(HeaderName::Route).flatten().collect();
        let own_routes = routes.iter().take_while(|route| is_me(&route.uri)).count();
        let forward = |uri, via: Option<String>, hop: Option<SocketAddr>| match hop {
            Some(hop) => Route::Forward { uri, via, hop, own_routes },
            None => Route::Answer(404),
        };
        if let Some(next) = routes.get(own_routes) {
            return forward(None, None, address_of(&next.uri));
        }
        let Ok(uri) = request.uri() else { return Route::Answer(400) };
        if !is_me(&uri) && uri.host() != Host::parse(DOMAIN) {
            return forward(None, None, address_of(&uri));
        }
        let Some(user) = uri.user() else {
            return Route::Answer(if request.method() == Method::Options { 200 } else { 404 });
        };
        if let Some(phone) = index_of(user) {
            let location = self.locations.get(phone as usize).and_then(Option::as_ref);
            let Some(Location { contact, path, .. }) = location.filter(|location| location.until > now)
            else {
                return Route::Answer(480);
            };
            let hop = match path {
                Some(path) => NameAddr::parse(path).ok().and_then(|path| address_of(&path.uri)),
                None => Uri::parse(contact).ok().and_then(|uri| address_of(&uri)),
            };
            return forward(Some(contact.clone()), path.clone(), hop);
        }
        debug_assert_ne!(me, SAS);
        let number = Some(format!("sip:{user}@{GATEWAY}"));
        if self.trunk_by_sas {
            forward(number, Some(format!("<sip:{SAS};lr>")), Some(SAS))
        } else {
            forward(number, None, Some(GATEWAY))
        }
    }

    /// RFC 3261 10.3 with RFC 3327; some users have to prove who they are.
    fn on_register(&mut self, io: &mut Io<'_>, from: SocketAddr, request: &Request) -> Bytes {
        let tag = io.net.rng.token();
        let respond = |status| ResponseBuilder::new(request, from, status, tag.as_str());
        let phone = request.to().ok().and_then(|to| index_of(to.uri.user()?));
        let Some(phone) = phone.filter(|phone| (*phone as usize) < self.locations.len()) else {
            return respond(404).finish_or_500();
        };
        // What SAS tells on behalf of a phone has no password: it comes from the branch itself.
        if Make::of(phone).is_challenged {
            self.authenticator.on_tick(io.now);
            let users = |user: &str, algorithm| Some(Ha1::new(algorithm, user, DOMAIN, PASSWORD));
            let verdict = self.authenticator.check(io.now, Role::Server, request, from.ip(), users);
            if let Verdict::Challenge(unproven) = verdict {
                let challenges = self.authenticator.challenges(io.now, from.ip(), unproven);
                return challenges
                    .fold(respond(401), |response, challenge| {
                        response.header(HeaderName::WwwAuthenticate, challenge)
                    })
                    .finish_or_500();
            }
        }
        let mut contacts = request.contacts().flatten();
        let Some(Contact::Address(address)) = contacts.next() else {
            return respond(400).finish_or_500();
        };
        let asked = address.expires().or_else(|| request.expires()).unwrap_or(LONGEST);
        let granted = asked.min(LONGEST);
        let path = request.value_of(HeaderName::Path).map(str::to_owned);
        let mut ok = respond(200)
            .header(HeaderName::Contact, format_args!("<{}>;expires={}", address.uri, granted.as_secs()));
        if let Some(path) = &path {
            ok = ok.header(HeaderName::Path, path);
        }
        let location = Location { contact: address.uri.to_string(), path, until: io.now + granted };
        self.locations[phone as usize] = (!granted.is_zero()).then_some(location);
        ok.finish_or_500()
    }

    /// RFC 3261 16.7: our Via off, and on to the next one.
    fn on_response(io: &mut Io<'_>, me: SocketAddr, response: &Response) {
        let next = response.vias().flatten().nth(1);
        let next = next.and_then(|via| {
            let port = via.sent_by.port.unwrap_or(5060);
            let address = via.sent_by.socket_addr(port)?;
            Some(via.response_address(address))
        });
        if let Some(next) = next {
            let mut edits = Edits::new(response);
            edits.remove_values(HeaderName::Via, 1);
            io.net.send(io.now, me, next, edits.finish());
        }
    }
}

fn forwarded(
    request: &Request,
    me: SocketAddr,
    uri: Option<&str>,
    via: Option<&str>,
    own_routes: usize,
) -> Bytes {
    let hops = request.max_forwards().ok().flatten().unwrap_or(70);
    // The same for each copy, for the CANCEL and for the ACK of a non-2xx (RFC 3261 16.11).
    let branch = request.top_branch().unwrap_or("z9hG4bK");
    let mut edits = Edits::new(request);
    if let Some(uri) = uri {
        edits.set_uri(request, uri);
    }
    edits.set(HeaderName::MaxForwards, hops.saturating_sub(1));
    edits.remove_values(HeaderName::Route, own_routes);
    edits.insert_first(HeaderName::Via, format_args!("SIP/2.0/UDP {me};branch={branch}.x"));
    if request.method() == Method::Invite {
        edits.insert_first(HeaderName::RecordRoute, format_args!("<sip:{me};lr>"));
    }
    if let Some(via) = via {
        edits.insert_first(HeaderName::Route, via);
    }
    edits.finish()
}
