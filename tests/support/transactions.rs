//! Transactions of the simulated parties over UDP (RFC 3261 section 17, RFC 6026), written apart from the library's so
//! that a mistake in one does not hide the same mistake in the other.
//!
//! Beside its work, [`Clients`] is a witness: whatever breaks "one final response for each request" is written down
//! in [`Clients::anomalies`].

use super::net::Io;
use bytes::Bytes;
use sip_survivability::headers::{HeaderName, Method};
use sip_survivability::message::{Edits, Message, Request, RequestBuilder, Response, ResponseBuilder};
use sip_survivability::time::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub const T1: Duration = Duration::from_millis(500);
pub const T2: Duration = Duration::from_secs(4);
/// How long a request or a final response is repeated: timers B, F, H, J.
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// The request in `bytes`, which we have built ourselves.
pub fn parse_request(bytes: Bytes) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("we built no request: {other:?}"),
    }
}

/// What a client transaction ended in or reported.
#[derive(Debug)]
pub enum Reply<P> {
    Response(P, Response),
    TimedOut(P),
    /// ICMP said that nobody listens there.
    Unreachable(P),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Calling,
    Proceeding,
    /// A final response has come; further copies are absorbed, and copies of a 2xx to an INVITE are passed up.
    Completed,
}

#[derive(Debug)]
struct Client<P> {
    request: Request,
    to: SocketAddr,
    purpose: P,
    phase: Phase,
    resend_at: Option<Instant>,
    interval: Duration,
    ends_at: Option<Instant>,
    /// The final responses seen: status and To tag.
    finals: Vec<(u16, Option<String>)>,
}

/// The client transactions of one party, each with what the party wants to remember about it.
#[derive(Debug)]
pub struct Clients<P> {
    live: BTreeMap<(String, String), Client<P>>,
    /// Breaches of the rule that a request gets one final response.
    pub anomalies: Vec<String>,
    /// It goes by a connection: nothing is sent again (17.1.1.2, 17.1.2.2).
    pub is_reliable: bool,
}

impl<P> Default for Clients<P> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), anomalies: Vec::new(), is_reliable: false }
    }
}

fn branch_of(head: &sip_survivability::message::Head) -> Option<String> {
    head.top_via().ok()?.branch().map(str::to_owned)
}

impl<P: Clone> Clients<P> {
    /// Sends a request, not an ACK, and repeats it as its method asks.
    pub fn send(&mut self, io: &mut Io<'_>, bytes: Bytes, to: SocketAddr, purpose: P) {
        let request = parse_request(bytes.clone());
        let key = (branch_of(&request).expect("we wrote a branch"), request.method_str().to_owned());
        io.send(to, bytes);
        let client = Client {
            request,
            to,
            purpose,
            phase: Phase::Calling,
            resend_at: (!self.is_reliable).then_some(io.now + T1),
            interval: T1,
            ends_at: Some(io.now + GIVE_UP),
            finals: Vec::new(),
        };
        self.live.insert(key, client);
    }

    /// The request of `purpose` that is still without a final response, and where it went.
    pub fn pending(&self, wanted: impl Fn(&P) -> bool) -> Option<(&Request, SocketAddr, bool)> {
        self.live
            .values()
            .find(|client| wanted(&client.purpose) && client.phase != Phase::Completed)
            .map(|client| (&client.request, client.to, client.phase == Phase::Proceeding))
    }

    /// What the response means for the party. `None`: nothing new, or none of ours.
    pub fn on_response(&mut self, io: &mut Io<'_>, response: Response) -> Option<Reply<P>> {
        let key = (branch_of(&response)?, response.cseq().ok()?.method.to_owned());
        let client = self.live.get_mut(&key)?;
        let is_invite = client.request.method() == Method::Invite;
        if response.is_provisional() {
            if client.phase == Phase::Completed {
                return None;
            }
            if client.phase == Phase::Calling {
                client.phase = Phase::Proceeding;
                if is_invite {
                    (client.resend_at, client.ends_at) = (None, None);
                } else {
                    // Timer E runs at T2 from here on.
                    client.interval = T2;
                }
            }
            return Some(Reply::Response(client.purpose.clone(), response));
        }
        let tag = response.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let this = (response.status(), tag);
        let first = client.finals.is_empty();
        if !client.finals.contains(&this) {
            client.finals.push(this);
            // Several 2xx to one INVITE are what forking is about (13.2.2.4).
            let all_accept = is_invite && client.finals.iter().all(|(status, _)| *status < 300);
            if !first && !all_accept {
                let finals = &client.finals;
                self.anomalies.push(format!("{} {} has the finals {finals:?}", key.1, key.0));
            }
        }
        if is_invite
            && !response.is_success()
            && let Ok(ack) = RequestBuilder::ack(&client.request, &response)
        {
            io.send(client.to, ack);
        }
        client.phase = Phase::Completed;
        client.resend_at = None;
        client.ends_at = client.ends_at.filter(|_| !first).or(Some(io.now + GIVE_UP));
        (first || is_invite && response.is_success())
            .then(|| Reply::Response(client.purpose.clone(), response))
    }

    /// A datagram to `to` met a closed port: every request that waits for an answer from there has failed (17.1.4).
    pub fn on_unreachable(&mut self, to: SocketAddr) -> Vec<Reply<P>> {
        let dead: Vec<_> = self
            .live
            .iter()
            .filter(|(_, client)| client.to == to && client.phase == Phase::Calling)
            .map(|(key, _)| key.clone())
            .collect();
        dead.iter()
            .filter_map(|key| self.live.remove(key))
            .map(|client| Reply::Unreachable(client.purpose))
            .collect()
    }

