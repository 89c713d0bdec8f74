//! A branch office loses its PBX, goes on calling, and gets it back: the whole story in virtual time, in an instant.
//!
//! ```text
//! cargo run --example outage
//! ```
//!
//! No socket is opened and no clock is read. Two phones, a PSTN gateway and a PBX behind a WAN are simulated, datagram
//! for datagram, around the real core; what passed between them is printed as a ladder diagram, with the reason that
//! the core gave for each route. The exit status is 0 if everything ended as it should.
//!
//! - `story`: what happens, and what is expected of it
//! - `rows`: the trace of the network, made into the rows of a diagram
//! - `ladder`: the diagram
//! - `checks`: the table at the end

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "an example prints, and its simulation may break loudly"
)]

mod checks;
mod ladder;
mod paint;
mod rows;
mod story;
#[path = "../../tests/support/mod.rs"]
mod support;

use paint::Paint;
use std::process::ExitCode;

fn main() -> ExitCode {
    let paint = Paint::for_stdout();
    let told = story::tell();
    println!("{}", ladder::draw(&story::PARTIES, &rows::of(&told), &paint));
    println!("{}", checks::table(&told.checks, &paint));
    if told.checks.iter().all(checks::Check::is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
