//! Header fields: their names, and one file for each *shape* of value.
//!
//! [`field`] is the table of which header field has which shape; [`Head::typed`](crate::message::Head::typed) and its kin read by
//! it, and [`Value`] writes by it. Parsing copies nothing.
//!
//! Values are views of the message's text. Folding is white space like any other here: the head index leaves CR and LF
//! in a value only where a fold was.

mod auth;
mod cseq;
mod date;
mod dialog;
mod diverted;
pub mod field;
mod fields;
mod info;
mod interval;
mod lex;
mod list;
mod media;
mod name;
mod name_addr;
pub(crate) mod number;
mod params;
mod text;
mod token;
mod token_params;
mod value;
mod via;

pub use auth::{Auth, AuthParams};
pub use cseq::{CSeq, Method};
pub use date::Date;
pub use dialog::DialogName;
pub use diverted::{Diversion, HistoryInfo, HistoryTarget};
pub use fields::{RAck, Timestamp, Warning};
pub use info::{Identity, InfoUri};
pub use interval::{Refresher, RetryAfter, SessionInterval};
pub use list::List;
pub use media::MediaType;
pub use name::HeaderName;
pub use name_addr::{Contact, NameAddr};
pub use number::{DeltaSeconds, Number, delta_seconds};
pub use params::Params;
pub use text::{Software, SoftwarePart, Text, unquoted};
pub use token::{CallId, Privacy, ResourcePriority, Token};
pub use token_params::{Event, Reason, SessionId, SubscriptionState, TokenParams, UserToUser};
pub use value::Value;
pub use via::Via;
pub(crate) use via::push_address;

pub(crate) use lex::{is_token, is_whole_token, trim};
pub(crate) use list::first_value_len;
use name_addr::q_value;
pub(crate) use number::push_decimal;
pub(crate) use text::{Quoted, Unfolded};

/// Why a header field's value is not what its name promises. `offset` counts bytes from the value's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of the value")]
#[non_exhaustive]
pub struct ValueError {
    /// What is wrong.
    pub kind: ValueErrorKind,
    /// Where.
    pub offset: usize,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueErrorKind {
    /// Bytes that are no UTF-8.
    #[error("no UTF-8")]
    Utf8,
    /// The grammar of this header field does not allow what stands there.
    #[error("bad syntax")]
    Syntax,
    /// A URI that cannot be read.
    #[error("bad URI")]
    Uri,
    /// A number outside its range.
    #[error("number out of range")]
    Range,
}

impl ValueError {
    pub(crate) const fn new(kind: ValueErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    pub(crate) const fn syntax(offset: usize) -> Self {
        Self::new(ValueErrorKind::Syntax, offset)
    }

    /// The error of a rule that could not read what ends `whole`.
    pub(crate) const fn unread(whole: &str, error: &nom::Err<nom::error::Error<&str>>) -> Self {
        match error {
            nom::Err::Error(error) | nom::Err::Failure(error) => Self::at(whole, error.input),
            nom::Err::Incomplete(_) => Self::syntax(whole.len()),
        }
    }

    /// The error of a parser that stopped with `rest` of `whole` unread.
    pub(crate) const fn at(whole: &str, rest: &str) -> Self {
        Self::syntax(whole.len().saturating_sub(rest.len()))
    }
}
