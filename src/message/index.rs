//! The head index: one pass over the bytes, one `Vec` reserved once (RFC 3261 7 and 25.1).
//!
//! It refuses what cannot be framed or addressed, and keeps the rest as data: unknown methods, header fields, versions
//! and status codes. Lines may end in a bare LF, as many implementations write them; a header line that has no name is
//! noted for validation to answer. A fold (CRLF and white space) stays in the value, where it is white space.

use super::head::{Entry, Head};
use super::{Message, Request, Response, Span};
use crate::headers::{HeaderName, Method, is_token};
use bytes::Bytes;
use nom::bytes::complete::{tag_no_case, take_till, take_till1, take_while, take_while1};
use nom::character::complete::char as byte;
use nom::combinator::{consumed, rest, verify};
use nom::sequence::terminated;
use nom::{IResult, Parser};

/// How large a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseLimits {
    /// Bytes in all. Default: 65,535.
    pub max_message: usize,
    /// Header fields. Default: 256.
    pub max_headers: usize,
}

impl ParseLimits {
    /// Limits of so many bytes and header fields.
    #[must_use]
    pub const fn new(max_message: usize, max_headers: usize) -> Self {
        Self { max_message, max_headers }
    }
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self::new(65_535, 256)
    }
}

/// Why bytes are no message that could be worked on. `offset` counts from their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where.
    pub offset: usize,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing but line ends.
    #[error("empty message")]
    Empty,
    /// The first line is neither a Request-Line nor a Status-Line.
    #[error("no start line")]
    StartLine,
    /// A status code that is not three digits from 100.
    #[error("bad status code")]
    StatusCode,
    /// A start line that is no UTF-8.
    #[error("start line is no UTF-8")]
    Utf8,
    /// More bytes than the limit.
    #[error("message too large")]
    TooLarge,
    /// More header fields than the limit.
    #[error("too many header fields")]
    TooManyHeaders,
}

