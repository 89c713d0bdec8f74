//! Values as bytes.

use crate::resolve::{Answer, Naptr, Record, Srv};
use crate::transport::{FlowId, Transport};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Seven bits a byte, the lowest first.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn flow(out: &mut Vec<u8>, flow: FlowId) {
    // The bit of the core's own connections is the highest one: turned around, it is small again.
    number(out, flow.0.rotate_left(1));
}

pub(super) fn transport(out: &mut Vec<u8>, transport: Transport) {
    out.push(match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
    });
}

pub(super) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    number(out, address.port().into());
    if let SocketAddr::V6(v6) = address {
        number(out, v6.flowinfo().into());
        number(out, v6.scope_id().into());
    }
}

fn duration(out: &mut Vec<u8>, duration: Duration) {
    number(out, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

pub(super) fn answer(out: &mut Vec<u8>, answer: &Answer) {
    match answer {
        Answer::Found { records, ttl } => {
            out.push(0);
            duration(out, *ttl);
            number(out, records.len() as u64);
            records.iter().for_each(|found| record(out, found));
        }
        Answer::NotFound { ttl } => {
            out.push(1);
            duration(out, *ttl);
        }
        Answer::Failed => out.push(2),
    }
}

fn record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::A(ip) => {
            out.push(0);
            out.extend(ip.octets());
        }
        Record::Aaaa(ip) => {
            out.push(1);
            out.extend(ip.octets());
        }
        Record::Srv(Srv { priority, weight, port, target }) => {
            out.push(2);
            [priority, weight, port].into_iter().for_each(|value| number(out, u64::from(*value)));
            bytes(out, target.as_bytes());
        }
        Record::Naptr(Naptr { order, preference, flags, services, regexp, replacement }) => {
            out.push(3);
            [order, preference].into_iter().for_each(|value| number(out, u64::from(*value)));
            [flags, services, regexp, replacement].into_iter().for_each(|text| bytes(out, text.as_bytes()));
        }
    }
}
