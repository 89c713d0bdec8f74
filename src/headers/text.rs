//! Free text: Subject, Organization, and what may stand in quotes or in parentheses (RFC 3261 25.1).

use super::lex::{is_lws, is_quotable, token};
use super::{ValueError, trim};
use nom::error::{Error, ErrorKind};
use nom::{Err, Parser};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// `TEXT-UTF8-TRIM = 1*TEXT-UTF8char *(*LWS TEXT-UTF8char)`, or nothing: what a person reads.
///
/// `Subject = ( "Subject" / "s" ) HCOLON [TEXT-UTF8-TRIM]` (RFC 3261 20.36), `Organization` alike (20.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// A control character that is no part of a fold.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        match text.bytes().position(is_control) {
            Some(at) => Err(ValueError::syntax(at)),
            None => Ok(Self(trim(text))),
        }
    }

    /// The text as it came, folds included.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// The text with its folds undone.
    #[must_use]
    pub fn unfolded(&self) -> Cow<'a, str> {
        if self.0.contains(['\r', '\n']) { Cow::Owned(self.to_string()) } else { Cow::Borrowed(self.0) }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unfolded(self.0, false, f)
    }
}

/// What no value may hold: control characters other than those of white space.
pub(super) const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Writes text without its line ends, so that nothing written can start a line (RFC 3261 7.3.1: a fold means a space).
/// In quotes, a backslash before a line end goes with it: left alone it would quote what follows.
pub(crate) struct Unfolded<'a>(pub(crate) &'a str);

impl fmt::Display for Unfolded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unfolded(self.0, true, f)
    }
}

fn write_unfolded(text: &str, has_quotes: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_end = |c: &char| matches!(c, '\r' | '\n');
    if !text.contains(['\r', '\n']) {
        return f.write_str(text);
    }
    let (mut quoted, mut after_space) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' | '\n' => {
                let more = chars.peek().is_some_and(|next| !is_lws(*next));
                if more && !after_space {
                    f.write_char(' ')?;
                    after_space = true;
                }
                continue;
            }
            '\\' if quoted && chars.peek().is_some_and(is_end) => continue,
            '\\' if quoted => {
                f.write_char(c)?;
                if let Some(escaped) = chars.next() {
                    f.write_char(escaped)?;
                }
            }
            _ => {
                quoted ^= has_quotes && c == '"';
                f.write_char(c)?;
            }
        }
        after_space = c == ' ' || c == '\t';
    }
    Ok(())
}

/// A value as it is meant: where it is a quoted string, without its quotes and escapes, a fold as a space.
#[must_use]
pub fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    let line = on_one_line(inner);
    if !line.contains('\\') {
        return line;
    }
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Text with each fold as one space, the white space before it and behind it included: `LWS = [*WSP CRLF] 1*WSP` (RFC 3261 25.1).
pub(super) fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let mut lines = text.split(['\r', '\n']);
    let mut whole = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        whole.truncate(whole.trim_end_matches(is_lws).len());
        whole.push(' ');
        whole.push_str(line.trim_start_matches(is_lws));
    }
    Cow::Owned(whole)
}

/// Writes text as `quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE`: control characters stand in pairs only, and line ends
/// not even there, so they become spaces.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '\r' | '\n' => f.write_char(' ')?,
                '"' | '\\' | '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => write!(f, "\\{c}")?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// `comment = LPAREN *(ctext / quoted-pair / comment) RPAREN`, parentheses included. Nesting is counted, not recursed into.
/// Folds may stand in it as in quotes.
pub(super) fn comment(input: &str) -> super::lex::Lexed<'_> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in input.bytes().enumerate() {
        match byte {
            _ if escaped && is_quotable(byte) => escaped = false,
            _ if escaped || is_control(byte) => break,
            b'\\' if depth > 0 => escaped = true,
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let end = if byte == b')' { at + 1 } else { 0 };
            return match input.split_at_checked(end) {
                Some((comment, rest)) if end > 0 => Ok((rest, comment)),
                _ => break,
            };
        }
    }
    Err(Err::Error(Error::new(input, ErrorKind::Char)))
}

