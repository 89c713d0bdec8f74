//! A branch of thousands of phones loses its PBX, and gets it back: a day of it in virtual time, and the figures that came of it.
//!
//! ```text
//! cargo run --release --example simulate                       # 500 phones, 4 h, the line to the PBX is cut for an hour
//! cargo run --release --example simulate -- --help             # other sizes, other troubles
//! cargo run --release --example simulate -- --plot outage.svg  # the curves too
//! ```
//!
//! In the middle is the core of this library, told of packets and of time as any caller would; around it are phones with the habits of
//! real makes, a PBX across a WAN, a PSTN gateway, and lines that lose packets. What each figure means is said in `world/outcome.rs`.
//! The same arguments give the same figures, on any machine, but for the time it took.
//!
//! - `args`: the command line
//! - `world`: the branch
//! - `report`: the figures for people, and as JSON
//! - `plot`: the curves

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_debug_implementations,
    unreachable_pub,
    reason = "an example prints, and its simulation may break loudly"
)]
#![expect(clippy::disallowed_methods, reason = "how long it takes is told by a clock")]

mod args;
mod plot;
mod report;
mod world;

use args::Wish;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let (plan, json, plot) = match args::parse(args) {
        Ok(Wish::Say(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Wish::Run { plan, json, plot }) => (plan, json, plot),
        Err(error) => {
            eprintln!("simulate: {error}");
            return ExitCode::from(2);
        }
    };

    let begun = Instant::now();
    let mut told = begun;
    let is_terminal = std::io::stderr().is_terminal();
    let outcome = world::run(&plan, |now| {
        if told.elapsed() >= Duration::from_secs(2) {
            told = Instant::now();
            let share = 100 * now.as_micros() / plan.span.as_micros().max(1) as u64;
            let line = format!("{share:3} %, {:.1} h of it", now.as_micros() as f64 / 3.6e9);
            // On a terminal it stays one line.
            if is_terminal { eprint!("\r{line}") } else { eprintln!("{line}") }
        }
    });
    if is_terminal && told > begun {
        eprint!("\r{:30}\r", "");
    }
    let wall = begun.elapsed();

    if let Some(file) = plot
        && let Err(error) = std::fs::write(&file, plot::draw(&plan, &outcome))
    {
        eprintln!("simulate: --plot {}: {error}", file.display());
        return ExitCode::from(2);
    }
    if json {
        println!("{}", report::json(&outcome, wall));
    } else {
        print!("{}", report::text(&plan, &outcome, wall));
    }
    ExitCode::SUCCESS
}
