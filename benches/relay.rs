//! What does the whole core take for a transaction, from the datagrams that come in to the list of those that go out?

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sip_survivability::time::Instant;
use sip_survivability::{Actions, Event, Sas};

fn size(events: &[Event]) -> Throughput {
    let sizes = events
        .iter()
        .map(|event| if let Event::Datagram { data, .. } = event { data.len() as u64 } else { 0 });
    Throughput::Bytes(sizes.sum())
}

fn handle(c: &mut Criterion, name: &str, prepared: impl Fn() -> Sas, events: &[Event]) {
    let mut group = c.benchmark_group("relay");
    group.throughput(size(events));
    group.bench_function(name, |b| {
        b.iter_batched(
            || (prepared(), events.to_vec(), Actions::new()),
            |(mut sas, events, mut out)| {
                for event in events {
                    sas.handle_into(Instant::ZERO, event, &mut out);
                }
                (sas, out)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn relay(c: &mut Criterion) {
    let registered = || {
        let mut sas = support::branch();
        let _ = sas.handle(Instant::ZERO, support::registration());
        sas
    };
    handle(c, "INVITE, 180, 200 between two phones", registered, &support::transaction());
    handle(c, "REGISTER answered here", support::branch, &[support::registration()]);
}

criterion_group!(benches, relay);
criterion_main!(benches);
