//! Looks at SIP messages, as this library reads them: in files, in byte streams, in packet captures.
//!
//! ```text
//! cargo run --release --example inspect -- PATH...            # a message a file: one JSON line each
//! cargo run --release --example inspect -- --stream PATH...   # files that are byte streams
//! cargo run --release --example inspect -- --pcap PATH...     # packet captures
//! cargo run --release --example inspect -- --pretty PATH...   # for people
//! ```
//!
//! - `report`: what there is to say of a message, which is also the shape of the JSON lines
//! - `verdict`: what is wrong with a message
//! - `stream`: messages out of files, whole or one after another
//! - `capture`, `network`, `tcp`: messages out of captures: packets, what they carry, connections put together again
//! - `output`, with `pretty`, `ladder` and `lifelines`: the lines, and what people read instead

mod args;
mod capture;
mod inputs;
mod ladder;
mod lifelines;
mod network;
mod output;
#[path = "../outage/paint.rs"]
mod paint;
mod pretty;
mod report;
mod sniff;
mod stream;
mod tcp;
mod verdict;

use args::{Job, Source, Wish};
use output::Output;
use std::io;
use std::process::ExitCode;

/// The exit status that says: what you asked for cannot work.
const WRONG_USAGE: u8 = 2;

/// Why a file was not inspected to its end.
enum Failure {
    /// It cannot be read. Others can.
    Input(String),
    /// Nobody takes what we say.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Wish::Say(text)) => args::say(text),
        Ok(Wish::Inspect(job)) => inspect(&job),
        Err(error) => {
            complain(&error);
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// One line on standard error, whatever the message has in it.
fn complain(message: &str) {
    eprintln!("inspect: {}", pretty::plain(message));
}

fn inspect(job: &Job) -> ExitCode {
    let mut output = Output::to_stdout(job);
    let mut status = ExitCode::SUCCESS;
    let mut done = Ok(());
    for input in inputs::below(&job.paths) {
        let read = input.map_err(Failure::Input).and_then(|input| {
            match job.source {
                Source::Messages => stream::message(&input, &mut output),
                Source::Streams => stream::messages(&input, &mut output),
                Source::Captures => capture::messages(&input, &mut output),
            }?;
            Ok(output.end_of_file()?)
        });
        match read {
            Ok(()) => {}
            Err(Failure::Input(error)) => {
                done = output.end_of_file();
                complain(&error);
                status = ExitCode::FAILURE;
            }
            Err(Failure::Output(error)) => done = Err(error),
        }
        if done.is_err() {
            break;
        }
    }
    match done.and_then(|()| output.finish()) {
        Ok(()) => status,
        // A reader who has gone away has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => status,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}