impl ParseError {
    const fn new(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// Header fields that an ordinary message has at most, so that the index is allocated once.
const USUAL_HEADERS: usize = 24;

pub(super) fn parse(bytes: Bytes, limits: &ParseLimits) -> Result<Message, ParseError> {
    if bytes.len() > limits.max_message {
        return Err(ParseError::new(ParseErrorKind::TooLarge, limits.max_message));
    }
    // RFC 3261 7.5: CRLFs before the start line are ignored.
    let start = bytes.iter().position(|&b| b != b'\r' && b != b'\n').unwrap_or(bytes.len());
    if start == bytes.len() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let (first, mut at) = line(&bytes, start);
    let first_line = bytes.get(first.range()).unwrap_or_default();
    if std::str::from_utf8(first_line).is_err() {
        return Err(ParseError::new(ParseErrorKind::Utf8, start));
    }

    let mut entries = Vec::with_capacity(USUAL_HEADERS);
    let mut malformed = None;
    while at < bytes.len() {
        let (field, next) = folded_line(&bytes, at);
        let text = bytes.get(field.range()).unwrap_or_default();
        at = next;
        if text.is_empty() {
            return start_line(Head::new(bytes, first.start, at, entries, malformed), first);
        }
        if entries.len() == limits.max_headers {
            return Err(ParseError::new(ParseErrorKind::TooManyHeaders, field.start as usize));
        }
        match header_field(text) {
            Ok((value, name)) => {
                let start = field.start as usize;
                let value_start = field.end as usize - value.len();
                entries.push(Entry {
                    id: HeaderName::of(name),
                    name: Span::new(start, start + name.len()),
                    value: Span::new(value_start, value_start + trim_end(value).len()),
                });
            }
            Err(_) => malformed = malformed.or(Some(field.start)),
        }
    }
    // The head ends with the bytes. Rare and harmless: completed, so that nothing later meets such a one.
    let end: &[u8] = if bytes.ends_with(b"\n") { b"\r\n" } else { b"\r\n\r\n" };
    parse([&bytes[..], end].concat().into(), &ParseLimits { max_message: usize::MAX, ..*limits })
}

/// The span of the line at `start` without its end, and where the next one starts.
fn line(bytes: &[u8], start: usize) -> (Span, usize) {
    let rest = bytes.get(start..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        None => (Span::new(start, bytes.len()), bytes.len()),
        Some(len) => {
            let text = rest.get(..len).unwrap_or_default();
            let end = start + text.strip_suffix(b"\r").unwrap_or(text).len();
            (Span::new(start, end), start + len + 1)
        }
    }
}

/// The same with the lines that continue it (`LWS = [*WSP CRLF] 1*WSP`).
fn folded_line(bytes: &[u8], start: usize) -> (Span, usize) {
    let (mut span, mut next) = line(bytes, start);
    if span.start == span.end {
        return (span, next);
    }
    while let Some(b' ' | b'\t') = bytes.get(next) {
        let (continuation, after) = line(bytes, next);
        span.end = continuation.end;
        next = after;
    }
    (span, next)
}

/// `message-header = header-name HCOLON header-value`, `HCOLON = *( SP / HTAB ) ":" SWS`
fn header_field(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let name = take_while1(is_token);
    let colon = (take_while(is_space), byte(':'), take_while(is_lws));
    terminated(name, colon).parse(input)
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

const fn is_lws(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_end(value: &[u8]) -> &[u8] {
    let len = value.iter().rposition(|&b| !is_lws(b)).map_or(0, |last| last + 1);
    value.get(..len).unwrap_or_default()
}

/// `start-line = Request-Line / Status-Line`
fn start_line(head: Head, line: Span) -> Result<Message, ParseError> {
    let bytes = head.bytes().clone();
    let text = bytes.get(line.range()).unwrap_or_default();
    let base = line.start as usize;
    let span = |part: &[u8]| {
        let start = base + (part.as_ptr() as usize - text.as_ptr() as usize);
        Span::new(start, start + part.len())
    };
    if let Ok((reason, code)) = status_line(text) {
        let status = status_code(code);
        let status = status
            .ok_or_else(|| ParseError::new(ParseErrorKind::StatusCode, base + text.len() - reason.len()))?;
        return Ok(Message::Response(Response { head, status, reason: span(reason.trim_ascii()) }));
    }
    match request_line(text) {
        Ok((_, (method, uri, version))) => Ok(Message::Request(Request {
            method: Method::of(method),
            method_span: span(method),
            uri: span(uri),
            version: span(version),
            head,
        })),
        Err(_) => Err(ParseError::new(ParseErrorKind::StartLine, base)),
    }
}

/// `Status-Code = 3DIGIT`, of which the first is no zero.
fn status_code(text: &[u8]) -> Option<u16> {
    let is_code = text.len() == 3 && text.iter().all(u8::is_ascii_digit) && !text.starts_with(b"0");
    is_code.then(|| text.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}

/// `Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF`; a missing last SP is forgiven, as are more of them.
fn status_line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let mut version = (tag_no_case(&b"SIP/"[..]), take_till1(is_space), take_while1(is_space));
    let (rest, _) = version.parse(input)?;
    take_till(is_space).parse(rest)
}

/// Method, Request-URI and SIP-Version.
type RequestLine<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// `Request-Line = Method SP Request-URI SP SIP-Version CRLF`. What stands between the first and the last space counts
/// as the URI: one with spaces in it is then answered 400.
fn request_line(input: &[u8]) -> IResult<&[u8], RequestLine<'_>> {
    let (line, method) = terminated(take_while1(is_token), byte(' ')).parse(input.trim_ascii_end())?;
    let split = memchr::memrchr(b' ', line).unwrap_or(0);
    let (uri, version) = line.split_at_checked(split).unwrap_or((line, b""));
    let version = version.trim_ascii_start();
    let sip = (tag_no_case(&b"SIP/"[..]), rest);
    let (end, (version, _)) = consumed(sip).parse(version)?;
    let (_, uri) = verify(rest, |uri: &[u8]| !uri.is_empty()).parse(uri.trim_ascii())?;
    Ok((end, (method, uri, version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a response"),
        }
    }

    fn error(text: &[u8]) -> ParseErrorKind {
        Message::parse(Bytes::copy_from_slice(text)).unwrap_err().kind
    }

    #[test]
    fn start_line_header_fields_and_body_are_found() {
        let request =
            request("NEWMETHOD sip:a@h SIP/2.0\r\nSubject: x\r\nl: 4\r\nX-Other : y \r\n\r\nbodytail");
        assert_eq!((request.method(), request.method_str()), (Method::Other, "NEWMETHOD"));
        assert_eq!((request.uri_str(), request.version()), ("sip:a@h", "SIP/2.0"));
        let fields: Vec<_> = request.headers().map(|h| (h.id, h.name(), h.value())).collect();
        assert_eq!(
            fields,
            [
                (HeaderName::Subject, "Subject", "x"),
                (HeaderName::ContentLength, "l", "4"),
                (HeaderName::Other, "X-Other", "y")
            ]
        );
        assert_eq!(&request.body()[..], b"body");
    }

    #[test]
    fn folded_lines_belong_to_their_field() {
        let request =
            request("OPTIONS sip:h SIP/2.0\r\nSubject: a\r\n  b\r\n\tc\r\nTo:\r\n <sip:x@h>\r\n\r\n");
        let mut fields = request.headers();
        assert_eq!(fields.next().unwrap().value(), "a\r\n  b\r\n\tc");
        assert_eq!(fields.next().unwrap().value(), "<sip:x@h>");
    }

    #[test]
    fn only_white_space_is_trimmed_from_a_value() {
        let request = request("OPTIONS sip:h SIP/2.0\r\nSubject: \x0ba \x0c \t\r\n\r\n");
        assert_eq!(request.headers().next().unwrap().value(), "\x0ba \x0c");
    }

    #[test]
    fn a_bare_line_feed_ends_a_line_and_leading_line_ends_are_skipped() {
        let request = request("\r\n\nOPTIONS sip:h SIP/2.0\nl: 1\n\nxy");
        assert_eq!(&request.body()[..], b"x");
    }

    #[test]
    fn a_head_may_end_with_the_datagram() {
        let request = request("OPTIONS sip:h SIP/2.0\r\nSubject: a");
        assert_eq!(request.headers().next().unwrap().value(), "a");
        assert_eq!(request.body().len(), 0);
    }

    #[test]
    fn status_lines_keep_unknown_codes_and_reasons() {
        for (text, status, reason) in [
            ("SIP/2.0 200 OK\r\n\r\n", 200, "OK"),
            ("SIP/2.0 999 = 2**3 \r\n\r\n", 999, "= 2**3"),
            ("SIP/2.0 100 \r\n\r\n", 100, ""),
            ("SIP/2.0 183\r\n\r\n", 183, ""),
            ("SIP/2.0  486  Busy Here\r\n\r\n", 486, "Busy Here"),
        ] {
            let Ok(Message::Response(response)) = Message::parse(text) else { panic!("{text}") };
            assert_eq!((response.status(), response.reason()), (status, reason));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(error(b""), ParseErrorKind::Empty);
        assert_eq!(error(b"\r\n\r\n"), ParseErrorKind::Empty);
        assert_eq!(error(b"GET / HTTP/1.1\r\n\r\n"), ParseErrorKind::StartLine);
        assert_eq!(error(b"INVITE sip:x\r\n\r\n"), ParseErrorKind::StartLine);
        assert_eq!(error(b"INVITE  SIP/2.0\r\n\r\n"), ParseErrorKind::StartLine);
        assert_eq!(error(b"SIP/2.0 99 x\r\n\r\n"), ParseErrorKind::StatusCode);
        assert_eq!(error(b"SIP/2.0 4294967301 x\r\n\r\n"), ParseErrorKind::StatusCode);
        assert_eq!(error(b"SIP/2.0 +99 x\r\n\r\n"), ParseErrorKind::StatusCode);
        assert_eq!(error(b"SIP/2.0 0200 x\r\n\r\n"), ParseErrorKind::StatusCode);
        assert_eq!(error(b"INVITE sip:\xff SIP/2.0\r\n\r\n"), ParseErrorKind::Utf8);
        let many = format!("OPTIONS sip:h SIP/2.0\r\n{}\r\n", "A: b\r\n".repeat(257));
        assert_eq!(error(many.as_bytes()), ParseErrorKind::TooManyHeaders);
        assert_eq!(error(&vec![b'a'; 65_536]), ParseErrorKind::TooLarge);
    }
}
