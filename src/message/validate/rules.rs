//! What an element asks of a request: its role, and what it supports.

use super::{Step, proxy, server, syntax};
use crate::message::Request;
use std::fmt;

/// The role and the abilities of the element that validates a request. It borrows all it is told, so that rules can be
/// constants.
///
/// ```
/// use bytes::Bytes;
/// use sip_survivability::headers::HeaderName;
/// use sip_survivability::message::{Message, Rules};
///
/// const PHONE: Rules<'_> = Rules::user_agent()
///     .methods(&["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK"])
///     .extensions(&["100rel", "timer"]);
///
/// let invite = Bytes::from(
///     "INVITE sip:bob@192.0.2.4 SIP/2.0\r\n\
///      Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776asdhds\r\n\
///      From: <sip:alice@atlanta.example>;tag=1928301774\r\n\
///      To: <sip:bob@biloxi.example>\r\n\
///      Call-ID: a84b4c76e66710\r\n\
///      CSeq: 314159 INVITE\r\n\
///      Require: 100rel, telepathy\r\n\r\n",
/// );
/// let Ok(Message::Request(invite)) = Message::parse(invite) else { panic!("a request") };
/// let fault = invite.validate_as(&PHONE).unwrap_err();
/// assert_eq!(fault.to_string(), "420 Bad Extension");
/// assert!(fault.fields().eq([(HeaderName::Unsupported, "telepathy")]));
/// ```
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    pub(super) steps: &'static [Step],
    pub(super) max_message: usize,
    pub(super) max_uri: usize,
    pub(super) max_fields: usize,
    pub(super) max_field: usize,
    pub(super) max_body: usize,
    pub(super) schemes: &'a [&'a str],
    pub(super) methods: &'a [&'a str],
    /// `None`: any.
    pub(super) extensions: Option<&'a [&'a str]>,
    pub(super) needs: &'a [&'a str],
    pub(super) media: &'a [&'a str],
    pub(super) encodings: &'a [&'a str],
    pub(super) answers: &'a [&'a str],
    pub(super) has_keys: bool,
    pub(super) is_final_recipient: bool,
    pub(super) is_registrar: bool,
    pub(super) seen_before: Option<&'a dyn Fn(&Request) -> bool>,
}

/// RFC 3261 16.3, in its order, and RFC 5393 5.3.3.
const PROXY: &[Step] = &[
    syntax::sizes,
    syntax::version,
    |check| Ok(syntax::message(check)?),
    |check| Ok(syntax::request_uri(check)?),
    proxy::components,
    proxy::scheme,
    proxy::hops,
    proxy::loops,
    proxy::extensions,
    proxy::breadth,
];

/// RFC 3261 8.2, in its order.
const USER_AGENT: &[Step] = &[
    syntax::sizes,
    syntax::version,
    server::method,
    |check| Ok(syntax::message(check)?),
    |check| Ok(syntax::request_uri(check)?),
    proxy::scheme,
    server::merged,
    server::extensions,
    server::content,
    server::answer,
    server::needs,
];

/// RFC 3261 10.3, which sends the request through 8.2 as well.
const REGISTRAR: &[Step] = &[
    syntax::sizes,
    syntax::version,
    server::method,
    |check| Ok(syntax::message(check)?),
    |check| Ok(syntax::request_uri(check)?),
    proxy::scheme,
    server::merged,
    server::extensions,
    server::address_of_record,
    server::content,
    server::needs,
];

/// The same for a request that has passed another role's checks.
const REGISTRAR_BEYOND_SYNTAX: &[Step] = &[
    server::method,
    server::merged,
    server::extensions,
    server::address_of_record,
    server::content,
    server::needs,
];

impl<'a> Rules<'a> {
    const fn of(steps: &'static [Step], methods: &'a [&'a str], media: &'a [&'a str]) -> Self {
        Self {
            steps,
            max_message: 65_535,
            max_uri: 8192,
            max_fields: 256,
            max_field: 8192,
            max_body: usize::MAX,
            schemes: &["sip", "sips", "tel"],
            methods,
            extensions: Some(&[]),
            needs: &[],
            media,
            encodings: &[],
            answers: &[],
            has_keys: false,
            is_final_recipient: false,
            is_registrar: false,
            seen_before: None,
        }
    }

    /// A proxy (RFC 3261 16.3) that knows no extension a proxy would have to know. It forwards any method and any body.
    #[must_use]
    pub const fn proxy() -> Self {
        Self::of(PROXY, &[], &[])
    }

    /// A registrar (RFC 3261 10.3), which answers REGISTER alone, takes any body, and knows no extension.
    #[must_use]
    pub const fn registrar() -> Self {
        Self::of(REGISTRAR, &["REGISTER"], &["*/*"])
    }

    /// The registrar behind a proxy: for a request that has passed [`Rules::proxy`], and whose syntax needs no other look.
    #[must_use]
    pub const fn registrar_behind_proxy() -> Self {
        Self { steps: REGISTRAR_BEYOND_SYNTAX, ..Self::registrar() }
    }

    /// A user agent server (RFC 3261 8.2) with the methods of RFC 3261, session descriptions, and no extension.
    #[must_use]
    pub const fn user_agent() -> Self {
        Self::of(USER_AGENT, &["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"], &["application/sdp"])
    }

    /// The methods that are answered. Others get 405, or 501 if they are known to nobody here; a proxy forwards all.
    #[must_use]
    pub const fn methods(self, methods: &'a [&'a str]) -> Self {
        Self { methods, ..self }
    }

    /// The schemes that a Request-URI may have: `sip`, `sips` and `tel` if nothing else is said. Others get 416.
    #[must_use]
    pub const fn schemes(self, schemes: &'a [&'a str]) -> Self {
        Self { schemes, ..self }
    }

