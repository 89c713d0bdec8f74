//! Finding the parts of a URI (RFC 3261 25.1).

use super::class::{CONTROL, Class};
use super::{Host, HostKind, HostPort, Layout, SchemeKind, UriError, UriErrorKind, escape};

/// The parts of `text`.
pub(super) fn parse(text: &str) -> Result<Layout, UriError> {
    let fail = |kind, offset| Err(UriError { kind, offset });
    if text.len() > usize::from(u16::MAX) {
        return fail(UriErrorKind::TooLong, usize::from(u16::MAX));
    }
    let Some(scheme) = scheme_of(text.as_bytes()) else {
        return fail(UriErrorKind::Scheme, 0);
    };
    if scheme.1.is_sip() { parse_sip(text, scheme) } else { parse_opaque(text, scheme) }
}

/// Where the scheme ends, and which it is.
fn scheme_of(bytes: &[u8]) -> Option<(usize, SchemeKind)> {
    match bytes {
        [b's', b'i', b'p', b':', ..] => return Some((3, SchemeKind::Sip)),
        [b's', b'i', b'p', b's', b':', ..] => return Some((4, SchemeKind::Sips)),
        _ => {}
    }
    let colon = memchr::memchr(b':', bytes)?;
    let scheme = bytes.get(..colon)?;
    // RFC 3261 25.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    let is_valid = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_valid.then(|| (colon, SchemeKind::of(scheme)))
}

/// Bytes that are not simply data: those that stand in no URI (white space, control characters, and the delimiters `<`, `>` and `"` of
/// RFC 3986 2), the delimiters between its parts, and `%`.
static SPECIAL: Class = Class::of(CONTROL).also(b" <>\"@:?%");

/// Whether `byte` stands in no URI.
fn is_barred(byte: u8) -> bool {
    SPECIAL.has(byte) && !matches!(byte, b'@' | b':' | b'?' | b'%')
}

/// The first `delimiter` (`:` or `?`) in the part of `text` from `start` to `end`, else `end`.
///
/// # Errors
/// A byte that stands in no URI, an `@`, or a broken escape.
fn find(text: &str, start: usize, end: usize, delimiter: u8) -> Result<usize, UriError> {
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    let (mut found, mut at) = (None, start);
    while let Some(rest) = bytes.get(at..)
        && let Some(len) = SPECIAL.find(rest)
    {
        at += len;
        match bytes.get(at..) {
            Some([byte, ..]) if *byte == delimiter => found = found.or(Some(at)),
            Some([b':' | b'?', ..]) => {}
            Some(escaped) if escape::is_escape(escaped) => {}
            _ => return Err(UriError { kind: UriErrorKind::Character, offset: at }),
        }
        at += 1;
    }
    Ok(found.unwrap_or(end))
}

/// An offset into a text that is known to be short enough.
const fn short(at: usize) -> u16 {
    at as u16
}

/// RFC 3261 25.1: `SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]`
fn parse_sip(text: &str, (scheme, scheme_kind): (usize, SchemeKind)) -> Result<Layout, UriError> {
    let fail = |kind, offset| Err(UriError { kind, offset });
    let (bytes, start) = (text.as_bytes(), scheme + 1);
    // `@` is escaped everywhere but behind the userinfo, so the first one ends it; `;` and `?` may stand in a user.
    let rest = bytes.get(start..).unwrap_or_default();
    let first = SPECIAL.find(rest);
    let (user_end, password_end, host_start) = match first.map(|len| (start + len, rest.get(len))) {
        Some((at, Some(b'@'))) if at > start => (at, at, at + 1),
        None => (start, start, start),
        Some((from, _)) => match memchr::memchr(b'@', rest) {
            None => (start, start, start),
            // A bracket stands in no user: what starts like an IPv6 reference is none.
            Some(_) if rest.first() == Some(&b'[') => return fail(UriErrorKind::Character, start),
            Some(len) => match find(text, from, start + len, b':')? {
                user_end if user_end == start => return fail(UriErrorKind::EmptyUser, start),
                user_end => (user_end, start + len, start + len + 1),
            },
        },
    };
    let hostport = text.get(host_start..).and_then(HostPort::prefix);
    let Some((HostPort { host, port }, host_len, used)) = hostport else {
        return fail(UriErrorKind::Host, host_start);
    };
    let params = host_start + used;
    match bytes.get(params) {
        None | Some(b';' | b'?') => {}
        Some(b':') => return fail(UriErrorKind::Port, params),
        Some(&byte) if is_barred(byte) => return fail(UriErrorKind::Character, params),
        Some(_) => return fail(UriErrorKind::Host, params),
    }
    Ok(Layout {
        scheme: short(scheme),
        scheme_kind,
        user_end: short(user_end),
        password_end: short(password_end),
        host: (short(host_start), short(host_start + host_len)),
        host_kind: match host {
            Host::Name(_) => HostKind::Name,
            Host::V4(address) => HostKind::V4(address),
            Host::V6(_) | Host::V6Zone(..) => HostKind::V6,
        },
        port,
        params: short(params),
        headers: short(if first.is_none() { text.len() } else { find(text, params, text.len(), b'?')? }),
    })
}

/// Any other scheme: what stands before the first `;` or `?` counts as the user, so that `tel:` numbers read alike.
fn parse_opaque(text: &str, (scheme, scheme_kind): (usize, SchemeKind)) -> Result<Layout, UriError> {
    // RFC 3261 25.1: opaque-part and hier-part have `%` in escapes only.
    let bad = || escape::bad_escape(text);
    if let Some(offset) = text.bytes().position(is_barred).or_else(bad) {
        return Err(UriError { kind: UriErrorKind::Character, offset });
    }
    let rest = text.get(scheme + 1..).unwrap_or_default();
    let user_end = scheme + 1 + rest.find([';', '?']).unwrap_or(rest.len());
    let headers = text.get(user_end..).and_then(|tail| tail.find('?')).map_or(text.len(), |at| user_end + at);
    Ok(Layout {
        scheme: short(scheme),
        scheme_kind,
        user_end: short(user_end),
        password_end: short(user_end),
        params: short(user_end),
        headers: short(headers),
        ..Layout::default()
    })
}
