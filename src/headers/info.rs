//! A URI in angle brackets with parameters: Call-Info, Alert-Info, Error-Info, Geolocation, Identity-Info; and Identity, which
//! has one within.

use super::lex::{is_lws, quoted_string, sws, token};
use super::params::behind;
use super::text::Unfolded;
use super::{Params, ValueError, ValueErrorKind};
use crate::uri::Uri;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while1};
use nom::error::Error;
use nom::sequence::{delimited, terminated};
use std::fmt;

/// `info = LAQUOT absoluteURI RAQUOT *( SEMI info-param)` (RFC 3261 20.9; Alert-Info 20.4, Error-Info 20.18), and
/// `locationValue = LAQUOT locationURI RAQUOT *(SEMI geoloc-param)` (RFC 6442 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfoUri<'a> {
    /// The URI: `http`, `cid`, `urn` and any other.
    pub uri: Uri<'a>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> InfoUri<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// No URI in angle brackets, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let (uri, params) = behind(text, terminated(bracketed, sws))?;
        let offset = text.find('<').map_or(0, |at| at + 1);
        let uri =
            Uri::parse(uri).map_err(|error| ValueError::new(ValueErrorKind::Uri, offset + error.offset))?;
        Ok(Self { uri, params })
    }

    /// What a Call-Info is for: `icon`, `info`, `card` and others.
    #[must_use]
    pub fn purpose(&self) -> Option<&'a str> {
        self.params.value("purpose")
    }
}

fn bracketed(input: &str) -> nom::IResult<&str, &str, Error<&str>> {
    delimited(tag("<"), take_till(|c| c == '>'), tag(">")).parse(input)
}

impl fmt::Display for InfoUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// `Identity = signed-identity-digest SEMI ident-info *( SEMI ident-info-params )` (RFC 8224 4.1), and the quoted digest alone of
/// RFC 4474 9.
#[derive(Clone, Copy, Debug, Eq)]
#[non_exhaustive]
pub struct Identity<'a> {
    /// `signed-identity-digest = 1*(base64-char / ".")`, a PASSporT; with its quotes where it has some.
    pub digest: &'a str,
    params: &'a str,
}

impl<'a> Identity<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No digest, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let start = text.trim_start_matches(is_lws);
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '/' | '=');
        let mut digest = terminated(alt((quoted_string, take_while1(base64))), sws);
        let (params, digest) =
            digest.parse(start).map_err(|_: nom::Err<Error<&str>>| ValueError::at(text, start))?;
        let mut rest = params;
        while let Ok((after, _)) = identity_param(rest) {
            rest = after;
        }
        if rest.is_empty() { Ok(Self { digest, params }) } else { Err(ValueError::at(text, rest)) }
    }

    /// Name and value of each parameter, values as written, with their quotes or angle brackets.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.params;
        std::iter::from_fn(move || {
            let (after, param) = identity_param(rest).ok()?;
            rest = after;
            Some(param)
        })
    }

    /// The value of the parameter `name`: `alg`, `ppt`, or another.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Where the certificate is: `ident-info = "info" EQUAL LAQUOT absoluteURI RAQUOT`, without the brackets.
    #[must_use]
    pub fn info(&self) -> Option<&'a str> {
        self.param("info")?.strip_prefix('<')?.strip_suffix('>')
    }
}

/// `SEMI token EQUAL ( token / quoted-string / LAQUOT absoluteURI RAQUOT )`
fn identity_param(input: &str) -> nom::IResult<&str, (&str, &str), Error<&str>> {
    let bracketed = (tag("<"), take_till(|c: char| matches!(c, '>' | ' ') || c.is_ascii_control()), tag(">"));
    let value = alt((quoted_string, nom::combinator::recognize(bracketed), token));
    let (rest, (_, _, _, name, _, _, _, value, _)) =
        (sws, tag(";"), sws, token, sws, tag("="), sws, value, sws).parse(input)?;
    Ok((rest, (name, value)))
}

impl PartialEq for Identity<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.params().eq(other.params())
    }
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Unfolded(self.digest).fmt(f)?;
        self.params().try_for_each(|(name, value)| write!(f, ";{name}={}", Unfolded(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_is_a_uri_with_parameters() {
        let info = InfoUri::parse("<http://www.example.com/alice/photo.jpg?a,b;c> ;purpose=icon").unwrap();
        assert_eq!(
            (info.uri.as_str(), info.purpose()),
            ("http://www.example.com/alice/photo.jpg?a,b;c", Some("icon"))
        );
        assert!(InfoUri::parse("<cid:target123@atlanta.example.com>").is_ok());
        for bad in ["", "http://h", "<http://h", "<nothing>", "<>", "<http://h> x"] {
            assert!(InfoUri::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(InfoUri::parse(" <http:a b>").unwrap_err().offset, 8);
    }

    #[test]
    fn an_identity_has_a_digest_and_says_where_its_certificate_is() {
        let text = "eyJhbGci.eyJkZXN0.rq3pjT1h-Q_==;info=<https://biloxi.example.org/biloxi.cer>;alg=ES256;ppt=\"shaken\"";
        let identity = Identity::parse(text).unwrap();
        assert_eq!(identity.digest, "eyJhbGci.eyJkZXN0.rq3pjT1h-Q_==");
        assert_eq!(identity.info(), Some("https://biloxi.example.org/biloxi.cer"));
        assert_eq!((identity.param("ALG"), identity.param("ppt")), (Some("ES256"), Some("\"shaken\"")));
        assert_eq!(identity.to_string(), text);
        assert!(Identity::parse("\"ZYNBbHC00VMZr2kZt6VmCvPonWJMGvQTBDqghoWeLxJ=\"").is_ok());
        for bad in ["", ";info=<a:b>", "abc;info", "abc;info=<a", "abc def"] {
            assert!(Identity::parse(bad).is_err(), "{bad}");
        }
    }
}
