//! What does one value of a header field cost, read and written?

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip_survivability::headers::field::{self, Field};
use std::hint::black_box;

fn value<F: Field>(c: &mut Criterion, text: &str) {
    let mut group = c.benchmark_group("values");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(format!("{} read", F::NAME), |b| b.iter(|| F::parse(black_box(text)).is_ok()));
    let view = F::parse(text).unwrap();
    group.bench_function(format!("{} written", F::NAME), |b| b.iter(|| black_box(view).to_string()));
    group.finish();
}

fn values(c: &mut Criterion) {
    value::<field::Via>(c, "SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK-524287-1---9f3c1d;rport");
    value::<field::From>(c, "\"Alice Adams\" <sip:alice@branch.example>;tag=a73kszlfl");
    value::<field::Contact>(
        c,
        "<sip:alice@192.0.2.101:5060;transport=udp>;expires=3600;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"",
    );
    value::<field::CSeq>(c, "102 INVITE");
    value::<field::Date>(c, "Sat, 13 Nov 2010 23:29:00 GMT");
    value::<field::ContentType>(c, "multipart/mixed;boundary=b42");
    value::<field::Reason>(c, "SIP;cause=200;text=\"Call completed elsewhere\"");
    value::<field::Authorization>(
        c,
        "Digest username=\"alice\", realm=\"branch.example\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", \
         uri=\"sip:branch.example\", response=\"7587245234b3434cc3412213e5f113a5\", algorithm=SHA-256",
    );
}

criterion_group!(benches, values);
criterion_main!(benches);