/// User-Agent and Server: `server-val *(LWS server-val)`, `server-val = product / comment` (RFC 3261 20.41 and 20.35).
///
/// The text is for people and for statistics, and is often written freely: [`Software::parts`] keeps what fits the rule nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Software<'a>(Text<'a>);

/// One part of a [`Software`] value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SoftwarePart<'a> {
    /// `product = token [SLASH product-version]`
    Product {
        /// Its name.
        name: &'a str,
        /// Its version.
        version: Option<&'a str>,
    },
    /// `comment`, parentheses included.
    Comment(&'a str),
    /// Anything else, up to the next white space.
    Other(&'a str),
}

impl<'a> Software<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// A control character that is no part of a fold.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        Text::parse(text).map(Self)
    }

    /// The text as it came, folds included.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0.as_str()
    }

    /// Products and comments, in their order.
    pub fn parts(&self) -> impl Iterator<Item = SoftwarePart<'a>> + use<'a> {
        let mut rest = self.as_str();
        // One open parenthesis that nothing closes is enough: behind it no other comment is looked for.
        let mut comments = true;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(is_lws);
            if rest.starts_with('(') && comments {
                match comment(rest) {
                    Ok((after, comment)) => {
                        rest = after;
                        return Some(SoftwarePart::Comment(comment));
                    }
                    Err(_) => comments = false,
                }
            }
            let end = rest.find(is_lws).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).filter(|(word, _)| !word.is_empty())?;
            rest = after;
            Some(product(word).unwrap_or(SoftwarePart::Other(word)))
        })
    }
}

fn product(word: &str) -> Option<SoftwarePart<'_>> {
    let whole = |text| token.parse(text).is_ok_and(|(rest, _)| rest.is_empty());
    let (name, version) = match word.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (word, None),
    };
    (whole(name) && version.is_none_or(whole)).then_some(SoftwarePart::Product { name, version })
}

impl fmt::Display for Software<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_a_person_wrote_without_folds() {
        assert_eq!(Text::parse(" Tech\r\n  Support ").unwrap().unfolded(), "Tech  Support");
        assert_eq!(Text::parse("Grüße").unwrap().as_str(), "Grüße");
        assert_eq!(Text::parse("").unwrap().as_str(), "");
        assert_eq!(Text::parse("\"\r\n \\\r\n C:\\").unwrap().unfolded(), "\" \\ C:\\");
        assert_eq!(Text::parse("a\0b").unwrap_err().offset, 1);
    }

    #[test]
    fn nothing_written_ends_a_line() {
        let written = |text| Unfolded(text).to_string();
        assert_eq!(written("a\r\nEvil: x"), "a Evil: x");
        assert_eq!(written("\"a\\\r\n\" b"), "\"a \" b");
        assert_eq!(written("\"a\\\\\r\n \""), "\"a\\\\ \"");
    }

    #[test]
    fn quotes_are_undone_and_done() {
        assert_eq!(unquoted(r#""a \"b\" \\""#), r#"a "b" \"#);
        assert_eq!(unquoted("plain"), "plain");
        assert_eq!(Quoted(r#"a "b" \"#).to_string(), r#""a \"b\" \\""#);
        assert_eq!(Quoted("a\x0fb\tc\r\nd").to_string(), "\"a\\\x0fb\tc  d\"");
        assert_eq!(unquoted(&Quoted("a\x0f\x7f").to_string()), "a\x0f\x7f");
    }

    #[test]
    fn comments_nest() {
        assert_eq!(comment(r"(a (b \) c)) d").unwrap(), (" d", r"(a (b \) c))"));
        assert!(comment("(a (b)").is_err());
        assert!(comment("a)").is_err());
    }

    #[test]
    fn software_has_products_and_comments_and_keeps_the_rest() {
        use SoftwarePart::*;
        let parts: Vec<_> =
            Software::parse("Softphone/Beta1.5 (Linux; x86) PBX v1@2 (open").unwrap().parts().collect();
        assert_eq!(
            parts,
            [
                Product { name: "Softphone", version: Some("Beta1.5") },
                Comment("(Linux; x86)"),
                Product { name: "PBX", version: None },
                Other("v1@2"),
                Other("(open"),
            ]
        );
    }
}
