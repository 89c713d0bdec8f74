//! Values of a fixed number of parts with spaces between them: Warning, Timestamp, RAck.

use super::cseq::CSeq;
use super::lex::{is_lws, quoted_string};
use super::text::{Unfolded, unquoted};
use super::{Number, ValueError, ValueErrorKind, trim};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The first word of a text, and what follows it behind white space.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(is_lws).unwrap_or((text, ""));
    (word, rest.trim_start_matches(is_lws))
}

/// `warning-value = warn-code SP warn-agent SP warn-text` (RFC 3261 20.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning<'a> {
    /// `warn-code = 3DIGIT`: 300 to 399 are those of SIP.
    pub code: u16,
    /// `warn-agent = hostport / pseudonym`: who says so.
    pub agent: &'a str,
    /// `warn-text = quoted-string`, as written.
    pub quoted: &'a str,
}

impl<'a> Warning<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// Not three digits, an agent and a quoted text.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let whole = trim(text);
        let (code, rest) = word(whole);
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ValueError::at(text, text.trim_start_matches(is_lws)));
        }
        let code = code.parse().map_err(|_| ValueError::syntax(0))?;
        let (agent, quoted) = word(rest);
        let odd = |b: u8| !b.is_ascii_graphic() || matches!(b, b'"' | b',' | b';' | b'<' | b'>');
        if agent.is_empty() || agent.bytes().any(odd) {
            return Err(ValueError::at(whole, rest));
        }
        match quoted_string(quoted) {
            Ok(("", quoted)) => Ok(Self { code, agent, quoted }),
            Ok((rest, _)) => Err(ValueError::at(whole, rest)),
            Err(_) => Err(ValueError::at(whole, quoted)),
        }
    }

    /// The text without quotes and escapes.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        unquoted(self.quoted)
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} {}", self.code, self.agent, Unfolded(self.quoted))
    }
}

/// `Timestamp = 1*(DIGIT) [ "." *(DIGIT) ] [ LWS delay ]`, `delay = *(DIGIT) [ "." *(DIGIT) ]` (RFC 3261 20.38).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timestamp<'a> {
    /// When the request was sent, in seconds by the sender's clock, as written.
    pub sent: &'a str,
    /// How long the answer took, in seconds, as written; may be empty.
    pub delay: &'a str,
}

impl<'a> Timestamp<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No decimal number, or what follows is none.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let whole = trim(text);
        let (sent, delay) = word(whole);
        if !sent.starts_with(|c: char| c.is_ascii_digit()) || !is_decimal(sent) {
            return Err(ValueError::at(text, text.trim_start_matches(is_lws)));
        }
        if is_decimal(delay) { Ok(Self { sent, delay }) } else { Err(ValueError::at(whole, delay)) }
    }

    /// [`sent`](Self::sent) as a duration, in whole microseconds; saturates.
    #[must_use]
    pub fn sent(&self) -> Duration {
        decimal(self.sent)
    }

    /// [`delay`](Self::delay) as a duration, in whole microseconds; saturates. `None` where none is written.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        (!self.delay.is_empty()).then(|| decimal(self.delay))
    }
}

/// `*(DIGIT) [ "." *(DIGIT) ]`
fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
}

fn decimal(text: &str) -> Duration {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let digits = fraction.bytes().map(|b| u64::from(b.wrapping_sub(b'0'))).chain(std::iter::repeat(0));
    let micros = digits.take(6).fold(0, |sum, digit| sum * 10 + digit);
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}

impl fmt::Display for Timestamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sent)?;
        if self.delay.is_empty() { Ok(()) } else { write!(f, " {}", self.delay) }
    }
}

/// `RAck = response-num LWS CSeq-num LWS Method` (RFC 3262 10): the provisional response that a PRACK acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RAck<'a> {
    /// The response's RSeq: 1 to 2^32-1.
    pub response: u32,
    /// The response's CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// Not two numbers and a method, or a number out of range.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let whole = trim(text);
        let (response, rest) = word(whole);
        let response = Number::<1, { u32::MAX as u64 }>::parse(response)?.get();
        let response = u32::try_from(response).map_err(|_| ValueError::new(ValueErrorKind::Range, 0))?;
        let cseq = CSeq::parse(rest)
            .map_err(|error| ValueError::new(error.kind, whole.len() - rest.len() + error.offset))?;
        Ok(Self { response, cseq })
    }
}

impl fmt::Display for RAck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.response, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_has_code_agent_and_text() {
        let warning =
            Warning::parse("307 isi.edu:5060 \"Session parameter \\\"foo\\\" not understood\"").unwrap();
        assert_eq!((warning.code, warning.agent), (307, "isi.edu:5060"));
        assert_eq!(warning.text(), "Session parameter \"foo\" not understood");
        for bad in [
            "",
            "307",
            "30 a \"x\"",
            "1812 overture \"x\"",
            "307 a x",
            "307 a \"x",
            "307 a \"x\" y",
            "307  \"x\"",
        ] {
            assert!(Warning::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_timestamp_is_seconds_with_a_fraction() {
        let stamp = Timestamp::parse("54.31 .5").unwrap();
        assert_eq!(
            (stamp.sent(), stamp.delay()),
            (Duration::from_millis(54_310), Some(Duration::from_millis(500)))
        );
        assert_eq!(Timestamp::parse("7.").unwrap().delay(), None);
        assert_eq!(
            Timestamp::parse("99999999999999999999999.9").unwrap().sent(),
            Duration::from_secs(u64::MAX) + Duration::from_micros(900_000)
        );
        for bad in ["", ".5", "-1", "1.2.3", "1 2 3", "1 x"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rack_names_a_response() {
        let rack = RAck::parse("776656 1\r\n INVITE").unwrap();
        assert_eq!((rack.response, rack.cseq.number, rack.cseq.method), (776_656, 1, "INVITE"));
        assert_eq!(RAck::parse("0 1 INVITE").unwrap_err().kind, ValueErrorKind::Range);
        for bad in ["", "1", "1 2", "1 INVITE", "1 2 INVITE x"] {
            assert_eq!(RAck::parse(bad).unwrap_err().kind, ValueErrorKind::Syntax, "{bad}");
        }
    }
}
