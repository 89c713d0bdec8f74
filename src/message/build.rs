//! Building messages of our own: responses by RFC 3261 8.2.6, requests by 8.1.1, ACK by 17.1.1.3 and CANCEL by 9.1.
//!
//! What is copied from another message is copied as it stands there; what callers add is cut at line ends, so that no
//! value can smuggle in a header field.

use super::{FieldError, Head, Request, Response};
use crate::headers::HeaderName;
use bytes::Bytes;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

/// A response under construction.
#[derive(Debug)]
pub struct ResponseBuilder {
    text: String,
}

impl ResponseBuilder {
    /// A response to `request`, which came from `source`: Via, From, To, Call-ID and CSeq are the request's, the topmost
    /// Via stamped with the source. A To without tag gets `tag`, unless the status is 100 (RFC 3261 8.2.6.2).
    #[must_use]
    pub fn new(request: &Request, source: SocketAddr, status: u16, tag: &str) -> Self {
        let mut text = String::with_capacity(512);
        let mut response = Self { text: String::new() };
        // Writing to a String cannot fail.
        let _ = write!(text, "SIP/2.0 {status} {}\r\n", reason_phrase(status));
        response.text = text;
        let mut vias = request.all(HeaderName::Via);
        if let (Some(first), Ok(via)) = (vias.next(), request.top_via()) {
            let behind = first.value().get(via.as_str().len()..).unwrap_or_default();
            response.line("Via", format_args!("{}{behind}", via.stamped(source)));
        }
        for header in vias {
            response.line("Via", header.value());
        }
        response.copy(request, HeaderName::From);
        if let Some(to) = request.first(HeaderName::To) {
            let untagged = request.to().is_ok_and(|to| to.tag().is_none());
            if untagged && status != 100 {
                response.line("To", format_args!("{};tag={tag}", to.value()));
            } else {
                response.line("To", to.value());
            }
        }
        response.copy(request, HeaderName::CallId);
        response.copy(request, HeaderName::CSeq);
        if status == 100 {
            // RFC 3261 8.2.6.1: a 100 copies the Timestamp.
            response.copy(request, HeaderName::Timestamp);
        }
        response
    }

    /// Another reason phrase than the usual one of the status.
    #[must_use]
    pub fn reason(mut self, phrase: &str) -> Self {
        let end = self.text.find("\r\n").unwrap_or(0);
        let start = self.text.match_indices(' ').nth(1).map_or(end, |(at, _)| at + 1);
        self.text.replace_range(start..end, one_line(phrase));
        self
    }

    /// Adds a header field. Content-Length is not for others to say.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        if name != HeaderName::ContentLength {
            self.line(name.as_str(), value);
        }
        self
    }

    fn line(&mut self, name: &str, value: impl fmt::Display) {
        push_line(&mut self.text, name, value);
    }

    fn copy(&mut self, from: &Head, name: HeaderName) {
        for header in from.all(name) {
            self.line(name.as_str(), header.value());
        }
    }

    /// The finished response, without a body.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.text.push_str("Content-Length: 0\r\n\r\n");
        self.text.into()
    }
}

/// A request under construction.
#[derive(Debug)]
pub struct RequestBuilder {
    text: String,
}

impl RequestBuilder {
    /// A request with its Request-Line only.
    #[must_use]
    pub fn new(method: &str, uri: impl fmt::Display) -> Self {
        let mut text = String::with_capacity(512);
        let _ = write!(text, "{method} {uri} SIP/2.0\r\n");
        Self { text }
    }

    /// The ACK of `response`, a final one of 300 and above to `invite` as it was sent (RFC 3261 17.1.1.3).
    ///
    /// # Errors
    /// One of the two lacks what the ACK needs.
    pub fn ack(invite: &Request, response: &Response) -> Result<Bytes, FieldError> {
        let to = response.first(HeaderName::To).ok_or(FieldError::Missing(HeaderName::To))?;
        Self::same_transaction(invite, "ACK", to.value()).map(Self::finish)
    }

    /// The CANCEL of `request` as it was sent (RFC 3261 9.1).
    ///
    /// # Errors
    /// The request lacks what the CANCEL needs.
    pub fn cancel(request: &Request) -> Result<Bytes, FieldError> {
        let to = request.first(HeaderName::To).ok_or(FieldError::Missing(HeaderName::To))?;
        Self::same_transaction(request, "CANCEL", to.value()).map(Self::finish)
    }

    /// Request-URI, topmost Via, From, Call-ID, the CSeq's number and Route are those of the request.
    fn same_transaction(request: &Request, method: &str, to: &str) -> Result<Self, FieldError> {
        let mut builder = Self::new(method, request.uri_str());
        builder.line("Via", request.top_via()?.as_str());
        builder.line("Max-Forwards", 70);
        for route in request.all(HeaderName::Route) {
            builder.line("Route", route.value());
        }
        let from = request.first(HeaderName::From).ok_or(FieldError::Missing(HeaderName::From))?;
        builder.line("From", from.value());
        builder.line("To", to);
        builder.line("Call-ID", request.call_id()?);
        builder.line("CSeq", format_args!("{} {method}", request.cseq()?.number));
        Ok(builder)
    }

