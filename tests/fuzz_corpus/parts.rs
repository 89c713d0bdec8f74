//! Messages and what they are made of.

use bytes::Bytes;
use sip_survivability::headers::{CSeq, Contact, HeaderName, List, NameAddr, Via, delta_seconds};
use sip_survivability::message::{
    Edits, Head, Message, ParseLimits, Request, RequestBuilder, ResponseBuilder, Rules,
};
use sip_survivability::uri::{AorKey, HomeHosts, Uri, UriBuf, unescape};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::ControlFlow;

const SOURCES: [&str; 2] = ["192.0.2.7:4000", "[2001:db8::7]:4000"];

/// Wide enough for whatever edits and repairs add.
fn wide() -> ParseLimits {
    ParseLimits::new(1 << 20, 1 << 10)
}

/// A message: every view of it is read, and without edits it stays as it is.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    read(&message);
    let copy = Edits::new(message.head()).finish();
    let start = data.iter().position(|b| !b"\r\n".contains(b)).unwrap();
    // A head that ended with the datagram was completed.
    assert!(data[start..].starts_with(&copy) || copy.starts_with(&data[start..]));
    let again = Message::parse_within(copy.clone(), &wide()).unwrap();
    assert_eq!(fields(again.head(), &BTreeSet::new()), fields(message.head(), &BTreeSet::new()));
    assert_eq!(again.head().body(), message.head().body());
    assert_eq!(Edits::new(again.head()).finish(), copy);
}

/// Judges a request in each role. Every fault makes an answer that says what it is.
fn judge(request: &Request) {
    for rules in [Rules::proxy(), Rules::registrar(), Rules::user_agent().needs(&["timer"])] {
        let Err(fault) = request.validate_as(&rules) else { continue };
        let answer = fault.answer(request, SOURCES[0].parse().unwrap(), "tag").finish();
        let Ok(Message::Response(answer)) = Message::parse_within(answer, &wide()) else {
            panic!("a response")
        };
        assert_eq!((answer.status(), answer.reason()), (fault.status, fault.reason.as_str()));
        assert!(fault.fields().all(|(name, value)| answer.value_of(name) == Some(value)));
    }
}

/// Reads all that can be read, and builds what can be built from it.
fn read(message: &Message) {
    let head = message.head();
    for header in head.headers() {
        assert_eq!(header.id, HeaderName::of(header.name().as_bytes()));
        assert!(!header.value_bytes().first().is_some_and(|b| b" \t\r\n".contains(b)));
        assert!(!header.value_bytes().last().is_some_and(|b| b" \t\r\n".contains(b)));
        let _ = head.lists(header.id, "100rel");
    }
    if let Some(Ok(first)) = head.vias().next() {
        assert_eq!(Ok(first), head.top_via());
    }
    let addresses = [head.from(), head.to()].into_iter().flatten();
    let routes = [HeaderName::Route, HeaderName::RecordRoute, HeaderName::Path];
    let routes = routes.into_iter().flat_map(|name| head.addresses(name)).flatten();
    addresses.chain(routes).for_each(|address| read_address(&address));
    head.contacts().flatten().for_each(|contact| read_contact(&contact));
    let _ = (head.call_id(), head.cseq(), head.max_forwards(), head.expires(), head.top_route());
    match message {
        Message::Request(request) => {
            let _ = (request.method(), request.is_in_dialog());
            if let Ok(uri) = request.uri() {
                read_uri(&uri);
            }
            judge(request);
            let fault = request.validate();
            for source in SOURCES {
                let response = ResponseBuilder::new(request, source.parse().unwrap(), 400, "tag");
                let response = Message::parse_within(response.finish(), &wide()).unwrap();
                assert!(matches!(&response, Message::Response(response) if response.status() == 400));
                if fault.is_ok() {
                    assert_eq!(response.head().cseq(), request.cseq());
                    assert_eq!(response.head().vias().count(), request.vias().count());
                }
                if let Message::Response(response) = response {
                    let _ = RequestBuilder::ack(request, &response);
                }
            }
            if fault.is_ok() {
                let cancel = RequestBuilder::cancel(request).unwrap();
                let Ok(Message::Request(cancel)) = Message::parse_within(cancel, &wide()) else {
                    panic!("a CANCEL")
                };
                assert_eq!(cancel.cseq().unwrap().number, request.cseq().unwrap().number);
                assert_eq!(cancel.top_via(), request.top_via());
            }
        }
        Message::Response(response) => {
            assert!((100..=999).contains(&response.status()));
            assert!(!response.is_provisional() || !response.is_success());
            assert!(!response.reason().contains('\n'));
            if response.validate().is_ok() {
                assert!(response.status() < 700 && head.top_via().is_ok() && head.cseq().is_ok());
            }
        }
    }
}

/// Name and value of the header fields but those named in `without`.
fn fields(head: &Head, without: &BTreeSet<HeaderName>) -> Vec<(String, Vec<u8>)> {
    let kept = head.headers().filter(|header| !without.contains(&header.id));
    kept.map(|header| (header.name().to_owned(), header.value_bytes().to_vec())).collect()
}

/// One or two URIs, a line each: views give back the text, comparison is symmetric, and the lookup key agrees with it.
pub fn uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    let (Ok(a), Ok(b)) = (Uri::parse(first), Uri::parse(second)) else { return };
    read_uri(&a);
    read_uri(&b);
    assert_eq!(a.equivalent(&b), b.equivalent(&a));
    let names: Vec<_> = a.params().map(|(name, _)| unescape(name).to_ascii_lowercase()).collect();
    // RFC 3261 19.1.1: "any given parameter-name MUST NOT appear more than once".
    let twice = names.iter().collect::<BTreeSet<_>>().len() < names.len();
    assert!(twice || a.equivalent(&a));
    if a.is_sip() && !twice && a.equivalent(&b) {
        let home = HomeHosts::default();
        assert_eq!(AorKey::of(&a, &home), AorKey::of(&b, &home));
    }
}

