//! What does it cost to index a message?

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip_survivability::message::Message;
use std::hint::black_box;

fn index(c: &mut Criterion) {
    let bytes = Bytes::from_static(support::INVITE.as_bytes());
    let mut group = c.benchmark_group("index");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("invite of 14 header fields", |b| {
        b.iter(|| Message::parse(black_box(bytes.clone())))
    });
    let http = support::as_http(&bytes);
    group.bench_function("httparse, the same head as HTTP", |b| {
        b.iter(|| support::httparse(black_box(&http)))
    });
    group.finish();
}

criterion_group!(benches, index);
criterion_main!(benches);