    /// Adds a header field. Content-Length is not for others to say.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        if name != HeaderName::ContentLength {
            self.line(name.as_str(), value);
        }
        self
    }

    fn line(&mut self, name: &str, value: impl fmt::Display) {
        push_line(&mut self.text, name, value);
    }

    /// The finished request, without a body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.with_body("", "")
    }

    /// The finished request with a body of `content_type`.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: &str) -> Bytes {
        if !body.is_empty() {
            self.line("Content-Type", content_type);
        }
        let _ = write!(self.text, "Content-Length: {}\r\n\r\n{body}", body.len());
        self.text.into()
    }
}

/// Adds `name: value`. A value ends where it would start a line of its own, be it only for those who take a lone CR for a
/// line end; a fold that has nothing behind it goes too, or the line end behind it would make it an empty line.
fn push_line(text: &mut String, name: &str, value: impl fmt::Display) {
    let start = text.len();
    let _ = write!(text, "{name}: {value}");
    let written = text.get(start..).unwrap_or_default();
    let is_fold = |at: usize| {
        let end = written.get(at..).unwrap_or_default();
        let end = end.strip_prefix('\r').unwrap_or(end);
        end.starts_with("\n ") || end.starts_with("\n\t")
    };
    let len = written.match_indices(['\r', '\n']).map(|(at, _)| at).find(|at| !is_fold(*at));
    let len = len.and_then(|len| written.get(..len)).unwrap_or(written);
    let len = len.trim_end_matches([' ', '\t', '\r', '\n']).len();
    text.truncate(start + len);
    text.push_str("\r\n");
}

fn one_line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or_default()
}

/// The usual reason phrase of a status (RFC 3261 section 21 and later).
pub(crate) const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        _ => class_phrase(status),
    }
}

const fn class_phrase(status: u16) -> &'static str {
    match status {
        ..=199 => "Progress",
        200..=299 => "Success",
        300..=399 => "Redirection",
        400..=499 => "Request Failure",
        500..=599 => "Server Failure",
        600.. => "Global Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn invite() -> Request {
        let text = "INVITE sip:bob@h SIP/2.0\r\n\
            v: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
            Via: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
            Route: <sip:p;lr>\r\n\
            f: <sip:alice@h>;tag=1\r\n\
            t: <sip:bob@h>\r\n\
            i: x\r\n\
            CSeq: 7 INVITE\r\n\r\n";
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        request
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_response_has_what_8_2_6_asks_for() {
        let source = "192.0.2.1:4000".parse().unwrap();
        let response =
            ResponseBuilder::new(&invite(), source, 404, "t1").reason("Nobody\r\nEvil: x").finish();
        assert_eq!(
            text(&response),
            "SIP/2.0 404 Nobody\r\n\
             Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport=4000;received=192.0.2.1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
             Via: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
             From: <sip:alice@h>;tag=1\r\n\
             To: <sip:bob@h>;tag=t1\r\n\
             Call-ID: x\r\n\
             CSeq: 7 INVITE\r\n\
             Content-Length: 0\r\n\r\n"
        );
        assert!(!text(&ResponseBuilder::new(&invite(), source, 100, "t1").finish()).contains("t1"));
    }

    #[test]
    fn ack_and_cancel_are_of_the_same_transaction() {
        let response = "SIP/2.0 486 Busy\r\nTo: <sip:bob@h>;tag=2\r\n\r\n";
        let Ok(Message::Response(response)) = Message::parse(response) else { panic!("a response") };
        assert_eq!(
            text(&RequestBuilder::ack(&invite(), &response).unwrap()),
            "ACK sip:bob@h SIP/2.0\r\n\
             Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\n\
             Max-Forwards: 70\r\n\
             Route: <sip:p;lr>\r\n\
             From: <sip:alice@h>;tag=1\r\n\
             To: <sip:bob@h>;tag=2\r\n\
             Call-ID: x\r\n\
             CSeq: 7 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let cancel = RequestBuilder::cancel(&invite()).unwrap();
        assert!(text(&cancel).starts_with("CANCEL sip:bob@h") && text(&cancel).contains("CSeq: 7 CANCEL"));
    }

    #[test]
    fn a_value_cannot_end_the_head() {
        for value in ["a\r\n ", "a\r\n \r\n\t", "a\n\t\n", "a\n \n\nb", "a\rEvil: x", "a\r\r\n b"] {
            let built = RequestBuilder::new("OPTIONS", "sip:h")
                .header(HeaderName::Subject, value)
                .with_body("a/b", "c");
            let expected =
                "OPTIONS sip:h SIP/2.0\r\nSubject: a\r\nContent-Type: a/b\r\nContent-Length: 1\r\n\r\nc";
            assert_eq!(text(&built), expected, "{value:?}");
        }
        let source = "192.0.2.1:4000".parse().unwrap();
        let response = ResponseBuilder::new(&invite(), source, 404, "t1").reason("No\rway").finish();
        assert!(text(&response).starts_with("SIP/2.0 404 No\r\nVia"));
    }

    #[test]
    fn a_value_cannot_start_a_header_field() {
        let built = RequestBuilder::new("OPTIONS", "sip:h")
            .header(HeaderName::Subject, "a\r\n b\r\nEvil: x")
            .header(HeaderName::ContentLength, 7)
            .finish();
        assert_eq!(text(&built), "OPTIONS sip:h SIP/2.0\r\nSubject: a\r\n b\r\nContent-Length: 0\r\n\r\n");
    }
}
