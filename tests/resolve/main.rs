//! From a URI to the servers to try: RFC 3263 rule by rule, against a DNS that is a list of lines.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test may")]

mod answers;
mod laws;
mod rules;
mod zone;