    /// The option tags that are known. What else Require names (Proxy-Require at a proxy) is 420.
    #[must_use]
    pub const fn extensions(self, tags: &'a [&'a str]) -> Self {
        Self { extensions: Some(tags), ..self }
    }

    /// The option tags that the sender has to support. Without them it is 421.
    #[must_use]
    pub const fn needs(self, tags: &'a [&'a str]) -> Self {
        Self { needs: tags, ..self }
    }

    /// The media types of bodies that are understood, `text/*` and `*/*` among them. Others get 415.
    #[must_use]
    pub const fn media_types(self, types: &'a [&'a str]) -> Self {
        Self { media: types, ..self }
    }

    /// The content encodings that are understood besides `identity`. Others get 415.
    #[must_use]
    pub const fn encodings(self, encodings: &'a [&'a str]) -> Self {
        Self { encodings, ..self }
    }

    /// The media types that bodies of answers have. A request whose Accept takes none of them gets 406.
    #[must_use]
    pub const fn answers_with(self, types: &'a [&'a str]) -> Self {
        Self { answers: types, ..self }
    }

    /// There are keys for S/MIME: an encrypted body is judged by its type like any other. Without keys it is 493.
    #[must_use]
    pub const fn with_keys(self) -> Self {
        Self { has_keys: true, ..self }
    }

    /// The proxy answers an OPTIONS whose Max-Forwards is spent (RFC 3261 11 and 16.3 step 3). Others refuse it as any request:
    /// 483.
    #[must_use]
    pub const fn as_final_recipient(self) -> Self {
        Self { is_final_recipient: true, ..self }
    }

    /// The proxy is the registrar too (RFC 3261 10.3): it answers a REGISTER whose Max-Forwards is spent.
    #[must_use]
    pub const fn as_registrar(self) -> Self {
        Self { is_registrar: true, ..self }
    }

    /// The test for a request that was here before: 482. At a proxy that is a loop, a Via of its own whose branch says that it
    /// would decide as it did then (RFC 3261 16.3 step 4); at a server a merged request, which came by another branch of a fork
    /// (8.2.2.2), and is asked for requests outside dialogs only.
    #[must_use]
    pub const fn seen_before(self, test: &'a dyn Fn(&Request) -> bool) -> Self {
        Self { seen_before: Some(test), ..self }
    }

    /// Leaves out what the request could do without: extensions that are not known, and its breadth. For calls to emergency
    /// numbers.
    #[must_use]
    pub const fn lenient(self) -> Self {
        Self { extensions: None, ..self }
    }

    /// Bytes of the whole message at most, above which it is 513. Default: 65,535.
    #[must_use]
    pub const fn max_message(self, bytes: usize) -> Self {
        Self { max_message: bytes, ..self }
    }

    /// Bytes of the Request-URI at most, above which it is 414. Default: 8,192.
    #[must_use]
    pub const fn max_uri(self, bytes: usize) -> Self {
        Self { max_uri: bytes, ..self }
    }

    /// Header fields at most, above which it is 400. Default: 256.
    #[must_use]
    pub const fn max_fields(self, count: usize) -> Self {
        Self { max_fields: count, ..self }
    }

    /// Bytes of one header field at most, name and value, above which it is 400. Default: 8,192.
    #[must_use]
    pub const fn max_field(self, bytes: usize) -> Self {
        Self { max_field: bytes, ..self }
    }

    /// Bytes of the body at most, above which it is 413. Default: no limit but that of the message.
    #[must_use]
    pub const fn max_body(self, bytes: usize) -> Self {
        Self { max_body: bytes, ..self }
    }
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("methods", &self.methods)
            .field("schemes", &self.schemes)
            .field("extensions", &self.extensions)
            .field("needs", &self.needs)
            .field("media_types", &self.media)
            .finish_non_exhaustive()
    }
}
