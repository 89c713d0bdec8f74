//! Messages as phones send them, what a hop does with them, and a call through a branch.

pub mod crowd;
pub mod hostile;

use bytes::Bytes;
use sip_survivability::config::{Settings, SurvivabilityMode};
use sip_survivability::headers::{Contact, HeaderName};
use sip_survivability::message::{Edits, FieldError, Message, Request, ResponseBuilder};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Sas};
use std::hint::black_box;
use std::mem::MaybeUninit;

/// An INVITE with 14 header fields and a body.
pub const INVITE: &str = "INVITE sip:bob@branch.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK-524287-1---9f3c1d;rport\r\n\
    Max-Forwards: 70\r\n\
    Route: <sip:192.0.2.200;lr>\r\n\
    From: \"Alice Adams\" <sip:alice@branch.example>;tag=a73kszlfl\r\n\
    To: \"Bob\" <sip:bob@branch.example>\r\n\
    Call-ID: 1j9FpLxk3uxtm8tn@192.0.2.101\r\n\
    CSeq: 102 INVITE\r\n\
    Contact: <sip:alice@192.0.2.101:5060;transport=udp>\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, UPDATE\r\n\
    Supported: replaces, timer, path\r\n\
    Session-Expires: 1800\r\n\
    User-Agent: Desk Phone 5 (7.2.1)\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 191\r\n\r\n\
    v=0\r\no=alice 53655765 2353687637 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n\
    m=audio 49170 RTP/AVP 9 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=fmtp:101 0-15\r\na=sendrecv\r\n";

const REGISTER: &str = "REGISTER sip:branch.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.102:5060;branch=z9hG4bK-7c1;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Bob\" <sip:bob@branch.example>;tag=8c23\r\n\
    To: \"Bob\" <sip:bob@branch.example>\r\n\
    Call-ID: 843817637684230@192.0.2.102\r\n\
    CSeq: 1826 REGISTER\r\n\
    Contact: <sip:bob@192.0.2.102:5060;transport=udp>;expires=3600\r\n\
    User-Agent: Desk Phone 5 (7.2.1)\r\n\
    Supported: path\r\n\
    Content-Length: 0\r\n\r\n";

const ALICE: &str = "192.0.2.101:5060";
const BOB: &str = "192.0.2.102:5060";

pub fn invite() -> Request {
    request(Bytes::from_static(INVITE.as_bytes()))
}

pub fn request(bytes: Bytes) -> Request {
    let Ok(Message::Request(request)) = Message::parse(bytes) else { panic!("a request") };
    request
}

/// The same message as HTTP, byte for byte but for its start line, which keeps its length. `httparse` knows HTTP alone.
pub fn as_http(sip: &[u8]) -> Vec<u8> {
    let version = sip.windows(9).position(|window| window == b"SIP/2.0\r\n").unwrap();
    [&sip[..version - 2], b" HTTP/1.1", &sip[version + 7..]].concat()
}

/// The yardstick: a head of HTTP, its start line and header fields found, by a parser that is known to be fast.
pub fn httparse(http: &[u8]) {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(http, &mut headers).unwrap();
    assert!(parsed.is_complete());
    black_box(request);
}

/// Reads what a proxy wants to know of a request.
pub fn read(request: &Request) -> Result<(), FieldError> {
    if let Ok(uri) = request.uri() {
        black_box((uri.user(), uri.host_port(), uri.param("transport")));
    }
    black_box((request.top_branch(), request.from_tag(), request.to_tag()));
    black_box((request.call_id()?, request.cseq()?));
    if let Some(Contact::Address(contact)) = request.contact()? {
        black_box(contact.uri);
    }
    black_box((request.max_forwards()?, request.expires(), request.top_route()?));
    Ok(())
}

/// What a record-routing hop changes in it.
pub fn forward(request: &Request) -> Bytes {
    let hops = request.max_forwards().ok().flatten().map_or(70, |hops| hops.saturating_sub(1));
    let mut edits = Edits::new(request);
    edits
        .set_uri(request, "sip:bob@192.0.2.102:5060;transport=udp")
        .set(HeaderName::MaxForwards, hops)
        .remove_values(HeaderName::Route, 1)
        .insert_first(HeaderName::Via, "SIP/2.0/UDP 192.0.2.200:5060;branch=z9hG4bK8f31a7c2d94be605;rport")
        .insert_first(HeaderName::RecordRoute, "<sip:192.0.2.200:5060;lr>");
    edits.finish()
}

/// A branch whose proxy is away, with one socket.
pub fn branch() -> Sas {
    let mut settings = Settings::default();
    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    settings.domains = vec!["branch.example".to_owned()];
    let mut sas = Sas::new(settings.validate().unwrap(), [7; 32], Instant::ZERO);
    let local = "192.0.2.200:5060".parse().unwrap();
    let _ = sas.handle(
        Instant::ZERO,
        Event::FlowOpened { flow: FlowId(1), transport: Transport::Udp, local, remote: None },
    );
    sas
}

fn datagram(from: &str, data: Bytes) -> Event {
    Event::Datagram { flow: FlowId(1), from: from.parse().unwrap(), data }
}

/// Bob's phone registers.
pub fn registration() -> Event {
    datagram(BOB, Bytes::from_static(REGISTER.as_bytes()))
}

/// Alice calls Bob.
pub fn call() -> Event {
    datagram(ALICE, Bytes::from_static(INVITE.as_bytes()))
}

/// The transaction of a call that Bob answers, as events for a branch where he is registered. The core gives the same
/// output for the same input, so that what one branch made of the INVITE fits every other.
pub fn transaction() -> Vec<Event> {
    let mut sas = branch();
    let _ = sas.handle(Instant::ZERO, registration());
    let forwarded = requests(&sas.handle(Instant::ZERO, call())).pop().unwrap();
    let reply = |status: u16| {
        let response = ResponseBuilder::new(&forwarded, "192.0.2.200:5060".parse().unwrap(), status, "b0b");
        let response = forwarded
            .all(HeaderName::RecordRoute)
            .fold(response, |response, route| response.header(HeaderName::RecordRoute, route.value()));
        datagram(BOB, response.header(HeaderName::Contact, "<sip:bob@192.0.2.102:5060>").finish().unwrap())
    };
    let events = vec![call(), reply(180), reply(200)];
    let answers: usize = events[1..].iter().map(|event| sas.handle(Instant::ZERO, event.clone()).len()).sum();
    assert_eq!(answers, 2, "180 and 200 go on to the caller");
    events
}

fn requests(actions: &Actions) -> Vec<Request> {
    let mut requests = Vec::new();
    for action in actions {
        if let Action::Send { payload, .. } = action
            && let Ok(Message::Request(request)) = Message::parse(payload.clone())
        {
            requests.push(request);
        }
    }
    requests
}
