//! How many instructions does it take? Counts are stable where times are not. See `benches/README.md` for the command:
//! the first argument is what to do, the second how often; the difference of two runs is what the repetitions took.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use bytes::Bytes;
use sip_survivability::message::Message;
use std::hint::black_box;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let what = words.next().unwrap_or_default();
    let times = words.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let bytes = Bytes::from_static(support::INVITE.as_bytes());
    let invite = support::invite();
    for _ in 0..times {
        let bytes = black_box(bytes.clone());
        match what.as_str() {
            "index" => drop(black_box(Message::parse(bytes))),
            "read" => support::read(black_box(&invite)).unwrap(),
            "validate" => black_box(&invite).validate().unwrap(),
            "edit" => drop(black_box(support::forward(black_box(&invite)))),
            "hop" => {
                let Ok(Message::Request(request)) = Message::parse(bytes) else { panic!("a request") };
                support::read(&request).unwrap();
                drop(black_box(support::forward(&request)));
            }
            _ => eprintln!("usage: instructions index|read|validate|edit|hop TIMES"),
        }
    }
}
