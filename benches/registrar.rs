//! What does a REGISTER take that is answered here, where 10,000 users are registered?

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use support::crowd::{self, Crowd};

const USERS: usize = 10_000;
/// Registrations of one measurement, so that the first does not stand for all.
const BATCH: usize = 1000;

fn registrar(c: &mut Criterion) {
    let mut group = c.benchmark_group("registrar");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut bench = |name: &str, first: usize| {
        let mut cseq = 1;
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    cseq += 1;
                    let events: Vec<_> =
                        (first..first + BATCH).map(|user| crowd::register(user, cseq)).collect();
                    (Crowd::registered(USERS), events)
                },
                |(mut crowd, events)| {
                    events.into_iter().for_each(|event| crowd.tell(event));
                    crowd
                },
                BatchSize::LargeInput,
            );
        });
    };
    bench("refresh", 0);
    bench("insert", USERS);
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = registrar
}
criterion_main!(benches);
