//! Messages that are all of what a parser likes least, in any size, and all that is done with a message. What it costs must grow
//! as the size does.

use bytes::Bytes;
use sip_survivability::headers::{HeaderName, List, field, unquoted};
use sip_survivability::message::{
    ConnectionEnd, Edits, FrameLimits, Framer, Message, ParseLimits, Request, RequestBuilder,
    ResponseBuilder, websocket_frame,
};
use sip_survivability::uri::{AorKey, HomeHosts, Uri, unescape};
use std::hint::black_box;

/// What stands before the hostile part, the part that is repeated, in which `#` is a number of its own, and what stands behind.
type Shape = (&'static str, [&'static str; 3]);

const LINE: &str = "INVITE sip:b@h SIP/2.0\r\n";

/// By name. What stands before the first line end of a part belongs to the line before.
pub const SHAPES: &[Shape] = &[
    ("headers", [LINE, "X: y\r\n", ""]),
    ("empty headers", [LINE, "s:\r\n", ""]),
    ("lines that are none", [LINE, "x\r\n", ""]),
    ("colons", [LINE, ":", ""]),
    ("folds", ["INVITE sip:b@h SIP/2.0\r\nSubject: a", "\r\n b", "\r\n"]),
    ("empty folds", ["INVITE sip:b@h SIP/2.0\r\nSubject:", "\n ", "\r\n"]),
    ("folded list", ["INVITE sip:b@h SIP/2.0\r\nContact: *", "\r\n ,<sip:a@h>", "\r\n"]),
    ("spaces", ["INVITE sip:b@h SIP/2.0\r\nContact: <sip:a@h>", " ", ";q=1\r\n"]),
    ("Vias", [LINE, "Via: SIP/2.0/UDP h;branch=z9hG4bK#\r\n", ""]),
    ("Via list", ["INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h", ",SIP/2.0/UDP h;branch=#", "\r\n"]),
    ("Via parameters", ["INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h", ";p#=v", "\r\n"]),
    ("branch", ["INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK", "a", "\r\n"]),
    ("Contacts", [LINE, "m: <sip:a#@h>\r\n", ""]),
    ("Contact list", ["INVITE sip:b@h SIP/2.0\r\nm: <sip:a@h>", ",<sip:a#@h>;q=0.1", "\r\n"]),
    ("Contact parameters", ["INVITE sip:b@h SIP/2.0\r\nm: <sip:a@h>", ";p#=\"v\"", "\r\n"]),
    ("commas in Contact", ["INVITE sip:b@h SIP/2.0\r\nm: <sip:a@h>", ",", "\r\n"]),
    ("Routes", [LINE, "Route: <sip:h#;lr>\r\n", ""]),
    ("commas in Route", ["INVITE sip:b@h SIP/2.0\r\nRoute: <sip:h;lr>", ",", "\r\n"]),
    ("commas in Supported", ["INVITE sip:b@h SIP/2.0\r\nk: a", ",", "\r\n"]),
    ("tags in Supported", ["INVITE sip:b@h SIP/2.0\r\nk: a", ",a#", "\r\n"]),
    ("URI parameters", ["INVITE sip:b@h", ";p#=v", " SIP/2.0\r\n"]),
    ("one URI parameter", ["INVITE sip:b@h", ";p=#", " SIP/2.0\r\n"]),
    ("URI header fields", ["INVITE sip:b@h?a=b", "&a#=b", " SIP/2.0\r\n"]),
    ("semicolons in a URI", ["INVITE sip:b@h", ";", " SIP/2.0\r\n"]),
    ("escapes", ["INVITE sip:", "%41", "@h SIP/2.0\r\n"]),
    ("long user", ["INVITE sip:", "a", "@h SIP/2.0\r\n"]),
    ("long host", ["INVITE sip:b@", "a.", "h SIP/2.0\r\n"]),
    ("user parameters", ["INVITE sip:b", ";p#=v", "@h;user=phone SIP/2.0\r\n"]),
    ("tel parameters", ["INVITE tel:+1", ";p#=v", " SIP/2.0\r\n"]),
    ("tel digits", ["INVITE tel:+1", "-1", " SIP/2.0\r\n"]),
    ("quoted pairs", ["INVITE sip:b@h SIP/2.0\r\nFrom: \"", "\\\"", "\" <sip:a@h>;tag=1\r\n"]),
    ("open quote", ["INVITE sip:b@h SIP/2.0\r\nm: \"", "\\\\", "\r\n"]),
    ("quotes", ["INVITE sip:b@h SIP/2.0\r\nm: ", "\"a\"", " <sip:a@h>\r\n"]),
    ("brackets", ["INVITE sip:b@h SIP/2.0\r\nTo: ", "<", "\r\nRoute: <<<<>\r\n"]),
    ("brackets in a list", ["INVITE sip:b@h SIP/2.0\r\nRoute: ", "<,", "\r\n"]),
    ("semicolons", ["INVITE sip:b@h SIP/2.0\r\nFrom: <sip:a@h>", ";", "\r\n"]),
    ("comments", ["INVITE sip:b@h SIP/2.0\r\nUser-Agent: a", " (", "\r\n"]),
    ("credentials", ["INVITE sip:b@h SIP/2.0\r\nAuthorization: Digest a=b", ", p#=\"v\"", "\r\n"]),
    ("digits", ["INVITE sip:b@h SIP/2.0\r\nCSeq: 1", "0", " INVITE\r\n"]),
    ("digits of length", ["INVITE sip:b@h SIP/2.0\r\nl: 0", "0", "\r\n"]),
    ("lengths", [LINE, "l: 0\r\n", ""]),
    ("Call-IDs", [LINE, "i: x\r\n", ""]),
    ("long Call-ID", ["INVITE sip:b@h SIP/2.0\r\ni: a", "a", "\r\n"]),
    ("long method", ["INVITE", "E", " sip:b@h SIP/2.0\r\n"]),
    ("long name", ["INVITE sip:b@h SIP/2.0\r\n", "X", ": y\r\n"]),
    ("long start line", ["INVITE ", "sip ", "SIP/2.0\r\n"]),
    ("line ends", ["", "\r\n", "OPTIONS sip:h SIP/2.0\r\n"]),
    ("body of NUL", ["INVITE sip:b@h SIP/2.0\r\nl: 99999\r\n\r\n", "\0", ""]),
    ("messages", ["", "A sip:h SIP/2.0\r\nl: 0\r\n\r\n", ""]),
];

