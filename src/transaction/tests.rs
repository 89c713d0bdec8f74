//! The four machines by the RFC's rules, through the table as its users see it.

use super::*;
use crate::config::{Settings, SurvivabilityMode};
use crate::message::{Message, ResponseBuilder};
use crate::rng::Rng;
use crate::transport::{FlowId, Flows, Outbox};

const PEER: &str = "192.0.2.1:5060";

#[derive(Default)]
struct Sent(Vec<Bytes>);

impl Outbox for Sent {
    fn send(&mut self, _: Peer, payload: Bytes) {
        self.0.push(payload);
    }

    fn connect(&mut self, _: FlowId, _: Transport, _: SocketAddr, _: Option<&str>) {}

    fn note_refusal(&mut self, _: &Request, _: &crate::message::Fault) {}
}

pub(super) struct Rig {
    pub(super) transactions: Transactions,
    config: Config,
    flows: Flows,
    rng: Rng,
    now: Instant,
    sent: Sent,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_limits(100, 10)
    }

    fn with_limits(max_transactions: usize, emergency_reserve: usize) -> Self {
        let mut settings = Settings::default();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.limits.max_transactions = max_transactions;
        settings.limits.emergency_reserve = emergency_reserve;
        Self {
            transactions: Transactions::new([1, 2]),
            config: settings.validate().unwrap(),
            flows: Flows::default(),
            rng: Rng::new([0; 32]),
            now: Instant::ZERO,
            sent: Sent::default(),
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Transactions, &mut Ctx<'_>) -> T) -> T {
        let mut ctx = Ctx {
            now: self.now,
            config: &self.config,
            flows: &mut self.flows,
            rng: &mut self.rng,
            out: &mut self.sent,
        };
        act(&mut self.transactions, &mut ctx)
    }

    pub(super) fn start(&mut self, method: Method, name: &str) -> ClientId {
        let branch = "z9hG4bKours";
        let outgoing = Outgoing { method, name, branch, bytes: wire(name, branch).into(), peer: peer() };
        self.with(|t, ctx| t.start(ctx, outgoing, None))
    }

    pub(super) fn request(&mut self, name: &str, branch: &str) -> RequestMatch {
        let request = request(&wire(name, branch));
        self.with(|t, ctx| t.on_request(ctx, &request, request.top_via().ok().as_ref(), peer(), |_| false))
    }

    pub(super) fn server(&mut self, name: &str) -> ServerId {
        match self.request(name, "z9hG4bKtheirs") {
            RequestMatch::New(id) => id,
            other @ (RequestMatch::Absorbed | RequestMatch::StrayAck | RequestMatch::Full) => {
                panic!("{other:?}")
            }
        }
    }

    pub(super) fn respond(&mut self, id: ServerId, name: &str, status: u16) {
        let request = request(&wire(name, "z9hG4bKtheirs"));
        let wire = ResponseBuilder::new(&request, PEER.parse().unwrap(), status, "t").finish().unwrap();
        self.with(|t, ctx| t.respond(ctx, id, status, wire));
    }

    pub(super) fn response(&mut self, name: &str, status: u16) -> ResponseMatch {
        let text = format!(
            "SIP/2.0 {status} x\r\nVia: SIP/2.0/UDP us;branch=z9hG4bKours\r\nTo: <sip:b@h>;tag=2\r\nCSeq: 1 {name}\r\n\r\n"
        );
        let Ok(Message::Response(response)) = Message::parse(text) else { panic!("a response") };
        let (via, cseq) = (response.top_via().ok(), response.cseq().ok());
        self.with(|t, ctx| t.on_response(ctx, &response, via.as_ref(), cseq))
    }

    /// Lets time run until `end` by the table's own deadlines; gives when it sent something, and what went unanswered.
    fn run_until(&mut self, end: Instant) -> (Vec<u64>, Vec<Unanswered>) {
        let (mut times, mut unanswered) = (Vec::new(), Vec::new());
        while let Some(due) = self.transactions.next_timeout().filter(|due| *due <= end) {
            self.now = due;
            let before = self.sent.0.len();
            while let Some(ended) = self.with(|t, ctx| t.on_tick(ctx)) {
                unanswered.push(ended);
            }
            times.extend((before..self.sent.0.len()).map(|_| due.as_micros() / 1000));
        }
        self.now = end;
        (times, unanswered)
    }

    /// Adds what was sent since this was last asked: requests and responses, or the ACK of a refusal.
    pub(super) fn take_sent(&mut self, done: &mut Vec<(u64, &'static str)>) {
        let now = self.now.as_micros() / 1000;
        let kind = |bytes: Bytes| if bytes.starts_with(b"ACK ") { "ACK" } else { "send" };
        done.extend(self.sent.0.drain(..).map(|bytes| (now, kind(bytes))));
    }

    /// Lets `span` pass, and adds what was sent and what failed.
    pub(super) fn wait(&mut self, span: Duration, done: &mut Vec<(u64, &'static str)>) {
        let end = self.now + span;
        while let Some(due) = self.transactions.next_timeout().filter(|due| *due <= end) {
            self.now = due;
            while self.with(|t, ctx| t.on_tick(ctx)).is_some() {
                done.push((due.as_micros() / 1000, "fail"));
            }
            self.take_sent(done);
        }
        self.now = end;
    }

    /// Nothing can be delivered to the peer.
    pub(super) fn fail(&mut self, done: &mut Vec<(u64, &'static str)>) {
        let now = self.now.as_micros() / 1000;
        done.extend(self.transactions.on_send_failed(peer()).into_iter().map(|_| (now, "fail")));
    }

    fn last_sent(&self) -> &str {
        std::str::from_utf8(self.sent.0.last().unwrap()).unwrap()
    }
}

fn peer() -> Peer {
    Peer { flow: FlowId(0), address: PEER.parse().unwrap() }
}

fn wire(name: &str, branch: &str) -> String {
    format!(
        "{name} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP c;branch={branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 {name}\r\n\r\n"
    )
}

fn request(text: &str) -> Request {
    match Message::parse(text.to_owned()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unanswered_invite_is_sent_seven_times_and_given_up_after_64_t1() {
    let mut rig = Rig::new();
    let id = rig.start(Method::Invite, "INVITE");
    let (times, unanswered) = rig.run_until(Instant::from_secs(100));
    assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(unanswered.iter().map(|u| u.client).collect::<Vec<_>>(), [id]);
    assert_eq!((rig.now, rig.transactions.len()), (Instant::from_secs(100), 0));
}

#[test]
fn an_unanswered_request_is_sent_eleven_times_and_given_up_after_64_t1() {
    let mut rig = Rig::new();
    rig.start(Method::Options, "OPTIONS");
    let (times, unanswered) = rig.run_until(Instant::from_secs(100));
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(unanswered.len(), 1);
}

#[test]
fn a_provisional_response_stops_an_invite_and_slows_other_requests() {
    let mut rig = Rig::new();
    rig.start(Method::Invite, "INVITE");
    assert!(matches!(rig.response("INVITE", 100), ResponseMatch::Pass(..)));
    assert_eq!(rig.run_until(Instant::from_secs(200)), (vec![], vec![]));

    let mut rig = Rig::new();
    rig.start(Method::Info, "INFO");
    rig.response("INFO", 100);
    let (times, unanswered) = rig.run_until(Instant::from_secs(100));
    assert_eq!((times, unanswered.len()), (vec![500, 4500, 8500, 12500, 16500, 20500, 24500, 28500], 1));
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_comes_and_passed_once() {
    let mut rig = Rig::new();
    rig.start(Method::Invite, "INVITE");
    assert!(matches!(rig.response("INVITE", 486), ResponseMatch::Pass(..)));
    assert!(rig.last_sent().starts_with("ACK sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bKours"));
    let sent = rig.sent.0.len();
    assert_eq!(rig.response("INVITE", 486), ResponseMatch::Absorbed);
    assert_eq!(rig.sent.0.len(), sent + 1);
    rig.run_until(Instant::from_secs(32));
    assert_eq!(rig.response("INVITE", 486), ResponseMatch::Stray);
}

#[test]
fn each_2xx_is_passed_until_timer_m_fires() {
    let mut rig = Rig::new();
    rig.start(Method::Invite, "INVITE");
    for _ in 0..3 {
        assert!(matches!(rig.response("INVITE", 200), ResponseMatch::Pass(..)));
    }
    assert_eq!(rig.response("INVITE", 180), ResponseMatch::Absorbed);
    rig.run_until(Instant::from_secs(32));
    assert_eq!(rig.response("INVITE", 200), ResponseMatch::Stray);
}

#[test]
fn a_transport_failure_fails_what_waits_for_a_first_response_from_that_peer() {
    let mut rig = Rig::new();
    let id = rig.start(Method::Bye, "BYE");
    let elsewhere = Peer { address: "192.0.2.2:5060".parse().unwrap(), ..peer() };
    assert_eq!(rig.transactions.on_send_failed(elsewhere), []);
    assert_eq!(rig.transactions.on_send_failed(peer()), [Unanswered { client: id, owner: None }]);
    assert_eq!((rig.transactions.len(), rig.transactions.next_timeout()), (0, None));

    rig.start(Method::Invite, "INVITE");
    rig.response("INVITE", 180);
    assert_eq!(rig.transactions.on_send_failed(peer()), []);
}

#[test]
fn a_retransmitted_request_is_answered_with_the_last_response() {
    let mut rig = Rig::new();
    let id = rig.server("INVITE");
    assert_eq!(rig.request("INVITE", "z9hG4bKtheirs"), RequestMatch::Absorbed);
    assert_eq!(rig.sent.0.len(), 0);
    rig.respond(id, "INVITE", 180);
    rig.request("INVITE", "z9hG4bKtheirs");
    assert_eq!(rig.sent.0.len(), 2);
    assert!(rig.last_sent().starts_with("SIP/2.0 180"));
}

#[test]
fn a_refused_invite_is_answered_again_until_the_ack_comes() {
    let mut rig = Rig::new();
    let id = rig.server("INVITE");
    rig.respond(id, "INVITE", 486);
    let (times, _) = rig.run_until(Instant::from_millis(4000));
    assert_eq!(times, [500, 1500, 3500]);
    assert_eq!(rig.request("ACK", "z9hG4bKtheirs"), RequestMatch::Absorbed);
    assert_eq!(rig.run_until(Instant::from_secs(100)), (vec![], vec![]));
    assert_eq!(rig.transactions.len(), 0);
}

#[test]
fn a_refused_invite_without_ack_ends_by_timer_h() {
    let mut rig = Rig::new();
    let id = rig.server("INVITE");
    rig.respond(id, "INVITE", 486);
    let (times, _) = rig.run_until(Instant::from_secs(100));
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(rig.transactions.len(), 0);
}

#[test]
fn an_accepted_invite_absorbs_retransmissions_and_passes_the_ack_on() {
    let mut rig = Rig::new();
    let id = rig.server("INVITE");
    rig.respond(id, "INVITE", 200);
    rig.respond(id, "INVITE", 200);
    assert_eq!(rig.sent.0.len(), 2);
    assert_eq!(rig.request("INVITE", "z9hG4bKtheirs"), RequestMatch::Absorbed);
    assert_eq!(rig.request("ACK", "z9hG4bKtheirs"), RequestMatch::StrayAck);
    assert_eq!(rig.request("ACK", "z9hG4bKother"), RequestMatch::StrayAck);
    rig.respond(id, "INVITE", 486);
    assert_eq!(rig.sent.0.len(), 2);
}

#[test]
fn a_request_is_answered_once_and_forgotten_after_timer_j() {
    let mut rig = Rig::new();
    let id = rig.server("OPTIONS");
    rig.respond(id, "OPTIONS", 200);
    rig.respond(id, "OPTIONS", 404);
    assert_eq!(rig.sent.0.len(), 1);
    assert_eq!(rig.request("OPTIONS", "z9hG4bKtheirs"), RequestMatch::Absorbed);
    assert_eq!(rig.sent.0.len(), 2);
    rig.run_until(Instant::from_secs(32));
    assert!(matches!(rig.request("OPTIONS", "z9hG4bKtheirs"), RequestMatch::New(_)));
}

#[test]
fn a_cancel_is_a_transaction_of_its_own_and_finds_its_invite() {
    let mut rig = Rig::new();
    let invite = rig.server("INVITE");
    assert!(matches!(rig.request("CANCEL", "z9hG4bKtheirs"), RequestMatch::New(_)));
    let cancel = request(&wire("CANCEL", "z9hG4bKtheirs"));
    assert_eq!(rig.transactions.invite_of(&cancel), Some(invite));
    assert_eq!(rig.transactions.invite_of(&request(&wire("CANCEL", "z9hG4bKother"))), None);
}

#[test]
fn requests_without_the_magic_cookie_match_by_their_header_fields() {
    let mut rig = Rig::new();
    assert!(matches!(rig.request("INVITE", "old"), RequestMatch::New(_)));
    assert_eq!(rig.request("INVITE", "old"), RequestMatch::Absorbed);
    assert!(matches!(rig.request("INVITE", "older"), RequestMatch::New(_)));
}

#[test]
fn when_full_only_the_reserve_is_left() {
    let mut rig = Rig::with_limits(1, 1);
    rig.server("OPTIONS");
    assert_eq!(rig.request("OPTIONS", "z9hG4bK2"), RequestMatch::Full);
    let request = request(&wire("INVITE", "z9hG4bK3"));
    let reserved =
        rig.with(|t, ctx| t.on_request(ctx, &request, request.top_via().ok().as_ref(), peer(), |_| true));
    assert!(matches!(reserved, RequestMatch::New(_)));
}
