//! What do URIs cost: read, compared, looked up, unescaped?

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip_survivability::uri::{AorKey, HomeHosts, Uri, unescape};
use std::hint::black_box;

/// Each with one that is equivalent and written differently.
const URIS: [[&str; 2]; 4] = [
    ["sip:alice@branch.example", "SIP:%61lice@Branch.EXAMPLE"],
    ["sip:alice@192.0.2.101:5060;transport=udp;ob", "sip:alice@192.0.2.101:5060;ob;Transport=UDP"],
    ["sips:a%20b:secret@[2001:db8::1]:5071;lr?subject=x", "sips:a%20b:secret@[2001:DB8:0::1]:5071?Subject=x"],
    ["tel:+1-201-555-0123;ext=12", "tel:+12015550123;EXT=1-2"],
];

fn uris(c: &mut Criterion) {
    let mut group = c.benchmark_group("uri");
    let home = HomeHosts::default();
    for [one, other] in URIS {
        let (a, b) = (Uri::parse(one).unwrap(), Uri::parse(other).unwrap());
        group.throughput(Throughput::Bytes(one.len() as u64));
        group.bench_function(format!("read {one}"), |b| b.iter(|| Uri::parse(black_box(one))));
        group.bench_function(format!("look up {one}"), |b| b.iter(|| AorKey::of(black_box(&a), &home)));
        group.bench_function(format!("unescape {one}"), |b| b.iter(|| unescape(black_box(one)).len()));
        group.throughput(Throughput::Bytes((one.len() + other.len()) as u64));
        assert!(a.equivalent(&b));
        group.bench_function(format!("compare {one}"), |bench| {
            bench.iter(|| black_box(&a).equivalent(black_box(&b)))
        });
    }
    group.finish();
}

criterion_group!(benches, uris);
criterion_main!(benches);
