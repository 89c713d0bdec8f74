//! Building messages of our own: responses by RFC 3261 8.2.6, requests by 8.1.1, ACK by 17.1.1.3 and CANCEL by 9.1.
//!
//! Nothing invalid can be built. What callers add is held against the rule of its header field, a request as a whole against the
//! validation that others will put it to. The first thing that was wrong is told at the end, so that a message reads as one chain of calls.
//! What is copied from another message is copied as it stands there.

mod draft;
mod reason;

use super::essentials::Written;
use super::{Defect, Essentials, FieldError, Head, Message, ParseError, ParseLimits, Request, Response};
use crate::headers::{HeaderName, Method, ValueError, is_whole_token, push_decimal};
use crate::uri::{Uri, UriError};
use bytes::Bytes;
use draft::{Draft, is_phrase};
pub(super) use reason::reason_phrase;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

/// Why a message cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A method that is no token (RFC 3261 7.1).
    #[error("the method is no token")]
    Method,
    /// A Request-URI that is none.
    #[error("Request-URI: {0}")]
    Uri(#[from] UriError),
    /// A status that is in none of the six classes, which go from 100 to 699 (RFC 3261 7.2).
    #[error("no status code: {0}")]
    Status(u16),
    /// A reason phrase with control characters.
    #[error("bad reason phrase")]
    Reason,
    /// The name of a header field that is no token.
    #[error("the name of a header field is no token")]
    Name,
    /// A header field that the builder writes itself: Content-Length, and in responses those of the request.
    #[error("{0} is written by the builder")]
    NotYours(HeaderName),
    /// A header field that is missing or cannot be read.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// What validation answers 400: header fields that every request has and this one has not, or has twice.
    #[error("{0}")]
    Defect(#[from] Defect),
    /// A From without tag (RFC 3261 8.1.1.3).
    #[error("no tag in From")]
    Tag,
    /// A topmost Via whose branch does not start with `z9hG4bK` (RFC 3261 8.1.1.7).
    #[error("no branch of RFC 3261 in Via")]
    Branch,
    /// An ACK of what is no INVITE or no final response from 300 on, or a CANCEL of an ACK or a CANCEL.
    #[error("nothing of that kind can be acknowledged or cancelled")]
    Kind,
    /// More bytes than any message has.
    #[error(transparent)]
    TooLarge(ParseError),
}

impl From<Infallible> for BuildError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What the start line, the stamp in Via, To's tag and Content-Length take besides what is copied.
const ADDED: usize = 128;

/// A response under construction.
///
/// ```
/// use sip_survivability::headers::HeaderName;
/// use sip_survivability::message::{Message, ResponseBuilder};
///
/// let text = "OPTIONS sip:carol@chicago.example SIP/2.0\r\n\
///     Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bKhjhs8ass877\r\n\
///     From: <sip:alice@atlanta.example>;tag=1928301774\r\n\
///     To: <sip:carol@chicago.example>\r\n\
///     Call-ID: a84b4c76e66710\r\n\
///     CSeq: 63104 OPTIONS\r\n\r\n";
/// let Ok(Message::Request(options)) = Message::parse(text) else { panic!("a request") };
/// let source = "192.0.2.1:5060".parse()?;
/// let ok = ResponseBuilder::new(&options, source, 200, "93810874").header(HeaderName::Allow, "INVITE, ACK").finish()?;
/// assert!(ok.starts_with(b"SIP/2.0 200 OK\r\n"));
/// assert!(ResponseBuilder::new(&options, source, 200, "93810874").header(HeaderName::Allow, "a b").finish().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseBuilder {
    head: Draft,
    /// How many bytes behind the start line are the request's.
    copied: usize,
}

impl ResponseBuilder {
    /// A response to `request`, which came from `source`: Via, From, To, Call-ID and CSeq are the request's, the topmost
    /// Via stamped with the source. A To without tag gets `tag`, unless the status is 100 (RFC 3261 8.2.6.2).
    ///
    /// What the request lacks the response lacks too: that of a request which is not [valid](Request::validate) is as good as it can be.
    pub fn new(request: &Request, source: SocketAddr, status: u16, tag: &str) -> Self {
        Self::with_room(&Essentials::of(request), source, status, tag, 0)
    }

