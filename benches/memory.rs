//! How much memory does a binding take, and a call? Counted by the allocator, to the byte that was asked for.
//!
//! `memory bindings COUNT` and `memory calls COUNT`; see `benches/README.md`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use allocation_counter::measure;
use std::time::Duration;
use support::crowd::Crowd;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let what = words.next().unwrap_or_default();
    let count: usize = words.next().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let each = |bytes: i64| bytes as f64 / count as f64;
    match what.as_str() {
        "bindings" => {
            let mut crowd = Crowd::new(count);
            let held = measure(|| {
                (0..count).for_each(|user| crowd.join(user));
                crowd.wait(Duration::from_secs(40));
            });
            assert_eq!((crowd.sas.registrar().len(), crowd.sas.load().0), (count, 0));
            println!("held for each binding: {:.0} bytes", each(held.bytes_current));
            let expired = measure(|| crowd.wait(Duration::from_hours(2)));
            assert_eq!(crowd.sas.registrar().len(), 0);
            let rest = held.bytes_current + expired.bytes_current;
            println!("left of each when all have expired: {:.0} bytes", each(rest));
        }
        "calls" => {
            let mut crowd = Crowd::registered(2);
            let held = measure(|| (0..count).for_each(|call| crowd.call(call)));
            println!("{:?} transactions and relayed requests alive", crowd.sas.load());
            println!("held for each call: {:.0} bytes", each(held.bytes_current));
            let over = measure(|| crowd.wait(Duration::from_mins(5)));
            println!(
                "left of each when all are over: {:.0} bytes",
                each(held.bytes_current + over.bytes_current)
            );
        }
        _ => println!("usage: memory bindings|calls COUNT"),
    }
}
