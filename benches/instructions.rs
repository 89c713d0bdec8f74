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
use support::crowd::{self, Crowd};
use support::hostile;

const USAGE: &str = "usage: instructions index|read|look|validate|edit|forward|hop|httparse TIMES [FILE]
       instructions hostile TIMES SHAPE SIZE
       instructions refresh|insert|deadline TIMES [USERS]
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
        "refresh" | "insert" | "deadline" => {
            let users = words.next().and_then(|users| users.parse().ok()).unwrap_or(10_000);
            return registrar(&what, times, users);
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

/// With `users` registered: each refreshes in its turn, or others come, or it is asked when the next deadline is while `users`
/// transactions live.
fn registrar(what: &str, times: usize, users: usize) {
    let mut crowd = Crowd::registered(users);
    match what {
        "refresh" => {
            let refreshes: Vec<_> = (0..times).map(|n| crowd::register(n % users, 2 + n / users)).collect();
            refreshes.into_iter().for_each(|refresh| crowd.tell(refresh));
        }
        "insert" => {
            let others: Vec<_> = (users..users + times).map(|user| crowd::register(user, 1)).collect();
            others.into_iter().for_each(|other| crowd.tell(other));
        }
        _ => {
            (0..users).for_each(|user| crowd.tell(crowd::register(user, 2)));
            (0..times).for_each(|_| assert!(black_box(crowd.sas.next_timeout()).is_some()));
        }
    }
}
