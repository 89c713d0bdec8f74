//! What does one hop cost: index, the fields that a proxy reads, and the edits that it makes?

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

fn forward(c: &mut Criterion) {
    let bytes = Bytes::from_static(support::INVITE.as_bytes());
    let invite = support::invite();
    let mut group = c.benchmark_group("forward");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("read", |b| b.iter(|| support::read(black_box(&invite))));
    group.bench_function("validate", |b| b.iter(|| black_box(&invite).validate()));
    group.bench_function("edit", |b| b.iter(|| support::forward(black_box(&invite))));
    group.bench_function("index, read and edit", |b| {
        b.iter(|| {
            let Ok(Message::Request(request)) = Message::parse(black_box(bytes.clone())) else { return None };
            support::read(&request).ok().map(|()| support::forward(&request))
        });
    });
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
