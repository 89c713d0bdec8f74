//! Where a call has been: History-Info (RFC 7044) and Diversion (RFC 5806).

use super::{NameAddr, ValueError};
use std::borrow::Cow;
use std::fmt;

/// `hi-entry = hi-targeted-to-uri *(SEMI hi-param)` (RFC 7044 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryInfo<'a> {
    /// The target; Reason and Privacy, where given, are headers of its URI.
    pub address: NameAddr<'a>,
    /// `index-val = number *("." number)`: where the entry stands in the tree of targets.
    pub index: &'a str,
}

/// How a target of the history was found from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryTarget<'a> {
    /// `rc`: a contact of the same user, registered or configured. The index is that of the earlier entry.
    RegisteredContact(&'a str),
    /// `mp`: another user.
    MappedUser(&'a str),
    /// `np`: the same target.
    NoChange(&'a str),
}

impl<'a> HistoryInfo<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// As [`NameAddr::parse`]; an `index` that is missing or malformed (RFC 7044 5: it must be there).
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let address = NameAddr::parse(text)?;
        match address.params.value("index").filter(|index| is_index(index)) {
            Some(index) => Ok(Self { address, index }),
            None => Err(ValueError::at(text, address.params.as_str())),
        }
    }

    /// `hi-target-param = rc-param / mp-param / np-param`
    #[must_use]
    pub fn target(&self) -> Option<HistoryTarget<'a>> {
        self.address.params.iter().find_map(|(name, value)| {
            let index = value.filter(|index| is_index(index))?;
            [
                ("rc", HistoryTarget::RegisteredContact(index)),
                ("mp", HistoryTarget::MappedUser(index)),
                ("np", HistoryTarget::NoChange(index)),
            ]
            .into_iter()
            .find_map(|(known, target)| name.eq_ignore_ascii_case(known).then_some(target))
        })
    }
}

/// `index-val = number *("." number)`; leading zeros, which the rule for `number` excludes, are let pass.
fn is_index(text: &str) -> bool {
    text.split('.').all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for HistoryInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// `diversion-params = name-addr *(SEMI (diversion-reason / diversion-counter / diversion-limit / diversion-privacy /
/// diversion-screen / diversion-extension))` (RFC 5806 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diversion<'a> {
    /// Who diverted the call.
    pub address: NameAddr<'a>,
}

impl<'a> Diversion<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// As [`NameAddr::parse`].
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        NameAddr::parse(text).map(|address| Self { address })
    }

    /// Why: `user-busy`, `no-answer`, `unconditional` and others, without quotes.
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'a, str>> {
        self.address.params.text("reason")
    }

    /// How many diversions the entry stands for; one where it is not said (RFC 5806 4).
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.address.params.number("counter").unwrap_or(1)
    }

    /// How many more are allowed.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.address.params.number("limit")
    }

    /// `full`, `name`, `uri`, `off` or another, without quotes.
    #[must_use]
    pub fn privacy(&self) -> Option<Cow<'a, str>> {
        self.address.params.text("privacy")
    }

    /// `yes`, `no` or another, without quotes: whether the network vouches for the address.
    #[must_use]
    pub fn screen(&self) -> Option<Cow<'a, str>> {
        self.address.params.text("screen")
    }
}

impl fmt::Display for Diversion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_has_an_index_and_its_origin() {
        let entry = HistoryInfo::parse("<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.2.1;rc=1.2;x=y")
            .unwrap();
        assert_eq!(entry.index, "1.2.1");
        assert_eq!(entry.target(), Some(HistoryTarget::RegisteredContact("1.2")));
        assert_eq!(entry.address.uri.headers().next(), Some(("Reason", "SIP%3Bcause%3D302")));
        for bad in ["<sip:a@h>", "<sip:a@h>;index", "<sip:a@h>;index=1..2", "<sip:a@h>;index=x"] {
            assert!(HistoryInfo::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_diversion_says_why_and_how_often() {
        let diversion =
            Diversion::parse("\"Bob\" <sip:bob@h>;reason=user-busy;counter=2;privacy=\"full\";screen=no")
                .unwrap();
        assert_eq!(diversion.reason().as_deref(), Some("user-busy"));
        assert_eq!((diversion.counter(), diversion.limit()), (2, None));
        assert_eq!(diversion.privacy().as_deref(), Some("full"));
        assert_eq!(diversion.screen().as_deref(), Some("no"));
        assert_eq!(Diversion::parse("<tel:+1>").unwrap().counter(), 1);
    }
}
