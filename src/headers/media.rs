//! Media types: Content-Type and Accept (RFC 3261 20.15 and 20.1).

use super::lex::{sws, token};
use super::params::behind;
use super::{Params, ValueError, q_value};
use nom::bytes::complete::tag;
use nom::sequence::{separated_pair, terminated};
use std::fmt;

/// `media-type = m-type SLASH m-subtype *(SEMI m-parameter)`, and `media-range` of Accept, where `*` stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaType<'a> {
    /// The type: `application`.
    pub kind: &'a str,
    /// The subtype: `sdp`.
    pub subtype: &'a str,
    /// `charset`, `boundary`, `q` and others.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// No two tokens with a slash between them, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let slash = (sws, tag("/"), sws);
        let ((kind, subtype), params) = behind(text, terminated(separated_pair(token, slash, token), sws))?;
        Ok(Self { kind, subtype, params })
    }

    /// Whether it is `kind/subtype`, whatever its parameters.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether this media range of an Accept takes in `kind/subtype`.
    #[must_use]
    pub fn includes(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }

    /// A media range's preference in thousandths; 1000 where none is given or it is malformed.
    #[must_use]
    pub fn q(&self) -> u16 {
        self.params.value("q").and_then(q_value).unwrap_or(1000)
    }
}

impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_parameters_are_read() {
        let media = MediaType::parse(" multipart / mixed ; boundary=\"a;b\"").unwrap();
        assert!(media.is("Multipart", "MIXED"));
        assert_eq!(media.params.text("boundary").as_deref(), Some("a;b"));
        assert_eq!(media.to_string(), "multipart/mixed;boundary=\"a;b\"");
        for bad in ["", "text", "text/", "/plain", "text/plain x", "text/plain, a/b"] {
            assert!(MediaType::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_take_in_types() {
        let text = MediaType::parse("text/*;q=0.5").unwrap();
        assert!(text.includes("text", "plain") && !text.includes("application", "sdp"));
        assert_eq!(text.q(), 500);
        assert!(MediaType::parse("*/*").unwrap().includes("application", "sdp"));
    }
}
