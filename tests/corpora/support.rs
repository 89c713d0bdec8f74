//! Reading the tables, and judging by them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Files or inputs, and why our answer is not the vector's.
pub(crate) type Exceptions = [(&'static [&'static str], &'static str)];

pub(crate) fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if folder.is_dir() {
        return Some(folder);
    }
    say("skipped: no corpora");
    None
}

/// To standard error itself: the test harness would hold back what is printed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The messages in `folder` and below, by file name.
pub(crate) fn messages(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(messages(&path));
        } else if path.extension().is_some_and(|kind| kind == "sip" || kind == "dat") {
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

/// The rows of a table behind its head line, unescaped.
pub(crate) fn rows(file: &Path) -> Vec<Vec<String>> {
    let text = |field: &Vec<u8>| String::from_utf8_lossy(field).into_owned();
    rows_of_bytes(file).iter().map(|row| row.iter().map(text).collect()).collect()
}

/// The same as bytes, of which some are no text.
pub(crate) fn rows_of_bytes(file: &Path) -> Vec<Vec<Vec<u8>>> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').map(unescaped).collect()).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap(), after)
            }
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// Each verdict has to agree with the vector's, but for the exceptions, each of which has to be needed. Gives how many agree.
pub(crate) fn judge(verdicts: &[(String, String, bool)], exceptions: &Exceptions) -> usize {
    let excepted: BTreeSet<_> = exceptions.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let wrong = verdicts.iter().filter(|(name, _, agrees)| *agrees == excepted.contains(name.as_str()));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "disagreements without reason, or reasons without need: {wrong:#?}");
    for name in excepted {
        assert!(verdicts.iter().any(|(known, _, _)| known == name), "{name} is not among the vectors");
    }
    verdicts.iter().filter(|(_, _, agrees)| *agrees).count()
}
