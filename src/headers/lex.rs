//! The lexical rules that many header fields share (RFC 3261 25.1), as nom parsers over text.

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::combinator::recognize;
use nom::error::{Error, ErrorKind};
use nom::{Err, IResult, Parser};

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

/// `text` without white space around it.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_lws)
}

/// `token`
pub(super) fn token(input: &str) -> Lexed<'_> {
    take_while1(|c: char| c.is_ascii() && is_token(c as u8)).parse(input)
}

/// `SWS = [LWS]`
pub(super) fn sws(input: &str) -> Lexed<'_> {
    take_while(is_lws).parse(input)
}

/// `quoted-string = SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE`, quotes included.
pub(super) fn quoted_string(input: &str) -> Lexed<'_> {
    let end = input.starts_with('"').then(|| closing_quote(input)).flatten();
    match end.and_then(|end| input.split_at_checked(end)) {
        Some((quoted, rest)) => Ok((rest, quoted)),
        None => Err(Err::Error(Error::new(input, ErrorKind::Char))),
    }
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
    let plain = |c: char| !is_lws(c) && !matches!(c, ';' | ',' | '"' | '<' | '>' | '=' | '?');
    alt((quoted_string, recognize(take_while1(plain)))).parse(input)
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
