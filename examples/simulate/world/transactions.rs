//! The transactions of a user agent over UDP (RFC 3261 section 17 with RFC 6026): what is sent is sent again by timers A, E and G, and
//! given up by timers B, F and H.

use super::agent::{Purpose, Wire};
use bytes::Bytes;
use sip_survivability::headers::Method;
use sip_survivability::message::{Message, Request, RequestBuilder, Response};
use sip_survivability::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

pub const T1: Duration = Duration::from_millis(500);
pub const T2: Duration = Duration::from_secs(4);
/// 64 times T1: timers B, F, H and J.
pub const GIVE_UP: Duration = Duration::from_secs(32);
/// So long after the last provisional response an INVITE has no final one any more: a proxy's Timer C, which is three minutes, and the
/// time that its CANCEL takes to fail are over.
const NO_FINAL: Duration = Duration::from_secs(240);

/// A request that waits for its final response.
#[derive(Debug)]
pub struct Client {
    branch: u64,
    pub purpose: Purpose,
    request: Bytes,
    pub to: SocketAddr,
    is_invite: bool,
    /// When it is sent again, and how long after the time before.
    again: Option<(Instant, Duration)>,
    give_up: Instant,
    /// The ACK of a non-2xx: what else comes is a copy.
    ack: Option<Bytes>,
}

#[derive(Debug, Default)]
pub struct Clients(Vec<Client>);

impl Clients {
    /// Sends a request. `branch` is the number in its topmost Via.
    pub fn start(
        &mut self,
        wire: &mut Wire<'_>,
        branch: u64,
        request: Bytes,
        to: SocketAddr,
        purpose: Purpose,
    ) {
        wire.send(to, request.clone());
        let is_invite = request.starts_with(b"INVITE");
        let patience = purpose.patience();
        let client = Client {
            branch,
            purpose,
            request,
            to,
            is_invite,
            again: Some((wire.now + T1, T1)),
            give_up: wire.now + patience,
            ack: None,
        };
        self.0.push(client);
    }

    pub fn has(&self, purpose: Purpose) -> bool {
        self.0.iter().any(|client| client.purpose == purpose && client.ack.is_none())
    }

    /// What a response comes to: nothing if it is a copy or nobody waits for it.
    pub fn on_response(&mut self, wire: &mut Wire<'_>, response: &Response) -> Option<Purpose> {
        let branch = response.top_branch().and_then(number_of)?;
        let index = self.0.iter().position(|client| client.branch == branch)?;
        let client = &mut self.0[index];
        if let Some(ack) = &client.ack {
            if !response.is_provisional() {
                wire.send(client.to, ack.clone());
            }
            return None;
        }
        let purpose = client.purpose;
        if response.is_provisional() {
            if client.is_invite {
                client.again = None;
                client.give_up = client.give_up.max(wire.now + NO_FINAL);
            } else {
                client.again = Some((wire.now + T2, T2));
            }
            return Some(purpose);
        }
        if client.is_invite && !response.is_success() {
            if let Ok(Message::Request(invite)) = Message::parse(client.request.clone()) {
                let ack = RequestBuilder::ack(&invite, response).unwrap_or_default();
                wire.send(client.to, ack.clone());
                (client.ack, client.again, client.give_up) = (Some(ack), None, wire.now + GIVE_UP);
            }
        } else {
            self.0.swap_remove(index);
        }
        Some(purpose)
    }

    /// Sends again what is due, and gives back what was given up, and to whom it had been sent.
    pub fn on_tick(&mut self, wire: &mut Wire<'_>) -> Vec<(Purpose, SocketAddr)> {
        let mut silent = Vec::new();
        self.0.retain_mut(|client| {
            if client.give_up <= wire.now {
                if client.ack.is_none() {
                    silent.push((client.purpose, client.to));
                }
                return false;
            }
            if let Some((at, interval)) = client.again
                && at <= wire.now
            {
                wire.send(client.to, client.request.clone());
                let next = if client.is_invite { interval * 2 } else { (interval * 2).min(T2) };
                client.again = Some((wire.now + next, next));
            }
            true
        });
        silent
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.0.iter().map(|c| c.again.map_or(c.give_up, |(at, _)| at.min(c.give_up))).min()
    }
}

