//! `escaped = "%" HEXDIG HEXDIG` (RFC 3261 25.1): make, check and undo. All of it works on bytes, so that an escaped NUL
//! or one that makes no UTF-8 is a byte like any other.

use super::class::Class;
use std::borrow::Cow;
use std::fmt::Write;

/// The part of a SIP URI that a text is to stand in. "For each component, the set of valid BNF expansions defines exactly
/// which characters may appear unescaped. All other characters MUST be escaped." (RFC 3261 19.1.2)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Component {
    /// `user = 1*( unreserved / escaped / user-unreserved )`
    User,
    /// `password = *( unreserved / escaped / "&" / "=" / "+" / "$" / "," )`
    Password,
    /// `paramchar = param-unreserved / unreserved / escaped`, for names and values.
    Param,
    /// `hnv-unreserved / unreserved / escaped`, for names and values of header fields.
    Header,
}

/// `user-unreserved = "&" / "=" / "+" / "$" / "," / ";" / "?" / "/"`
static USER: Class = Class::unreserved(b"&=+$,;?/");
static PASSWORD: Class = Class::unreserved(b"&=+$,");
/// `param-unreserved = "[" / "]" / "/" / ":" / "&" / "+" / "$"`
static PARAM: Class = Class::unreserved(b"[]/:&+$");
/// `hnv-unreserved = "[" / "]" / "/" / "?" / ":" / "+" / "$"`
static HEADER: Class = Class::unreserved(b"[]/?:+$");

impl Component {
    /// Whether `byte` may stand in this component as it is.
    #[must_use]
    pub fn allows(self, byte: u8) -> bool {
        let class = match self {
            Self::User => &USER,
            Self::Password => &PASSWORD,
            Self::Param => &PARAM,
            Self::Header => &HEADER,
        };
        class.has(byte)
    }
}

/// Escapes what may not stand in `component`, and `%`. Text that needs nothing is not copied.
///
/// ```
/// use sip_survivability::uri::{Component, escape};
/// assert_eq!(escape(b"j@s0n", Component::User), "j%40s0n");
/// ```
#[must_use]
pub fn escape(bytes: &[u8], component: Component) -> Cow<'_, str> {
    if bytes.iter().all(|&byte| component.allows(byte)) {
        return String::from_utf8_lossy(bytes);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if component.allows(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

/// Whether `bytes` starts with an escape.
pub(super) fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

/// The offset of a `%` that two hexadecimal digits do not follow.
pub(super) fn bad_escape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes).find(|&at| !is_escape(bytes.get(at..).unwrap_or_default()))
}

/// Undoes `%` escapes; text without them is not copied. Broken escapes stay as they are.
///
/// ```
/// use sip_survivability::uri::unescape_bytes;
/// assert_eq!(&unescape_bytes(b"null-%00-%ff")[..], b"null-\0-\xff");
/// ```
#[must_use]
pub fn unescape_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Unescaped::new(text).map(|unit| unit.byte).collect())
}

/// The same for text. Escapes that make no UTF-8 stay as they are, so two texts that differ may unescape to the same one:
/// to tell them apart use [`unescape_bytes`].
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    match unescape_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(plain) => String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned),
    }
}

/// A byte that a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) byte: u8,
    /// It was escaped, and is one of those that mean something else when they are not: "Characters other than those in
    /// the 'reserved' set are equivalent to their '%' HEX HEX encoding" (RFC 3261 19.1.4).
    pub(super) reserved: bool,
}

impl Unit {
    pub(super) const fn to_lower(self) -> Self {
        Self { byte: self.byte.to_ascii_lowercase(), ..self }
    }
}

/// Reads the units of a text, without allocation.
#[derive(Clone, Debug)]
pub(super) struct Unescaped<'a>(&'a [u8]);

impl<'a> Unescaped<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self(text)
    }
}

impl Iterator for Unescaped<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if let (b'%', [high, low, after @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.0 = after;
            let byte = high << 4 | low;
            return Some(Unit { byte, reserved: is_reserved(byte) });
        }
        Some(Unit { byte: first, reserved: false })
    }
}

/// Whether `text` says `name`, with or without escapes and in whatever case.
pub(super) fn says(text: &str, name: &str) -> bool {
    if text.eq_ignore_ascii_case(name) {
        return true;
    }
    if !text.bytes().any(|byte| byte == b'%') {
        return false;
    }
    let folded = Unescaped::new(text.as_bytes()).map(|unit| unit.byte.to_ascii_lowercase());
    text.len() >= name.len() && folded.eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// `reserved = ";" / "/" / "?" / ":" / "@" / "&" / "=" / "+" / "$" / ","`
const fn is_reserved(byte: u8) -> bool {
    matches!(byte, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn broken_escapes_are_found() {
        assert_eq!(bad_escape("a%4"), Some(1));
        assert_eq!(bad_escape("%41%4g"), Some(3));
        assert_eq!(bad_escape("%41"), None);
    }

    #[test]
    fn each_component_escapes_what_its_grammar_does_not_allow() {
        assert_eq!(escape(b"a;b:c@d%", Component::User), "a;b%3Ac%40d%25");
        assert_eq!(escape(b"a;b&c", Component::Password), "a%3Bb&c");
        assert_eq!(escape(b"[::1]=x", Component::Param), "[::1]%3Dx");
        assert_eq!(escape(b"sip:a@b?c&d=e", Component::Header), "sip:a%40b?c%26d%3De");
        assert!(matches!(escape(b"alice", Component::User), Cow::Borrowed("alice")));
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(bytes: Vec<u8>) {
            for component in [Component::User, Component::Password, Component::Param, Component::Header] {
                let text = escape(&bytes, component);
                prop_assert_eq!(bad_escape(&text), None);
                prop_assert_eq!(&unescape_bytes(text.as_bytes())[..], &bytes[..]);
            }
        }
    }
}