    /// Repeats what is due, and gives what has run out of time.
    pub fn tick(&mut self, io: &mut Io<'_>) -> Vec<Reply<P>> {
        let mut over = Vec::new();
        for (key, client) in &mut self.live {
            if client.ends_at.is_some_and(|at| at <= io.now) {
                over.push(key.clone());
            } else if client.resend_at.is_some_and(|at| at <= io.now) {
                io.send(client.to, Edits::new(&client.request).finish());
                client.interval *= 2;
                if client.request.method() != Method::Invite {
                    client.interval = client.interval.min(T2);
                }
                client.resend_at = Some(io.now + client.interval);
            }
        }
        over.iter()
            .filter_map(|key| self.live.remove(key))
            .filter(|client| client.phase != Phase::Completed)
            .map(|client| Reply::TimedOut(client.purpose))
            .collect()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.live.values().flat_map(|client| [client.resend_at, client.ends_at]).flatten().min()
    }
}

/// Names a server transaction (17.2.3): branch, sent-by, and the method with ACK under INVITE.
pub type ServerKey = (String, String, String);

pub fn server_key(request: &Request) -> Option<ServerKey> {
    let via = request.top_via().ok()?;
    let method = if request.method() == Method::Ack { "INVITE" } else { request.method_str() };
    Some((via.branch()?.to_owned(), via.sent_by.to_string(), method.to_owned()))
}

#[derive(Debug)]
struct Server {
    request: Request,
    from: SocketAddr,
    reply_to: SocketAddr,
    last: Option<(u16, Bytes)>,
    resend_at: Option<Instant>,
    interval: Duration,
    ends_at: Option<Instant>,
}

impl Server {
    fn is_invite(&self) -> bool {
        self.request.method() == Method::Invite
    }
}

/// What a request is to its receiver.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    New(ServerKey),
    /// It has been seen, and was answered from the transaction where there was an answer.
    Before,
    /// An ACK that belongs to no failed INVITE here: one for a 2xx.
    Ack,
}

/// The server transactions of one party.
#[derive(Debug, Default)]
pub struct Servers {
    live: BTreeMap<ServerKey, Server>,
}

impl Servers {
    pub fn on_request(&mut self, io: &mut Io<'_>, request: &Request, from: SocketAddr) -> Option<Seen> {
        let key = server_key(request)?;
        let is_ack = request.method() == Method::Ack;
        if let Some(server) = self.live.get_mut(&key) {
            match &server.last {
                Some((300..=699, _)) if is_ack => server.resend_at = None,
                Some((200..=299, _)) if is_ack => return Some(Seen::Ack),
                // RFC 6026: behind a 2xx, copies of the INVITE are absorbed.
                Some((200..=299, _)) if server.is_invite() => {}
                Some((_, last)) if !is_ack => io.send(server.reply_to, last.clone()),
                _ => {}
            }
            return Some(Seen::Before);
        }
        if is_ack {
            return Some(Seen::Ack);
        }
        let reply_to = request.top_via().ok()?.response_address(from);
        let server = Server {
            request: request.clone(),
            from,
            reply_to,
            last: None,
            resend_at: None,
            interval: T1,
            ends_at: None,
        };
        self.live.insert(key.clone(), server);
        Some(Seen::New(key))
    }

    /// Whether there is such a transaction, and whether it still lacks a final response.
    pub fn awaits_final(&self, key: &ServerKey) -> Option<bool> {
        self.live.get(key).map(|server| server.last.as_ref().is_none_or(|(status, _)| *status < 200))
    }

    /// Answers with a response of our own.
    pub fn answer(&mut self, io: &mut Io<'_>, key: &ServerKey, status: u16) {
        let Some(server) = self.live.get(key) else { return };
        let tag = io.rng.token();
        let response =
            ResponseBuilder::new(&server.request, server.from, status, tag.as_str()).finish_or_500();
        self.respond(io, key, status, response);
    }

    /// Sends a response of `status`, and repeats it as the standard asks.
    pub fn respond(&mut self, io: &mut Io<'_>, key: &ServerKey, status: u16, bytes: Bytes) {
        let Some(server) = self.live.get_mut(key) else { return };
        io.send(server.reply_to, bytes.clone());
        server.last = Some((status, bytes));
        if status >= 200 {
            server.ends_at = Some(io.now + GIVE_UP);
            // Timer G; a 2xx is repeated by the user agent, not by the transaction (13.3.1.4).
            server.resend_at = (server.is_invite() && status >= 300).then(|| io.now + T1);
            server.interval = T1;
        }
    }

    pub fn tick(&mut self, io: &mut Io<'_>) {
        for server in self.live.values_mut() {
            if server.resend_at.is_some_and(|at| at <= io.now) {
                if let Some((_, last)) = &server.last {
                    io.send(server.reply_to, last.clone());
                }
                server.interval = (server.interval * 2).min(T2);
                server.resend_at = Some(io.now + server.interval);
            }
        }
        self.live.retain(|_, server| server.ends_at.is_none_or(|at| at > io.now));
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.live.values().flat_map(|server| [server.resend_at, server.ends_at]).flatten().min()
    }
}

/// The response with its topmost Via taken off, for the one below.
pub fn without_top_via(response: &Response) -> Bytes {
    let mut edits = Edits::new(response);
    edits.remove_values(HeaderName::Via, 1);
    edits.finish()
}
