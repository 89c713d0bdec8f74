//! A user agent: what a phone and the PSTN gateway have in common. It calls, rings, answers, asks for another session in a call, and
//! hangs up.

use super::dialog::{Dialog, SDP, via};
use super::log::{CallKind, Log};
use super::net::Net;
use super::transactions::{Clients, GIVE_UP, ServerKey, Servers, key_of};
use bytes::Bytes;
use sip_survivability::headers::{HeaderName, Method};
use sip_survivability::message::{Message, Request, RequestBuilder, Response, ResponseBuilder};
use sip_survivability::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a request was sent. Calls have numbers, the same at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To the server in use.
    Register,
    /// To the first server, while the second is in use.
    Home,
    Invite(u32),
    /// An INVITE to a server that has another one behind it: a phone does not wait for timer B.
    HastyInvite(u32),
    Reinvite(u32),
    Bye(u32),
}

impl Purpose {
    pub const fn patience(self) -> Duration {
        match self {
            // Three sendings, as phones with two servers do by default.
            Self::HastyInvite(_) => Duration::from_millis(3_500),
            _ => GIVE_UP,
        }
    }
}

/// The line of one party, now.
pub struct Wire<'a> {
    pub net: &'a mut Net,
    pub now: Instant,
    pub me: SocketAddr,
}

impl Wire<'_> {
    pub fn send(&mut self, to: SocketAddr, data: Bytes) {
        self.net.send(self.now, self.me, to, data);
    }
}

/// What everybody gets while at work.
pub struct Io<'a> {
    pub now: Instant,
    pub net: &'a mut Net,
    pub log: &'a mut Log,
}

impl Io<'_> {
    pub const fn wire(&mut self, me: SocketAddr) -> Wire<'_> {
        Wire { net: &mut *self.net, now: self.now, me }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The caller's INVITE is on its way.
    Calling,
    /// It rings here, and is answered then.
    Ringing {
        answer_at: Instant,
    },
    /// Answered here, and the ACK is awaited.
    Answered,
    Up,
    Ending,
}

#[derive(Debug)]
struct Call {
    number: u32,
    is_caller: bool,
    stage: Stage,
    dialog: Option<Dialog>,
    /// The INVITE that rings or was answered here.
    incoming: Option<(ServerKey, Request)>,
    renegotiate_at: Option<Instant>,
    hang_up_at: Option<Instant>,
    /// No media any more: the phone takes it for over, whatever the signalling says.
    over_at: Instant,
}

impl Call {
    fn next_timeout(&self) -> Instant {
        let answer = match self.stage {
            Stage::Ringing { answer_at } => Some(answer_at),
            _ => None,
        };
        let (renegotiate, hang_up) = match self.stage {
            Stage::Up => (self.renegotiate_at, self.hang_up_at),
            _ => (None, None),
        };
        [answer, renegotiate, hang_up].into_iter().flatten().fold(self.over_at, Instant::min)
    }
}

#[derive(Debug)]
pub struct Agent {
    pub address: SocketAddr,
    pub user: String,
    /// Takes calls to any number: a gateway.
    pub is_gateway: bool,
    pub clients: Clients,
    servers: Servers,
    calls: Vec<Call>,
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Agent {
    pub fn new(user: String, address: SocketAddr, is_gateway: bool) -> Self {
        Self {
            address,
            user,
            is_gateway,
            clients: Clients::default(),
            servers: Servers::default(),
            calls: Vec::new(),
        }
    }

    pub fn is_free(&self) -> bool {
        self.is_gateway || self.calls.is_empty()
    }

    /// The calls that are up at this end, and whether this end is the caller's.
    pub fn calls_up(&self) -> impl Iterator<Item = (u32, bool)> + '_ {
        self.calls.iter().filter(|call| call.stage == Stage::Up).map(|call| (call.number, call.is_caller))
    }

    /// A call that is watched: when this end asks for another session, and when it hangs up.
    pub fn plan(&mut self, number: u32, renegotiate_at: Instant, hang_up_at: Option<Instant>) {
        for call in self.calls.iter_mut().filter(|call| call.number == number) {
            (call.renegotiate_at, call.hang_up_at) = (Some(renegotiate_at), hang_up_at);
            call.over_at = renegotiate_at.max(hang_up_at.unwrap_or(renegotiate_at)) + secs(600);
        }
    }

