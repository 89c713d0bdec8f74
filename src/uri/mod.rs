//! SIP, SIPS, tel and other URIs (RFC 3261 section 19.1 and 25.1, RFC 3966): parse, compare, escape, build, and the key to
//! look users up by.
//!
//! [`Uri`] is a view of text that stays where it is; [`UriBuf`] owns a copy. Both have the accessors of `Uri`
//! (`buf.as_uri()` costs nothing). Parsing finds the parts and refuses what has no host to send to; it changes
//! nothing, and `as_str` gives back what came, byte for byte.

mod buf;
mod build;
mod class;
mod compare;
mod escape;
mod host;
mod key;
mod parse;
mod tel;
mod transport;

pub use buf::UriBuf;
pub use build::UriBuilder;
pub(crate) use class::Class;
pub use escape::{Component, escape, unescape, unescape_bytes};
pub(crate) use host::HostBuf;
pub use host::{Host, HostPort};
pub(crate) use key::user_of;
pub use key::{AorKey, HomeHosts};
pub use tel::{PhoneContext, Tel, TelError, TelErrorKind};
pub use transport::Transport;

use std::fmt;
use std::net::Ipv4Addr;

/// Why a text is no usable URI. `offset` counts bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of the URI")]
#[non_exhaustive]
pub struct UriError {
    /// What is wrong.
    pub kind: UriErrorKind,
    /// Where.
    pub offset: usize,
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriErrorKind {
    /// No scheme: a URI starts with a letter and has a colon.
    #[error("no scheme")]
    Scheme,
    /// A byte that must be escaped, or a broken `%` escape.
    #[error("a character that may not stand here")]
    Character,
    /// An empty user before `@`.
    #[error("an empty user part")]
    EmptyUser,
    /// No host, or one that is neither a name nor an IP address.
    #[error("no valid host")]
    Host,
    /// A port that is no number from 0 to 65535.
    #[error("no valid port")]
    Port,
    /// Longer than 65,535 bytes.
    #[error("too long")]
    TooLong,
}

/// The scheme of a URI. Unknown ones are kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other, as it was written.
    Other(&'a str),
}

/// Where the parts of a URI lie in its text. 16 bits suffice: longer URIs are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// End of the scheme, at the colon.
    scheme: u16,
    scheme_kind: SchemeKind,
    /// User, without password: start is always `scheme + 1`.
    user_end: u16,
    /// Password between these, if `password_end > user_end`.
    password_end: u16,
    /// Host, brackets included. Empty for URIs that have none.
    host: (u16, u16),
    host_kind: HostKind,
    port: Option<u16>,
    /// Start of `;params`, which end where the headers start.
    params: u16,
    /// Start of `?headers`, which end with the text.
    headers: u16,
}

/// Which scheme it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SchemeKind {
    Sip,
    Sips,
    Tel,
    #[default]
    Other,
}

impl SchemeKind {
    /// That of `name`, in any case.
    const fn of(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"sip") {
            Self::Sip
        } else if name.eq_ignore_ascii_case(b"sips") {
            Self::Sips
        } else if name.eq_ignore_ascii_case(b"tel") {
            Self::Tel
        } else {
            Self::Other
        }
    }

    const fn is_sip(self) -> bool {
        matches!(self, Self::Sip | Self::Sips)
    }
}

/// What is known of the host's text, so that nothing is read twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HostKind {
    #[default]
    None,
    Name,
    V4(Ipv4Addr),
    V6,
}

/// A view of a URI.
///
/// ```
/// use sip_survivability::uri::Uri;
/// let uri = Uri::parse("sip:alice@atlanta.example:5070;transport=tcp")?;
/// assert_eq!(uri.user(), Some("alice"));
/// assert_eq!(uri.port(), Some(5070));
/// assert_eq!(uri.param("transport"), Some(Some("tcp")));
/// # Ok::<(), sip_survivability::uri::UriError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    text: &'a str,
    layout: Layout,
}

