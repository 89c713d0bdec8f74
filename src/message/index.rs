//! The head index: one pass over the bytes, one `Vec` reserved once (RFC 3261 7 and 25.1).
//!
//! It refuses what cannot be framed or addressed, and keeps the rest as data: unknown methods, header fields, versions
//! and status codes. Lines may end in a bare LF, as many implementations write them; a header line that has no name is
//! noted for validation to answer. A fold (CRLF and white space) stays in the value, where it is white space.

use super::head::{Entries, Entry, Head, Lines};
use super::words::{find_byte, printable_len};
use super::{Message, Request, Response, Span};
use crate::headers::{HeaderName, Method, is_token};
use bytes::Bytes;
use nom::bytes::complete::{tag_no_case, take_till, take_till1, take_while1};
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
    // Offsets are kept in 32 bits.
    let limit = limits.max_message.min(u32::MAX as usize);
    if bytes.len() > limit {
        return Err(ParseError::new(ParseErrorKind::TooLarge, limit));
    }
    // RFC 3261 7.5: CRLFs before the start line are ignored.
    let start = bytes.iter().position(|&b| b != b'\r' && b != b'\n').unwrap_or(bytes.len());
    if start == bytes.len() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let data: &[u8] = &bytes;
    let first = line(data, start);
    let first_line = data.get(first.text.range()).unwrap_or_default();
    let mut entries = Entries::with_capacity(USUAL_HEADERS);
    let mut lines = Lines { are_plain: first.is_plain, malformed: None };
    let mut at = first.next;
    while at < data.len() {
        if let Some(end) = empty_line(data, at) {
            let span = |part: &[u8]| {
                let at = (part.as_ptr() as usize).saturating_sub(data.as_ptr() as usize);
                Span::new(at, at + part.len())
            };
            let first =
                start_line(first_line).map_err(|(kind, at)| ParseError::new(kind, start + at))?.map(span);
            return Ok(first.into_message(Head::new(bytes, start, end, entries, lines)));
        }
        if entries.len() == limits.max_headers {
            return Err(ParseError::new(ParseErrorKind::TooManyHeaders, at));
        }
        if let Some((entry, next)) = plain_field(data, at) {
            entries.push(entry);
            at = next;
            continue;
        }
        let (entry, line) = header_field(data, at);
        match entry {
            Some(entry) => entries.push(entry),
            None => lines.malformed = lines.malformed.or(Some(at as u32)),
        }
        lines.are_plain &= line.is_plain;
        at = line.next;
    }
    // The head ends with the bytes. Rare and harmless: completed, so that nothing later meets such a one.
    let end: &[u8] = if bytes.ends_with(b"\n") { b"\r\n" } else { b"\r\n\r\n" };
    parse([&bytes[..], end].concat().into(), &ParseLimits { max_message: usize::MAX, ..*limits })
}

/// A line, or a header field that goes on for several.
#[derive(Clone, Copy)]
struct Line {
    /// Without its end.
    text: Span,
    /// Where the next one starts.
    next: usize,
    /// One line of printable ASCII.
    is_plain: bool,
}

/// The line whose rest is at `start`.
#[inline]
fn line(bytes: &[u8], start: usize) -> Line {
    let rest = bytes.get(start..).unwrap_or_default();
    let printable = printable_len(rest);
    // Nearly always that is all of it.
    if let Some([b'\r', b'\n', ..]) = rest.get(printable..) {
        let end = start + printable;
        return Line { text: Span::new(start, end), next: end + 2, is_plain: true };
    }
    match memchr::memchr(b'\n', rest) {
        None => Line { text: Span::new(start, bytes.len()), next: bytes.len(), is_plain: false },
        Some(len) => {
            let text = rest.get(..len).unwrap_or_default();
            let end = start + text.strip_suffix(b"\r").unwrap_or(text).len();
            Line { text: Span::new(start, end), next: start + len + 1, is_plain: false }
        }
    }
}

/// Behind the empty line that ends the head, if it starts here.
fn empty_line(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'\n' => Some(at + 1),
        b'\r' if bytes.get(at + 1) == Some(&b'\n') => Some(at + 2),
        _ => None,
    }
}