    /// Calls `uri` by way of `server`.
    pub fn dial(&mut self, io: &mut Io<'_>, number: u32, uri: &str, server: SocketAddr, hasty: bool) {
        let talk = io.net.exponential(secs(120)).clamp(secs(5), secs(900));
        let hangs_up = io.net.chance(0.5).then_some(io.now + talk);
        // One call in five is held once.
        let renegotiate_at = io.net.chance(0.2).then_some(io.now + talk / 2);
        self.calls.retain(|call| call.number != number);
        self.calls.push(Call {
            number,
            is_caller: true,
            stage: Stage::Calling,
            dialog: None,
            incoming: None,
            renegotiate_at,
            hang_up_at: hangs_up,
            over_at: io.now + secs(1_800),
        });
        let branch = io.net.rng.bits();
        let tag = io.net.rng.token();
        let invite = RequestBuilder::new("INVITE", uri)
            .header(HeaderName::Via, via(self.address, branch))
            .header(HeaderName::From, format_args!("<{}>;tag={tag}", self.aor()))
            .header(HeaderName::To, format_args!("<{uri}>"))
            .header(HeaderName::CallId, format_args!("call-{number}-{tag}"))
            .header(HeaderName::CSeq, "1 INVITE")
            .header(HeaderName::Contact, self.contact())
            .with_body("application/sdp", SDP)
            .expect("a valid INVITE");
        let purpose = if hasty { Purpose::HastyInvite(number) } else { Purpose::Invite(number) };
        self.clients.start(&mut io.wire(self.address), branch, invite, server, purpose);
    }