impl<'a> Uri<'a> {
    /// Finds the parts of `text`.
    ///
    /// # Errors
    /// [`UriError`] says what cannot be understood, and where.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        parse::parse(text).map(|layout| Self { text, layout })
    }

    /// The text as it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Where its parts lie, for whoever keeps the text with others and wants the URI back without reading it again.
    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    /// The URI that `text` was when it had this layout.
    pub(crate) const fn laid_out(text: &'a str, layout: Layout) -> Self {
        Self { text, layout }
    }

    fn slice(&self, from: u16, to: u16) -> &'a str {
        self.text.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme<'a> {
        match self.layout.scheme_kind {
            SchemeKind::Sip => Scheme::Sip,
            SchemeKind::Sips => Scheme::Sips,
            SchemeKind::Tel => Scheme::Tel,
            SchemeKind::Other => Scheme::Other(self.slice(0, self.layout.scheme)),
        }
    }

    /// Whether the scheme is `sip` or `sips`.
    #[must_use]
    pub const fn is_sip(&self) -> bool {
        self.layout.scheme_kind.is_sip()
    }

    /// The user part as written, without password; for `tel` the number. `None` if there is none.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        let user = self.slice(self.layout.scheme + 1, self.layout.user_end);
        (!user.is_empty()).then_some(user)
    }

    /// The user without the parameters that stand in it, as a telephone number's do (RFC 3261 19.1.6). To the RFC they are a
    /// part of the user all the same, and count when users are compared.
    #[must_use]
    pub fn user_name(&self) -> Option<&'a str> {
        self.user().and_then(|user| user.split(';').next()).filter(|name| !name.is_empty())
    }

    /// The parameters in the user (`sip:+1201;phone-context=x@h`): name, and value if it has one.
    pub fn user_params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        split_params(self.user().unwrap_or_default())
    }

    /// The telephone number: that of a `tel` URI, or the user of a SIP or SIPS URI with `user=phone` (RFC 3261 19.1.1). `None`
    /// where there is none that could be understood; [`Tel::parse`] says why.
    #[must_use]
    pub fn telephone(&self) -> Option<Tel<'a>> {
        let text = match self.scheme() {
            Scheme::Tel => self.opaque(),
            Scheme::Sip | Scheme::Sips if self.is_user_phone() => self.user()?,
            Scheme::Sip | Scheme::Sips | Scheme::Other(_) => return None,
        };
        Tel::parse(text).ok()
    }

    /// Whether `user=phone` says that the user is a telephone number. One among several `user` parameters does, which must not be
    /// (RFC 3261 19.1.1): so it is whatever their order is, which does not count when URIs are compared.
    #[must_use]
    pub fn is_user_phone(&self) -> bool {
        let mut params = self.params();
        self.has_params()
            && params.any(|(name, kind)| {
                escape::says(name, "user") && kind.is_some_and(|kind| escape::says(kind, "phone"))
            })
    }

    /// Whether it names emergency services: `urn:service:sos`, or one kind of them, such as `urn:service:sos.fire` (RFC 5031 4.2),
    /// in upper or lower case (RFC 5031 3).
    #[must_use]
    pub fn is_emergency_service(&self) -> bool {
        let is_urn = matches!(self.scheme(), Scheme::Other(name) if name.eq_ignore_ascii_case("urn"));
        let mut labels = self.opaque().split('.');
        is_urn && labels.next().is_some_and(|top| top.eq_ignore_ascii_case("service:sos"))
    }

    /// What follows the scheme.
    fn opaque(&self) -> &'a str {
        self.text.get(usize::from(self.layout.scheme) + 1..).unwrap_or_default()
    }

    fn host_str(&self) -> &'a str {
        self.slice(self.layout.host.0, self.layout.host.1)
    }

    /// Bytes that are the same for URIs that are [`equivalent`](Self::equivalent), for indexes. They leave out host, port,
    /// parameters and much else, so that URIs that differ may share them.
    pub(crate) fn index_bytes(&self) -> Vec<u8> {
        if self.is_sip() {
            return unescape_bytes(self.user().unwrap_or_default().as_bytes()).into_owned();
        }
        compare::coarse(self)
    }

    /// The password, which nobody should use (RFC 3261 19.1.1).
    #[must_use]
    pub fn password(&self) -> Option<&'a str> {
        (self.layout.password_end > self.layout.user_end)
            .then(|| self.slice(self.layout.user_end + 1, self.layout.password_end))
    }

    /// The host of a SIP or SIPS URI.
    #[must_use]
    pub fn host(&self) -> Option<Host<'a>> {
        match self.layout.host_kind {
            HostKind::None => None,
            HostKind::Name => Some(Host::Name(self.host_str())),
            HostKind::V4(address) => Some(Host::V4(address)),
            HostKind::V6 => Host::parse(self.host_str()),
        }
    }

    /// The port, if one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.layout.port
    }

    /// Host and port of a SIP or SIPS URI.
    #[must_use]
    pub fn host_port(&self) -> Option<HostPort<'a>> {
        self.host().map(|host| HostPort { host, port: self.port() })
    }

    /// The parameters as written, with the leading `;`, or nothing.
    #[must_use]
    pub fn params_str(&self) -> &'a str {
        self.slice(self.layout.params, self.layout.headers)
    }

    const fn has_params(&self) -> bool {
        self.layout.params < self.layout.headers
    }

    /// The parameters: name, and value if it has one.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        split_params(self.params_str())
    }

    /// The parameter `name` (neither case nor escapes in it matter): `Some(None)` if it stands there without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        if !self.has_params() {
            return None;
        }
        self.params().find(|(candidate, _)| escape::says(candidate, name)).map(|(_, value)| value)
    }

    /// Whether the parameter `lr` is there: a loose router (RFC 3261 19.1.1).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The headers part as written, with the leading `?`, or nothing.
    #[must_use]
    pub fn headers_str(&self) -> &'a str {
        self.slice(self.layout.headers, u16::try_from(self.text.len()).unwrap_or(u16::MAX))
    }

    /// The headers: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let text = self.headers_str().strip_prefix('?').unwrap_or_default();
        text.split('&').filter(|header| !header.is_empty()).map(|h| h.split_once('=').unwrap_or((h, "")))
    }

    /// Whether both mean the same by RFC 3261 19.1.4. Not transitive, so never a map's key: see [`AorKey`].
    #[must_use]
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        compare::equivalent(self, other)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_buf(&self) -> UriBuf {
        (*self).into()
    }
}