/// What makes an ordinary request of most of them.
const USUAL: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK0;rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\n\
    To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>\r\nl: 0\r\n\r\n";

/// The message of a shape, of about so many bytes.
pub fn message(shape: &str, size: usize) -> Bytes {
    let (_, [start, part, end]) = SHAPES.iter().find(|(name, _)| *name == shape).unwrap();
    let (before, behind) = part.split_once('#').unwrap_or((part, ""));
    let has_number = part.contains('#');
    let mut text = (*start).to_owned();
    // Seven digits, so that a part has the same length in every message.
    let count = size / (part.len() + if has_number { 6 } else { 0 });
    for number in 0..count {
        text.push_str(before);
        if has_number {
            text.push_str(&format!("{number:07}"));
        }
        text.push_str(behind);
    }
    text.push_str(end);
    text.push_str(USUAL);
    text.into()
}

/// All that is done with a message.
pub fn all_work(bytes: &Bytes) {
    framing(bytes);
    reading(bytes);
}

/// Takes messages out of a stream that comes at once, in pieces, and, for its first quarter, byte by byte.
#[inline(never)]
pub fn framing(bytes: &Bytes) {
    frame(bytes, bytes.len());
    frame(bytes, 100);
    frame(&bytes.slice(..bytes.len() / 4), 1);
}

/// Reads, checks, edits and answers a message, and compares its URIs.
#[inline(never)]
pub fn reading(bytes: &Bytes) {
    let limits = ParseLimits::new(1 << 20, 1 << 20);
    let Ok(Message::Request(request)) = Message::parse_within(bytes.clone(), &limits) else { return };
    black_box(request.validate().is_ok());
    read(&request);
    edit(&request);
    let response =
        ResponseBuilder::new(&request, "192.0.2.1:5060".parse().unwrap(), 400, "t").finish_or_500();
    if let Ok(Message::Response(response)) = Message::parse_within(response, &limits) {
        black_box(RequestBuilder::ack(&request, &response).is_ok());
    }
    if let Ok(uri) = request.uri() {
        compare(&uri);
    }
}

fn frame(bytes: &Bytes, size: usize) {
    let limits = FrameLimits::new(1 << 20, 1 << 20);
    let mut framer = Framer::new(ConnectionEnd::Accepted, limits);
    for at in (0..bytes.len()).step_by(size) {
        framer.push(bytes.slice(at..(at + size).min(bytes.len())));
        while let Ok(Some(frame)) = framer.next_frame() {
            black_box(frame);
        }
    }
    black_box(websocket_frame(bytes.clone(), &limits).is_ok());
}

fn read(request: &Request) {
    for header in request.headers() {
        black_box(field::canonical(header.id, header.value()).is_some());
        black_box(List::new(header.value()).count());
        black_box(unquoted(header.value()).len());
    }
    black_box((request.top_via().is_ok(), request.vias().count(), request.contacts().count()));
    black_box((request.from().is_ok_and(|from| from.tag().is_some()), request.is_in_dialog()));
    black_box((
        request.call_id().is_ok(),
        request.cseq().is_ok(),
        request.expires(),
        request.top_route().is_ok(),
    ));
    black_box(request.lists(HeaderName::Supported, "path"));
    for contact in request.contacts().flatten() {
        black_box(contact.address().map(|address| (address.q(), address.instance(), address.pub_gruu())));
    }
    for name in [HeaderName::Route, HeaderName::RecordRoute] {
        black_box(request.addresses(name).flatten().count());
    }
}

fn edit(request: &Request) {
    black_box(super::forward(request));
    for name in
        [HeaderName::Via, HeaderName::Route, HeaderName::Contact, HeaderName::Other, HeaderName::Subject]
    {
        let mut edits = Edits::new(request);
        edits.remove_all(name).append(name, "x").set(HeaderName::Expires, 1);
        black_box(edits.finish());
    }
}

fn compare(uri: &Uri<'_>) {
    let mut params: Vec<_> = uri.params_str().split(';').filter(|param| !param.is_empty()).collect();
    params.reverse();
    let (front, _) =
        uri.as_str().split_at(uri.as_str().len() - uri.params_str().len() - uri.headers_str().len());
    let other = format!("{front};{}{}", params.join(";"), uri.headers_str());
    if let Ok(other) = Uri::parse(&other) {
        black_box((uri.equivalent(&other), other.equivalent(uri)));
    }
    black_box((uri.equivalent(uri), AorKey::of(uri, &HomeHosts::default()), uri.is_loose_router()));
    black_box((
        uri.telephone().map(|tel| tel.canonical()),
        uri.user_params().count(),
        unescape(uri.as_str()).len(),
    ));
}
