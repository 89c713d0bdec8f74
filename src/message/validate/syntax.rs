//! What every element relies on: sizes, the version, and the header fields by which a message is matched and forwarded
//! (RFC 3261 8.1.1 and 16.3 step 1).

use super::{Check, Defect, Fault};
use crate::headers::{HeaderName, List, Method, Via, field};
use crate::message::{FieldError, Head, Header};
use crate::uri::{Host, Scheme, Uri, unescape};

/// Header fields that a message has once (RFC 3261 7.3.1 and table 2).
const SINGLE: [HeaderName; 6] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
];

/// Parameters of a Request-URI at most: each is compared with those before it.
const MAX_URI_PARAMS: usize = 64;

/// Limits come before work.
pub(super) fn sizes(check: &Check<'_>) -> Result<(), Fault> {
    let (request, rules) = (check.request, check.rules);
    if request.body_end() - request.start() > rules.max_message {
        return Err(Fault::new(513));
    }
    if request.uri.range().len() > rules.max_uri {
        return Err(Fault::new(414));
    }
    if request.entries().len() > rules.max_fields {
        return Err(Defect::TooMany.into());
    }
    // No field is longer than the head that it stands in.
    if request.head_end() - request.start() > rules.max_field && request.longest_field() > rules.max_field {
        return Err(Defect::TooLong.into());
    }
    if request.body_end() - request.head_end() > rules.max_body {
        return Err(Fault::new(413));
    }
    Ok(())
}

pub(super) fn version(check: &Check<'_>) -> Result<(), Fault> {
    // RFC 3261 7.1: the version is compared without regard to case.
    let version = check.request.version();
    if version == b"SIP/2.0" || version.eq_ignore_ascii_case(b"SIP/2.0") {
        Ok(())
    } else {
        Err(Fault::new(505))
    }
}

/// The header fields that a request and the responses to it share.
pub(super) fn message(check: &Check<'_>) -> Result<(), Defect> {
    let (request, read) = (check.request, check.read);
    header_lines(request)?;
    let vias = if read.only_via().is_some() { Ok(()) } else { vias(request, read.via().ok()) };
    identity(request, vias, read.from().map(drop), read.to().map(drop), read.call_id())?;
    if read.cseq()?.method.as_bytes() != request.method_bytes() {
        return Err(Defect::CSeqMethod);
    }
    body(request)
}

/// The Request-URI, and the other addresses that decide where a request goes.
pub(super) fn request_uri(check: &Check<'_>) -> Result<(), Defect> {
    let request = check.request;
    let uri = check.read.uri.as_ref().map_err(|_| Defect::RequestUri)?;
    for name in [HeaderName::Route, HeaderName::RecordRoute] {
        if request.has(name) {
            request.addresses(name).try_for_each(|address| address.map(drop))?;
        }
    }
    let counts = matches!(request.method(), Method::Register | Method::Invite);
    if counts && check.read.only_contact()?.is_none() && request.has(HeaderName::Contact) {
        request.contacts().try_for_each(|contact| contact.map(drop))?;
    }
    parameters(uri)?;
    if !request.has_plain_line() {
        return Err(Defect::StartLine);
    }
    Ok(())
}

/// What a URI may have, and that of a request may not.
fn parameters(uri: &Uri<'_>) -> Result<(), Defect> {
    // What these parts are in other schemes is for whoever knows the scheme to judge: to others it is 416 (RFC 3261 16.3 step 2).
    if matches!(uri.scheme(), Scheme::Other(_)) {
        return Ok(());
    }
    // RFC 6874 4: a zone never leaves the host that it is a name for.
    if matches!(uri.host(), Some(Host::V6Zone(..))) {
        return Err(Defect::RequestUri);
    }
    if !uri.headers_str().is_empty() {
        return Err(Defect::UriHeaders);
    }
    if uri.params_str().is_empty() {
        return Ok(());
    }
    let names = || uri.params().map(|(name, _)| unescape(name));
    if names().nth(MAX_URI_PARAMS).is_some() {
        return Err(Defect::TooManyParameters);
    }
    let mut positions = names().enumerate();
    // RFC 3261 19.1.1: "any given parameter-name MUST NOT appear more than once".
    if positions.any(|(at, name)| names().take(at).any(|before| before.eq_ignore_ascii_case(&name))) {
        return Err(Defect::RepeatedParameter);
    }
    Ok(())
}