/// The number in a branch that a user agent here has made.
fn number_of(branch: &str) -> Option<u64> {
    u64::from_str_radix(branch.strip_prefix("z9hG4bK")?, 16).ok()
}

/// Names a server transaction: branch and sender of the topmost Via (17.2.3), and the method but for ACK and CANCEL.
pub type ServerKey = u64;

pub fn key_of(request: &Request) -> Option<ServerKey> {
    let via = request.top_via().ok()?;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    mix(via.branch()?.as_bytes());
    mix(via.sent_by.to_string().as_bytes());
    match request.method() {
        Method::Ack | Method::Cancel => mix(b"INVITE"),
        _ => mix(request.method_str().as_bytes()),
    }
    Some(hash)
}

/// A request that was answered, or will be.
#[derive(Debug)]
struct Server {
    key: ServerKey,
    response: Option<(u16, Bytes)>,
    to: SocketAddr,
    again: Option<(Instant, Duration)>,
    until: Instant,
    is_invite: bool,
}

#[derive(Debug, Default)]
pub struct Servers(Vec<Server>);

impl Servers {
    /// Whether the request of `key` was here before; then it gets the same answer again.
    pub fn is_copy(&self, wire: &mut Wire<'_>, key: ServerKey) -> bool {
        let Some(server) = self.0.iter().find(|server| server.key == key) else { return false };
        if let Some((_, response)) = &server.response {
            wire.send(server.to, response.clone());
        }
        true
    }

    /// Answers. Final answers to an INVITE are sent until [`on_ack`](Self::on_ack).
    pub fn respond(
        &mut self,
        wire: &mut Wire<'_>,
        key: ServerKey,
        (request, status): (&Request, u16),
        response: Bytes,
    ) {
        let is_invite = request.method() == Method::Invite;
        let to = net_address(request);
        wire.send(to, response.clone());
        let again = (is_invite && status >= 200).then_some((wire.now + T1, T1));
        let until = if is_invite && status < 200 { wire.now + NO_FINAL } else { wire.now + GIVE_UP };
        let server = Server { key, response: Some((status, response)), to, again, until, is_invite };
        match self.0.iter_mut().find(|server| server.key == key) {
            Some(old) => *old = server,
            None => self.0.push(server),
        }
    }

    /// The final answer to an INVITE has arrived. Whether there was one.
    pub fn on_ack(&mut self, key: ServerKey) -> bool {
        let server = self.0.iter_mut().find(|server| server.key == key);
        server.map(|server| server.again = None).is_some()
    }

    /// Whether an INVITE has no final answer yet.
    pub fn is_ringing(&self, key: ServerKey) -> bool {
        let status = |server: &Server| server.response.as_ref().map_or(0, |(status, _)| *status);
        self.0.iter().any(|server| server.key == key && server.is_invite && status(server) < 200)
    }

    /// Sends again what is due, and gives back the INVITEs whose final answer was never acknowledged.
    pub fn on_tick(&mut self, wire: &mut Wire<'_>) -> Vec<ServerKey> {
        let mut silent = Vec::new();
        self.0.retain_mut(|server| {
            if server.until <= wire.now {
                if server.again.is_some() {
                    silent.push(server.key);
                }
                return false;
            }
            if let (Some((at, interval)), Some((_, response))) = (server.again, &server.response)
                && at <= wire.now
            {
                wire.send(server.to, response.clone());
                let next = (interval * 2).min(T2);
                server.again = Some((wire.now + next, next));
            }
            true
        });
        silent
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.0.iter().map(|s| s.again.map_or(s.until, |(at, _)| at.min(s.until))).min()
    }
}

/// Where the answer to a request goes: nobody here is behind a NAT, so what the topmost Via says is true.
fn net_address(request: &Request) -> SocketAddr {
    let via = request.top_via().ok();
    via.and_then(|via| via.sent_by.socket_addr(via.sent_by.port.unwrap_or(5060))).unwrap_or(super::net::SAS)
}