/// A header field as nearly all are written, and where the next line starts: a usual name, a space at most, and a value of printable
/// ASCII that neither goes on in the next line nor has spaces around it.
#[inline]
fn plain_field(bytes: &[u8], start: usize) -> Option<(Entry, usize)> {
    let line = bytes.get(start..)?;
    let name = usual_name(line)?;
    let rest = line.get(name.value..)?;
    let (value, behind) = rest.split_at_checked(printable_len(rest))?;
    let (&[b'\r', b'\n'], next) = behind.split_first_chunk()? else { return None };
    if matches!(next, [b' ' | b'\t', ..]) || value.first()? == &b' ' || value.last()? == &b' ' {
        return None;
    }
    let value_start = start + name.value;
    let entry = Entry {
        id: name.id,
        name: Span::new(start, start + name.len),
        value: Span::new(value_start, value_start + value.len()),
    };
    Some((entry, bytes.len() - next.len()))
}

/// `message-header = header-name HCOLON header-value`, with the lines that continue it (`LWS = [*WSP CRLF] 1*WSP`). No entry if it has
/// no name.
#[inline(never)]
fn header_field(bytes: &[u8], start: usize) -> (Option<Entry>, Line) {
    let rest = bytes.get(start..).unwrap_or_default();
    let name = usual_name(rest).or_else(|| any_name(rest));
    let mut value = line(bytes, start + name.map_or(0, |name| name.value));
    while let Some(b' ' | b'\t') = bytes.get(value.next) {
        let more = line(bytes, value.next);
        value.text.end = more.text.end;
        value = Line { next: more.next, is_plain: false, ..value };
    }
    let entry = name.map(|name| Entry {
        id: name.id,
        name: Span::new(start, start + name.len),
        value: trimmed(bytes, value.text),
    });
    (entry, value)
}

/// A header field's name at the front of a line.
#[derive(Clone, Copy)]
struct Name {
    id: HeaderName,
    len: usize,
    /// What is behind the colon, and behind a space there.
    value: usize,
}

/// One that is known, written in the usual way, and followed by its colon: then its bytes need no other look.
fn usual_name(line: &[u8]) -> Option<Name> {
    // All usual names with their colons are shorter.
    let len = find_byte(b':', line.get(..24).unwrap_or(line))?;
    let id = HeaderName::of_usual(line.get(..len)?)?;
    let value = if line.get(len + 1) == Some(&b' ') { len + 2 } else { len + 1 };
    Some(Name { id, len, value })
}

/// Any other: `1*token HCOLON`, `HCOLON = *( SP / HTAB ) ":" SWS`.
fn any_name(line: &[u8]) -> Option<Name> {
    let len = line.iter().position(|&b| !is_token(b)).filter(|len| *len > 0)?;
    let behind = line.get(len..)?;
    let spaces = behind.iter().position(|&b| !is_space(b))?;
    let is_colon = behind.get(spaces) == Some(&b':');
    is_colon.then(|| Name {
        id: HeaderName::of(line.get(..len).unwrap_or_default()),
        len,
        value: len + spaces + 1,
    })
}

