//! A user agent: what a phone and a gateway have in common. It calls, answers, hangs up and asks, as RFC 3261 says.

use super::call::{Bye, Call, CallRef, CallState, End, Incoming, Side};
use super::dialog::{Dialog, fresh_via};
use super::net::Io;
use super::transactions::{Clients, GIVE_UP, Reply, Seen, ServerKey, Servers, T1, T2};
use bytes::Bytes;
use sip_survivability::headers::{HeaderName, Method};
use sip_survivability::message::{Message, Request, RequestBuilder, Response, ResponseBuilder};
use sip_survivability::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// What happens to a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It rings for so long and is answered.
    After(Duration),
    /// It rings until the caller gives up.
    Never,
    /// It is refused.
    Refuse(u16),
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Register,
    Invite(CallRef),
    Bye(CallRef),
    Cancel(CallRef),
    /// A BYE to one who answered second.
    Decline,
    Ask(AskRef),
}

/// Names a request outside a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskRef(usize);

/// A request outside a dialog that is neither REGISTER nor INVITE, and what came of it.
#[derive(Debug)]
pub struct Ask {
    pub method: String,
    pub sent: Instant,
    /// When, and the status; 0 for none in 32 s or ICMP.
    pub outcome: Option<(Instant, u16)>,
}

#[derive(Debug)]
pub struct UserAgent {
    pub user: String,
    pub domain: String,
    pub address: SocketAddr,
    /// The outbound proxy: where requests go that have no route.
    pub proxy: SocketAddr,
    pub answer: Answer,
    pub calls: Vec<Call>,
    pub asked: Vec<Ask>,
    /// Methods of the requests that came outside a dialog, other than INVITE, CANCEL and ACK.
    pub heard: Vec<String>,
    /// A gateway is called by any number; a phone by its own user only.
    pub(super) any_number: bool,
    pub(super) clients: Clients<Purpose>,
    servers: Servers,
    awaiting_ack: Vec<AwaitingAck>,
}

/// A 200 that we gave to an INVITE, repeated until its ACK comes (RFC 3261 13.3.1.4).
#[derive(Debug)]
struct AwaitingAck {
    call: CallRef,
    cseq: u32,
    key: ServerKey,
    ok: Bytes,
    resend_at: Instant,
    interval: Duration,
    ends_at: Instant,
}

impl UserAgent {
    pub fn new(user: &str, domain: &str, address: SocketAddr, proxy: SocketAddr) -> Self {
        Self {
            user: user.to_owned(),
            domain: domain.to_owned(),
            address,
            proxy,
            answer: Answer::After(Duration::from_millis(500)),
            calls: Vec::new(),
            asked: Vec::new(),
            heard: Vec::new(),
            any_number: false,
            clients: Clients::default(),
            servers: Servers::default(),
            awaiting_ack: Vec::new(),
        }
    }

    /// From now on it has a connection to its proxy: nothing is sent again.
    pub fn has_tcp(&mut self) {
        self.clients.is_reliable = true;
    }

    pub fn aor(&self) -> String {
        format!("sip:{}@{}", self.user, self.domain)
    }

