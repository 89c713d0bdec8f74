//! Replays the corpus of the fuzz targets, `fuzz/corpus/<target>/*`, and some noise made from it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "fuzz_corpus/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
mod checks;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // Shown where a check fails.
        eprintln!("{}", file.display());
        let input = fs::read(&file).unwrap();
        check(&input);
        for cut in (0..input.len()).step_by(input.len() / 16 + 1) {
            check(&input[..cut]);
            let mut changed = input.clone();
            changed[cut] ^= 0x1f;
            check(&changed);
        }
    }
}

#[test]
fn credentials() {
    replay("credentials", checks::credentials);
}

#[test]
fn digest() {
    replay("digest", checks::digest);
}

#[test]
fn edit() {
    replay("edit", checks::edit);
}

#[test]
fn frame() {
    replay("frame", checks::frame);
}

#[test]
fn headers() {
    replay("headers", checks::headers);
}

#[test]
fn ini() {
    replay("ini", checks::ini);
}

#[test]
fn parse() {
    replay("parse", checks::parse);
}

#[test]
fn round_trip() {
    replay("round_trip", checks::round_trip);
}

#[test]
fn sas() {
    replay("sas", checks::sas);
}

#[test]
fn uri() {
    replay("uri", checks::uri);
}