/// Without the white space at both ends.
fn trimmed(bytes: &[u8], span: Span) -> Span {
    let is_lws = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    match bytes.get(span.range()).unwrap_or_default() {
        // Nearly always there is none.
        [first, .., last] if *first > b' ' && *last > b' ' => span,
        text => {
            let start = text.iter().position(|b| !is_lws(b)).unwrap_or(text.len());
            let end = text.iter().rposition(|b| !is_lws(b)).map_or(start, |last| last + 1);
            Span::new(span.start as usize + start, span.start as usize + end)
        }
    }
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

/// `start-line = Request-Line / Status-Line`, its parts being slices or places.
enum StartLine<T> {
    Request { method: Method, name: T, uri: T, version: T },
    Status { status: u16, reason: T },
}

impl<'a> StartLine<&'a [u8]> {
    fn map(self, span: impl Fn(&'a [u8]) -> Span) -> StartLine<Span> {
        match self {
            Self::Request { method, name, uri, version } => {
                StartLine::Request { method, name: span(name), uri: span(uri), version: span(version) }
            }
            Self::Status { status, reason } => StartLine::Status { status, reason: span(reason) },
        }
    }
}

impl StartLine<Span> {
    fn into_message(self, head: Head) -> Message {
        match self {
            Self::Request { method, name, uri, version } => {
                Message::Request(Request { head, method, method_span: name, uri, version })
            }
            Self::Status { status, reason } => Message::Response(Response { head, status, reason }),
        }
    }
}

/// The error has where in the line it is.
fn start_line(text: &[u8]) -> Result<StartLine<&[u8]>, (ParseErrorKind, usize)> {
    // No method has a slash.
    if let Ok((reason, code)) = status_line(text) {
        let at = text.len() - reason.len() - code.len();
        let status = status_code(code).ok_or((ParseErrorKind::StatusCode, at))?;
        return Ok(StartLine::Status { status, reason: reason.trim_ascii() });
    }
    let (name, uri, version) = request_line(text).ok_or((ParseErrorKind::StartLine, 0))?;
    Ok(StartLine::Request { method: Method::of(name), name, uri, version })
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
fn request_line(input: &[u8]) -> Option<RequestLine<'_>> {
    let (method, rest) = input.split_at_checked(input.iter().position(|&b| !is_token(b))?)?;
    let line = rest.strip_prefix(b" ").filter(|_| !method.is_empty())?;
    let (uri, version) = match line.split_last_chunk::<8>() {
        Some((uri, version @ b" SIP/2.0")) => (uri, version.get(1..)?),
        _ => odd_version(line)?,
    };
    let uri = uri.trim_ascii();
    (!uri.is_empty()).then_some((method, uri, version))
}

/// Another version, or white space where none belongs.
fn odd_version(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_end();
    let (uri, version) = line.split_at_checked(memchr::memrchr(b' ', line)?)?;
    let version = version.trim_ascii_start();
    let is_sip = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"));
    is_sip.then_some((uri, version))
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
        assert_eq!((request.uri_str(), request.version()), ("sip:a@h", &b"SIP/2.0"[..]));
        let fields: Vec<_> = request.headers().map(|h| (h.id, h.name(), h.value())).collect();
        assert_eq!(
            fields,
            [
                (HeaderName::Subject, "Subject", "x"),
                (HeaderName::ContentLength, "l", "4"),
                (HeaderName::Other, "X-Other", "y")
            ]
        );
        assert_eq!((&request.body()[..], &request.trailing()[..]), (&b"body"[..], &b"tail"[..]));
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
    fn a_head_is_plain_if_each_field_is_one_line_of_printable_ascii() {
        let is_plain = |text: &str| request(text).head.is_plain();
        let good = "OPTIONS sip:h SIP/2.0\r\nTo: <sip:a@h>\r\nX-Odd :x \r\nSubject: \r\n\r\n\x01\u{e9}";
        assert!(is_plain(good));
        for (from, to) in [
            ("<sip", "\r\n <sip"),
            ("<sip", "\u{e9}<sip"),
            ("<sip", "\t<sip"),
            ("<sip", "\x7f<sip"),
            ("<sip", "\r<sip"),
            ("sip:h", "sip:\u{e9}"),
            ("a@h>\r\n", "a@h>\n"),
            ("X-Odd", "\u{e9}"),
        ] {
            assert!(!is_plain(&good.replacen(from, to, 1)), "{from} {to}");
        }
    }

    #[test]
    fn fields_are_found_and_counted_by_name_however_many_there_are() {
        for before in [0, 1, 125, 126, 127, 128, 200] {
            let text = format!(
                "OPTIONS sip:h SIP/2.0\r\n{}Call-ID: i\r\nTo: a\r\nFrom: b\r\nTo: c\r\n\r\n",
                "X-Odd: y\r\n".repeat(before)
            );
            let request = request(&text);
            let fields = [HeaderName::CallId, HeaderName::To, HeaderName::From, HeaderName::Via];
            assert_eq!(
                fields.map(|name| request.value_of(name)),
                [Some("i"), Some("a"), Some("b"), None],
                "{before}"
            );
            assert_eq!(
                fields.map(|name| request.head.repeats(name)),
                [false, true, false, false],
                "{before}"
            );
            assert_eq!(request.head.repeats(HeaderName::Other), before > 1);
            assert_eq!(request.values(HeaderName::To).collect::<Vec<_>>(), ["a", "c"]);
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
        let bad_status = Message::parse("\r\nSIP/2.0  99 x\r\n\r\n").unwrap_err();
        assert_eq!(bad_status.offset, 11);
        let many = format!("OPTIONS sip:h SIP/2.0\r\n{}\r\n", "A: b\r\n".repeat(257));
        assert_eq!(error(many.as_bytes()), ParseErrorKind::TooManyHeaders);
        assert_eq!(error(&vec![b'a'; 65_536]), ParseErrorKind::TooLarge);
    }
}