    pub fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.address)
    }

    #[track_caller]
    pub fn call(&self, call: CallRef) -> &Call {
        &self.calls[call.0]
    }

    pub fn asked(&self, ask: AskRef) -> &Ask {
        &self.asked[ask.0]
    }

    pub fn last_call(&self) -> Option<&Call> {
        self.calls.last()
    }

    /// The call that came in last, or was made last.
    pub fn last_call_ref(&self) -> Option<CallRef> {
        self.calls.len().checked_sub(1).map(CallRef)
    }

    /// The call with this Call-ID.
    pub fn call_with_id(&self, call_id: &str) -> Option<&Call> {
        self.calls.iter().find(|call| call.call_id == call_id)
    }

    fn call_ref_with_id(&self, call_id: &str) -> Option<CallRef> {
        self.calls.iter().position(|call| call.call_id == call_id).map(CallRef)
    }

    /// What broke the rule of one final response for each request, as this party saw it.
    pub fn anomalies(&self) -> &[String] {
        &self.clients.anomalies
    }

    /// A request outside a dialog, up to CSeq.
    pub(super) fn outside_dialog(
        &self,
        io: &mut Io<'_>,
        method: &str,
        uri: &str,
        to: &str,
        call_id: &str,
        cseq: u32,
    ) -> RequestBuilder {
        RequestBuilder::new(method, uri)
            .header(HeaderName::Via, fresh_via(io, self.address))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<{}>;tag={}", self.aor(), io.rng.token()))
            .header(HeaderName::To, format_args!("<{to}>"))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, format_args!("{cseq} {method}"))
    }

    /// Calls a user or a number of our domain.
    pub fn dial(&mut self, io: &mut Io<'_>, number: &str) -> CallRef {
        let domain = self.domain.clone();
        self.dial_at(io, number, &domain)
    }

    /// Calls a user or a number of another domain.
    pub fn dial_at(&mut self, io: &mut Io<'_>, number: &str, domain: &str) -> CallRef {
        let uri = format!("sip:{number}@{domain}");
        let call_id = format!("{}-{}", self.user, io.rng.token());
        let call = CallRef(self.calls.len());
        self.calls.push(Call::new(Side::Caller, &call_id, number, io.now));
        let invite = self
            .outside_dialog(io, "INVITE", &uri, &uri, &call_id, 1)
            .header(HeaderName::Contact, self.contact())
            .with_body("application/sdp", SDP)
            .expect("a valid INVITE");
        self.clients.send(io, invite, self.proxy, Purpose::Invite(call));
        call
    }

    /// Ends a call, in the way that fits: BYE, CANCEL, or a refusal.
    pub fn hang_up(&mut self, io: &mut Io<'_>, call: CallRef) {
        match (self.calls[call.0].side, self.calls[call.0].state()) {
            (_, CallState::Up) => self.send_bye(io, call),
            // RFC 3261 15: the callee waits for the ACK of its 200, or for that to be given up.
            (_, CallState::Answered) => self.calls[call.0].bye_wanted = true,
            (Side::Caller, CallState::Calling | CallState::Proceeding | CallState::Ringing) => {
                self.calls[call.0].cancel_wanted = true;
                self.cancel_if_possible(io, call);
            }
            (Side::Callee, CallState::Calling | CallState::Proceeding | CallState::Ringing) => {
                self.refuse(io, call, 486, End::Refused(486));
            }
            (_, CallState::Ending | CallState::Ended(_)) => {}
        }
    }

    /// A re-INVITE within the call.
    pub fn reinvite(&mut self, io: &mut Io<'_>, call: CallRef) -> AskRef {
        self.ask_within(io, call, "INVITE")
    }

    /// A request within the call, such as INFO.
    pub fn ask_within(&mut self, io: &mut Io<'_>, call: CallRef, method: &str) -> AskRef {
        let (address, contact) = (self.address, self.contact());
        let dialog = self.calls[call.0].dialog.as_mut().expect("the call is up");
        let request = dialog.request(io, method, address, &contact);
        let to = dialog.next_hop().unwrap_or(self.proxy);
        self.send_ask(io, method, request, to)
    }

    /// OPTIONS, MESSAGE, SUBSCRIBE ...: a request outside a dialog.
    pub fn ask(&mut self, io: &mut Io<'_>, method: &str, uri: &str) -> AskRef {
        let call_id = io.rng.token().to_string();
        let mut request = self.outside_dialog(io, method, uri, uri, &call_id, 1);
        if method == "SUBSCRIBE" {
            request = request
                .header(HeaderName::Contact, self.contact())
                .header(HeaderName::Event, "message-summary")
                .header(HeaderName::Expires, 600);
        }
        self.send_ask(io, method, request.finish().expect("a valid request"), self.proxy)
    }

    /// A BYE for a dialog that nobody knows.
    pub fn stray_bye(&mut self, io: &mut Io<'_>, uri: &str) -> AskRef {
        let (via, tag, call_id) = (fresh_via(io, self.address), io.rng.token(), io.rng.token());
        let bye = RequestBuilder::new("BYE", uri)
            .header(HeaderName::Via, via)
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format_args!("<{}>;tag={tag}", self.aor()))
            .header(HeaderName::To, format_args!("<{uri}>;tag=nobody"))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "9 BYE")
            .finish()
            .expect("a valid BYE");
        self.send_ask(io, "BYE", bye, self.proxy)
    }

    fn send_ask(&mut self, io: &mut Io<'_>, method: &str, request: Bytes, to: SocketAddr) -> AskRef {
        let ask = AskRef(self.asked.len());
        self.asked.push(Ask { method: method.to_owned(), sent: io.now, outcome: None });
        self.clients.send(io, request, to, Purpose::Ask(ask));
        ask
    }

    fn send_bye(&mut self, io: &mut Io<'_>, call: CallRef) {
        let (address, contact, proxy) = (self.address, self.contact(), self.proxy);
        let record = &mut self.calls[call.0];
        let Some(dialog) = &mut record.dialog else { return };
        let bye = dialog.request(io, "BYE", address, &contact);
        let to = dialog.next_hop().unwrap_or(proxy);
        record.bye = Some(Bye { sent: io.now, answered: None });
        record.turn(io.now, CallState::Ending);
        self.clients.send(io, bye, to, Purpose::Bye(call));
    }

    /// RFC 3261 9.1: a CANCEL waits for a provisional response, and is not sent once a final one has come.
    fn cancel_if_possible(&mut self, io: &mut Io<'_>, call: CallRef) {
        let pending = self.clients.pending(|purpose| *purpose == Purpose::Invite(call));
        let Some((invite, to, true)) = pending else { return };
        let cancel = RequestBuilder::cancel(invite).expect("our INVITE has all that a CANCEL needs");
        self.calls[call.0].turn(io.now, CallState::Ending);
        self.clients.send(io, cancel, to, Purpose::Cancel(call));
    }

    // What comes in.

    /// What is not the user agent's own business is given back: the answer to a REGISTER.
    pub fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) -> Option<Reply<Purpose>> {
        match Message::parse(data) {
            Ok(Message::Request(request)) => {
                self.on_request(io, request, from);
                None
            }
            Ok(Message::Response(response)) => {
                let reply = self.clients.on_response(io, response)?;
                self.on_reply(io, reply)
            }
            Err(_) => None,
        }
    }

    pub fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr) -> Vec<Reply<Purpose>> {
        let replies = self.clients.on_unreachable(to);
        replies.into_iter().filter_map(|reply| self.on_reply(io, reply)).collect()
    }

    fn on_request(&mut self, io: &mut Io<'_>, request: Request, from: SocketAddr) {
        let key = match self.servers.on_request(io, &request, from) {
            Some(Seen::New(key)) => key,
            Some(Seen::Ack) => return self.on_ack(io, &request),
            Some(Seen::Before) | None => return,
        };
        let within = self
            .calls
            .iter()
            .position(|call| call.dialog.as_ref().is_some_and(|dialog| dialog.has(&request)))
            .map(CallRef);
        match (request.method(), within) {
            (Method::Cancel, _) => self.on_cancel(io, &key, &request, from),
            (Method::Invite, None) if !request.is_in_dialog() => self.on_invite(io, key, request, from),
            (Method::Bye, Some(call)) => {
                self.respond(io, &key, &request, from, 200);
                let call = &mut self.calls[call.0];
                call.turn(io.now, CallState::Ended(End::ByPeer));
                call.incoming = None;
            }
            (Method::Invite, Some(call)) => {
                self.calls[call.0].requests_within.push("INVITE".to_owned());
                let ok = ResponseBuilder::new(&request, from, 200, "")
                    .header(HeaderName::Contact, self.contact())
                    .finish_or_500();
                self.send_ok(io, call, key, &request, ok);
            }
            (_, Some(call)) => {
                self.calls[call.0].requests_within.push(request.method_str().to_owned());
                self.respond(io, &key, &request, from, 200);
            }
            (_, None) if request.is_in_dialog() => self.respond(io, &key, &request, from, 481),
            (Method::Options | Method::Message, None) => {
                self.heard.push(request.method_str().to_owned());
                self.respond(io, &key, &request, from, 200);
            }
            (_, None) => self.respond(io, &key, &request, from, 405),
        }
    }

    fn respond(
        &mut self,
        io: &mut Io<'_>,
        key: &ServerKey,
        request: &Request,
        from: SocketAddr,
        status: u16,
    ) {
        let tag = io.rng.token();
        let response = ResponseBuilder::new(request, from, status, tag.as_str())
            .header(HeaderName::Contact, self.contact())
            .finish_or_500();
        self.servers.respond(io, key, status, response);
    }

    fn on_invite(&mut self, io: &mut Io<'_>, key: ServerKey, invite: Request, from: SocketAddr) {
        let number = invite.uri().ok().and_then(|uri| uri.user().map(str::to_owned)).unwrap_or_default();
        if !self.any_number && number != self.user {
            return self.respond(io, &key, &invite, from, 404);
        }
        let call_id = invite.call_id().unwrap_or_default().to_owned();
        if self.call_ref_with_id(&call_id).is_some() {
            // RFC 3261 8.2.2.2: the same request by two ways.
            return self.respond(io, &key, &invite, from, 482);
        }
        let reference = CallRef(self.calls.len());
        let mut call = Call::new(Side::Callee, &call_id, &number, io.now);
        let tag = io.rng.token().to_string();
        call.dialog = Dialog::of_callee(&invite, &tag);
        let answer_at = match self.answer {
            Answer::After(ring) => Some(io.now + ring),
            Answer::Never | Answer::Refuse(_) => None,
        };
        call.incoming = Some(Incoming { invite, from, key, tag, answer_at });
        self.calls.push(call);
        if let Answer::Refuse(status) = self.answer {
            return self.refuse(io, reference, status, End::Refused(status));
        }
        let ringing = self.answer_to_invite(reference, 180);
        let call = &mut self.calls[reference.0];
        call.turn(io.now, CallState::Ringing);
        if let Some(incoming) = &call.incoming {
            self.servers.respond(io, &incoming.key, 180, ringing);
        }
    }

    /// A response to the INVITE that came in: with Record-Route and Contact where it makes a dialog (12.1.1).
    fn answer_to_invite(&self, call: CallRef, status: u16) -> Bytes {
        let incoming = self.calls[call.0].incoming.as_ref().expect("it came in");
        let mut builder = ResponseBuilder::new(&incoming.invite, incoming.from, status, &incoming.tag);
        if status < 300 {
            for route in incoming.invite.values(HeaderName::RecordRoute) {
                builder = builder.header(HeaderName::RecordRoute, route);
            }
            builder = builder.header(HeaderName::Contact, self.contact());
        }
        builder.finish_or_500()
    }

    fn pick_up(&mut self, io: &mut Io<'_>, call: CallRef) {
        let ok = self.answer_to_invite(call, 200);
        self.calls[call.0].turn(io.now, CallState::Answered);
        if let Some(incoming) = self.calls[call.0].incoming.take() {
            self.send_ok(io, call, incoming.key, &incoming.invite, ok);
        }
    }

    fn send_ok(&mut self, io: &mut Io<'_>, call: CallRef, key: ServerKey, invite: &Request, ok: Bytes) {
        let cseq = invite.cseq().map_or(0, |cseq| cseq.number);
        self.servers.respond(io, &key, 200, ok.clone());
        let (resend_at, ends_at) = (io.now + T1, io.now + GIVE_UP);
        self.awaiting_ack.push(AwaitingAck { call, cseq, key, ok, resend_at, interval: T1, ends_at });
    }

    fn refuse(&mut self, io: &mut Io<'_>, call: CallRef, status: u16, end: End) {
        let response = self.answer_to_invite(call, status);
        let record = &mut self.calls[call.0];
        record.turn(io.now, CallState::Ended(end));
        if let Some(incoming) = record.incoming.take() {
            self.servers.respond(io, &incoming.key, status, response);
        }
    }

    fn on_ack(&mut self, io: &mut Io<'_>, ack: &Request) {
        let of_ack = |call: &Call| call.dialog.as_ref().is_some_and(|dialog| dialog.has(ack));
        let Some(reference) = self.calls.iter().position(of_ack).map(CallRef) else { return };
        let cseq = ack.cseq().map_or(0, |cseq| cseq.number);
        self.awaiting_ack.retain(|ok| (ok.call, ok.cseq) != (reference, cseq));
        let call = &mut self.calls[reference.0];
        if call.state() == CallState::Answered {
            call.turn(io.now, CallState::Up);
        }
        if call.bye_wanted {
            self.send_bye(io, reference);
        }
    }

    /// RFC 3261 9.2: 200 to the CANCEL, 487 to the INVITE if that has no final response; 481 where there is none.
    fn on_cancel(&mut self, io: &mut Io<'_>, key: &ServerKey, cancel: &Request, from: SocketAddr) {
        let invite: ServerKey = (key.0.clone(), key.1.clone(), "INVITE".to_owned());
        let Some(awaits_final) = self.servers.awaits_final(&invite) else {
            return self.respond(io, key, cancel, from, 481);
        };
        self.respond(io, key, cancel, from, 200);
        let of_invite = |call: &Call| call.incoming.as_ref().is_some_and(|incoming| incoming.key == invite);
        if let Some(call) = self.calls.iter().position(of_invite).filter(|_| awaits_final) {
            self.refuse(io, CallRef(call), 487, End::Cancelled);
        }
    }

    fn on_reply(&mut self, io: &mut Io<'_>, reply: Reply<Purpose>) -> Option<Reply<Purpose>> {
        let purpose = match &reply {
            Reply::Response(purpose, _) | Reply::TimedOut(purpose) | Reply::Unreachable(purpose) => *purpose,
        };
        match (purpose, reply) {
            (Purpose::Register, reply) => return Some(reply),
            (Purpose::Invite(call), Reply::Response(_, response)) => {
                self.on_invite_response(io, call, &response);
            }
            (Purpose::Invite(call), Reply::TimedOut(_)) => {
                self.calls[call.0].turn(io.now, CallState::Ended(End::TimedOut));
            }
            (Purpose::Invite(call), Reply::Unreachable(_)) => {
                self.calls[call.0].turn(io.now, CallState::Ended(End::Unreachable));
            }
            (Purpose::Bye(_) | Purpose::Ask(_), Reply::Response(_, r)) if r.is_provisional() => {}
            (Purpose::Bye(call), reply) => {
                let status = status_of(&reply);
                let call = &mut self.calls[call.0];
                if let (Some(bye), Some(status)) = (&mut call.bye, status) {
                    bye.answered = Some((io.now, status));
                }
                call.turn(io.now, CallState::Ended(End::HungUp(status)));
            }
            (Purpose::Cancel(_) | Purpose::Decline, _) => {}
            (Purpose::Ask(ask), reply) => self.on_ask_reply(io, ask, &reply),
        }
        None
    }

    fn on_ask_reply(&mut self, io: &mut Io<'_>, ask: AskRef, reply: &Reply<Purpose>) {
        let status = status_of(reply);
        self.asked[ask.0].outcome.get_or_insert_with(|| (io.now, status.unwrap_or(0)));
        // A re-INVITE's 2xx wants its ACK like any other.
        if let Reply::Response(_, response) = reply
            && self.asked[ask.0].method == "INVITE"
            && response.is_success()
            && let Some(call) = response.call_id().ok().and_then(|id| self.call_ref_with_id(id))
        {
            self.send_ack(io, call, response);
        }
    }

    fn on_invite_response(&mut self, io: &mut Io<'_>, reference: CallRef, response: &Response) {
        let call = &mut self.calls[reference.0];
        match response.status() {
            100..=199 => {
                let ringing = response.status() == 180 && !call.cancel_wanted;
                if matches!(call.state(), CallState::Calling | CallState::Proceeding) {
                    let state = if ringing { CallState::Ringing } else { CallState::Proceeding };
                    call.turn(io.now, state);
                }
                if call.cancel_wanted && call.state() != CallState::Ending {
                    self.cancel_if_possible(io, reference);
                }
            }
            200..=299 => {
                match (&call.dialog, Dialog::of_caller(response)) {
                    (None, dialog) => call.dialog = dialog,
                    (Some(first), Some(second)) if !first.is_same(&second) => {
                        return self.decline(io, reference, second);
                    }
                    (Some(_), _) => {}
                }
                let first = call.acks.is_empty();
                self.send_ack(io, reference, response);
                if first && self.calls[reference.0].cancel_wanted {
                    // The answer crossed our CANCEL (RFC 3261 15): nobody wants the call any more.
                    self.send_bye(io, reference);
                } else {
                    self.calls[reference.0].turn(io.now, CallState::Up);
                }
            }
            487 if call.cancel_wanted => call.turn(io.now, CallState::Ended(End::Cancelled)),
            status => call.turn(io.now, CallState::Ended(End::Refused(status))),
        }
    }

    /// Two answered, the INVITE having gone two ways: the second one is acknowledged, and let go (13.2.2.4).
    fn decline(&mut self, io: &mut Io<'_>, call: CallRef, mut dialog: Dialog) {
        let (address, contact) = (self.address, self.contact());
        let to = dialog.next_hop().unwrap_or(self.proxy);
        let declined = &mut self.calls[call.0].declined;
        if let Some(ack) = declined.get(dialog.remote_tag()) {
            return io.send(to, ack.clone());
        }
        let ack = dialog.ack(io, 1, address);
        declined.insert(dialog.remote_tag().to_owned(), ack.clone());
        io.send(to, ack);
        let bye = dialog.request(io, "BYE", address, &contact);
        self.clients.send(io, bye, to, Purpose::Decline);
    }

    /// The ACK of a 2xx, the same one again for each copy of it (13.2.2.4).
    fn send_ack(&mut self, io: &mut Io<'_>, call: CallRef, response: &Response) {
        let (address, proxy) = (self.address, self.proxy);
        let Call { dialog: Some(dialog), acks, .. } = &mut self.calls[call.0] else { return };
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        let (ack, to) = acks
            .entry(cseq)
            .or_insert_with(|| (dialog.ack(io, cseq, address), dialog.next_hop().unwrap_or(proxy)));
        io.send(*to, ack.clone());
    }

    // Time.

    pub fn tick(&mut self, io: &mut Io<'_>) -> Vec<Reply<Purpose>> {
        self.servers.tick(io);
        let over = self.clients.tick(io);
        let unhandled = over.into_iter().filter_map(|reply| self.on_reply(io, reply)).collect();
        for call in (0..self.calls.len()).map(CallRef) {
            let incoming = self.calls[call.0].incoming.as_ref();
            if incoming.and_then(|incoming| incoming.answer_at).is_some_and(|at| at <= io.now) {
                self.pick_up(io, call);
            }
        }
        let now = io.now;
        for ok in self.awaiting_ack.iter_mut().filter(|ok| ok.resend_at <= now && ok.ends_at > now) {
            ok.interval = (ok.interval * 2).min(T2);
            ok.resend_at = ok.ends_at.min(io.now + ok.interval);
            self.servers.respond(io, &ok.key, 200, ok.ok.clone());
        }
        // RFC 3261 13.3.1.4: no ACK in 64*T1 ends the session.
        while let Some(at) = self.awaiting_ack.iter().position(|ok| ok.ends_at <= io.now) {
            let call = self.awaiting_ack.swap_remove(at).call;
            if !matches!(self.calls[call.0].state(), CallState::Ending | CallState::Ended(_)) {
                self.send_bye(io, call);
                self.calls[call.0].turn(io.now, CallState::Ended(End::NoAck));
            }
        }
        unhandled
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let answers = self.calls.iter().filter_map(|call| call.incoming.as_ref()?.answer_at);
        let oks = self.awaiting_ack.iter().map(|ok| ok.resend_at);
        answers.chain(oks).chain(self.clients.next_timeout()).chain(self.servers.next_timeout()).min()
    }
}

fn status_of(reply: &Reply<Purpose>) -> Option<u16> {
    match reply {
        Reply::Response(_, response) => Some(response.status()),
        Reply::TimedOut(_) | Reply::Unreachable(_) => None,
    }
}
