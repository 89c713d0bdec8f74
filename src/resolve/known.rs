//! What is kept of an answer: what can be used, and no more of it than a request could need.
//!
//! The depth of a resolution is fixed, NAPTR to SRV to address, so no record can lead in a circle. Its breadth is bounded here.

use super::record::{Naptr, Srv};
use super::{Name, Record, RecordKind};
use crate::uri::Transport;
use std::net::IpAddr;

/// Records kept of one answer.
const MAX_RULES: usize = 8;
const MAX_SERVICES: usize = 16;
const MAX_ADDRESSES: usize = 16;

/// What one question has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// The applicable NAPTR records, by order and preference.
    Rules(Box<[Rule]>),
    /// By priority.
    Services(Box<[Service]>),
    /// The service is "decidedly not available at this domain" (RFC 2782, Target).
    Unavailable,
    /// As they came.
    Addresses(Box<[IpAddr]>),
}

/// A NAPTR record that tells of a SIP transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) order: u16,
    preference: u16,
    pub(super) transport: Transport,
    pub(super) replacement: Name,
}

/// An SRV record that tells of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: Name,
}

impl Known {
    /// What can be used of `records`, which answer a question for `kind`.
    pub(super) fn of(kind: RecordKind, records: &[Record]) -> Self {
        match kind {
            RecordKind::Naptr => Self::rules(records),
            RecordKind::Srv => Self::services(records),
            RecordKind::A | RecordKind::Aaaa => Self::addresses(kind, records),
        }
    }

    fn rules(records: &[Record]) -> Self {
        let mut rules: Vec<Rule> = records.iter().filter_map(naptr).filter_map(Rule::of).collect();
        rules.sort_by_key(|rule| (rule.order, rule.preference));
        rules.truncate(MAX_RULES);
        if rules.is_empty() { Self::Nothing } else { Self::Rules(rules.into()) }
    }

    fn services(records: &[Record]) -> Self {
        let srvs = || records.iter().filter_map(srv);
        let mut services: Vec<Service> = srvs().filter_map(Service::of).collect();
        services.sort_by_key(|service| service.priority);
        services.truncate(MAX_SERVICES);
        if !services.is_empty() {
            Self::Services(services.into())
        } else if srvs().any(|srv| srv.target == ".") {
            Self::Unavailable
        } else {
            Self::Nothing
        }
    }

    fn addresses(kind: RecordKind, records: &[Record]) -> Self {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in records.iter().filter_map(address) {
            let fits = address.is_ipv4() == (kind == RecordKind::A) && is_of_one_host(address);
            if fits && addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Self::Nothing } else { Self::Addresses(addresses.into()) }
    }
}

fn is_of_one_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

pub(super) const fn naptr(record: &Record) -> Option<&Naptr> {
    match record {
        Record::Naptr(naptr) => Some(naptr),
        Record::Srv(_) | Record::A(_) | Record::Aaaa(_) => None,
    }
}

const fn srv(record: &Record) -> Option<&Srv> {
    match record {
        Record::Srv(srv) => Some(srv),
        Record::Naptr(_) | Record::A(_) | Record::Aaaa(_) => None,
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match record {
        Record::A(address) => Some((*address).into()),
        Record::Aaaa(address) => Some((*address).into()),
        Record::Srv(_) | Record::Naptr(_) => None,
    }
}

impl Rule {
    /// RFC 3263 4.1: "an empty regular expression and a replacement value, which is the SRV record"; other services are not
    /// ours to follow.
    fn of(naptr: &Naptr) -> Option<Self> {
        let is_final = naptr.flags.eq_ignore_ascii_case("s") && naptr.regexp.is_empty();
        let transport = transport_of(&naptr.services).filter(|_| is_final)?;
        let replacement = Name::parse(&naptr.replacement)?;
        Some(Self { order: naptr.order, preference: naptr.preference, transport, replacement })
    }
}

impl Service {
    /// RFC 2782, Target: "The domain name of the target host". An address is none.
    fn of(srv: &Srv) -> Option<Self> {
        let target = Name::parse(&srv.target).filter(|_| srv.port != 0)?;
        Some(Self { priority: srv.priority, weight: srv.weight, port: srv.port, target })
    }
}

/// The registry of RFC 3263 section 9, with RFC 7118 10.2. Of the two protocols there, SCTP is none of ours.
fn transport_of(services: &str) -> Option<Transport> {
    let known = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(services)).map(|(_, transport)| transport)
}
