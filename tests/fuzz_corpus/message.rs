//! Whole messages: read, written again, and held against a plain reader.

use super::plain::{self, Plain, Start};
use super::{header, wide};
use bytes::Bytes;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Edits, Message, Request, Rules};
use std::net::SocketAddr;

/// A message is what a plain reader finds in it; every view of it is read; written again, it is the same.
pub fn parse(data: &[u8]) {
    let message = Message::parse(Bytes::copy_from_slice(data));
    assert_eq!(message.as_ref().ok().map(pieces), plain::read(data));
    let Ok(message) = message else { return };
    views(&message);
    let copy = Edits::new(message.head()).finish();
    let start = data.iter().position(|b| !b"\r\n".contains(b)).unwrap();
    // A head that ended with the datagram was completed.
    assert!(data[start..].starts_with(&copy) || copy.starts_with(&data[start..]));
    let again = Message::parse_within(copy.clone(), &wide()).unwrap();
    assert_eq!(pieces(&again), pieces(&message));
    assert_eq!(Edits::new(again.head()).finish(), copy);
}

/// What the plain reader should have found.
pub fn pieces(message: &Message) -> Plain {
    let start = match message {
        Message::Request(request) => {
            Start::Request { method: request.method_str().to_owned(), uri: request.uri_str().to_owned() }
        }
        Message::Response(response) => {
            Start::Response { status: response.status(), reason: response.reason().to_owned() }
        }
    };
    let fields = message.head().headers();
    let fields = fields.map(|field| (field.name().as_bytes().to_vec(), plain::unfold(field.value_bytes())));
    Plain { start, fields: fields.collect(), body: message.head().body().to_vec() }
}

/// Reads all that can be read.
fn views(message: &Message) {
    let head = message.head();
    for header in head.headers() {
        assert_eq!(header.id, HeaderName::of(header.name().as_bytes()));
        let _ = head.lists(header.id, "100rel");
    }
    if let Some(Ok(first)) = head.vias().next() {
        assert_eq!(Ok(first), head.top_via());
    }
    // What is found by a peek is what is found by reading.
    for (read, peeked) in [(head.from(), head.from_tag()), (head.to(), head.to_tag())] {
        if let Ok(address) = read {
            assert_eq!(address.tag(), peeked);
        }
    }
    if let Ok(via) = head.top_via() {
        assert_eq!(via.branch(), head.top_branch());
    }
    let addresses = [head.from(), head.to()].into_iter().flatten();
    let routes = [HeaderName::Route, HeaderName::RecordRoute, HeaderName::Path];
    let routes = routes.into_iter().flat_map(|name| head.addresses(name)).flatten();
    addresses.chain(routes).for_each(|address| header::address(&address));
    head.contacts().flatten().for_each(|contact| header::contact(&contact));
    let _ = (head.call_id(), head.cseq(), head.max_forwards(), head.expires(), head.top_route());
    match message {
        Message::Request(request) => {
            judge(request);
            if let Ok(uri) = request.uri() {
                super::uri::parts(&uri);
            }
        }
        Message::Response(response) => {
            assert!((100..=999).contains(&response.status()));
            assert!(!response.is_provisional() || !response.is_success());
            if response.validate().is_ok() {
                assert!(response.status() < 700 && head.top_via().is_ok() && head.cseq().is_ok());
            }
        }
    }
}

/// Judges a request in each role. Every fault makes an answer that says what it is.
fn judge(request: &Request) {
    for rules in [Rules::proxy(), Rules::registrar(), Rules::user_agent().needs(&["timer"])] {
        let Err(fault) = request.validate_as(&rules) else { continue };
        let answer = fault.answer(request, SocketAddr::from(([192, 0, 2, 1], 5060)), "tag").finish().unwrap();
        let Ok(Message::Response(answer)) = Message::parse_within(answer, &wide()) else {
            panic!("a response")
        };
        assert_eq!((answer.status(), answer.reason()), (fault.status, fault.reason.as_str()));
        assert!(fault.fields().all(|(name, value)| answer.value_of(name) == Some(value)));
    }
}
