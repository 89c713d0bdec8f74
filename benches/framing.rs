//! What does a stream of many messages cost, in pieces of any size?

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
use sip_survivability::message::{ConnectionEnd, FrameLimits, Framer};
use std::hint::black_box;

const MESSAGES: usize = 100;

fn framing(c: &mut Criterion) {
    let stream = Bytes::from(support::INVITE.repeat(MESSAGES));
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    // The last is all at once; 1,460 bytes are what a segment of TCP often carries.
    for size in [1, 100, 1_460, 16_384, stream.len()] {
        let pieces: Vec<_> = (0..stream.len())
            .step_by(size)
            .map(|at| stream.slice(at..(at + size).min(stream.len())))
            .collect();
        group.bench_function(format!("100 INVITEs, {size} bytes at a time"), |b| {
            b.iter(|| {
                let mut framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
                let mut frames = 0;
                for piece in &pieces {
                    framer.push(piece.clone());
                    while let Some(frame) = framer.next_frame().unwrap() {
                        black_box(frame);
                        frames += 1;
                    }
                }
                assert_eq!(frames, MESSAGES);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