fn read_uri(uri: &Uri<'_>) {
    let text = uri.as_str();
    assert_eq!(UriBuf::parse(text).unwrap().as_str(), text);
    let (scheme, rest) = text.split_once(':').unwrap();
    assert!(text.ends_with(&format!("{}{}", uri.params_str(), uri.headers_str())));
    if uri.is_sip() {
        assert!(scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips"));
        let user = uri.user().unwrap_or_default();
        let password = uri.password().map(|password| format!(":{password}")).unwrap_or_default();
        let at = if user.is_empty() { "" } else { "@" };
        let hostport = rest.strip_prefix(&format!("{user}{password}{at}")).unwrap();
        let host = uri.host().unwrap();
        if host.ip().is_none() {
            assert!(hostport.starts_with(&host.to_string()));
        }
        assert_eq!(uri.host_port().unwrap().port, uri.port());
    }
    for (name, value) in uri.params().take(64) {
        assert!(uri.param(&unescape(name)).is_some());
        let _ = unescape(value.unwrap_or_default());
    }
    let _ = (uri.headers().count(), uri.is_loose_router(), AorKey::of(uri, &HomeHosts::default()));
}

/// A header field's value, read as each shape that there is.
pub fn headers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for value in List::new(text) {
        assert!(text.contains(value));
        assert_eq!(List::new(value).collect::<Vec<_>>(), [value]);
    }
    let _ = (HeaderName::of(data), delta_seconds(text));
    if let Ok(via) = Via::parse(text) {
        read_via(&via);
    }
    if let Ok(address) = NameAddr::parse(text) {
        read_address(&address);
    }
    if let Ok(contact) = Contact::parse(text) {
        read_contact(&contact);
    }
    if let Ok(cseq) = CSeq::parse(text) {
        assert_eq!(CSeq::parse(&cseq.to_string()), Ok(cseq));
    }
}

/// RFC 3261 18.2.1, RFC 3581 section 4.
fn read_via(via: &Via<'_>) {
    for source in SOURCES {
        let source: SocketAddr = source.parse().unwrap();
        let stamped = via.stamped(source);
        let after = Via::parse(&stamped).unwrap();
        assert_eq!((after.transport, after.sent_by), (via.transport, via.sent_by));
        assert_eq!(after.branch(), via.branch());
        assert!(after.received() == Some(source.ip()) || via.sent_by.host.ip() == Some(source.ip()));
        assert_eq!(after.rport(), via.rport().map(|_| Some(source.port())));
        assert_eq!(via.response_address(source).ip(), source.ip());
    }
}

fn read_address(address: &NameAddr<'_>) {
    read_uri(&address.uri);
    assert!(address.q() <= 1000);
    let _ = (address.tag(), address.expires());
    assert_eq!(address.display_name().is_none(), address.display.is_empty());
    for (name, value) in address.params.iter().take(64) {
        assert_eq!(address.params.find(name).is_some_and(|value| value.is_some()), value.is_some());
        if address.params.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count() > 1 {
            return;
        }
    }
}

fn read_contact(contact: &Contact<'_>) {
    if let Contact::Address(address) = contact {
        read_address(address);
    }
}

const EDITED: [HeaderName; 8] = [
    HeaderName::Via,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Path,
    HeaderName::Contact,
    HeaderName::MaxForwards,
    HeaderName::Subject,
    HeaderName::Reason,
];

/// The first byte is a number of edits, those behind it one edit each, the rest a message: edited, it parses again, and
/// the header fields that no edit named are what they were.
pub fn edit(data: &[u8]) {
    let Some((&count, data)) = data.split_first() else { return };
    let Some((script, data)) = data.split_at_checked(usize::from(count % 8)) else { return };
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    let mut touched = BTreeSet::new();
    let mut edits = Edits::new(message.head());
    for &code in script {
        let name = EDITED[usize::from(code >> 3) % EDITED.len()];
        let value = "<sip:edited.example;lr>";
        match (code % 8, &message) {
            (0, Message::Request(request)) => {
                edits.set_uri(request, "sip:edited@edited.example");
                continue;
            }
            (0 | 1, _) => edits.set(name, value),
            (2, _) => edits.append(name, value),
            (3 | 4, _) => edits.insert_first(name, value),
            (5, _) => edits.remove_all(name),
            (many, _) => edits.remove_values(name, usize::from(many - 5)),
        };
        touched.insert(name);
    }
    let edited = Message::parse_within(edits.finish(), &wide()).unwrap();
    assert_eq!(fields(edited.head(), &touched), fields(message.head(), &touched));
    assert_eq!(edited.head().body(), message.head().body());
    let changes = match (&message, &edited) {
        (Message::Request(before), Message::Request(after)) => before.method_str() != after.method_str(),
        (Message::Response(before), Message::Response(after)) => before.status() != after.status(),
        (Message::Request(_), Message::Response(_)) | (Message::Response(_), Message::Request(_)) => true,
    };
    assert!(!changes);
}

/// Cuts `script` into its steps.
pub(super) fn steps(script: &[u8], mut step: impl FnMut(u8, &mut Script<'_>) -> ControlFlow<()>) {
    let mut script = Script(script);
    while let Some(code) = script.byte() {
        if step(code, &mut script).is_break() {
            return;
        }
    }
}

/// What is left of a script.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A byte, or 0 where the script ends.
    pub(super) fn pick(&mut self) -> usize {
        usize::from(self.byte().unwrap_or(0))
    }

    /// So many bytes, or those that are left.
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
