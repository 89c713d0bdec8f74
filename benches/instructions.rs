//! How many instructions does it take? Counts are stable where times are not. See `benches/README.md` for the command:
//! the first argument is what to do, the second how often, the third a file with a request to do it to; the difference of
//! two runs is what the repetitions took. Hostile messages have a shape and a size besides.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking"
)]

#[expect(dead_code, unreachable_pub, reason = "other benches use the rest")]
mod support;

use bytes::Bytes;
use std::hint::black_box;
use support::hostile;

const USAGE: &str = "usage: instructions index|read|look|validate|edit|forward|hop|httparse TIMES [FILE]
       instructions hostile TIMES SHAPE SIZE
       instructions shapes";

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let what = words.next().unwrap_or_default();
    let times = words.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    match what.as_str() {
        "shapes" => return hostile::SHAPES.iter().for_each(|(name, _)| println!("{name}")),
        "hostile" => {
            let (shape, size) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            let message = hostile::message(&shape, size);
            return (0..times).for_each(|_| hostile::all_work(black_box(&message)));
        }
        _ => {}
    }
    let bytes = words.next().map_or_else(
        || Bytes::from_static(support::INVITE.as_bytes()),
        |file| std::fs::read(file).unwrap().into(),
    );
    let request = support::request(bytes.clone());
    let http = support::as_http(&bytes);
    for _ in 0..times {
        let bytes = black_box(&bytes).clone();
        match what.as_str() {
            "index" => drop(black_box(support::request(bytes))),
            "read" => support::read(black_box(&request)).unwrap(),
            "validate" => black_box(&request).validate().unwrap(),
            "edit" => drop(black_box(support::forward(black_box(&request)))),
            "look" => support::read(&black_box(support::request(bytes))).unwrap(),
            "forward" => drop(black_box(support::forward(&support::request(bytes)))),
            "hop" => {
                let request = support::request(bytes);
                support::read(&request).unwrap();
                drop(black_box(support::forward(&request)));
            }
            "httparse" => support::httparse(black_box(&http)),
            _ => panic!("{USAGE}"),
        }
    }
}
