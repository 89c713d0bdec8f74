//! `generic-param = token [ EQUAL gen-value ]`, each behind a semicolon.

use super::lex::{gen_value, is_word, plain_value_len, separator, token, token_len};
use super::text::{Unfolded, unquoted};
use super::{ValueError, number, trim};
use nom::Parser;
use nom::error::Error;
use std::borrow::Cow;
use std::fmt;

/// The parameters behind a value: text that starts with `;`, or nothing. All of it has been checked when there is one of these.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// Checks that `text` is parameters to its end.
    pub(super) fn check(text: &'a str) -> Result<Self, ValueError> {
        Self::check_each(text, |_, _| ())
    }

    /// The same, and shows each name and value on the way, so that those that everybody asks for are found in the same pass.
    pub(super) fn check_each(
        text: &'a str,
        mut see: impl FnMut(&'a str, Option<&'a str>),
    ) -> Result<Self, ValueError> {
        let mut rest = text;
        while !rest.is_empty()
            && let Some((after, name, value)) = one(rest)
        {
            see(name, value);
            rest = after;
        }
        if rest.is_empty() || trim(rest).is_empty() {
            Ok(Self(text))
        } else {
            Err(ValueError::at(text, rest))
        }
    }

    /// The text as it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Name and value of each, values as written, quotes included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (after, name, value) = one(rest)?;
            rest = after;
            Some((name, value))
        })
    }

    /// The parameter `name` (case does not matter), the first where there are several: `Some(None)` if it stands there
    /// without a value.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(candidate, _)| is_word(candidate.as_bytes(), name)).map(|(_, value)| value)
    }

    /// The value of the parameter `name`, if it has one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.find(name).flatten()
    }

    /// The same without quotes and escapes.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.value(name).map(unquoted)
    }

    /// The value of the parameter `name`, if it is a number. One above 2^32-1 counts as that.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.value(name).and_then(number::digits).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// The same parameters in the same order, whatever the white space between them.
impl PartialEq for Params<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.iter().eq(other.iter())
    }
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={}", Unfolded(value))?;
            }
        }
        Ok(())
    }
}

/// The value of the parameter `name` in text that nobody has checked and that starts with a semicolon. As in [`Params::find`], the
/// first one counts.
pub(super) fn peek<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let [b';', param @ ..] = rest {
        let (start, behind) = param.split_at_checked(name.len())?;
        if start.first().is_some_and(u8::is_ascii_whitespace) {
            break;
        }
        if is_word(start, name) {
            match behind {
                [b';' | b',', ..] | [] => return None,
                [b'=', value @ ..] => match value.get(..plain_value_len(value))? {
                    [] => break,
                    value => return std::str::from_utf8(value).ok(),
                },
                [b' ' | b'\t' | b'\r' | b'\n', ..] => break,
                _ => {}
            }
        }
        let end = memchr::memchr3(b';', b',', b'"', param)?;
        match param.get(end..)? {
            next @ [b';', ..] => rest = next,
            [b',', ..] => return None,
            _ => break,
        }
    }
    // Quotes and odd white space: rare enough to be read with care.
    Params(std::str::from_utf8(rest).ok()?).value(name)
}

/// What `first` reads from the front of a value, and the parameters behind it, to the value's end.
pub(super) fn behind<'a, T>(
    text: &'a str,
    mut first: impl Parser<&'a str, Output = T, Error = Error<&'a str>>,
) -> Result<(T, Params<'a>), ValueError> {
    let start = text.trim_start_matches(super::lex::is_lws);
    let (rest, value) = first.parse(start).map_err(|error| ValueError::unread(text, &error))?;
    let params = Params::check(rest)
        .map_err(|error| ValueError::new(error.kind, text.len() - rest.len() + error.offset))?;
    Ok((value, params))
}

/// `SEMI token [ EQUAL gen-value ]`: what is behind it, the name, and the value.
#[inline]
fn one(input: &str) -> Option<(&str, &str, Option<&str>)> {
    match plain(input) {
        None => any(input),
        read => read,
    }
}

/// One without white space and quotes, up to the next one or the end, as nearly all are.
#[inline(always)]
fn plain(input: &str) -> Option<(&str, &str, Option<&str>)> {
    let bytes = input.as_bytes();
    let name_end = 1 + token_len(bytes.strip_prefix(b";")?);
    let (value_start, end) = match bytes.get(name_end..)? {
        [] | [b';', ..] => (None, name_end),
        [b'=', value @ ..] => (Some(name_end + 1), name_end + 1 + plain_value_len(value)),
        _ => return None,
    };
    let is_whole = matches!(bytes.get(end), None | Some(b';'));
    if !is_whole || name_end == 1 || value_start == Some(end) {
        return None;
    }
    let value = match value_start {
        Some(start) => Some(input.get(start..end)?),
        None => None,
    };
    Some((input.get(end..)?, input.get(1..name_end)?, value))
}

#[inline(never)]
fn any(input: &str) -> Option<(&str, &str, Option<&str>)> {
    let (rest, name) = token(separator(input, b';')?).ok()?;
    let value = separator(rest, b'=').and_then(|value| gen_value(value).ok());
    Some(value.map_or((rest, name, None), |(rest, value)| (rest, name, Some(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_quotes_and_addresses_are_read() {
        let params = Params::check(" ; a=b;c ; d = \"x;y\";received=[::1]").unwrap();
        assert_eq!(params.find("A"), Some(Some("b")));
        assert_eq!(params.find("c"), Some(None));
        assert_eq!(params.value("d"), Some("\"x;y\""));
        assert_eq!(params.value("received"), Some("[::1]"));
        assert_eq!(params.find("e"), None);
    }

    #[test]
    fn a_peek_finds_what_reading_finds() {
        for text in [
            ";tag=a",
            ";x;TAG=b;y",
            ";tag;tag=c",
            ";tags=1;tag=d",
            ";x=\";tag=no\";tag=e",
            "; tag=f",
            ";tag = g;x",
            ";tag=\"h\"",
            ";lr",
            ";tag=",
            "",
            ";ta",
            ";x=[::1];tag=j,;tag=k",
            ";x,;tag=i",
        ] {
            assert_eq!(peek(text.as_bytes(), "tag"), Params(text).value("tag"), "{text}");
        }
    }

    #[test]
    fn plain_ones_are_read_as_any_others() {
        for text in [
            ";a=b",
            ";a",
            ";a;b",
            ";a=b;c=d",
            ";a=",
            ";a=;b",
            ";=b",
            ";",
            ";;",
            ";a =b",
            ";a= b",
            ";a b",
            ";a=b ;c",
            "; a",
            ";a=\"b\"",
            ";a=b\"c",
            ";a=[::1]:5",
            ";a=b,c",
            ";\u{e9}=a",
            ";a=\u{e9}",
            "",
            "a",
            ";a==b",
        ] {
            if let Some(read) = plain(text) {
                assert_eq!(any(text), Some(read), "{text}");
            }
        }
        assert_eq!(plain(";a=b;c"), Some((";c", "a", Some("b"))));
    }

    #[test]
    fn rubbish_behind_parameters_is_refused_where_it_starts() {
        assert_eq!(Params::check(";a=b c").unwrap_err().offset, 4);
        assert!(Params::check(";;").is_err());
        assert!(Params::check("").is_ok());
    }
}
