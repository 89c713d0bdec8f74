//! Files that are byte streams.

use super::{Folder, OPTIONS, lines};
use serde_json::{Value, json};

/// What is said of a stream: offset, outcome and error of each message.
fn told(name: &str, stream: &str) -> Vec<(u64, Value, Value)> {
    let folder = Folder::new(name);
    lines(&["--stream", &folder.file("stream", stream)])
        .iter()
        .map(|line| (line["offset"].as_u64().unwrap(), line["outcome"].clone(), line["error"].clone()))
        .collect()
}

fn fine(offset: usize) -> (u64, Value, Value) {
    (offset as u64, json!("request"), Value::Null)
}

fn refused(offset: usize, error: &str) -> (u64, Value, Value) {
    (offset as u64, json!("refused"), json!(error))
}

#[test]
fn each_message_is_told_with_its_offset() {
    let long =
        OPTIONS.replace("Content-Length: 0\r\n\r\n", &format!("l: 60000\r\n\r\n{}", "x".repeat(60_000)));
    let stream = format!("\r\n\r\n{OPTIONS}{long}\r\n{long}{OPTIONS}\r\n\r\n");
    let second = 4 + OPTIONS.len();
    let third = second + long.len() + 2;
    assert_eq!(told("several", &stream), [fine(4), fine(second), fine(third), fine(third + long.len())]);
}

#[test]
fn the_offset_stands_behind_the_file() {
    let folder = Folder::new("order");
    let line = lines(&["--stream", &folder.file("stream", OPTIONS)]).remove(0);
    let keys: Vec<_> = line.as_object().unwrap().keys().take(3).collect();
    assert_eq!(keys, ["file", "offset", "outcome"]);
}

#[test]
fn what_cannot_be_framed_ends_the_file() {
    let open = OPTIONS.replace("Content-Length: 0\r\n", "");
    let stream = format!("{OPTIONS}\r\n\r\n\r\n{open}{OPTIONS}");
    assert_eq!(told("error", &stream), [fine(0), refused(OPTIONS.len() + 6, "no Content-Length")]);
}

#[test]
fn an_unfinished_message_is_told() {
    let stream = format!("{OPTIONS}\r\n{}", &OPTIONS[..100]);
    let last = refused(OPTIONS.len() + 2, "the stream ends within a message");
    assert_eq!(told("unfinished", &stream), [fine(0), last]);
}

#[test]
fn what_is_framed_but_no_message_is_told_and_passed_over() {
    let stream = format!("hello\r\nl: 0\r\n\r\n{OPTIONS}");
    assert_eq!(told("strange", &stream), [refused(0, "no start line at byte 0"), fine(15)]);
}
