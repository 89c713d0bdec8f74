//! The lexical rules that many header fields share (RFC 3261 25.1), as nom parsers over text.

use crate::uri::Class;
use nom::error::{Error, ErrorKind};
use nom::{Err, IResult};

pub(super) type Lexed<'a> = IResult<&'a str, &'a str>;

/// `token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`
static TOKEN: Class = Class::alphanum(b"-.!%*_+`'~");

/// What stands in a parameter's value without quotes: all but white space, control characters and delimiters.
static PLAIN_VALUE: Class = Class::without(b" ;,\"<>=?");

/// `qdtext = LWS / %x21 / %x23-5B / %x5D-7E / UTF8-NONASCII`
static QDTEXT: Class = Class::without(b"\"\\").also(b"\t\r\n");

pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// How many bytes of a token are at the front of `bytes`.
pub(super) fn token_len(bytes: &[u8]) -> usize {
    TOKEN.run(bytes)
}

/// Whether `text` is a token from end to end.
pub(crate) fn is_whole_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// `LWS = [*WSP CRLF] 1*WSP`; a value holds CR and LF only as parts of it.
pub(super) const fn is_lws(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Where the bytes of a class at the front of `text` end. Classes that are asked for here hold either no byte beyond ASCII or all, so
/// that a character is never cut.
fn run(text: &str, is_member: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !is_member(byte)).unwrap_or(text.len())
}

fn split(input: &str, at: usize) -> Lexed<'_> {
    input.split_at_checked(at).map(|(taken, rest)| (rest, taken)).ok_or_else(|| failure(input))
}

const fn failure(input: &str) -> Err<Error<&str>> {
    Err::Error(Error { input, code: ErrorKind::Char })
}

/// `text` without white space around it.
pub(crate) fn trim(text: &str) -> &str {
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| is_lws(char::from(*byte)));
    let bytes = text.as_bytes();
    // Nearly always there is none.
    if is_space(bytes.first()) || is_space(bytes.last()) { text.trim_matches(is_lws) } else { text }
}

/// `token`
pub(super) fn token(input: &str) -> Lexed<'_> {
    match token_len(input.as_bytes()) {
        0 => Err(failure(input)),
        end => split(input, end),
    }
}

/// Whether `text` is `word` in any case. Most write words in the usual one, which is one comparison.
pub(super) fn is_word(text: &[u8], word: &str) -> bool {
    text == word.as_bytes() || text.eq_ignore_ascii_case(word.as_bytes())
}

/// `SWS = [LWS]`
pub(super) fn sws(input: &str) -> Lexed<'_> {
    split(input, run(input, |byte| is_lws(char::from(byte))))
}

/// `quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE`, quotes included.
pub(super) fn quoted_string(input: &str) -> Lexed<'_> {
    let bytes = input.as_bytes();
    let mut at = 1;
    loop {
        let rest = bytes.get(at..).filter(|_| bytes.starts_with(b"\"")).ok_or_else(|| failure(input))?;
        let len = QDTEXT.run(rest);
        at += len;
        match rest.get(len..) {
            Some([b'"', ..]) => return split(input, at + 1),
            Some([b'\\', escaped, ..]) if is_quotable(*escaped) => at += 2,
            _ => return Err(failure(input.get(at..).unwrap_or_default())),
        }
    }
}

/// Whether `byte` may stand behind the backslash of a pair: `quoted-pair = "\" (%x00-09 / %x0B-0C / %x0E-7F)`.
pub(super) const fn is_quotable(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'\r' | b'\n')
}

/// Behind the quote that closes the one at the start of `bytes`, whatever stands between them.
pub(super) fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // quoted-pair: whatever is behind the backslash.
        at += 2;
    }
}

/// `gen-value = token / host / quoted-string`. Anything up to a delimiter counts as a host here: IPv6 references and
/// the `:` and `@` that implementations write.
pub(super) fn gen_value(input: &str) -> Lexed<'_> {
    if input.as_bytes().first() == Some(&b'"') {
        return quoted_string(input);
    }
    match plain_value_len(input.as_bytes()) {
        0 => Err(failure(input)),
        end => split(input, end),
    }
}

/// How many bytes of a parameter's value without quotes are at the front of `bytes`.
pub(super) fn plain_value_len(bytes: &[u8]) -> usize {
    PLAIN_VALUE.run(bytes)
}

/// `input` behind white space and a `byte`, and the white space that follows that: SEMI, EQUAL, COLON, SLASH.
pub(super) fn separator(input: &str, byte: u8) -> Option<&str> {
    let input = skip_lws(input);
    if input.as_bytes().first() != Some(&byte) {
        return None;
    }
    input.get(1..).map(skip_lws)
}

/// `input` behind the white space that it starts with.
pub(super) fn skip_lws(input: &str) -> &str {
    match input.as_bytes() {
        [first, ..] if *first > b' ' => input,
        _ => input.get(run(input, |byte| is_lws(char::from(byte)))..).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_ends_at_its_own_quote() {
        assert_eq!(quoted_string(r#""a \" b\\" rest"#).unwrap(), (" rest", r#""a \" b\\""#));
        assert!(quoted_string(r#""open \""#).is_err());
        assert!(quoted_string("x").is_err());
    }

    #[test]
    fn control_characters_stand_in_quotes_behind_a_backslash_only() {
        for control in ['\0', '\x07', '\x0b', '\x1f', '\x7f'] {
            assert!(quoted_string(&format!("\"a{control}\"")).is_err(), "{control:?}");
            assert!(quoted_string(&format!("\"\\{control}\"")).is_ok(), "{control:?}");
            assert_eq!(gen_value(&format!("a{control}b")).unwrap().1, "a");
        }
        assert!(quoted_string("\"a\tb\r\n é\"").is_ok());
        // quoted-pair has neither line ends nor what is beyond ASCII.
        assert!(quoted_string("\"a\\\r\n b\"").is_err());
        assert!(quoted_string("\"\\é\"").is_err());
    }

    #[test]
    fn a_token_stops_at_a_separator() {
        assert_eq!(token("INVITE sip:x").unwrap(), (" sip:x", "INVITE"));
        assert!(token("@").is_err());
        assert!(token("é").is_err());
    }
}
