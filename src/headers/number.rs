//! Values that are a number: Expires, Max-Forwards, Content-Length.

use super::trim;
use std::time::Duration;

/// `delta-seconds = 1*DIGIT`. More than 2^32-1 counts as that (RFC 3261 20.19). `None` for what is no number.
#[must_use]
pub fn delta_seconds(text: &str) -> Option<Duration> {
    digits(text).map(|seconds| Duration::from_secs(u64::from(u32::try_from(seconds).unwrap_or(u32::MAX))))
}

/// `1*DIGIT`, saturating. `None` for what is no number.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let text = trim(text);
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_saturate_and_rubbish_is_none() {
        assert_eq!(delta_seconds(" 3600 "), Some(Duration::from_secs(3600)));
        assert_eq!(delta_seconds("99999999999999999999999"), Some(Duration::from_secs(u64::from(u32::MAX))));
        for bad in ["", "-1", "1.5", "x"] {
            assert_eq!(delta_seconds(bad), None);
        }
    }
}