/// All lines of the head are header fields, and their text is text: `header-value = *(TEXT-UTF8char / UTF8-CONT / LWS)` (RFC 3261
/// 25.1). A control character, which may end the value for others, stands in a quoted-pair or nowhere: where the field's own rule
/// has one.
fn header_lines(head: &Head) -> Result<(), Defect> {
    if head.malformed_line().is_some() {
        return Err(Defect::HeaderLine);
    }
    if head.is_plain() || !has_stray(head.field_lines()) {
        return Ok(());
    }
    let is_bad = |header: &Header<'_>| {
        let line = header.line();
        has_stray(line) && (has_bare_cr(line) || field::check(header.id, header.value()).is_err())
    };
    match head.headers().find(is_bad).map(|header| header.id) {
        None => Ok(()),
        Some(HeaderName::Other) => Err(Defect::HeaderLine),
        Some(name) => Err(Defect::Malformed(name)),
    }
}

/// Whether there is a control character that is neither white space nor of a line end. Without branches, so that it looks at many bytes
/// at once.
fn has_stray(lines: &[u8]) -> bool {
    followed(lines).fold(false, |found, (byte, next)| {
        let is_space = (byte == b'\t') | (byte == b'\n') | ((byte == b'\r') & (next == b'\n'));
        found | ((byte < b' ') & !is_space) | (byte == 0x7f)
    })
}

/// A CR that ends no line ends one for some implementations, which would see a header field that we do not.
fn has_bare_cr(lines: &[u8]) -> bool {
    followed(lines).any(|(byte, next)| byte == b'\r' && next != b'\n')
}

/// Each byte with the one behind it.
fn followed(bytes: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    bytes.iter().copied().zip(bytes.iter().copied().skip(1))
}

/// The way that responses take back. `top`: the topmost one, if it has been read already.
pub(super) fn vias(head: &Head, top: Option<&Via<'_>>) -> Result<(), FieldError> {
    let (mut top, mut is_empty) = (top, true);
    for header in head.all(HeaderName::Via) {
        let top = top.take();
        is_empty = false;
        // Nearly always there is one, and it has been read or can be.
        if top.is_some_and(|top| top.as_str().len() == header.value_range().len()) {
            continue;
        }
        let text = header.text()?;
        if top.is_some() || Via::parse(text).is_err() {
            for value in List::new(text).skip(usize::from(top.is_some())) {
                Via::parse(value).map_err(|error| header.malformed(error))?;
            }
        }
    }
    if is_empty { Err(FieldError::Missing(HeaderName::Via)) } else { Ok(()) }
}

/// Who sent the message, to whom, and that way.
pub(super) fn identity(
    head: &Head,
    vias: Result<(), FieldError>,
    from: Result<(), FieldError>,
    to: Result<(), FieldError>,
    call_id: Result<&str, FieldError>,
) -> Result<(), Defect> {
    vias?;
    from?;
    to?;
    // It is compared byte by byte and copied into answers: with a fold in it, others would see another one.
    let is_odd = |byte: u8| byte <= b' ' || byte == 0x7f;
    if call_id?.bytes().fold(false, |any, byte| any | is_odd(byte)) {
        return Err(Defect::Malformed(HeaderName::CallId));
    }
    SINGLE.into_iter().find(|name| head.repeats(*name)).map_or(Ok(()), |name| Err(Defect::Repeated(name)))
}

pub(super) fn body(head: &Head) -> Result<(), Defect> {
    if head.has_bad_length() {
        return Err(Defect::Malformed(HeaderName::ContentLength));
    }
    // RFC 3261 18.3: a datagram that ends before its body is an error.
    if head.is_cut() { Err(Defect::Cut) } else { Ok(()) }
}
