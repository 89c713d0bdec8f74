//! The lexical rules that many header fields share (RFC 3261 25.1), as nom parsers over text.

use nom::error::{Error, ErrorKind};
use nom::{Err, IResult};

pub(super) type Lexed<'a> = IResult<&'a str, &'a str>;

/// `token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        #[expect(clippy::indexing_slicing, reason = "constant evaluation; the index is below 256")]
        {
            table[byte] = b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        }
        byte += 1;
    }
    table
};

pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// `LWS = [*WSP CRLF] 1*WSP`; a value holds CR and LF only as parts of it.
pub(super) const fn is_lws(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The first byte of `text` that is not of a class, and so where the run of those that are ends. Classes that are asked for
/// here hold either no byte beyond ASCII or all, so that a character is never cut.
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
    text.trim_matches(is_lws)
}

/// `token`
pub(super) fn token(input: &str) -> Lexed<'_> {
    match run(input, is_token) {
        0 => Err(failure(input)),
        end => split(input, end),
    }
}

/// `SWS = [LWS]`
pub(super) fn sws(input: &str) -> Lexed<'_> {
    split(input, run(input, |byte| is_lws(char::from(byte))))
}

/// `quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE`, quotes included.
pub(super) fn quoted_string(input: &str) -> Lexed<'_> {
    let end = input.starts_with('"').then(|| closing_quote(input)).flatten();
    split(input, end.ok_or_else(|| failure(input))?)
}

/// Behind the quote that closes the one at the start of `text`.
pub(super) fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inner = text.bytes().enumerate().skip(1);
    for (at, byte) in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `gen-value = token / host / quoted-string`. Anything up to a delimiter counts as a host here: IPv6 references and
/// the `:` and `@` that implementations write.
pub(super) fn gen_value(input: &str) -> Lexed<'_> {
    if input.starts_with('"') {
        return quoted_string(input);
    }
    let is_delimiter =
        |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b',' | b'"' | b'<' | b'>' | b'=' | b'?');
    match run(input, |byte| !is_delimiter(byte)) {
        0 => Err(failure(input)),
        end => split(input, end),
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
    fn a_token_stops_at_a_separator() {
        assert_eq!(token("INVITE sip:x").unwrap(), (" sip:x", "INVITE"));
        assert!(token("@").is_err());
        assert!(token("é").is_err());
    }
}
