//! `CSeq = 1*DIGIT LWS Method` (RFC 3261 20.16), and methods, which stay open.

use super::lex::skip_lws;
use super::{ValueError, ValueErrorKind, is_token, trim};
use std::fmt;

/// A request's method. Unknown ones are kept as text where the message holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Prack,
    Subscribe,
    Notify,
    Publish,
    Info,
    Refer,
    Message,
    Update,
    /// Any other.
    Other,
}

impl Method {
    /// The method named `name`; case matters (RFC 3261 7.1).
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"UPDATE" => Self::Update,
            _ => Self::Other,
        }
    }
}

/// A CSeq value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 8.1.1.5).
    pub number: u32,
    /// The method as written.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No digits, no method, or a number of 2^31 and above.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let text = trim(text);
        let (mut number, mut digits) = (0_u64, 0);
        for digit in text.bytes().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
            // Once out of range it stays there.
            number = (number * 10 + u64::from(digit)).min(1 << 32);
            digits += 1;
        }
        let rest = text.get(digits..).unwrap_or_default();
        let method = skip_lws(rest);
        let is_spaced = method.len() < rest.len();
        if digits == 0 || !is_spaced || method.is_empty() || !method.bytes().all(is_token) {
            return Err(ValueError::at(text, rest));
        }
        // RFC 3261 8.1.1.5: "less than 2**31".
        match u32::try_from(number) {
            Ok(number) if number < 1 << 31 => Ok(Self { number, method }),
            _ => Err(ValueError::new(ValueErrorKind::Range, 0)),
        }
    }
}

impl fmt::Display for CSeq<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method_are_read() {
        let cseq = CSeq::parse("0009\r\n  INVITE").unwrap();
        assert_eq!((cseq.number, cseq.method), (9, "INVITE"));
        assert_eq!(CSeq::parse("2147483647 NEW").unwrap().number, 2_147_483_647);
    }

    #[test]
    fn what_is_no_cseq_is_refused() {
        assert_eq!(CSeq::parse("2147483648 ACK").unwrap_err().kind, ValueErrorKind::Range);
        assert_eq!(CSeq::parse("36893488147419103232 ACK").unwrap_err().kind, ValueErrorKind::Range);
        for bad in ["", "1", "INVITE", "1INVITE", "-1 INVITE", "1 IN VITE"] {
            assert_eq!(CSeq::parse(bad).unwrap_err().kind, ValueErrorKind::Syntax, "{bad}");
        }
    }
}
