//! SIP messages: framing of streams, the head index over one buffer, typed views on demand, edits, building, validation.
//!
//! [`Message::parse`] indexes the head and refuses only what cannot be framed or addressed; what is wrong beyond that
//! is found by [`Request::validate_as`], which knows what a proxy, a registrar and a user agent have to look at, and the
//! status to answer with. Nothing of the message is copied: the index holds offsets into the caller's [`Bytes`].
//!
//! ```
//! use bytes::Bytes;
//! use sip_survivability::message::Message;
//!
//! let text = "OPTIONS sip:carol@chicago.example SIP/2.0\r\n\
//!     v: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bKhjhs8ass877\r\n\
//!     Max-Forwards: 70\r\n\
//!     t: <sip:carol@chicago.example>\r\n\
//!     f: Alice <sip:alice@atlanta.example>;tag=1928301774\r\n\
//!     i: a84b4c76e66710\r\n\
//!     CSeq: 63104 OPTIONS\r\n\
//!     l: 0\r\n\r\n";
//! let Ok(Message::Request(request)) = Message::parse(Bytes::from(text)) else { panic!("a request") };
//! assert_eq!(request.top_via()?.branch(), Some("z9hG4bKhjhs8ass877"));
//! assert_eq!(request.from()?.tag(), Some("1928301774"));
//! # Ok::<(), sip_survivability::message::FieldError>(())
//! ```

mod build;
mod edit;
mod essentials;
mod fold;
mod frame;
mod head;
mod index;
mod splices;
mod validate;
mod words;

use crate::headers::Method;
use crate::uri::{Uri, UriError};
use bytes::Bytes;
use std::ops::{Deref, Range};

pub use build::{BuildError, RequestBuilder, ResponseBuilder};
pub use edit::Edits;
pub(crate) use essentials::Essentials;
pub use frame::{
    ConnectionEnd, Frame, FrameError, FrameErrorKind, FrameLimits, Framer, PING, PONG, websocket_frame,
};
pub use head::{FieldError, Head, Header};
pub use index::{ParseError, ParseErrorKind, ParseLimits};
pub use validate::{Defect, Fault, Rules};

/// Where something lies in the message's buffer. 32 bits suffice for 4 GiB; the limit on messages is far below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Of offsets into a message that has been found short enough.
    const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    const fn len(self) -> u32 {
        self.end - self.start
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A message: a request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "SIP has no third kind (RFC 3261 7)")]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Indexes one whole message, as a datagram carries it, within the default limits.
    ///
    /// # Errors
    /// [`ParseError`]: it is no SIP message, or larger than the limits allow.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, ParseError> {
        Self::parse_within(bytes, &ParseLimits::default())
    }

    /// The same within `limits`.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse_within(bytes: impl Into<Bytes>, limits: &ParseLimits) -> Result<Self, ParseError> {
        index::parse(bytes.into(), limits)
    }

    /// What both kinds have.
    #[must_use]
    pub fn head(&self) -> &Head {
        match self {
            Self::Request(request) => request,
            Self::Response(response) => response,
        }
    }
}

/// A request. Header fields are reached through [`Head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    head: Head,
    method: Method,
    method_span: Span,
    uri: Span,
    version: Span,
}

impl Request {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The method as written.
    #[must_use]
    pub fn method_str(&self) -> &str {
        self.head.str_at(self.method_span)
    }

    /// The Request-URI as written; empty if it is no UTF-8.
    #[must_use]
    pub fn uri_str(&self) -> &str {
        self.head.str_at(self.uri)
    }

    /// Its bytes.
    pub(crate) fn uri_bytes(&self) -> &[u8] {
        self.head.bytes().get(self.uri.range()).unwrap_or_default()
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// It is no URI.
    pub fn uri(&self) -> Result<Uri<'_>, UriError> {
        Uri::parse(self.uri_str())
    }

    fn version(&self) -> &[u8] {
        self.head.bytes().get(self.version.range()).unwrap_or_default()
    }

    fn method_bytes(&self) -> &[u8] {
        self.head.bytes().get(self.method_span.range()).unwrap_or_default()
    }

    /// Whether the Request-Line is as the grammar has it: two single spaces, and none at its end (RFC 3261 7.1).
    fn has_plain_line(&self) -> bool {
        let end = self.head.bytes().get(self.version.range().end..).unwrap_or_default();
        self.method_span.end + 1 == self.uri.start
            && self.uri.end + 1 == self.version.start
            && (end.starts_with(b"\r\n") || end.starts_with(b"\n"))
    }

    /// Whether it was sent within a dialog: its To has a tag (RFC 3261 12.2.2).
    #[must_use]
    pub fn is_in_dialog(&self) -> bool {
        self.to_tag().is_some()
    }
}

impl Deref for Request {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// A response. Header fields are reached through [`Head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    head: Head,
    status: u16,
    reason: Span,
}

impl Response {
    /// The status code, 100..=999; codes above 699 mean what the hundred of their first digit would.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; empty if it is no UTF-8.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.head.str_at(self.reason)
    }

    /// The reason phrase's bytes.
    #[must_use]
    pub fn reason_bytes(&self) -> &[u8] {
        self.head.bytes().get(self.reason.range()).unwrap_or_default()
    }

    fn has_our_version(&self) -> bool {
        let line = self.head.bytes().get(self.head.start()..).unwrap_or_default();
        let is_it = line.get(..7).is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0"));
        is_it && matches!(line.get(7), Some(b' ' | b'\t'))
    }

    /// Whether it is provisional (1xx).
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Whether it is a success (2xx).
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

impl Deref for Response {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}
