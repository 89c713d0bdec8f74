//! Why a REGISTER is refused, and the status that says so.

use crate::headers::HeaderName;
use crate::message::{Fault, FieldError};
use std::time::Duration;

/// Why a REGISTER changes nothing. Its text is fit for a reason phrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A header field that a registration rests on is missing or cannot be read: 400.
    #[error("Bad {} Header Field", .0.name())]
    Field(#[from] FieldError),
    /// To is no address of record: another scheme, or no user (RFC 3261 10.3 step 5): 404.
    #[error("No Such Address Of Record")]
    NoSuchUser,
    /// An emergency number, or a reserved user: 403.
    #[error("Reserved User")]
    Reserved,
    /// A lifetime was asked for that is below `registrar.min_expires`, which this names, and below an hour (RFC 3261 10.3 step 7): 423.
    #[error("Interval Too Brief")]
    TooBrief(Duration),
    /// A contact with `bnc`, which stands for many (RFC 6140), in a request that does not require the extension `gin`. Who requires it
    /// is told by 420 that there is none here: 400.
    #[error("Bulk Contacts Are Not Served")]
    BulkContact,
    /// A flow of RFC 5626 is asked for, and the first hop of the REGISTER is a proxy that keeps none (section 6): 439.
    #[error("First Hop Lacks Outbound Support")]
    FirstHopLacksOutbound,
    /// More contacts than one are to be made, and one of them is a flow (RFC 5626 6): 400.
    #[error("A Flow Must Be The Only Contact")]
    SeveralFlows,
    /// A contact with an instance that is no SIP URI, or that leads back to the address of record (RFC 5627 5.1): 403.
    #[error("Contact Leads Back To The Address Of Record")]
    LoopingContact,
    /// `*` with other contacts, or without an Expires of 0 (RFC 3261 10.3 step 6): 400.
    #[error("Contact * Must Stand Alone With Expires 0")]
    Star,
    /// The same Call-ID with a CSeq that is not higher, and no sign of a reboot (RFC 3261 10.3 step 7): 500.
    #[error("CSeq Out Of Order")]
    OutOfOrder,
    /// More than 4096 bytes of text would have to be kept for one binding: 513.
    #[error("Registration Too Large")]
    TooLarge,
    /// The database takes no more users: 503.
    #[error("Too Many Users")]
    TooManyUsers,
    /// The address of record takes no more contacts: 503.
    #[error("Too Many Contacts")]
    TooManyContacts,
}

impl Refusal {
    /// The status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Field(_) | Self::Star | Self::BulkContact | Self::SeveralFlows => 400,
            Self::Reserved | Self::LoopingContact => 403,
            Self::NoSuchUser => 404,
            Self::TooBrief(_) => 423,
            Self::FirstHopLacksOutbound => 439,
            Self::OutOfOrder => 500,
            Self::TooManyUsers | Self::TooManyContacts => 503,
            Self::TooLarge => 513,
        }
    }

    /// Whether the cause is a database that takes no more: worth an alarm (`sas.md` 7.5).
    #[must_use]
    pub const fn is_database_full(&self) -> bool {
        matches!(self, Self::TooManyUsers | Self::TooManyContacts)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let fault = Self::because(refusal.status(), refusal.to_string());
        // RFC 3261 10.3 step 7: "This response MUST contain a Min-Expires header field".
        if let Refusal::TooBrief(least) = refusal {
            return fault.with(HeaderName::MinExpires, least.as_secs());
        }
        fault
    }
}

impl FieldError {
    const fn name(&self) -> HeaderName {
        match self {
            Self::Missing(name) | Self::Malformed { name, .. } => *name,
        }
    }
}
