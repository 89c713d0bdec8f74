//! Numbers that ENUM can be asked for (RFC 6116).

use std::fmt;

/// What ITU-T E.164 allows at most; fewer than these are extensions that not even a private tree has.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// A number that ENUM can be asked for: three to fifteen digits, with or without a `+` before them.
///
/// ```
/// use sip_survivability::dialplan::Number;
/// let number = Number::of("+12015550123").ok_or("no number")?;
/// assert_eq!(number.to_string(), "+12015550123");
/// assert_eq!(number.domain("e164.arpa"), "3.2.1.0.5.5.5.1.0.2.1.e164.arpa");
/// assert_eq!(Number::of("bob"), None);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Reads what [`number_of`](super::number_of) gives. None if it is no such number.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_number = DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| Self(digits.into()))
    }

    /// The domain to ask for: the digits from the last to the first, as labels before `suffix` (RFC 6116 3.2).
    #[must_use]
    pub fn domain(&self, suffix: &str) -> String {
        let mut domain = String::with_capacity(2 * self.0.len() + suffix.len());
        for digit in self.0.chars().rev() {
            domain.push(digit);
            domain.push('.');
        }
        domain.push_str(suffix);
        domain
    }
}

/// With the `+` that the rules of ENUM are applied to (RFC 6116 3.1).
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_make_a_number() {
        for (text, is_number) in [
            ("911", true),
            ("+911", true),
            ("123456789012345", true),
            ("1234567890123456", false),
            ("42", false),
            ("", false),
            ("+", false),
            ("++4930", false),
            ("*345", false),
            ("555a", false),
        ] {
            assert_eq!(Number::of(text).is_some(), is_number, "{text}");
        }
    }
}
