//! What a hostile message costs grows as its size does, in instructions: counts are the same on every run. Where there is no
//! valgrind to count them, this says so and passes.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../benches/support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the benches use the rest")]
mod support;

use std::io::Write as _;
use std::process::Command;
use std::{env, fs};
use support::hostile::{SHAPES, framing, message, reading};

/// What is counted, one after the other.
const WORK: [&str; 2] = ["framing", "reading"];

/// In bytes. To 64 kB it is the same, in `benches/README.md`: this is enough to see, and half as long to wait for.
const SIZES: [usize; 2] = [4_000, 32_000];

/// Eight times the size, and a logarithm for what is sorted.
const MOST: f64 = 9.0;

#[test]
fn cost_grows_as_size_does() {
    let folder = env::temp_dir().join(format!("linear-cost-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .args(WORK.map(|work| format!("--toggle-collect=*::hostile::{work}")))
        // A file for each call.
        .args(WORK.map(|work| format!("--dump-after={}::support::hostile::{work}", env!("CARGO_CRATE_NAME"))))
        .arg(format!("--callgrind-out-file={}", folder.join("count").display()))
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_work_to_count", "--test-threads=1"])
        .output();
    let Ok(counted) = counted else {
        // To standard error itself: the test harness would hold back what is printed.
        let _ = writeln!(std::io::stderr(), "skipped: no valgrind to count instructions with");
        return;
    };
    assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
    let costs: Vec<u64> = (1..=SHAPES.len() * SIZES.len() * WORK.len())
        .map(|nth| total(&fs::read_to_string(folder.join(format!("count.{nth}"))).unwrap()))
        .collect();
    fs::remove_dir_all(&folder).unwrap();
    let mut steep = Vec::new();
    for (costs, (name, _)) in costs.chunks(WORK.len() * SIZES.len()).zip(SHAPES) {
        for (nth, work) in WORK.iter().enumerate() {
            let (small, large) = (costs[nth], costs[nth + WORK.len()]);
            let ratio = large as f64 / small as f64;
            println!("{work} of {name}: {small} and {large}, {ratio:.1} times");
            if ratio > MOST {
                steep.push(format!("{work} of {name}: {ratio:.1}"));
            }
        }
    }
    assert!(steep.is_empty(), "more than {MOST} times the cost for 8 times the size: {steep:?}");
}

fn total(dump: &str) -> u64 {
    let line = dump
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    line.unwrap().trim().parse().unwrap()
}

#[test]
#[ignore = "it is run by the test above, to be counted"]
fn the_work_to_count() {
    for (name, _) in SHAPES {
        for size in SIZES {
            let bytes = message(name, size);
            framing(&bytes);
            reading(&bytes);
        }
    }
}
