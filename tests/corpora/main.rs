//! Vectors that others made, read where they lie: beside the project, as `../shared/corpora`. Where that folder is absent
//! the tests say so on standard error and pass.
//!
//! What we do not agree with stands in a table with its reason; a row that no longer holds fails too.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../fuzz_corpus/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "other tests use the rest")]
mod checks;

#[cfg(test)]
mod cves;
#[cfg(test)]
mod digest;
mod element;
mod facts;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod peer_facts;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod rfc4475;
#[cfg(test)]
mod rfc5118;
mod support;
#[cfg(test)]
mod uris;
