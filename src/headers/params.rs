//! `generic-param = token [ EQUAL gen-value ]`, each behind a semicolon.

use super::ValueError;
use super::lex::{gen_value, sws, token};
use nom::bytes::complete::tag;
use nom::combinator::opt;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// The parameters behind a value: text that starts with `;`, or nothing. All of it has been checked when there is one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// Checks that `text` is parameters to its end.
    pub(super) fn check(text: &'a str) -> Result<Self, ValueError> {
        let mut rest = text;
        loop {
            match one(rest) {
                Ok((after, _)) => rest = after,
                Err(_) if sws(rest).is_ok_and(|(rest, _)| rest.is_empty()) => return Ok(Self(text)),
                Err(_) => return Err(ValueError::at(text, rest)),
            }
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
            let (after, param) = one(rest).ok()?;
            rest = after;
            Some(param)
        })
    }

    /// The parameter `name` (case does not matter): `Some(None)` if it stands there without a value.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the parameter `name`, if it has one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.find(name).flatten()
    }
}

/// `SEMI token [ EQUAL gen-value ]`
fn one(input: &str) -> IResult<&str, (&str, Option<&str>)> {
    let equal = (sws, tag("="), sws);
    preceded((sws, tag(";"), sws), (token, opt(preceded(equal, gen_value)))).parse(input)
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
    fn rubbish_behind_parameters_is_refused_where_it_starts() {
        assert_eq!(Params::check(";a=b c").unwrap_err().offset, 4);
        assert!(Params::check(";;").is_err());
        assert!(Params::check("").is_ok());
    }
}
