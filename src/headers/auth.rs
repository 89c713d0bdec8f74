//! Challenges and credentials: WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization, Authentication-Info
//! (RFC 3261 20.44, 20.27, 20.7, 20.28, 20.6; the digest parameters are those of RFC 7616 and RFC 8760).

use super::lex::{is_lws, quoted_string, sws, token};
use super::text::{Unfolded, unquoted};
use super::{ValueError, trim};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::verify;
use nom::error::Error;
use nom::{IResult, Parser};
use std::borrow::Cow;
use std::fmt;

/// `auth-param *(COMMA auth-param)`, `auth-param = auth-param-name EQUAL ( token / quoted-string )`; `Authentication-Info =
/// ainfo *(COMMA ainfo)` is of the same shape.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct AuthParams<'a>(&'a str);

impl<'a> AuthParams<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// Not one or more parameters with commas between them.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let mut rest = text;
        loop {
            let (after, _) = one(rest).map_err(|_| ValueError::at(text, rest))?;
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None if after.is_empty() => return Ok(Self(text)),
                None => return Err(ValueError::at(text, after)),
            }
        }
    }

    /// Name and value of each, values as written, quotes included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (after, param) = one(rest).ok()?;
            rest = after.strip_prefix(',').unwrap_or_default();
            Some(param)
        })
    }

    /// The value of the parameter `name` (case does not matter), as written.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The same without quotes and escapes.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.find(name).map(unquoted)
    }

    /// The nonce count of credentials and Authentication-Info: `nc-value = 8LHEX`.
    #[must_use]
    pub fn nonce_count(&self) -> Option<u32> {
        let count = self.find("nc")?;
        let hex = count.len() == 8 && count.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(count, 16).ok().filter(|_| hex)
    }
}

/// `auth-param-name EQUAL ( token / quoted-string )`. A value without quotes may hold what implementations forget to quote,
/// but not equals signs alone: without white space, name and value would look like a `token68`.
fn one(input: &str) -> IResult<&str, (&str, &str), Error<&str>> {
    let plain = take_while1(|c: char| !matches!(c, ' ' | ',' | '"') && !c.is_ascii_control());
    let plain = verify(plain, |value: &str| value.bytes().any(|byte| byte != b'='));
    let (rest, (_, name, _, _, _, value, _)) =
        (sws, token, sws, tag("="), sws, alt((quoted_string, plain)), sws).parse(input)?;
    Ok((rest, (name, value)))
}

/// The same parameters in the same order, whatever the white space between them.
impl PartialEq for AuthParams<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Display for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={}", if at > 0 { ", " } else { "" }, Unfolded(value))?;
        }
        Ok(())
    }
}

/// A challenge or credentials.
///
/// `challenge = ("Digest" LWS digest-cln *(COMMA digest-cln)) / other-challenge`,
/// `credentials = ("Digest" LWS digest-response) / other-response`; both others are `auth-scheme LWS auth-param
/// *(COMMA auth-param)`. Schemes that have a token instead, such as Bearer (RFC 8898) and Basic, keep it as data.
///
/// The accessors name what the scheme Digest has; a scheme that has it too is read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth<'a> {
    /// The scheme as written: `Digest`.
    pub scheme: &'a str,
    /// The parameters; none where the scheme has a token instead.
    pub params: AuthParams<'a>,
    /// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 7235 2.1), instead of parameters.
    pub token: Option<&'a str>,
}