    /// The same for who has `read` the request already, with `room` for so many bytes more.
    pub(crate) fn with_room(
        read: &Essentials<'_>,
        source: SocketAddr,
        status: u16,
        tag: &str,
        room: usize,
    ) -> Self {
        // RFC 3261 7.2: there are six classes.
        let code = if matches!(status, 100..=699) { status } else { 500 };
        let Written { via: first, from, to, call_id, cseq, .. } = read.written;
        let size = first.len() + from.len() + to.len() + call_id.len() + cseq.len();
        let mut head = Draft::answer(code, size + ADDED + room);
        if code != status {
            head.fail(BuildError::Status(status));
        }
        let start = head.text.len();
        if let Ok(via) = read.via() {
            head.copy_with(HeaderName::Via, read.is_plain(), |text| {
                via.stamp(source, text);
                text.push_str(first.get(via.as_str().len()..).unwrap_or_default());
            });
        }
        copy_others(&mut head, read, HeaderName::Via);
        copy(&mut head, read, HeaderName::From, from);
        if read.has(HeaderName::To) {
            let has_tag = status == 100 || read.to().map_or(true, |to| to.tag().is_some());
            let is_token = has_tag || is_whole_token(tag);
            head.copy_with(HeaderName::To, read.is_plain() && !to.is_empty(), |text| {
                text.push_str(to);
                if !has_tag && is_token {
                    text.push_str(";tag=");
                    text.push_str(tag);
                }
            });
            if !is_token {
                let error = ValueError::syntax(to.len());
                head.fail(FieldError::Malformed { name: HeaderName::To, error });
            }
        }
        copy(&mut head, read, HeaderName::CallId, call_id);
        copy(&mut head, read, HeaderName::CSeq, cseq);
        if status == 100 {
            // RFC 3261 8.2.6.1: a 100 copies the Timestamp.
            copy(&mut head, read, HeaderName::Timestamp, read.text(HeaderName::Timestamp));
        }
        let copied = head.text.len() - start;
        Self { head, copied }
    }

    /// Another reason phrase than the usual one of the status.
    pub fn reason(mut self, phrase: &str) -> Self {
        if is_phrase(phrase) {
            let start = "SIP/2.0 200 ".len();
            self.head.text.replace_range(start..self.line_end(), phrase);
        } else {
            self.head.fail(BuildError::Reason);
        }
        self
    }

    fn line_end(&self) -> usize {
        self.head.text.find("\r\n").unwrap_or(self.head.text.len())
    }

    /// Adds a header field of ours whose value `write` puts together from parts that are sound.
    pub(crate) fn header_with(mut self, name: HeaderName, write: impl FnOnce(&mut String)) -> Self {
        self.head.copy_with(name, false, write);
        self
    }

    /// Adds a header field. Content-Length and what is the request's are not for callers to say.
    pub fn header(self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.header_named(name.as_str(), value)
    }

    /// The same by the name as text, for header fields that have no [`HeaderName`].
    pub fn header_named(mut self, name: &str, value: impl fmt::Display) -> Self {
        use HeaderName::{CSeq, CallId, From, To, Via};
        let id = HeaderName::of(name.as_bytes());
        if matches!(id, Via | From | To | CallId | CSeq) {
            self.head.fail(BuildError::NotYours(id));
        }
        self.head.add(name, value);
        self
    }

    /// The finished response, without a body.
    ///
    /// # Errors
    /// What was wrong first: the status, the tag, the reason phrase, or a header field that was added.
    pub fn finish(self) -> Result<Bytes, BuildError> {
        self.head.finish("", b"")
    }

    /// The finished response with a body of `content_type`, which an empty body does not have.
    ///
    /// # Errors
    /// As [`ResponseBuilder::finish`], and for a `content_type` that is none.
    pub fn with_body(self, content_type: &str, body: impl AsRef<[u8]>) -> Result<Bytes, BuildError> {
        self.head.finish(content_type, body.as_ref())
    }

    /// The finished response, without a body; or a 500 without all that was added, where that is not valid. A request is answered,
    /// whatever happens.
    #[must_use]
    pub fn finish_or_500(self) -> Bytes {
        if self.head.is_sound() {
            return self.finish().unwrap_or_default();
        }
        let start = self.line_end() + "\r\n".len();
        let mut bare = Draft::answer(500, self.head.text.len());
        bare.text.push_str(self.head.text.get(start..start + self.copied).unwrap_or_default());
        bare.finish("", b"").unwrap_or_default()
    }
}

/// Copies the header fields `name`, of which `first` is the first.
#[inline(always)]
fn copy(head: &mut Draft, read: &Essentials<'_>, name: HeaderName, first: &str) {
    if read.has(name) {
        head.copy_with(name, read.is_plain() && !first.is_empty(), |text| text.push_str(first));
        copy_others(head, read, name);
    }
}

#[inline]
fn copy_others(head: &mut Draft, read: &Essentials<'_>, name: HeaderName) {
    if read.repeats(name) {
        copy_behind_first(head, read, name);
    }
}

#[cold]
fn copy_behind_first(head: &mut Draft, read: &Essentials<'_>, name: HeaderName) {
    read.written_all(name).skip(1).for_each(|value| head.copy(name, value));
}

fn copy_all(head: &mut Draft, from: &Head, name: HeaderName) {
    for header in from.all(name) {
        head.copy(name, header.value());
    }
}

/// A request under construction.
///
/// ```
/// use sip_survivability::headers::HeaderName;
/// use sip_survivability::message::{BuildError, Defect, RequestBuilder};
///
/// let options = RequestBuilder::new("OPTIONS", "sip:carol@chicago.example")
///     .header(HeaderName::Via, "SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bKhjhs8ass877")
///     .header(HeaderName::From, "<sip:alice@atlanta.example>;tag=1928301774")
///     .header(HeaderName::To, "<sip:carol@chicago.example>")
///     .header(HeaderName::CallId, "a84b4c76e66710")
///     .header(HeaderName::CSeq, "63104 OPTIONS");
/// assert!(options.clone().finish().is_ok());
///
/// let twice = options.header(HeaderName::CSeq, "63105 OPTIONS").finish();
/// assert_eq!(twice, Err(BuildError::Defect(Defect::Repeated(HeaderName::CSeq))));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestBuilder {
    head: Draft,
}

