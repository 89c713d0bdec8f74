//! Making values. What has been made is checked by the parser that will read it, so no [`Value`] is invalid.

use super::field::{Field, WithAddress, WithParams, WithScheme};
use super::text::{Quoted, is_control};
use super::{Token, ValueError, is_whole_token};
use crate::uri::{Host, Uri};
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::net::IpAddr;

/// One value of the header field `F`, on one line.
///
/// ```
/// use sip_survivability::headers::{Value, field};
/// use sip_survivability::uri::Uri;
///
/// let uri = Uri::parse("sip:bob@biloxi.example")?;
/// let to = Value::<field::To>::address("Bob \"B\"", &uri)?.param("tag", "a6c85cf")?;
/// assert_eq!(to.to_string(), r#""Bob \"B\"" <sip:bob@biloxi.example>;tag=a6c85cf"#);
///
/// let challenge = Value::<field::WwwAuthenticate>::scheme("Digest", "realm", "biloxi.example")?
///     .quoted("nonce", "dcd98b")?
///     .param("algorithm", "SHA-256")?;
/// assert_eq!(challenge.to_string(), r#"Digest realm="biloxi.example", nonce="dcd98b", algorithm=SHA-256"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Value<F> {
    text: String,
    field: PhantomData<fn() -> F>,
}

impl<F: Field> Value<F> {
    /// A value from its text, which is put on one line; or from a view, or what writes itself as one.
    ///
    /// # Errors
    /// The parser of `F` refuses it, or it is more than one value.
    pub fn new(value: impl fmt::Display) -> Result<Self, ValueError> {
        Self::checked(value.to_string())
    }

