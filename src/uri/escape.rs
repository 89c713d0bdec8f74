//! `escaped = "%" HEXDIG HEXDIG` (RFC 3261 25.1): check and undo.

use std::borrow::Cow;

/// The offset of a `%` that two hexadecimal digits do not follow.
pub(super) fn bad_escape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes)
        .find(|&at| !matches!(bytes.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// Undoes `%` escapes; text without them is not copied. Escapes that make no UTF-8, and broken ones, stay as they are.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    plain.push(high << 4 | low);
                    rest = after;
                }
                _ => plain.push(first),
            },
            _ => plain.push(first),
        }
    }
    String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// `text` in the one form that all its spellings share: escapes undone but those of reserved characters, which mean
/// something else than the characters themselves (RFC 3261 19.1.4), and those of bytes beyond ASCII.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut pieces = text.split('%');
    let mut canonical = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escaped = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, piece.get(2..)) {
            (Some(byte), Some(after)) if byte.is_ascii() && !b";/?:@&=+$,%".contains(&byte) => {
                canonical.push(char::from(byte));
                canonical.push_str(after);
            }
            _ => {
                canonical.push('%');
                canonical.push_str(&piece.get(..2).unwrap_or_default().to_ascii_uppercase());
                canonical.push_str(piece.get(2..).unwrap_or(piece));
            }
        }
    }
    Cow::Owned(canonical)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("%61lice%20%C3%A9"), "alice é");
        assert!(matches!(unescape("alice"), Cow::Borrowed("alice")));
    }

    #[test]
    fn what_makes_no_text_stays_as_it_is() {
        assert_eq!(unescape("%ff"), "%ff");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz"), "%zz");
    }

    #[test]
    fn an_escaped_reserved_character_is_not_the_character() {
        assert_eq!(canonical("%61%3b%2Fb"), "a%3B%2Fb");
        assert_eq!(canonical("%2541"), "%2541");
        assert_eq!(canonical("a%c3%A9%"), "a%C3%A9%");
        assert_eq!(canonical("%é"), "%é");
    }

    #[test]
    fn broken_escapes_are_found() {
        assert_eq!(bad_escape("a%4"), Some(1));
        assert_eq!(bad_escape("%41%4g"), Some(3));
        assert_eq!(bad_escape("%41"), None);
    }
}
