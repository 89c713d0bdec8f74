//! `name-addr / addr-spec`, with parameters: From, To, Contact, Route, Record-Route, Path.

use super::lex::{closing_quote, is_lws, is_word, quoted_string};
use super::text::{Unfolded, is_control, on_one_line, unquoted};
use super::{Params, ValueError, ValueErrorKind, params, trim};
use crate::uri::Uri;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// An address: `name-addr = [ display-name ] LAQUOT addr-spec RAQUOT`, or a bare `addr-spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty if there is none.
    pub display: &'a str,
    /// The URI.
    pub uri: Uri<'a>,
    /// The header field's parameters. Behind a URI without brackets all parameters are the header's (RFC 3261 20).
    pub params: Params<'a>,
    tag: Option<&'a str>,
}

impl<'a> NameAddr<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// [`ValueError`] says where the grammar breaks.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let parts = Parts::of(text.as_bytes()).map_err(ValueError::syntax)?;
        let part = |range| text.get(range).unwrap_or_default();
        let display = display_name(part(parts.display.clone()))
            .map_err(|error| ValueError::new(error.kind, parts.display.start + error.offset))?;
        let uri = Uri::parse(part(parts.uri.clone()))
            .map_err(|error| ValueError::new(ValueErrorKind::Uri, parts.uri.start + error.offset))?;
        let address = Self { display, uri, params: Params::default(), tag: None };
        address.with_params(text, part(parts.params..text.len()))
    }

    /// Parses a value that may be that of `other`, which was `text_of_other`, with parameters behind it: a REGISTER's From nearly always
    /// is its To with a tag. It gives what [`parse`](Self::parse) does.
    pub(crate) fn parse_beside(text: &'a str, other: &Self, text_of_other: &str) -> Result<Self, ValueError> {
        let is_closed = other.params.as_str().is_empty() && text_of_other.ends_with('>');
        match text.strip_prefix(text_of_other).filter(|_| is_closed) {
            Some(params) => Self { params: Params::default(), ..*other }.with_params(text, params),
            None => Self::parse(text),
        }
    }

    /// With the parameters that stand at the end of `text`.
    fn with_params(self, text: &'a str, params: &'a str) -> Result<Self, ValueError> {
        let mut tag = None;
        let checked = Params::check_each(params, |name, value| {
            if tag.is_none() && is_word(name.as_bytes(), "tag") {
                tag = Some(value);
            }
        });
        let start = text.len() - params.len();
        let params = checked.map_err(|error| ValueError::new(error.kind, start + error.offset))?;
        Ok(Self { params, tag: tag.flatten(), ..self })
    }

    /// The tag in a value that nobody has checked.
    pub(crate) fn peek_tag(value: &'a [u8]) -> Option<&'a str> {
        let last = value.iter().rposition(|byte| matches!(byte, b'>' | b'"'));
        let params = match last.and_then(|at| value.get(at..)) {
            Some([b'>', params @ ..]) => params,
            // Quotes behind the URI, which may hold a bracket, or no brackets at all.
            _ => value.get(Parts::of(value).ok()?.params..)?,
        };
        if params.is_empty() { None } else { params::peek(params, "tag") }
    }

    /// The display name as a person reads it: quotes and escapes undone, folds as one space.
    #[must_use]
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        if self.display.is_empty() {
            return None;
        }
        Some(if self.display.starts_with('"') { unquoted(self.display) } else { on_one_line(self.display) })
    }

    /// The dialog tag of a From or To (RFC 3261 19.3).
    #[must_use]
    pub const fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// A Contact's own lifetime. A malformed one counts as an hour (RFC 3261 20.10: 3600).
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        let seconds = self.params.value("expires")?;
        Some(super::delta_seconds(seconds).unwrap_or(Duration::from_hours(1)))
    }

    /// A Contact's preference in thousandths, 0..=1000; 1000 where none is given or it is malformed.
    #[must_use]
    pub fn q(&self) -> u16 {
        self.params.value("q").and_then(q_value).unwrap_or(1000)
    }

    /// A Contact's `+sip.instance`, the URN without quotes and angle brackets (RFC 5626 4.1): the device, over reboots and
    /// changes of address.
    #[must_use]
    pub fn instance(&self) -> Option<&'a str> {
        let quoted = self.params.value("+sip.instance")?;
        quoted.strip_prefix("\"<")?.strip_suffix(">\"")
    }

    /// A Contact's `reg-id` (RFC 5626 4.2): one of several flows of a device, from 1 to 2^31-1.
    #[must_use]
    pub fn reg_id(&self) -> Option<u32> {
        self.params.number("reg-id").filter(|id| (1..1 << 31).contains(id))
    }

    /// A Contact's public GRUU (RFC 5627 5.1), for [`Uri::parse`].
    #[must_use]
    pub fn pub_gruu(&self) -> Option<Cow<'a, str>> {
        self.params.text("pub-gruu")
    }

    /// A Contact's temporary GRUU (RFC 5627 5.1), for [`Uri::parse`].
    #[must_use]
    pub fn temp_gruu(&self) -> Option<Cow<'a, str>> {
        self.params.text("temp-gruu")
    }
}