impl RequestBuilder {
    /// A request with its Request-Line only. The Request-URI is a [`Uri`], a [`UriBuf`](crate::uri::UriBuf), or text that is one.
    pub fn new<'u, U>(method: &str, uri: U) -> Self
    where
        U: TryInto<Uri<'u>>,
        BuildError: From<U::Error>,
    {
        match uri.try_into() {
            Ok(uri) => Self::start(method, uri.as_str()),
            Err(error) => {
                let mut builder = Self::start(method, "");
                builder.head.fail(error);
                builder
            }
        }
    }

    fn start(method: &str, uri: &str) -> Self {
        let mut head = Draft::new([method, uri, "SIP/2.0"], 512);
        if !is_whole_token(method) {
            head.fail(BuildError::Method);
        }
        Self { head }
    }

    /// The ACK of `response`, a final one of 300 and above to `invite` as it was sent (RFC 3261 17.1.1.3).
    ///
    /// # Errors
    /// The two are not of that kind, or lack what the ACK needs.
    pub fn ack(invite: &Request, response: &Response) -> Result<Bytes, BuildError> {
        if invite.method() != Method::Invite || response.status() < 300 {
            return Err(BuildError::Kind);
        }
        let to = response.first(HeaderName::To).ok_or(FieldError::Missing(HeaderName::To))?;
        Self::same_transaction(invite, "ACK", to.value())
    }

    /// The CANCEL of `request` as it was sent (RFC 3261 9.1).
    ///
    /// # Errors
    /// The request is an ACK or a CANCEL, or lacks what the CANCEL needs.
    pub fn cancel(request: &Request) -> Result<Bytes, BuildError> {
        // RFC 3261 9.2: neither is there anything to cancel of a CANCEL, nor does an ACK wait for an answer.
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Err(BuildError::Kind);
        }
        let to = request.first(HeaderName::To).ok_or(FieldError::Missing(HeaderName::To))?;
        Self::same_transaction(request, "CANCEL", to.value())
    }

    /// Request-URI, topmost Via, From, Call-ID, the CSeq's number and Route are those of the request.
    fn same_transaction(request: &Request, method: &str, to: &str) -> Result<Bytes, BuildError> {
        let mut head = Self::start(method, request.uri_str()).head;
        head.copy(HeaderName::Via, request.top_via()?.as_str());
        head.copy(HeaderName::MaxForwards, "70");
        copy_all(&mut head, request, HeaderName::Route);
        copy_all(&mut head, request, HeaderName::From);
        head.copy(HeaderName::To, to);
        head.copy(HeaderName::CallId, request.call_id()?);
        let number = request.cseq()?.number;
        head.copy_with(HeaderName::CSeq, false, |text| {
            push_decimal(text, number.into());
            text.push(' ');
            text.push_str(method);
        });
        let bytes = head.finish("", b"")?;
        read(&bytes)?.check_form()?;
        Ok(bytes)
    }

    /// Adds a header field. Content-Length is not for callers to say.
    pub fn header(self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.header_named(name.as_str(), value)
    }

    /// The same by the name as text, for header fields that have no [`HeaderName`].
    pub fn header_named(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.head.add(name, value);
        self
    }

    /// The finished request, without a body.
    ///
    /// # Errors
    /// What was wrong first: the method, the Request-URI, a header field that was added; or else what is missing: Via with a branch, From
    /// with a tag, To, Call-ID, and CSeq with the method (RFC 3261 8.1.1). A Max-Forwards that is missing is 70.
    pub fn finish(self) -> Result<Bytes, BuildError> {
        self.with_body("", b"")
    }

    /// The finished request with a body of `content_type`, which an empty body does not have.
    ///
    /// # Errors
    /// As [`RequestBuilder::finish`], and for a `content_type` that is none.
    pub fn with_body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Result<Bytes, BuildError> {
        // RFC 3261 8.1.1.6: "It SHOULD be 70".
        if !self.head.has(HeaderName::MaxForwards) {
            self.head.copy(HeaderName::MaxForwards, "70");
        }
        let bytes = self.head.finish(content_type, body.as_ref())?;
        let request = read(&bytes)?;
        request.check_form()?;
        if request.from()?.tag().is_none() {
            return Err(BuildError::Tag);
        }
        if !request.top_via()?.branch().is_some_and(|branch| branch.starts_with("z9hG4bK")) {
            return Err(BuildError::Branch);
        }
        Ok(bytes)
    }
}

/// What was built, as others will read it.
fn read(bytes: &Bytes) -> Result<Request, BuildError> {
    match Message::parse_within(bytes.clone(), &ParseLimits::new(usize::MAX, usize::MAX)) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(Message::Response(_)) => Err(BuildError::Method),
        Err(error) => Err(BuildError::TooLarge(error)),
    }
}

#[cfg(test)]
mod tests;
