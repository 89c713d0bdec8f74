//! Seconds with parameters: Session-Expires, Min-SE, Retry-After.

use super::lex::sws;
use super::params::behind;
use super::text::{Unfolded, comment};
use super::{DeltaSeconds, Params, ValueError};
use nom::Parser;
use nom::character::complete::digit1;
use nom::combinator::opt;
use nom::error::Error;
use nom::sequence::terminated;
use std::fmt;
use std::time::Duration;

fn seconds(input: &str) -> nom::IResult<&str, DeltaSeconds, Error<&str>> {
    digit1.map_res(DeltaSeconds::parse).parse(input)
}

/// `Session-Expires = delta-seconds *(SEMI se-params)` and `Min-SE = delta-seconds *(SEMI generic-param)` (RFC 4028 4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInterval<'a> {
    /// How long the session lasts without a refresh; saturates at 2^32-1.
    pub interval: DeltaSeconds,
    /// The parameters.
    pub params: Params<'a>,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refresher {
    /// The one that sends the request.
    Uac,
    /// The one that answers it.
    Uas,
}

impl<'a> SessionInterval<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No number, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let (interval, params) = behind(text, terminated(seconds, sws))?;
        Ok(Self { interval, params })
    }

    /// `refresher-param = "refresher" EQUAL ("uas" / "uac")`. `None` where it is not said, or is said to be something else.
    #[must_use]
    pub fn refresher(&self) -> Option<Refresher> {
        let who = self.params.value("refresher")?;
        if who.eq_ignore_ascii_case("uac") {
            Some(Refresher::Uac)
        } else {
            who.eq_ignore_ascii_case("uas").then_some(Refresher::Uas)
        }
    }
}

impl fmt::Display for SessionInterval<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.interval, self.params)
    }
}

/// `Retry-After = delta-seconds [ comment ] *( SEMI retry-param )` (RFC 3261 20.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryAfter<'a> {
    /// How long to wait; saturates at 2^32-1.
    pub after: DeltaSeconds,
    /// What it says about it, parentheses included.
    pub comment: Option<&'a str>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No number, a comment that does not end, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let after = (terminated(seconds, sws), opt(terminated(comment, sws)));
        let ((after, comment), params) = behind(text, after)?;
        Ok(Self { after, comment, params })
    }

    /// `"duration" EQUAL delta-seconds`: how long it will then be reachable.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.params.value("duration").and_then(super::delta_seconds)
    }
}

impl fmt::Display for RetryAfter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.after.fmt(f)?;
        if let Some(comment) = self.comment {
            write!(f, " {}", Unfolded(comment))?;
        }
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_an_interval_and_a_refresher() {
        let session = SessionInterval::parse("4000 ; Refresher=UAC").unwrap();
        assert_eq!(session.interval.duration(), Duration::from_secs(4000));
        assert_eq!(session.refresher(), Some(Refresher::Uac));
        assert_eq!(SessionInterval::parse("90").unwrap().refresher(), None);
        let huge = SessionInterval::parse("99999999999999999999999;refresher=uas").unwrap();
        assert_eq!((huge.interval, huge.refresher()), (DeltaSeconds(u32::MAX), Some(Refresher::Uas)));
        for bad in ["", "x", "-1", "90s", "90 (x)", ";refresher=uac"] {
            assert!(SessionInterval::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_retry_may_have_comment_and_duration() {
        let retry = RetryAfter::parse("120 (I'm in a (long) meeting) ;duration=3600").unwrap();
        assert_eq!(retry.after, DeltaSeconds(120));
        assert_eq!(retry.comment, Some("(I'm in a (long) meeting)"));
        assert_eq!(retry.duration(), Some(Duration::from_secs(3600)));
        assert_eq!(RetryAfter::parse("18000;duration=3600").unwrap().comment, None);
        assert!(RetryAfter::parse("120 (open").is_err());
    }
}
