//! What the fuzz targets check, shared with the test that replays their corpus.

#[path = "../../tests/fuzz_corpus/mod.rs"]
mod checks;

pub use checks::{credentials, digest, edit, frame, headers, ini, parse, round_trip, sas, uri};
