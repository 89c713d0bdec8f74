//! Names of dialogs: Replaces (RFC 3891) and Join (RFC 3911).

use super::params::behind;
use super::{CallId, Params, ValueError};
use nom::Parser;
use nom::bytes::complete::take_till1;
use nom::error::Error;
use std::fmt;

/// `Replaces = callid *(SEMI replaces-param)` (RFC 3891 6.1) and `Join = callid *(SEMI join-param)` (RFC 3911 7.1): one dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialogName<'a> {
    /// The dialog's Call-ID.
    pub call_id: CallId<'a>,
    /// The tag on the receiver's side; `0` also stands for none.
    pub to_tag: &'a str,
    /// The tag on the other side; `0` also stands for none.
    pub from_tag: &'a str,
    /// The parameters, the tags among them.
    pub params: Params<'a>,
}

impl<'a> DialogName<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// No Call-ID, bad parameters, or not exactly one `to-tag` and one `from-tag` (RFC 3891 6.1).
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let call_id = take_till1::<_, _, Error<&str>>(|c| c == ';').map_res(CallId::parse);
        let (call_id, params) = behind(text, call_id)?;
        let (mut to, mut from) = (None, None);
        for (name, value) in params.iter() {
            let tag = if name.eq_ignore_ascii_case("to-tag") {
                &mut to
            } else if name.eq_ignore_ascii_case("from-tag") {
                &mut from
            } else {
                continue;
            };
            if value.is_none() || tag.is_some() {
                return Err(ValueError::at(text, params.as_str()));
            }
            *tag = value;
        }
        match (to, from) {
            (Some(to_tag), Some(from_tag)) => Ok(Self { call_id, to_tag, from_tag, params }),
            _ => Err(ValueError::at(text, "")),
        }
    }

    /// Whether a Replaces means the dialog only while it is not yet answered.
    #[must_use]
    pub fn is_early_only(&self) -> bool {
        self.params.find("early-only").is_some()
    }
}

impl fmt::Display for DialogName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.call_id, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_has_a_call_id_and_two_tags() {
        let replaces =
            DialogName::parse("98732@sip.example.com\r\n ;from-tag=r33th4x0r;to-tag=ff87ff; early-only")
                .unwrap();
        assert_eq!(replaces.call_id.as_str(), "98732@sip.example.com");
        assert_eq!((replaces.to_tag, replaces.from_tag), ("ff87ff", "r33th4x0r"));
        assert!(replaces.is_early_only());
    }

    #[test]
    fn each_tag_must_be_there_once() {
        for bad in [
            "a@b",
            "a;to-tag=1",
            "a;to-tag=1;from-tag=2;to-tag=3",
            "a;to-tag;from-tag=2",
            ";to-tag=1;from-tag=2",
        ] {
            assert!(DialogName::parse(bad).is_err(), "{bad}");
        }
    }
}
