//! Questions to the DNS and their answers, as the caller tells them.

use super::Name;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What kind of records a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// Which transports a domain has, and under which names (RFC 3403).
    Naptr,
    /// The hosts and ports of a service (RFC 2782).
    Srv,
    /// The IPv4 addresses of a host (RFC 1035).
    A,
    /// The IPv6 addresses of a host (RFC 3596).
    Aaaa,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// A question to the DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a question is a name and a kind")]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The kind of records.
    pub kind: RecordKind,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// One record of an answer. Names in it may be written with or without the final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A host and port of a service.
    Srv(Srv),
    /// A transport of a domain.
    Naptr(Naptr),
}

/// The data of an SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is fixed")]
pub struct Srv {
    /// The lowest one is tried first.
    pub priority: u16,
    /// The share of the load among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that the service is not available.
    pub target: String,
}

/// The data of a NAPTR record (RFC 3403 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format is fixed")]
pub struct Naptr {
    /// The lowest one that fits is followed, and no other.
    pub order: u16,
    /// The lowest one is tried first among those of one order.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub services: String,
    /// Empty where SIP is concerned.
    pub regexp: String,
    /// The name to ask for next.
    pub replacement: String,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// There are records. CNAMEs have been followed by whoever asked; records of another kind than was asked for are left out.
    Found {
        /// The records, in the order in which they came.
        records: Vec<Record>,
        /// How long they are good for: the lowest TTL among them.
        ttl: Duration,
    },
    /// The DNS says that there are none: the name is unknown, or has no records of this kind.
    NotFound {
        /// How long that is good for (RFC 2308 5); zero if it was not said.
        ttl: Duration,
    },
    /// The DNS did not say: no server answered, or it refused or failed.
    Failed,
}
