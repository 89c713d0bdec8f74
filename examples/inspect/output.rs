//! Standard output: JSON lines, or what people read.

use crate::args::{Job, Source};
use crate::ladder::Ladder;
use crate::paint::Paint;
use crate::pretty;
use crate::report::Report;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use sip_survivability::message::Message;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::net::SocketAddr;
use std::time::SystemTime;

/// A message, or what should have been one.
pub(crate) struct Finding<'a> {
    pub(crate) file: &'a str,
    pub(crate) place: Place,
    /// As it stands there, as far as it is known.
    pub(crate) text: Bytes,
    pub(crate) message: Result<Message, Refusal>,
}

/// Why something is no message.
pub(crate) struct Refusal {
    pub(crate) error: String,
    /// Which byte of the text is to blame.
    pub(crate) at: Option<usize>,
}

/// Where in its file a message stands.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum Place {
    /// It is the file.
    File {},
    /// From this byte on.
    Stream {
        offset: u64,
    },
    Capture(Hop),
}

/// From whom to whom a message went, and when.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Hop {
    /// Of the packet that made the message whole.
    #[serde(serialize_with = "rfc_3339")]
    pub(crate) time: Option<SystemTime>,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) transport: &'static str,
}

impl<'a> Finding<'a> {
    pub(crate) fn parse(file: &'a str, place: Place, text: Bytes) -> Self {
        let message = Message::parse(text.clone());
        let message = message.map_err(|error| Refusal { error: error.to_string(), at: Some(error.offset) });
        Self { file, place, text, message }
    }

    fn report(&self) -> Report<'_> {
        match &self.message {
            Ok(message) => Report::of(message),
            Err(refusal) => Report::refused(refusal.error.clone()),
        }
    }
}

/// One JSON line.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    report: Report<'a>,
}

pub(crate) struct Output {
    form: Form,
    stdout: BufWriter<StdoutLock<'static>>,
}

/// Who reads it, and so how it is written.
enum Form {
    Lines,
    Pages(Paint),
    Ladders(Paint, Ladder),
}

impl Output {
    pub(crate) fn to_stdout(job: &Job) -> Self {
        let form = match job.source {
            _ if !job.pretty => Form::Lines,
            Source::Messages | Source::Streams => Form::Pages(Paint::for_stdout()),
            Source::Captures => Form::Ladders(Paint::for_stdout(), Ladder::default()),
        };
        Self { form, stdout: BufWriter::with_capacity(64 * 1024, io::stdout().lock()) }
    }

    pub(crate) fn tell(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        let report = finding.report();
        match &mut self.form {
            Form::Lines => {
                let line = Line { file: finding.file, place: finding.place, report };
                serde_json::to_writer(&mut self.stdout, &line)?;
                self.stdout.write_all(b"\n")
            }
            Form::Pages(paint) => self.stdout.write_all(pretty::page(finding, &report, *paint).as_bytes()),
            Form::Ladders(paint, ladder) => {
                ladder.add(finding, &report);
                if ladder.is_full() { draw(ladder, *paint, &mut self.stdout) } else { Ok(()) }
            }
        }
    }

    /// Says what could only be said when all of a file was known.
    pub(crate) fn end_of_file(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Lines | Form::Pages(_) => Ok(()),
            Form::Ladders(paint, ladder) => draw(ladder, *paint, &mut self.stdout),
        }
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

fn draw(ladder: &mut Ladder, paint: Paint, to: &mut impl Write) -> io::Result<()> {
    ladder.take_calls().iter().try_for_each(|call| to.write_all(call.draw(paint).as_bytes()))
}

/// In UTC, with microseconds.
fn rfc_3339<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_micros(*time)),
        None => serializer.serialize_none(),
    }
}
