//! Values of events as bytes.

use crate::codec::{bytes, duration, number};
use crate::resolve::{Answer, Naptr, Record, Srv};
use crate::transport::FlowId;

pub(super) fn flow(out: &mut Vec<u8>, flow: FlowId) {
    // The bit of the core's own connections is the highest one: turned around, it is small again.
    number(out, flow.0.rotate_left(1));
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
