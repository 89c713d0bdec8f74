//! Messages that are built, and what is built from messages.

use super::script::Script;
use super::{message, plain, wide};
use bytes::Bytes;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Message, Request, RequestBuilder, ResponseBuilder};
use sip_survivability::uri::Uri;

const METHODS: [&str; 4] = ["INVITE", "OPTIONS", "REGISTER", "x-`'~"];
const SOURCES: [&str; 2] = ["192.0.2.7:4000", "[2001:db8::7]:4000"];

/// A script of a request that is built, or a request to answer: what comes out is what was meant, and never more.
pub fn round_trip(data: &[u8]) {
    if let Ok(Message::Request(request)) = Message::parse(Bytes::copy_from_slice(data)) {
        return answers(&request);
    }
    let mut script = Script(data);
    let method = METHODS[script.pick() % METHODS.len()];
    let uri = script.line();
    let uri = if Uri::parse(uri).is_ok() { uri } else { "sip:h" };
    let mut builder = RequestBuilder::new(method, uri);
    let mut meant = Vec::new();
    for _ in 0..script.pick() % 8 {
        let name = HeaderName::KNOWN[script.pick() % HeaderName::KNOWN.len()];
        let len = script.pick() % 64;
        let value = std::str::from_utf8(script.take(len)).unwrap_or_default();
        builder = builder.header(name, value);
        // The builder's own.
        if name != HeaderName::ContentLength {
            meant.push((name, value));
        }
    }
    let body = std::str::from_utf8(script.0).unwrap_or_default();
    let built = builder.with_body("text/plain", body);
    let Ok(Message::Request(request)) = Message::parse_within(built.clone(), &wide()) else {
        panic!("no request: {built:?}")
    };
    assert_eq!((request.method_str(), request.uri_str()), (method, uri));
    assert_eq!(request.body(), body);
    let fields: Vec<_> = request.headers().map(|header| header.id).collect();
    let (fields, added) = fields.split_at(meant.len());
    assert!(fields.iter().eq(meant.iter().map(|(name, _)| name)));
    assert_eq!(added.last(), Some(&HeaderName::ContentLength));
    assert_eq!(added.len(), if body.is_empty() { 1 } else { 2 });
    for (header, (_, value)) in request.headers().zip(meant) {
        if !value.contains(['\r', '\n']) {
            assert_eq!(header.value(), value.trim_matches([' ', '\t']));
        }
    }
    assert_eq!(plain::read(&built).as_ref(), Some(&message::pieces(&Message::Request(request))));
}

/// Responses by RFC 3261 8.2.6, ACK by 17.1.1.3, CANCEL by 9.1.
fn answers(request: &Request) {
    let is_valid = request.validate().is_ok();
    for source in SOURCES {
        let response =
            ResponseBuilder::new(request, source.parse().unwrap(), 486, "tag").reason("No\r\nway: x");
        let Ok(Message::Response(response)) = Message::parse_within(response.finish(), &wide()) else {
            panic!("no response")
        };
        assert_eq!((response.status(), response.reason()), (486, "No"));
        assert!(response.headers().all(|header| header.name() != "way"));
        let ack = RequestBuilder::ack(request, &response);
        if is_valid {
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