/// Where the parts of an address lie. None of them has been checked.
struct Parts {
    display: Range<usize>,
    uri: Range<usize>,
    /// Where the parameters start, which end with the text.
    params: usize,
}

impl Parts {
    /// The error is where the grammar breaks.
    fn of(text: &[u8]) -> Result<Self, usize> {
        if let [b'<', ..] = text {
            return Self::bracketed(text, 0, 0);
        }
        let is_space = |byte: &u8| is_lws(char::from(*byte));
        let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
        let behind = |at: usize| text.get(at..).unwrap_or_default();
        let is_quoted = text.get(start) == Some(&b'"');
        let name_len = if is_quoted { closing_quote(behind(start)).ok_or(start)? } else { 0 };
        let name_end = start + name_len;
        let delimiter = behind(name_end).iter().position(|byte| matches!(byte, b'<' | b';'));
        let delimiter = delimiter.map_or(text.len(), |at| name_end + at);
        let before = text.get(name_end..delimiter).unwrap_or_default();
        if text.get(delimiter) == Some(&b'<') {
            // display-name = *( token LWS ) / quoted-string. Between tokens more than LWS is let pass, but no comma (RFC 4475
            // 3.1.2.15): behind it another value would start wherever this is a list.
            let is_odd = |byte: &u8| if is_quoted { !is_space(byte) } else { *byte == b',' };
            if before.iter().any(is_odd) {
                return Err(start);
            }
            return Self::bracketed(text, start, delimiter);
        }
        if is_quoted {
            return Err(name_end);
        }
        // RFC 3261 20: a URI with a comma, question mark or semicolon must stand in brackets.
        if before.iter().any(|byte| matches!(byte, b'?' | b',')) {
            return Err(start);
        }
        let spaces = before.iter().rev().take_while(|byte| is_space(byte)).count();
        Ok(Self { display: start..start, uri: start..delimiter - spaces, params: delimiter })
    }

    /// With the URI in the brackets that open at `open`.
    fn bracketed(text: &[u8], start: usize, open: usize) -> Result<Self, usize> {
        let uri = open + 1;
        let len = memchr::memchr(b'>', text.get(uri..).unwrap_or_default()).ok_or(uri)?;
        Ok(Self { display: start..open, uri: uri..uri + len, params: uri + len + 1 })
    }
}

/// `display-name = *(token LWS) / quoted-string`. Without quotes it may have all that text has, as many write it.
fn display_name(text: &str) -> Result<&str, ValueError> {
    if text.is_empty() {
        return Ok(text);
    }
    let name = trim(text);
    let (behind, _) = match name.as_bytes().first() {
        Some(b'"') => quoted_string(name).map_err(|error| ValueError::unread(text, &error))?,
        _ => (name, ""),
    };
    match behind.bytes().position(is_control) {
        Some(at) => Err(ValueError::at(text, behind.get(at..).unwrap_or_default())),
        None => Ok(name),
    }
}