/// The parameters behind the first `;`, empty ones left out.
fn split_params(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = split_at_byte(text, b';').1;
    std::iter::from_fn(move || {
        loop {
            let (param, behind) = split_at_byte(rest?, b';');
            rest = behind;
            if !param.is_empty() {
                return Some(split_at_byte(param, b'='));
            }
        }
    })
}

/// What stands before and behind the first `byte`. These texts are too short for `memchr`.
fn split_at_byte(text: &str, byte: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|other| other == byte) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Textual equality. For equality of meaning use [`Uri::equivalent`].
impl PartialEq for Uri<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn all_parts_of_a_sip_uri_are_found() {
        let uri =
            Uri::parse("sips:alice:secret@[2001:db8::1]:5071;transport=tcp;lr?subject=x&priority=urgent")
                .unwrap();
        assert_eq!(uri.scheme(), Scheme::Sips);
        assert_eq!(uri.user(), Some("alice"));
        assert_eq!(uri.password(), Some("secret"));
        assert_eq!(uri.host(), Some(Host::V6("2001:db8::1".parse::<Ipv6Addr>().unwrap())));
        assert_eq!(uri.port(), Some(5071));
        assert_eq!(uri.params().collect::<Vec<_>>(), [("transport", Some("tcp")), ("lr", None)]);
        assert!(uri.is_loose_router());
        assert_eq!(uri.headers().collect::<Vec<_>>(), [("subject", "x"), ("priority", "urgent")]);
    }

    #[test]
    fn a_user_may_hold_semicolon_and_question_mark() {
        let uri = Uri::parse("sip:1234;phone-context=+1?x@gw.example").unwrap();
        assert_eq!(uri.user(), Some("1234;phone-context=+1?x"));
        assert_eq!(uri.host(), Some(Host::Name("gw.example")));
        assert_eq!(uri.params_str(), "");
    }

    #[test]
    fn an_escaped_parameter_name_is_the_same_name() {
        // RFC 4475 3.1.1.3.
        assert!(Uri::parse("sip:h;%6C%72").unwrap().is_loose_router());
        assert_eq!(Uri::parse("sip:h;l%72=%20").unwrap().param("lr"), Some(Some("%20")));
    }

    #[test]
    fn parameters_in_the_user_are_the_users() {
        let uri = Uri::parse("sip:+1201;tgrp=g;x@h;user=phone").unwrap();
        assert_eq!(uri.user_name(), Some("+1201"));
        assert_eq!(uri.user_params().collect::<Vec<_>>(), [("tgrp", Some("g")), ("x", None)]);
        assert_eq!(uri.telephone().unwrap().param("tgrp"), Some(Some("g")));
        assert!(Uri::parse("sip:+1201@h").unwrap().telephone().is_none());
        assert!(Uri::parse("sip:alice@h;user=phone").unwrap().telephone().is_none());
    }

    #[test]
    fn an_address_may_have_a_zone() {
        let uri = Uri::parse("sip:a@[fe80::1%25eth0]:5070;lr").unwrap();
        let address = "fe80::1".parse::<Ipv6Addr>().unwrap();
        assert_eq!(uri.host(), Some(Host::V6Zone(address, "eth0")));
        assert_eq!((uri.port(), uri.is_loose_router()), (Some(5070), true));
    }

    #[test]
    fn a_bare_host_is_enough() {
        let uri = Uri::parse("sip:192.0.2.1").unwrap();
        assert_eq!((uri.user(), uri.port()), (None, None));
        assert_eq!(uri.host(), Some(Host::V4(Ipv4Addr::new(192, 0, 2, 1))));
    }

    #[test]
    fn other_schemes_are_kept_as_data() {
        let uri = Uri::parse("tel:+358-555-1234567;postd=pp22").unwrap();
        assert_eq!(uri.scheme(), Scheme::Tel);
        assert_eq!(uri.user(), Some("+358-555-1234567"));
        assert_eq!(uri.param("postd"), Some(Some("pp22")));
        assert_eq!(uri.host(), None);
        assert_eq!(Uri::parse("x:xx%").unwrap_err(), UriError { kind: UriErrorKind::Character, offset: 4 });
        assert_eq!(Uri::parse("nobodyKnows:x").unwrap().scheme(), Scheme::Other("nobodyKnows"));
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused() {
        use UriErrorKind::*;
        for (text, kind) in [
            ("", Scheme),
            ("alice", Scheme),
            ("1sip:a@b", Scheme),
            ("sip:", Host),
            ("sip:@host", EmptyUser),
            ("sip:a@", Host),
            ("sip:a@b@c", Host),
            ("sip:a@host;x=y@z", Character),
            ("sip:a@host:99999", Port),
            ("sip:a@host:", Port),
            ("sip:a@[::1", Host),
            ("sip:a b@host", Character),
            ("sip:a%4@host", Character),
            ("sip:a@ho<st", Character),
            ("sip:[::1]@host", Character),
            ("sip:[::1];x=y@host", Character),
        ] {
            assert_eq!(Uri::parse(text).unwrap_err().kind, kind, "{text}");
        }
    }

    #[test]
    fn the_text_comes_back_as_it_was() {
        for text in ["SIP:Alice@Atlanta.EXAMPLE", "sip:%61lice@h;LR", "tel:911", "sip:h:5060?a=b"] {
            assert_eq!(UriBuf::parse(text).unwrap().to_string(), text);
        }
    }
}
