//! The example `inspect` as its user meets it: a program that is given files and prints.
//!
//! - `messages`: files that hold a message, and each field of what is said of it
//! - `streams`: files that hold many
//! - `captures`: packets, which `wire` builds byte by byte
//! - `pages`: what people read
//! - `corpora`: messages that others wrote

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends at what it does not expect"
)]

mod captures;
mod corpora;
mod messages;
mod pages;
#[path = "../support/program.rs"]
#[expect(unreachable_pub, reason = "other tests use it too")]
mod program;
mod streams;
mod wire;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The fields of each line, in this order; those that tell the place stand behind the first.
const FIELDS: [&str; 24] = [
    "file",
    "outcome",
    "error",
    "answer",
    "method",
    "request_uri",
    "status",
    "reason",
    "via",
    "from",
    "to",
    "call_id",
    "cseq",
    "max_forwards",
    "contacts",
    "contact_star",
    "routes",
    "record_routes",
    "paths",
    "expires",
    "content_length",
    "body_bytes",
    "trailing_bytes",
    "headers",
];

/// An ordinary request, to change at will.
const OPTIONS: &str = "OPTIONS sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bKhjhs8ass877\r\n\
    Max-Forwards: 70\r\n\
    To: <sip:bob@biloxi.example>\r\n\
    From: Alice <sip:alice@atlanta.example>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710\r\n\
    CSeq: 63104 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("inspect-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(program::example("inspect")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// The same, with something on its standard input.
fn run_with(args: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new(program::example("inspect"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

/// What it prints when all goes well.
fn text(output: Output) -> String {
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), complaints.as_str()), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON lines that it prints.
fn lines(args: &[&str]) -> Vec<Value> {
    values(&text(run(args)))
}

fn values(text: &str) -> Vec<Value> {
    let value = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(value).collect()
}

/// The one line that is printed of one message.
fn line(name: &str, message: impl AsRef<[u8]>) -> Value {
    let folder = Folder::new(name);
    let mut lines = lines(&[&folder.file("message.sip", message)]);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// The only line that a failing run says on standard error, and its exit status.
fn complaint(args: &[&str]) -> (String, Option<i32>) {
    let output = run(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (text.trim_end().to_owned(), output.status.code())
}
