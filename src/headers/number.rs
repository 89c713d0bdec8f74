//! Values that are a number: Expires, Max-Forwards, Content-Length, Max-Breadth, RSeq and others.

use super::{ValueError, ValueErrorKind, trim};
use std::fmt;
use std::time::Duration;

/// `delta-seconds = 1*DIGIT`. More than 2^32-1 counts as that (RFC 3261 20.19). `None` for what is no number.
#[must_use]
pub fn delta_seconds(text: &str) -> Option<Duration> {
    digits(text).map(|seconds| Duration::from_secs(u64::from(u32::try_from(seconds).unwrap_or(u32::MAX))))
}

/// `1*DIGIT`, saturating. `None` for what is no number.
pub(crate) fn digits(text: &str) -> Option<u64> {
    trimmed_digits(trim(text).as_bytes())
}

/// The same where nothing is around the digits.
pub(crate) fn trimmed_digits(digits: &[u8]) -> Option<u64> {
    let add = |sum: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    digits.iter().try_fold(0, add).filter(|_| !digits.is_empty())
}

/// `delta-seconds = 1*DIGIT` (RFC 3261 25.1): Expires (20.19), Min-Expires (20.23), Flow-Timer (RFC 5626 10). More than 2^32-1
/// counts as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeltaSeconds(pub u32);

impl DeltaSeconds {
    /// Parses a value.
    ///
    /// # Errors
    /// It is no number.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let seconds = digits(text).ok_or(ValueError::syntax(0))?;
        Ok(Self(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl fmt::Display for DeltaSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `1*DIGIT` from `MIN` to `MAX`: Max-Forwards (RFC 3261 20.22: to 255), Content-Length (20.14), Max-Breadth (RFC 5393
/// 5.3.3), RSeq (RFC 3262 7.1: 1 to 2^32-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Number<MIN, MAX> {
    /// `number`, if it is from `MIN` to `MAX`.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= MIN && number <= MAX { Some(Self(number)) } else { None }
    }

    /// Parses a value.
    ///
    /// # Errors
    /// It is no number, or out of range.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let number = digits(text).ok_or(ValueError::syntax(0))?;
        Self::new(number).ok_or(ValueError::new(ValueErrorKind::Range, 0))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Number<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Writes `number` behind `text` in decimal digits, without the detour of formatting: some go into each message.
pub(crate) fn push_decimal(text: &mut String, number: u64) {
    let (thousands, rest) = (number / 1000, number % 1000);
    if thousands > 0 {
        push_decimal(text, thousands);
    }
    for (power, digit) in [(100, rest / 100), (10, rest / 10 % 10), (1, rest % 10)] {
        if thousands > 0 || rest >= power || power == 1 {
            text.push(char::from(b'0' + digit as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_formatting() {
        for number in [0, 1, 9, 10, 70, 99, 100, 255, 5060, 65_535, 4_294_967_295, u64::MAX] {
            let mut text = "x".to_owned();
            push_decimal(&mut text, number);
            assert_eq!(text, format!("x{number}"));
        }
    }

    #[test]
    fn seconds_saturate_and_rubbish_is_none() {
        assert_eq!(delta_seconds(" 3600 "), Some(Duration::from_secs(3600)));
        assert_eq!(delta_seconds("99999999999999999999999"), Some(Duration::from_secs(u64::from(u32::MAX))));
        for bad in ["", "-1", "1.5", "x"] {
            assert_eq!(delta_seconds(bad), None);
            assert!(DeltaSeconds::parse(bad).is_err());
        }
        assert_eq!(DeltaSeconds::parse("99999999999999999999999"), Ok(DeltaSeconds(u32::MAX)));
    }

    #[test]
    fn numbers_keep_their_range() {
        type RSeq = Number<1, { u32::MAX as u64 }>;
        assert_eq!(RSeq::parse("988789").unwrap().get(), 988_789);
        assert_eq!(RSeq::parse("0").unwrap_err().kind, ValueErrorKind::Range);
        assert_eq!(RSeq::parse("4294967296").unwrap_err().kind, ValueErrorKind::Range);
        assert_eq!(RSeq::parse("1 2").unwrap_err().kind, ValueErrorKind::Syntax);
    }
}