/// Always with angle brackets, so that it is plain whose parameters they are.
impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(f, "{} ", Unfolded(self.display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, in thousandths.
pub(super) fn q_value(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let fraction = digits * [1000, 100, 10, 1].get(fraction.len())?;
    match (whole, fraction) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// `Contact = STAR / contact-param`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contact<'a> {
    /// `*`: all bindings (RFC 3261 10.2.2).
    Star,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// As [`NameAddr::parse`].
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        if trim(text) == "*" { Ok(Self::Star) } else { NameAddr::parse(text).map(Self::Address) }
    }

    /// The address, if it is one.
    #[must_use]
    pub const fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for Contact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star => f.write_str("*"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_belong_to_the_bracketed_uri_or_else_to_the_header() {
        let inside = NameAddr::parse("<sip:a@h;lr>;tag=1").unwrap();
        assert!(inside.uri.is_loose_router());
        assert_eq!(inside.tag(), Some("1"));
        let bare = NameAddr::parse("sip:a@h;tag=2").unwrap();
        assert_eq!((bare.uri.as_str(), bare.tag()), ("sip:a@h", Some("2")));
    }

    #[test]
    fn beside_another_one_it_reads_as_it_does_alone() {
        let texts = [
            "<sip:a@h>",
            "<sip:a@h>;tag=1",
            "<sip:a@h>;tag=1;x",
            "<sip:a@h> ;tag=1",
            "<sip:a@h>x",
            "<sip:a@h>;;",
            "sip:a@h",
            "sip:a@h;tag=1",
            "sip:a@h>",
            "\"A>\" <sip:a@h>",
            "\"A>\" <sip:a@h>;tag=2",
            "\"A>",
            "<sip:a@h>>",
            "<sip:a@h>;x=\">\"",
            "<sip:a@h>;x=\">\";tag=3",
            "",
        ];
        for one in texts {
            let Ok(other) = NameAddr::parse(one) else { continue };
            for text in texts {
                assert_eq!(
                    NameAddr::parse_beside(text, &other, one),
                    NameAddr::parse(text),
                    "{text} beside {one}"
                );
            }
        }
    }

    #[test]
    fn display_names_may_be_quoted_or_tokens() {
        let name = |text| NameAddr::parse(text).unwrap().display_name().map(Cow::into_owned);
        assert_eq!(name(r#""J Rosenberg \\\"" <sip:j@h>"#).as_deref(), Some(r#"J Rosenberg \""#));
        assert_eq!(name("Bob Smith <sip:b@h>").as_deref(), Some("Bob Smith"));
        assert_eq!(name("\"<sip:x@y>\" <sip:b@h>").as_deref(), Some("<sip:x@y>"));
        assert_eq!(name("\"a\\\0\" <sip:b@h>").as_deref(), Some("a\0"));
        assert_eq!(name("\"A  B \r\n   C\\\\\" <sip:b@h>").as_deref(), Some("A  B C\\"));
        assert_eq!(name("A\r\n\t B <sip:b@h>").as_deref(), Some("A B"));
        assert_eq!(name("<sip:b@h>"), None);
    }

    #[test]
    fn contacts_have_q_and_expires() {
        let contact = NameAddr::parse("<sip:b@h>;q=0.7;expires=60").unwrap();
        assert_eq!((contact.q(), contact.expires()), (700, Some(Duration::from_secs(60))));
        let odd = NameAddr::parse("<sip:b@h>;q=7;expires=soon").unwrap();
        assert_eq!((odd.q(), odd.expires()), (1000, Some(Duration::from_hours(1))));
        assert_eq!(Contact::parse(" * "), Ok(Contact::Star));
    }

    #[test]
    fn contacts_have_instance_reg_id_and_gruus() {
        let contact = NameAddr::parse(
            "<sip:callee@192.0.2.1>;pub-gruu=\"sip:callee@example.com;gr=urn:uuid:f81d\";\
             temp-gruu=\"sip:tgruu.7hs==jd7vn@example.com;gr\";+sip.instance=\"<urn:uuid:f81d>\";reg-id=1",
        )
        .unwrap();
        assert_eq!((contact.instance(), contact.reg_id()), (Some("urn:uuid:f81d"), Some(1)));
        assert_eq!(contact.pub_gruu().as_deref(), Some("sip:callee@example.com;gr=urn:uuid:f81d"));
        assert_eq!(contact.temp_gruu().as_deref(), Some("sip:tgruu.7hs==jd7vn@example.com;gr"));
        let odd = NameAddr::parse("<sip:a@h>;reg-id=0;+sip.instance=x").unwrap();
        assert_eq!((odd.instance(), odd.reg_id()), (None, None));
    }

    #[test]
    fn q_is_in_thousandths() {
        for (text, q) in
            [("0", 0), ("1", 1000), ("1.000", 1000), ("0.", 0), ("0.5", 500), ("0.05", 50), ("0.123", 123)]
        {
            assert_eq!(q_value(text), Some(q), "{text}");
        }
        for bad in ["", "2", "1.1", "0.1234", ".5", "0.x", "-0"] {
            assert_eq!(q_value(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_written_with_brackets_on_one_line() {
        let written = |text| NameAddr::parse(text).unwrap().to_string();
        assert_eq!(written("sip:a@h ; tag=1"), "<sip:a@h>;tag=1");
        assert_eq!(written("\"A\r\n B\"\r\n <sip:a@h;lr>"), "\"A B\" <sip:a@h;lr>");
        assert_eq!(Contact::parse("*").unwrap().to_string(), "*");
    }

    #[test]
    fn broken_ones_are_refused() {
        for bad in [
            "",
            "<sip:a@h",
            "\"x <sip:a@h>",
            "\"x\" sip:a@h",
            "<a@h>",
            "sip:a@h?x=y",
            "<sip:a@h> x",
            "B, A <sip:a@h>",
            "\"A\" B <sip:a@h>",
            "\"A\" \"B\" <sip:a@h>",
            "\"A\0\" <sip:a@h>",
            "A\0B <sip:a@h>",
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }
}
