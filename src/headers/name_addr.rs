//! `name-addr / addr-spec`, with parameters: From, To, Contact, Route, Record-Route, Path.

use super::lex::{closing_quote, is_lws, sws};
use super::{Params, ValueError, ValueErrorKind, trim};
use crate::uri::Uri;
use std::borrow::Cow;
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
}

impl<'a> NameAddr<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// [`ValueError`] says where the grammar breaks.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let offset_of = |rest: &str| text.len() - rest.len();
        let (start, _) = sws(text).unwrap_or((text, ""));
        let name_len = if start.starts_with('"') {
            closing_quote(start).ok_or_else(|| ValueError::at(text, start))?
        } else {
            0
        };
        let behind_name = start.get(name_len..).unwrap_or_default();
        let (display, uri, rest) = match memchr::memchr2(b'<', b';', behind_name.as_bytes()) {
            Some(at) if behind_name.as_bytes().get(at) == Some(&b'<') => {
                let display = trim(start.get(..name_len + at).unwrap_or_default());
                // RFC 4475 3.1.2.15: behind a comma another value would start wherever this is a list.
                if name_len == 0 && display.contains(',') {
                    return Err(ValueError::at(text, start));
                }
                let inner = behind_name.get(at + 1..).unwrap_or_default();
                let (uri, rest) = inner.split_once('>').ok_or_else(|| ValueError::at(text, inner))?;
                (display, uri, rest)
            }
            _ if name_len > 0 => return Err(ValueError::at(text, behind_name)),
            end => {
                let end = end.unwrap_or(start.len());
                let (uri, rest) = start.split_at_checked(end).unwrap_or((start, ""));
                let uri = uri.trim_end_matches(is_lws);
                // RFC 3261 20: a URI with a comma, question mark or semicolon must stand in brackets.
                if uri.contains(['?', ',']) {
                    return Err(ValueError::at(text, start));
                }
                ("", uri, rest)
            }
        };
        let uri = Uri::parse(uri).map_err(|error| {
            ValueError::new(ValueErrorKind::Uri, offset_of(rest).saturating_sub(uri.len()) + error.offset)
        })?;
        let params = Params::check(rest)
            .map_err(|error| ValueError::new(error.kind, offset_of(rest) + error.offset))?;
        Ok(Self { display, uri, params })
    }

    /// The display name as a person reads it: quotes and escapes undone, folds as one space.
    #[must_use]
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        if self.display.is_empty() {
            return None;
        }
        let quoted = self.display.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
        let text = quoted.unwrap_or(self.display);
        if !text.contains(['\\', '\r', '\n']) {
            return Some(Cow::Borrowed(text));
        }
        let mut plain = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted.is_some() => plain.extend(chars.next()),
                '\r' | '\n' => {}
                _ => plain.push(c),
            }
        }
        Some(Cow::Owned(plain))
    }

    /// The dialog tag of a From or To (RFC 3261 19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.params.value("tag")
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
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, in thousandths.
fn q_value(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().ok()?;
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
    fn display_names_may_be_quoted_or_tokens() {
        let name = |text| NameAddr::parse(text).unwrap().display_name().map(Cow::into_owned);
        assert_eq!(name(r#""J Rosenberg \\\"" <sip:j@h>"#).as_deref(), Some(r#"J Rosenberg \""#));
        assert_eq!(name("Bob Smith <sip:b@h>").as_deref(), Some("Bob Smith"));
        assert_eq!(name("\"<sip:x@y>\" <sip:b@h>").as_deref(), Some("<sip:x@y>"));
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
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }
}
