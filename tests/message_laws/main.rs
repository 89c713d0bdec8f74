//! The laws of messages: what is read is what a plain reader finds, what is written is read again, and edits change what
//! they name and nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz_corpus/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the fuzz targets use the rest")]
mod checks;
mod edits;
mod lines;
mod made;
mod peeks;

use made::{made, mutated};
use proptest::prelude::*;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Message, ResponseBuilder, Rules};
use std::cell::Cell;

/// What an ordinary request has, and what the builder adds.
const ORDINARY: [HeaderName; 8] = {
    use HeaderName::*;
    [Via, From, To, CallId, CSeq, MaxForwards, ContentType, ContentLength]
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    /// The same header fields, values and body, and the same messages refused; written again, it is read the same.
    #[test]
    fn a_message_is_what_a_plain_reader_finds(bytes in mutated()) {
        checks::parse(&bytes);
    }

    #[test]
    fn any_script_of_a_message_builds_that_message(script in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::round_trip(&script);
    }

    #[test]
    fn what_is_answered_is_what_was_asked(message in made()) {
        checks::round_trip(&message.text());
    }

    #[test]
    fn what_is_built_is_valid_and_what_was_meant(
        fields in prop::collection::vec((prop::sample::select(HeaderName::KNOWN), "[a1/<>\r\n\t :;]{0,6}"), 0..3),
        body in "[ -~\r\n]{0,40}",
    ) {
        let builder = checks::ordinary("MESSAGE", "sip:bob@h");
        let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
        let Ok(built) = builder.with_body("text/plain", &body) else { return Ok(()) };
        let Ok(Message::Request(built)) = Message::parse(built) else { panic!("a request") };
        prop_assert_eq!(built.validate_as(&Rules::proxy().lenient()), Ok(()));
        let is_added = |name: &HeaderName| !ORDINARY.contains(name);
        let found: Vec<_> = built.headers().map(|header| header.id).filter(is_added).collect();
        let meant: Vec<_> = fields.iter().map(|(name, _)| *name).filter(is_added).collect();
        prop_assert_eq!(found, meant);
        prop_assert_eq!(built.body(), body);
    }
}

/// Else the laws above would hold of nothing.
#[test]
fn many_of_the_messages_made_up_are_read_and_many_refused() {
    let (read, refused) = (Cell::new(0), Cell::new(0));
    proptest!(ProptestConfig::with_cases(1_000), |(bytes in mutated())| {
        let count = if Message::parse(bytes).is_ok() { &read } else { &refused };
        count.set(count.get() + 1);
    });
    assert!(read.get() > 300 && refused.get() > 100, "{read:?} are read, {refused:?} refused");
}

#[test]
fn most_of_the_messages_made_up_are_valid_and_can_be_answered() {
    let valid = Cell::new(0);
    proptest!(ProptestConfig::with_cases(500), |(message in made())| {
        let Ok(Message::Request(request)) = Message::parse(message.text()) else { return Ok(()) };
        let source = "192.0.2.7:4000".parse().unwrap();
        let response = ResponseBuilder::new(&request, source, 200, "tag").finish().unwrap();
        prop_assert!(Message::parse(response).is_ok());
        valid.set(valid.get() + usize::from(request.validate().is_ok()));
    });
    assert!(valid.get() > 25, "{valid:?}");
}
