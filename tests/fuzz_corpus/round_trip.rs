//! Messages that are built, and what is built from messages.

use super::script::Script;
use super::{message, plain, wide};
use bytes::Bytes;
use sip_survivability::headers::{HeaderName, Method};
use sip_survivability::message::{BuildError, Message, Request, RequestBuilder, ResponseBuilder, Rules};
use sip_survivability::uri::Uri;

const METHODS: [&str; 8] = ["INVITE", "OPTIONS", "REGISTER", "x-`'~", "", "IN VITE", "a/b", "\r\n"];
const SOURCES: [&str; 2] = ["192.0.2.7:4000", "[2001:db8::7]:4000"];

/// A request with what every one has.
pub fn ordinary(method: &str, uri: &str) -> RequestBuilder {
    RequestBuilder::new(method, uri)
        .header(HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bK1")
        .header(HeaderName::From, "<sip:a@h>;tag=1")
        .header(HeaderName::To, "<sip:b@h>")
        .header(HeaderName::CallId, "x")
        .header(HeaderName::CSeq, format_args!("1 {method}"))
}

/// A script of a request that is built, or a request to answer: what comes out is valid and what was meant, or nothing does.
pub fn round_trip(data: &[u8]) {
    if let Ok(Message::Request(request)) = Message::parse(Bytes::copy_from_slice(data)) {
        return answers(&request);
    }
    let mut script = Script(data);
    let method = METHODS[script.pick() % METHODS.len()];
    let uri = script.line();
    let may_start = Uri::parse(uri).is_ok() && ordinary(method, "sip:h").finish().is_ok();
    let (method, uri) = match ordinary(method, uri).finish() {
        Ok(_) => (method, uri),
        Err(_) => ("INVITE", "sip:h"),
    };
    assert!(may_start || (method, uri) == ("INVITE", "sip:h"));
    let (mut builder, mut meant) = (ordinary(method, uri), Vec::new());
    for _ in 0..script.pick() % 8 {
        let name = HeaderName::KNOWN[script.pick() % HeaderName::KNOWN.len()];
        let len = script.pick() % 64;
        let value = std::str::from_utf8(script.take(len)).unwrap_or_default();
        let next = builder.clone().header(name, value);
        if next.clone().finish().is_ok() {
            builder = next;
            meant.push((name, value));
        }
    }
    let body = std::str::from_utf8(script.0).unwrap_or_default();
    let built = match builder.clone().with_body("text/plain", body) {
        Ok(built) => built,
        // It has a Content-Type already.
        Err(_) => builder.finish().unwrap(),
    };
    let Ok(Message::Request(request)) = Message::parse_within(built.clone(), &wide()) else {
        panic!("no request: {built:?}")
    };
    let verdict = request.validate_as(&Rules::proxy().lenient().schemes(&[scheme(uri)]));
    // Max-Forwards: 0 is valid, and goes no further.
    let is_spent = request.max_forwards() == Ok(Some(0));
    assert_eq!(verdict.map_err(|fault| fault.status), if is_spent { Err(483) } else { Ok(()) });
    assert_eq!((request.method_str(), request.uri_str()), (method, uri));
    assert!(request.body().is_empty() || request.body() == body);
    let found = request.headers().skip(5).map(|header| header.id);
    assert!(found.take(meant.len()).eq(meant.iter().map(|(name, _)| *name)));
    for (header, (_, value)) in request.headers().skip(5).zip(meant) {
        if !value.contains(['\r', '\n']) {
            assert_eq!(header.value(), value.trim_matches([' ', '\t']));
        }
    }
    assert_eq!(plain::read(&built).as_ref(), Some(&message::pieces(&Message::Request(request))));
}

fn scheme(uri: &str) -> &str {
    uri.split(':').next().unwrap_or_default()
}

/// Responses by RFC 3261 8.2.6, ACK by 17.1.1.3, CANCEL by 9.1.
fn answers(request: &Request) {
    let is_valid = request.validate().is_ok();
    for source in SOURCES {
        let response = ResponseBuilder::new(request, source.parse().unwrap(), 486, "tag").reason("No way: x");
        let Ok(Message::Response(response)) = Message::parse_within(response.finish().unwrap(), &wide())
        else {
            panic!("no response")
        };
        assert_eq!((response.status(), response.reason()), (486, "No way: x"));
        let ack = RequestBuilder::ack(request, &response);
        if is_valid && request.method() != Method::Invite {
            assert_eq!(ack, Err(BuildError::Kind));
        } else if is_valid {
            assert_eq!((response.cseq(), response.call_id()), (request.cseq(), request.call_id()));
            assert_eq!(response.vias().count(), request.vias().count());
            assert!(response.to().unwrap().tag().is_some());
            of_the_same_transaction(request, &ack.unwrap(), "ACK");
        }
    }
    if let Ok(cancel) = RequestBuilder::cancel(request)
        && is_valid
    {
        of_the_same_transaction(request, &cancel, "CANCEL");
    }
}

fn of_the_same_transaction(request: &Request, built: &Bytes, method: &str) {
    let Ok(Message::Request(built)) = Message::parse_within(built.clone(), &wide()) else {
        panic!("no {method}")
    };
    assert_eq!(built.validate(), Ok(()));
    assert_eq!((built.method_str(), built.uri_str()), (method, request.uri_str()));
    assert_eq!(built.cseq().unwrap().number, request.cseq().unwrap().number);
    assert_eq!((built.top_via(), built.vias().count()), (request.top_via(), 1));
    assert!(built.addresses(HeaderName::Route).eq(request.addresses(HeaderName::Route)));
}