    fn aor(&self) -> String {
        format!("sip:{}@{}", self.user, super::net::DOMAIN)
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.address)
    }

    /// Takes a datagram in. What is not the user agent's own business, the answer to a REGISTER, is given back.
    pub fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) -> Option<(Purpose, Response)> {
        match Message::parse(data) {
            Ok(Message::Request(request)) => {
                self.on_request(io, request, from);
                None
            }
            Ok(Message::Response(response)) => {
                match self.clients.on_response(&mut io.wire(self.address), &response) {
                    Some(purpose) => self.on_response(io, purpose, response),
                    None => {
                        self.acknowledge_again(io, &response);
                        None
                    }
                }
            }
            Err(_) => None,
        }
    }

    fn call(&mut self, number: u32) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.number == number)
    }

    fn on_response(
        &mut self,
        io: &mut Io<'_>,
        purpose: Purpose,
        response: Response,
    ) -> Option<(Purpose, Response)> {
        let (now, status) = (io.now, response.status());
        match purpose {
            Purpose::Register | Purpose::Home => return Some((purpose, response)),
            _ if response.is_provisional() => {}
            Purpose::Invite(number) | Purpose::HastyInvite(number) => {
                io.log.on_final(number, now, status);
                if response.is_success() {
                    let call = self.call(number)?;
                    call.dialog = Dialog::of_caller(&response);
                    call.stage = Stage::Up;
                    self.acknowledge(io, number, &response);
                } else {
                    self.calls.retain(|call| call.number != number);
                }
            }
            Purpose::Reinvite(number) => {
                if response.is_success() {
                    self.acknowledge(io, number, &response);
                }
                let is_caller = self.call(number)?.is_caller;
                if status == 491 {
                    // RFC 3261 14.1: both have asked at once.
                    self.call(number)?.renegotiate_at = Some(now + secs(3));
                } else {
                    io.log.on_renegotiated(number, is_caller, status);
                }
            }
            Purpose::Bye(number) => {
                io.log.on_hung_up(number, status);
                self.calls.retain(|call| call.number != number);
            }
        }
        None
    }

    fn acknowledge(&mut self, io: &mut Io<'_>, number: u32, ok: &Response) {
        let address = self.address;
        let Some(dialog) = self.call(number).and_then(|call| call.dialog.as_mut()) else { return };
        let (Ok(cseq), hop) = (ok.cseq(), dialog.hop) else { return };
        let ack = dialog.request(io.net.rng.bits(), "ACK", Some(cseq.number), address, "");
        io.net.send(io.now, address, hop, ack);
    }

    /// A 2xx that comes again: the ACK was lost (RFC 3261 13.2.2.4).
    fn acknowledge_again(&mut self, io: &mut Io<'_>, ok: &Response) {
        let is_invite = ok.is_success() && ok.cseq().is_ok_and(|cseq| cseq.method == "INVITE");
        if let Some(number) = number_of(ok.call_id().unwrap_or_default()).filter(|_| is_invite) {
            self.acknowledge(io, number, ok);
        }
    }

    fn on_request(&mut self, io: &mut Io<'_>, request: Request, from: SocketAddr) {
        let Some(key) = key_of(&request) else { return };
        let number = number_of(request.call_id().unwrap_or_default());
        if request.method() == Method::Ack {
            return self.on_ack(io, key, number, &request);
        }
        if request.method() != Method::Cancel && self.servers.is_copy(&mut io.wire(self.address), key) {
            return;
        }
        let within = request.to_tag().is_some();
        let known = number.filter(|number| self.calls.iter().any(|call| call.number == *number));
        match (request.method(), known) {
            (Method::Invite, Some(number)) if within => self.on_reinvite(io, key, number, request, from),
            // RFC 3261 8.2.2.2: the same call by another way.
            (Method::Invite, Some(_)) => self.respond(io, key, &request, from, 482),
            (Method::Invite, None) if !within => self.on_invite(io, key, number, request, from),
            (Method::Bye, Some(number)) => {
                self.respond(io, key, &request, from, 200);
                self.calls.retain(|call| call.number != number);
            }
            (Method::Cancel, _) => self.on_cancel(io, key, number, &request, from),
            (Method::Options, None) if !within => self.respond(io, key, &request, from, 200),
            _ if within => self.respond(io, key, &request, from, 481),
            _ => self.respond(io, key, &request, from, 405),
        }
    }

    fn on_ack(&mut self, io: &Io<'_>, key: ServerKey, number: Option<u32>, ack: &Request) {
        if self.servers.on_ack(key) {
            return;
        }
        let Some(call) = number.and_then(|number| self.call(number)) else { return };
        // The ACK of a 2xx has a branch of its own: it is told by its CSeq.
        let cseq = |request: &Request| request.cseq().map(|cseq| cseq.number).ok();
        if let Some((answered, invite)) = &call.incoming
            && cseq(invite) == cseq(ack)
        {
            let answered = *answered;
            if call.stage == Stage::Answered {
                call.stage = Stage::Up;
                call.hang_up_at = call.hang_up_at.map(|at| at.max(io.now + secs(1)));
            }
            call.incoming = None;
            self.servers.on_ack(answered);
        }
    }

    fn respond(&mut self, io: &mut Io<'_>, key: ServerKey, request: &Request, from: SocketAddr, status: u16) {
        let tag = io.net.rng.token();
        let response = ResponseBuilder::new(request, from, status, tag.as_str()).finish_or_500();
        self.servers.respond(&mut io.wire(self.address), key, (request, status), response);
    }

    fn on_invite(
        &mut self,
        io: &mut Io<'_>,
        key: ServerKey,
        number: Option<u32>,
        invite: Request,
        from: SocketAddr,
    ) {
        let Some(number) = number else { return self.respond(io, key, &invite, from, 400) };
        io.log.on_rung(number, io.now);
        let is_emergency = io.log.kind(number) == Some(CallKind::Emergency);
        if !self.is_free() || (!is_emergency && io.net.chance(0.05)) {
            return self.respond(io, key, &invite, from, 486);
        }
        let ring = if self.is_gateway { (1, 3) } else { (2, 8) };
        let ring = io.net.between(secs(ring.0), secs(ring.1));
        let talk = io.net.exponential(secs(120)).clamp(secs(5), secs(900));
        let tag = io.net.rng.token().to_string();
        let Some(dialog) = Dialog::of_callee(&invite, &tag) else {
            return self.respond(io, key, &invite, from, 400);
        };
        let ringing =
            ResponseBuilder::new(&invite, from, 180, &tag).header(HeaderName::Contact, self.contact());
        let ringing = dialog.record_routes(ringing).finish_or_500();
        self.servers.respond(&mut io.wire(self.address), key, (&invite, 180), ringing);
        self.calls.push(Call {
            number,
            is_caller: false,
            stage: Stage::Ringing { answer_at: io.now + ring },
            dialog: Some(dialog),
            incoming: Some((key, invite)),
            renegotiate_at: None,
            // The caller hangs up half of the calls.
            hang_up_at: Some(io.now + ring + talk),
            over_at: io.now + secs(1_800),
        });
    }

    fn on_reinvite(
        &mut self,
        io: &mut Io<'_>,
        key: ServerKey,
        number: u32,
        invite: Request,
        from: SocketAddr,
    ) {
        let is_busy = self.clients.has(Purpose::Reinvite(number));
        let contact = self.contact();
        let Some(call) = self.call(number).filter(|call| call.stage == Stage::Up && !is_busy) else {
            return self.respond(io, key, &invite, from, 491);
        };
        call.incoming = Some((key, invite.clone()));
        let ok = ResponseBuilder::new(&invite, from, 200, "")
            .header(HeaderName::Contact, contact)
            .with_body("application/sdp", SDP)
            .unwrap_or_default();
        self.servers.respond(&mut io.wire(self.address), key, (&invite, 200), ok);
    }

    fn on_cancel(
        &mut self,
        io: &mut Io<'_>,
        invite_key: ServerKey,
        number: Option<u32>,
        cancel: &Request,
        from: SocketAddr,
    ) {
        let known = self.servers.is_ringing(invite_key);
        let status = if known { 200 } else { 481 };
        // A CANCEL that comes again finds its INVITE answered, and gets another 200 or a 481: nobody minds.
        let tag = io.net.rng.token();
        let response = ResponseBuilder::new(cancel, from, status, tag.as_str()).finish_or_500();
        io.net.send(io.now, self.address, from, response);
        if let Some(number) = number.filter(|_| known) {
            let invite = self.call(number).and_then(|call| call.incoming.take());
            if let Some((key, invite)) = invite {
                self.calls.retain(|call| call.number != number);
                self.respond(io, key, &invite, from, 487);
            }
        }
    }

    /// Does what is due. What nobody answered is given back, and to whom it had been sent.
    pub fn tick(&mut self, io: &mut Io<'_>) -> Vec<(Purpose, SocketAddr)> {
        let now = io.now;
        for key in self.servers.on_tick(&mut io.wire(self.address)) {
            // RFC 3261 13.3.1.4: a 2xx without ACK. The call is over here.
            self.calls.retain(|call| call.incoming.as_ref().is_none_or(|(incoming, _)| *incoming != key));
        }
        let silent = self.clients.on_tick(&mut io.wire(self.address));
        for (purpose, to) in &silent {
            if let Purpose::Invite(number)
            | Purpose::HastyInvite(number)
            | Purpose::Reinvite(number)
            | Purpose::Bye(number) = *purpose
            {
                let is_caller = self.call(number).is_some_and(|call| call.is_caller);
                io.log.on_silence(*purpose, *to, is_caller, now);
                if !matches!(purpose, Purpose::Reinvite(_)) {
                    self.calls.retain(|call| call.number != number);
                }
            }
        }
        self.calls.retain(|call| call.over_at > now);
        for index in 0..self.calls.len() {
            self.tick_call(io, index);
        }
        silent
    }

    fn tick_call(&mut self, io: &mut Io<'_>, index: usize) {
        let (now, contact, address) = (io.now, self.contact(), self.address);
        let call = &mut self.calls[index];
        match call.stage {
            Stage::Ringing { answer_at } if answer_at <= now => {
                call.stage = Stage::Answered;
                if let (Some((key, invite)), Some(dialog)) = (&call.incoming, &call.dialog) {
                    let ok = ResponseBuilder::new(invite, super::net::SAS, 200, &dialog.local_tag)
                        .header(HeaderName::Contact, contact);
                    let ok = dialog.record_routes(ok).with_body("application/sdp", SDP).unwrap_or_default();
                    self.servers.respond(&mut io.wire(address), *key, (invite, 200), ok);
                }
            }
            Stage::Up => {
                let Some(dialog) = &mut call.dialog else { return };
                let (number, hop, branch) = (call.number, dialog.hop, io.net.rng.bits());
                if call.hang_up_at.is_some_and(|at| at <= now) {
                    call.stage = Stage::Ending;
                    let bye = dialog.request(branch, "BYE", None, address, "");
                    self.clients.start(&mut io.wire(address), branch, bye, hop, Purpose::Bye(number));
                } else if call.renegotiate_at.is_some_and(|at| at <= now) {
                    call.renegotiate_at = None;
                    let invite = dialog.request(branch, "INVITE", None, address, &contact);
                    let purpose = Purpose::Reinvite(number);
                    self.clients.start(&mut io.wire(address), branch, invite, hop, purpose);
                }
            }
            _ => {}
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let calls = self.calls.iter().map(Call::next_timeout).min();
        [self.clients.next_timeout(), self.servers.next_timeout(), calls].into_iter().flatten().min()
    }
}

/// The number of a call, which its Call-ID bears.
fn number_of(call_id: &str) -> Option<u32> {
    call_id.strip_prefix("call-")?.split('-').next()?.parse().ok()
}
