//! `Date` (RFC 3261 20.17): the one form of RFC 1123, in GMT only.

use super::{ValueError, ValueErrorKind, trim};
use nom::bytes::complete::{tag, take_while_m_n};
use nom::error::Error;
use nom::{IResult, Parser};
use std::fmt;

/// `SIP-date = rfc1123-date`, `rfc1123-date = wkday "," SP date1 SP time SP "GMT"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// From Thursday, the first day of 1970.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: i64 = 86_400;

impl Date {
    /// Parses a value. Names compare without case; a weekday that is not that day's is not held against it.
    ///
    /// # Errors
    /// Another form, another time zone, or a day or time that there is not.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let text = trim(text);
        let (rest, date) = date(text).map_err(|error| match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => ValueError::at(text, error.input),
            nom::Err::Incomplete(_) => ValueError::syntax(0),
        })?;
        if !rest.is_empty() {
            return Err(ValueError::at(text, rest));
        }
        let there = (1..=days_of(date.year, date.month)).contains(&date.day)
            && date.hour < 24
            && date.minute < 60
            // RFC 1123 by way of RFC 822 5.1 has no leap second; clocks that show one are right all the same.
            && date.second <= 60;
        if there { Ok(date) } else { Err(ValueError::new(ValueErrorKind::Range, 0)) }
    }

    /// The date that lies so many seconds after the start of 1970, GMT, without leap seconds; years 1970 to 9999.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok()?;
        let (year, month, day) = civil(seconds / DAY);
        let small = |number: i64| u8::try_from(number).ok();
        Some(Self {
            year: u16::try_from(year).ok().filter(|year| *year <= 9999)?,
            month: small(month)?,
            day: small(day)?,
            hour: small(seconds % DAY / 3600)?,
            minute: small(seconds % 3600 / 60)?,
            second: small(seconds % 60)?,
        })
    }

    /// Seconds since the start of 1970, GMT, without leap seconds; negative before.
    #[must_use]
    pub fn unix(&self) -> i64 {
        let time = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        self.days() * DAY + time
    }

    /// Year, month (from 1) and day (from 1).
    #[must_use]
    pub const fn day(&self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }

    /// Hour, minute and second.
    #[must_use]
    pub const fn time(&self) -> (u8, u8, u8) {
        (self.hour, self.minute, self.second)
    }

    /// Days since the start of 1970. Years are counted from March, so that the leap day is their last.
    fn days(&self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }
}

/// The inverse of [`Date::days`]: year, month and day.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

const fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `wkday "," SP 2DIGIT SP month SP 4DIGIT SP 2DIGIT ":" 2DIGIT ":" 2DIGIT SP "GMT"`, each SP as much white space as there is.
fn date(input: &str) -> IResult<&str, Date, Error<&str>> {
    let sp = || nom::bytes::complete::take_while1(super::lex::is_lws);
    let name = || take_while_m_n(3, 3, |c: char| c.is_ascii_alphabetic());
    let weekday = name().map_opt(|word: &str| WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(word)));
    let month = name().map_opt(|word: &str| MONTHS.iter().position(|month| month.eq_ignore_ascii_case(word)));
    let day = (weekday, tag(","), sp(), digits(2), sp(), month, sp(), digits(4), sp());
    let time = (digits(2), tag(":"), digits(2), tag(":"), digits(2), sp(), tag("GMT"));
    let (rest, ((_, _, _, day, _, month, _, year, _), (hour, _, minute, _, second, ..))) =
        (day, time).parse(input)?;
    let small = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let month = u8::try_from(month + 1).unwrap_or(0);
    Ok((
        rest,
        Date {
            year,
            month,
            day: small(day),
            hour: small(hour),
            minute: small(minute),
            second: small(second),
        },
    ))
}

fn digits<'a>(count: usize) -> impl Parser<&'a str, Output = u16, Error = Error<&'a str>> {
    take_while_m_n(count, count, |c: char| c.is_ascii_digit()).map_res(str::parse)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |names: &[&'static str], at: Option<usize>| {
            at.and_then(|at| names.get(at).copied()).unwrap_or("")
        };
        let weekday = of(&WEEKDAYS, usize::try_from(self.days().rem_euclid(7)).ok());
        let month = of(&MONTHS, usize::from(self.month).checked_sub(1));
        let Self { year, day, hour, minute, second, .. } = self;
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_and_written() {
        let text = "Sat, 13 Nov 2010 23:29:00 GMT";
        let date = Date::parse(text).unwrap();
        assert_eq!((date.day(), date.time()), ((2010, 11, 13), (23, 29, 0)));
        assert_eq!(date.unix(), 1_289_690_940);
        assert_eq!(date.to_string(), text);
        assert_eq!(Date::parse("Sun, 06 nov 1994 08:49:37 GMT").unwrap().unix(), 784_111_777);
    }

    #[test]
    fn seconds_and_dates_agree_over_the_centuries() {
        assert_eq!(Date::from_unix(0).unwrap().to_string(), "Thu, 01 Jan 1970 00:00:00 GMT");
        for seconds in (0..253_402_300_800).step_by(86_400 * 97 + 12_345) {
            let date = Date::from_unix(seconds).unwrap();
            assert_eq!(date.unix(), i64::try_from(seconds).unwrap());
            assert_eq!(Date::parse(&date.to_string()), Ok(date));
        }
        assert_eq!(Date::from_unix(253_402_300_800), None);
        assert_eq!(Date::from_unix(u64::MAX), None);
        assert!(Date::parse("Sat, 01 Jan 0000 00:00:00 GMT").unwrap().unix() < 0);
    }

    #[test]
    fn other_forms_zones_and_days_are_refused() {
        for bad in [
            "",
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Friday, 01-Jan-10 16:00:00 GMT",
            "Fri Jan  1 16:00:00 2010",
            "Fri, 01 Jan 2010 16:00:00 GMT x",
            "Xxx, 01 Jan 2010 16:00:00 GMT",
        ] {
            assert_eq!(Date::parse(bad).unwrap_err().kind, ValueErrorKind::Syntax, "{bad}");
        }
        for bad in [
            "Mon, 29 Feb 2010 00:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Fri, 00 Jan 2010 00:00:00 GMT",
        ] {
            assert_eq!(Date::parse(bad).unwrap_err().kind, ValueErrorKind::Range, "{bad}");
        }
        assert!(Date::parse("Mon, 29 Feb 2000 23:59:60 GMT").is_ok());
    }
}