impl<'a> Auth<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No scheme, or behind it neither parameters nor, but for Digest, a token.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let start = text.trim_start_matches(is_lws);
        let (rest, scheme) = token(start).map_err(|_| ValueError::at(text, start))?;
        let behind = rest.trim_start_matches(is_lws);
        if behind.len() == rest.len() {
            return Err(ValueError::at(text, rest));
        }
        let digest = scheme.eq_ignore_ascii_case("Digest");
        if let Some(token) = token68(trim(behind)).filter(|_| !digest) {
            return Ok(Self { scheme, params: AuthParams::default(), token: Some(token) });
        }
        let params = AuthParams::parse(behind)
            .map_err(|error| ValueError::new(error.kind, text.len() - behind.len() + error.offset))?;
        Ok(Self { scheme, params, token: None })
    }

    /// Whether the scheme is Digest.
    #[must_use]
    pub const fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// `realm-value = quoted-string`, without quotes.
    #[must_use]
    pub fn realm(&self) -> Option<Cow<'a, str>> {
        self.params.text("realm")
    }

    /// `nonce-value = quoted-string`, without quotes.
    #[must_use]
    pub fn nonce(&self) -> Option<Cow<'a, str>> {
        self.params.text("nonce")
    }

    /// The server's text for the client to give back, without quotes.
    #[must_use]
    pub fn opaque(&self) -> Option<Cow<'a, str>> {
        self.params.text("opaque")
    }

    /// `algorithm = "MD5" / "MD5-sess" / "SHA-256" / token`; MD5 where none is named (RFC 7616 3.3).
    #[must_use]
    pub fn algorithm(&self) -> Cow<'a, str> {
        self.params.text("algorithm").unwrap_or(Cow::Borrowed("MD5"))
    }

    /// The protections that a challenge offers, or the one that credentials have; nothing where RFC 2069 is spoken.
    pub fn qop(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let text = self.params.find("qop").unwrap_or_default();
        let words = text.trim_matches('"').split(',').map(trim);
        words.filter(|word| !word.is_empty())
    }

    /// Whether a challenge says that only the nonce was too old.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.params.text("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }

    /// The user of credentials, without quotes.
    #[must_use]
    pub fn username(&self) -> Option<Cow<'a, str>> {
        self.params.text("username")
    }

    /// `digest-uri` of credentials, without quotes.
    #[must_use]
    pub fn uri(&self) -> Option<Cow<'a, str>> {
        self.params.text("uri")
    }

    /// `request-digest` of credentials, without quotes; as many hexadecimal digits as the algorithm has.
    #[must_use]
    pub fn response(&self) -> Option<Cow<'a, str>> {
        self.params.text("response")
    }

    /// The client's nonce, without quotes.
    #[must_use]
    pub fn cnonce(&self) -> Option<Cow<'a, str>> {
        self.params.text("cnonce")
    }
}

fn token68(text: &str) -> Option<&str> {
    let body = text.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    (!body.is_empty() && body.bytes().all(allowed)).then_some(text)
}

impl fmt::Display for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.token {
            Some(token) => write!(f, "{} {token}", self.scheme),
            None => write!(f, "{} {}", self.scheme, self.params),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_challenge_is_read() {
        let challenge = Auth::parse(
            "Digest realm=\"atlanta \\\"x\\\"\",\r\n domain=\"sip:a sip:b\", qop=\"auth, auth-int\" , nonce=\"f84f1c\",\
             opaque=\"\", stale=TRUE, algorithm=SHA-256",
        )
        .unwrap();
        assert!(challenge.is_digest() && challenge.is_stale());
        assert_eq!(challenge.realm().as_deref(), Some("atlanta \"x\""));
        assert_eq!(challenge.opaque().as_deref(), Some(""));
        assert_eq!(challenge.algorithm(), "SHA-256");
        assert_eq!(challenge.qop().collect::<Vec<_>>(), ["auth", "auth-int"]);
    }

    #[test]
    fn digest_credentials_are_read() {
        let credentials = Auth::parse(
            "digest username=\"bob\", uri=sip:biloxi.example;x=y, response=\"245f\", qop=auth, nc=0000000A, cnonce=\"0a\"",
        )
        .unwrap();
        assert_eq!(credentials.username().as_deref(), Some("bob"));
        assert_eq!(credentials.uri().as_deref(), Some("sip:biloxi.example;x=y"));
        assert_eq!(credentials.params.nonce_count(), Some(10));
        assert_eq!(credentials.qop().collect::<Vec<_>>(), ["auth"]);
        assert_eq!(credentials.algorithm(), "MD5");
        assert_eq!(AuthParams::parse("nc=+0000001").unwrap().nonce_count(), None);
    }

    #[test]
    fn other_schemes_are_data() {
        let bearer = Auth::parse("Bearer eyJhbGciOi.x_y-z==").unwrap();
        assert_eq!((bearer.scheme, bearer.token), ("Bearer", Some("eyJhbGciOi.x_y-z==")));
        let other = Auth::parse("NoOneKnows a=b, c=\"d,e\"").unwrap();
        assert_eq!(other.params.iter().collect::<Vec<_>>(), [("a", "b"), ("c", "\"d,e\"")]);
    }

    #[test]
    fn broken_ones_are_refused_where_they_break() {
        for (bad, offset) in [
            ("", 0),
            ("Digest", 6),
            ("Digest abc", 7),
            ("Digest a=b,", 11),
            ("Digest a=b,,c=d", 11),
            ("Digest a=\"b", 7),
            ("Digest a=b c=d", 11),
            ("Digest,a=b", 6),
            ("Other a= =", 6),
        ] {
            assert_eq!(Auth::parse(bad).unwrap_err().offset, offset, "{bad}");
        }
    }
}
