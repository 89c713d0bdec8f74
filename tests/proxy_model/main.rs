//! A proxy against a reference: random requests, contacts, responses in any order, hang-ups and pauses. Each copy that goes out is held
//! against the steps of RFC 3261 16.6, each message that follows against a plain model of 16.7 to 16.10.
//!
//! `PROPTEST_CASES` sets how many runs.

#[cfg(test)]
mod context;
#[cfg(test)]
mod copy;
#[cfg(test)]
#[path = "../behaviour/rig.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod rig;
#[cfg(test)]
mod run;
