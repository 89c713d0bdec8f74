//! From a URI to the servers to try: RFC 3263 rule by rule, against a DNS that is a list of lines.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test may")]

#[cfg(test)]
mod answers;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod zone;