    fn checked(text: String) -> Result<Self, ValueError> {
        if let Some(at) = text.bytes().position(is_control) {
            return Err(ValueError::syntax(at));
        }
        let mut values = super::field::values::<F>(&text);
        let text = values.next().ok_or(ValueError::syntax(0))??.to_string();
        if values.next().is_some() {
            return Err(ValueError::syntax(text.len()));
        }
        F::parse(&text)?;
        Ok(Self { text, field: PhantomData })
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<F: WithParams> Value<F> {
    /// Adds a parameter with a value, in quotes where it needs them.
    ///
    /// # Errors
    /// `name` is no token or is there already, `value` holds control characters, or it needs quotes that a `tag` or `branch` cannot have.
    pub fn param(self, name: &str, value: &str) -> Result<Self, ValueError> {
        if is_bare(value) { self.add(name, format_args!("={value}")) } else { self.quoted(name, value) }
    }

    /// Adds a parameter with a value in quotes, whether it needs them or not: the rule of some asks for them.
    ///
    /// # Errors
    /// As [`Value::param`].
    pub fn quoted(self, name: &str, value: &str) -> Result<Self, ValueError> {
        if let Some(at) = value.bytes().position(|byte| is_control(byte) || matches!(byte, b'\r' | b'\n')) {
            return Err(ValueError::syntax(at));
        }
        // RFC 3261 25.1: tag-param = "tag" EQUAL token; via-branch = "branch" EQUAL token.
        if name.eq_ignore_ascii_case("tag") || name.eq_ignore_ascii_case("branch") {
            return Err(ValueError::syntax(0));
        }
        self.add(name, format_args!("={}", Quoted(value)))
    }

    /// Adds a parameter that has no value.
    ///
    /// # Errors
    /// `name` is no token or is there already, or the parameters of `F` all have values.
    pub fn flag(self, name: &str) -> Result<Self, ValueError> {
        self.add(name, format_args!(""))
    }

    fn add(mut self, name: &str, value: fmt::Arguments<'_>) -> Result<Self, ValueError> {
        Token::parse(name)?;
        // RFC 3261 7.3.1: "any given parameter-name MUST NOT appear more than once".
        if F::has_param(&self.text, name) {
            return Err(ValueError::syntax(self.text.len()));
        }
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{}{name}{value}", F::SEPARATOR);
        Self::checked(self.text)
    }
}

/// Whether `gen-value = token / host / quoted-string` and the parameters of Via allow a text without quotes.
fn is_bare(text: &str) -> bool {
    is_whole_token(text) || Host::parse(text).is_some() || text.parse::<IpAddr>().is_ok()
}

impl<F: WithAddress> Value<F> {
    /// An address: `name-addr = [ display-name ] LAQUOT addr-spec RAQUOT`, without a display name where `display` is empty.
    ///
    /// # Errors
    /// `display` holds control characters, or the field has parameters that must be there: see [`Value::address_with`].
    pub fn address(display: &str, uri: &Uri<'_>) -> Result<Self, ValueError> {
        Self::written(display, uri, format_args!(""))
    }

    /// The same with a first parameter, for fields that must have one: the `index` of History-Info.
    ///
    /// # Errors
    /// As [`Value::address`], and for a parameter that the field refuses.
    pub fn address_with(display: &str, uri: &Uri<'_>, name: &str, value: &str) -> Result<Self, ValueError> {
        Token::parse(name)?;
        Token::parse(value)?;
        Self::written(display, uri, format_args!(";{name}={value}"))
    }

    fn written(display: &str, uri: &Uri<'_>, param: fmt::Arguments<'_>) -> Result<Self, ValueError> {
        if let Some(at) = display.bytes().position(|byte| byte.is_ascii_control()) {
            return Err(ValueError::syntax(at));
        }
        match display {
            "" => Self::checked(format!("<{uri}>{param}")),
            _ => Self::checked(format!("{} <{uri}>{param}", Quoted(display))),
        }
    }
}

impl<F: WithScheme> Value<F> {
    /// A challenge or credentials: their scheme, and a first parameter, in quotes: the realm of a challenge, the user of
    /// credentials.
    ///
    /// # Errors
    /// `scheme` or `name` is no token, or `value` holds control characters.
    pub fn scheme(scheme: &str, name: &str, value: &str) -> Result<Self, ValueError> {
        Token::parse(scheme)?;
        Token::parse(name)?;
        if let Some(at) = value.bytes().position(|byte| byte.is_ascii_control()) {
            return Err(ValueError::syntax(at));
        }
        Self::checked(format!("{scheme} {name}={}", Quoted(value)))
    }
}

impl<F> PartialEq for Value<F> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<F> Eq for Value<F> {}

impl<F> fmt::Display for Value<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::{Date, field};

    #[test]
    fn nothing_invalid_can_be_made() {
        assert!(Value::<field::Supported>::new("a b").is_err());
        assert!(Value::<field::Supported>::new("a, b").is_err());
        assert!(Value::<field::Supported>::new("").is_err());
        assert_eq!(Value::<field::Subject>::new("a\r\nEvil: x").unwrap().as_str(), "a Evil: x");
        let event = Value::<field::Event>::new("presence").unwrap();
        for (name, value) in [("a b", "x"), ("id", "a\r\nb"), ("id", "a\0"), ("", "x"), ("id;a", "x")] {
            assert!(event.clone().param(name, value).is_err(), "{name}={value}");
        }
        let event = event.param("id", "7").unwrap();
        assert!(event.clone().param("ID", "8").is_err());
        assert_eq!(event.flag("x").unwrap().as_str(), "presence;id=7;x");
    }

    #[test]
    fn parameters_are_quoted_where_they_need_it() {
        let reason = Value::<field::Reason>::new("SIP").unwrap().param("cause", "486").unwrap();
        let reason = reason.quoted("text", "Busy").unwrap().param("x", "a;\"b\"").unwrap();
        assert_eq!(reason.as_str(), r#"SIP;cause=486;text="Busy";x="a;\"b\"""#);
        assert_eq!(
            reason.param("y", "\"").unwrap().as_str(),
            r#"SIP;cause=486;text="Busy";x="a;\"b\"";y="\"""#
        );
    }

    #[test]
    fn tags_and_branches_have_no_quotes() {
        let from = Value::<field::From>::new("<sip:a@h>").unwrap();
        assert!(from.clone().param("tag", "a b").is_err() && from.clone().quoted("Tag", "a").is_err());
        assert_eq!(from.param("tag", "a").unwrap().as_str(), "<sip:a@h>;tag=a");
        let via = Value::<field::Via>::new("SIP/2.0/UDP h").unwrap();
        assert!(via.param("branch", "a;b").is_err());
    }

    #[test]
    fn only_tokens_and_hosts_stand_without_quotes() {
        for text in ["z9hG4bK-1", "h.example", "[2001:db8::1]", "2001:db8::1", "192.0.2.1"] {
            assert!(is_bare(text), "{text}");
        }
        for text in ["", "a@b", "é", "\\", "a:b", "<a>", "a b", "\"a\""] {
            assert!(!is_bare(text), "{text}");
        }
    }

    #[test]
    fn history_starts_with_its_index() {
        let uri = Uri::parse("sip:bob@h").unwrap();
        assert!(Value::<field::HistoryInfo>::address("", &uri).is_err());
        let entry = Value::<field::HistoryInfo>::address_with("", &uri, "index", "1.1").unwrap();
        assert_eq!(entry.param("rc", "1").unwrap().as_str(), "<sip:bob@h>;index=1.1;rc=1");
    }

    #[test]
    fn views_are_values() {
        let date = Date::from_unix(0).unwrap();
        assert_eq!(Value::<field::Date>::new(date).unwrap().as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
