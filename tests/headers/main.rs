//! The laws of the typed header fields, over tables of values, over made-up ones, and over the messages of others.

use bytes::Bytes;
use proptest::prelude::*;
use sip_survivability::headers::field::{self, canonical};
use sip_survivability::headers::{HeaderName, Value};
use sip_survivability::message::{BuildError, Message, RequestBuilder};
use sip_survivability::uri::Uri;
use std::fs;
use std::path::Path;

mod built;
mod table;

const ORDINARY: [(HeaderName, &str); 5] = [
    (HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bK1"),
    (HeaderName::From, "<sip:a@h>;tag=1"),
    (HeaderName::To, "<sip:b@h>"),
    (HeaderName::CallId, "x"),
    (HeaderName::CSeq, "1 OPTIONS"),
];

/// A request with what every one has.
fn ordinary() -> RequestBuilder {
    let options = RequestBuilder::new("OPTIONS", "sip:h");
    ORDINARY.iter().fold(options, |options, (name, value)| options.header(*name, value))
}

/// A request with that header field.
fn request_with(name: HeaderName, value: &str) -> Result<Bytes, BuildError> {
    if ORDINARY.iter().any(|(usual, _)| *usual == name) {
        // The builder takes no other value for one that it has already.
        return Ok(format!("OPTIONS sip:h SIP/2.0\r\n{name}: {value}\r\n\r\n").into());
    }
    ordinary().header(name, value).finish()
}

/// What is written is read again, and is then written the same, and on one line.
fn holds_its_law(name: HeaderName, text: &str) -> Result<(), String> {
    let Some(Ok(written)) = canonical(name, text) else { return Ok(()) };
    if written.contains(['\r', '\n']) {
        return Err(format!("{name}: {text:?} is written on several lines: {written:?}"));
    }
    match canonical(name, &written) {
        Some(Ok(again)) if again == written => Ok(()),
        other => Err(format!("{name}: {text:?} is written as {written:?}, and that is read as {other:?}")),
    }
}

#[test]
fn the_table_names_every_field() {
    for name in HeaderName::KNOWN {
        assert!(table::GOOD.iter().any(|(known, ..)| known == name), "no value of {name} in the table");
    }
}

#[test]
fn good_values_are_read_and_written() {
    for (name, text, written) in table::GOOD {
        let result = canonical(*name, text).unwrap();
        assert_eq!(
            result.as_deref(),
            Ok(if written.is_empty() { *text } else { *written }),
            "{name}: {text}"
        );
        holds_its_law(*name, text).unwrap();
    }
}

#[test]
fn bad_values_are_refused() {
    for (name, text) in table::BAD {
        assert!(canonical(*name, text).unwrap().is_err(), "{name}: {text}");
    }
}

/// RFC 3261 25.1: control characters stand in quoted-pairs or nowhere, white space apart.
#[test]
fn a_control_character_breaks_every_value() {
    for (name, text, _) in table::GOOD {
        for (at, control) in (0..=text.len()).zip(['\0', '\x0b', '\x1b', '\x7f'].into_iter().cycle()) {
            if text.is_char_boundary(at) && !text[..at].ends_with('\\') {
                let broken = format!("{}{control}{}", &text[..at], &text[at..]);
                assert!(canonical(*name, &broken).unwrap().is_err(), "{name}: {broken:?}");
            }
        }
    }
}

/// Every value of the table, through a message and back.
#[test]
fn a_value_in_a_message_is_that_value() {
    for (name, text, _) in table::GOOD {
        if *name == HeaderName::ContentLength {
            // The builder's own.
            continue;
        }
        let message = Message::parse(request_with(*name, text).unwrap()).unwrap();
        let value = message.head().value_of(*name).unwrap();
        assert_eq!(canonical(*name, value), canonical(*name, text), "{name}");
    }
}

/// Pieces that the grammars are made of, and those that break them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n "),
        Just("\r"),
        Just("\n"),
        Just("\\"),
        Just("\""),
        Just("\"a\\\"b\""),
        Just("<"),
        Just(">"),
        Just("<sip:a@h;lr>"),
        Just("sip:a@h"),
        Just("<http://h/x?y>"),
        Just(";"),
        Just("="),
        Just(","),
        Just(" "),
        Just("\t"),
        Just("token"),
        Just("Digest"),
        Just("realm"),
        Just("\"\""),
        Just("1"),
        Just("180"),
        Just("99999999999999999999"),
        Just("."),
        Just("/"),
        Just("*"),
        Just("("),
        Just(")"),
        Just("@"),
        Just("SIP/2.0/UDP"),
        Just("h:5060"),
        Just("[::1]"),
        Just(";index=1.1"),
        Just(";to-tag=a"),
        Just(";from-tag=b"),
        Just("Sat, 13 Nov 2010 23:29:00 GMT"),
        Just("é"),
        Just("\0"),
        Just("abcdef0123456789abcdef0123456789"),
        Just("INVITE"),
        Just("ets.0"),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn words() -> impl Strategy<Value = String> {
    "[ -~é]{0,24}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(text in pieces()) {
        for name in HeaderName::KNOWN {
            holds_its_law(*name, &text).map_err(TestCaseError::fail)?;
        }
    }

    /// The same in the neighbourhood of values that are good.
    #[test]
    fn what_is_written_of_a_changed_value_is_read_again(
        at in 0..table::GOOD.len(), cut in any::<prop::sample::Index>(), len in 0..4_usize, piece in pieces()
    ) {
        let (name, text, _) = table::GOOD[at];
        let mut chars: Vec<char> = text.chars().collect();
        let start = cut.index(chars.len() + 1);
        let end = (start + len).min(chars.len());
        chars.splice(start..end, piece.chars());
        holds_its_law(name, &chars.into_iter().collect::<String>()).map_err(TestCaseError::fail)?;
    }

    /// Whatever text a builder takes comes back from its value, and from a message that holds it.
    #[test]
    fn what_is_built_is_read_as_it_was_meant(display in words(), value in words(), realm in words()) {
        let uri = Uri::parse("sip:bob@h;lr").unwrap();
        let built = Value::<field::ReplyTo>::address(&display, &uri).unwrap()
            .param("x", &value).unwrap().quoted("y", &realm).unwrap().flag("z").unwrap();
        let challenge = Value::<field::WwwAuthenticate>::scheme("Digest", "realm", &realm).unwrap()
            .param("nonce", &value).unwrap();
        let request = ordinary()
            .header(HeaderName::ReplyTo, &built)
            .header(HeaderName::WwwAuthenticate, &challenge)
            .finish()
            .unwrap();
        let message = Message::parse(request).unwrap();

        let address = message.head().typed::<field::ReplyTo>().unwrap();
        prop_assert_eq!(address.display_name().unwrap_or_default(), display.as_str());
        prop_assert_eq!(address.uri, uri);
        prop_assert_eq!(address.params.text("x").unwrap(), value.as_str());
        prop_assert_eq!(address.params.text("y").unwrap(), realm.as_str());
        prop_assert_eq!(address.params.find("z"), Some(None));
        prop_assert_eq!(address.to_string(), built.as_str());
        let read = message.head().typed::<field::WwwAuthenticate>().unwrap();
        prop_assert_eq!(read.realm().unwrap(), realm);
        prop_assert_eq!(read.nonce().unwrap(), value);
        prop_assert_eq!(read.to_string(), challenge.as_str());
    }
}

/// One header field of each shape.
const SHAPES: &[HeaderName] = &[
    HeaderName::Accept,
    HeaderName::AlertInfo,
    HeaderName::AuthenticationInfo,
    HeaderName::Authorization,
    HeaderName::CSeq,
    HeaderName::Contact,
    HeaderName::Date,
    HeaderName::Event,
    HeaderName::Expires,
    HeaderName::HistoryInfo,
    HeaderName::Identity,
    HeaderName::InReplyTo,
    HeaderName::MaxForwards,
    HeaderName::Privacy,
    HeaderName::RAck,
    HeaderName::Replaces,
    HeaderName::ResourcePriority,
    HeaderName::RetryAfter,
    HeaderName::SessionExpires,
    HeaderName::SessionId,
    HeaderName::Subject,
    HeaderName::Supported,
    HeaderName::Timestamp,
    HeaderName::UserAgent,
    HeaderName::UserToUser,
    HeaderName::Via,
    HeaderName::Warning,
];

/// Each shape meets 64 kB of what it likes least, and reads it to its end.
#[test]
fn hostile_values_are_read_to_their_end() {
    let shapes: [(&str, &str); 16] = [
        ("", ","),
        ("", "a,"),
        ("", ";"),
        ("a", ";a"),
        ("a", ";a=\""),
        ("", "\""),
        ("", "\"\\"),
        ("", "<"),
        ("", "<>,"),
        ("1 ", "("),
        ("Digest ", "a=b,"),
        ("Digest ", "a=\""),
        ("a@h", ";to-tag=1"),
        ("", "a "),
        ("", "( "),
        ("<sip:h>", ";index=1.1"),
    ];
    for (start, piece) in shapes {
        let text = format!("{start}{}", piece.repeat((64 << 10) / piece.len()));
        for name in SHAPES {
            let _ = canonical(*name, &text);
        }
        assert!(parts_of(&text) <= text.len(), "{start}{piece}");
    }
}

/// What the typed views give on demand, over hostile text.
fn parts_of(text: &str) -> usize {
    use field::Field;
    let mut parts = 0;
    if let Ok(software) = field::UserAgent::parse(text) {
        parts += software.parts().count();
    }
    if let Ok(auth) = field::WwwAuthenticate::parse(text) {
        parts += auth.qop().count() + usize::from(auth.realm().is_some());
    }
    parts
}

/// Values in the messages of others that must be refused: the start of the file's name, the header field, and why.
const REFUSED: &[(&str, HeaderName, &str)] = &[
    ("rfc3261-013", HeaderName::ContentDisposition, "a semicolon was left out between two parameters"),
    ("rfc3261-015", HeaderName::From, "an addr-spec without scheme"),
    ("rfc3261-015", HeaderName::To, "an addr-spec without scheme"),
    ("rfc3327-001", HeaderName::Supported, "dots stand for lines left out"),
    ("rfc3327-002", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-003", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-004", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-005", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-006", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-007", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-008", HeaderName::Path, "dots stand for lines left out"),
    ("rfc3327-009", HeaderName::Contact, "dots stand for lines left out"),
    ("rfc3327-010", HeaderName::Route, "dots stand for lines left out"),
    ("rfc3327-011", HeaderName::Route, "dots stand for lines left out"),
    ("rfc3327-012", HeaderName::RecordRoute, "dots stand for lines left out"),
    ("rfc3515-001", HeaderName::ReferTo, "words in parentheses stand for a URI"),
    ("rfc3515-007", HeaderName::ReferTo, "words in parentheses stand for a URI"),
    ("rfc5627-001", HeaderName::ReferTo, "words in parentheses stand for a URI"),
    ("rfc3515-003", HeaderName::SubscriptionState, "words in parentheses stand for a number"),
    ("rfc3515-009", HeaderName::SubscriptionState, "words in parentheses stand for a number"),
    ("rfc3665-003", HeaderName::Authorization, "a comma was left out between two parameters"),
    ("rfc3665-162", HeaderName::RecordRoute, "a list that ends in a comma"),
    ("rfc3842-004", HeaderName::ContentLength, "the text of the RFC runs on in the value"),
    ("rfc5626-001", HeaderName::Contact, "two semicolons with nothing between them"),
    ("rfc5626-002", HeaderName::To, "an addr-spec without scheme"),
    ("invalid-content-length-be20-001", HeaderName::ContentLength, "meant to be invalid"),
    ("invalid-content-length-be20-002", HeaderName::ContentLength, "meant to be invalid"),
    ("sip-6dea-001", HeaderName::WwwAuthenticate, "quotes escaped outside a quoted string"),
];

/// Files of which bits were flipped on purpose: any of their values may be broken.
const FLIPPED: &str = "fuzz-2006-06-26-2594-";

#[test]
fn header_fields_of_other_peoples_messages_are_read() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folders: Vec<_> =
        ["flows", "captures"].iter().map(|name| corpora.join(name)).filter(|dir| dir.is_dir()).collect();
    if folders.is_empty() {
        eprintln!("skipped: no corpora");
        return;
    }
    let (mut read, mut wrong) = (0, Vec::new());
    let mut refused = vec![0; REFUSED.len()];
    for folder in folders {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let label = file.file_name().unwrap().to_string_lossy().into_owned();
            let Ok(message) = Message::parse(fs::read(&file).unwrap()) else { continue };
            for header in message.head().headers() {
                let Ok(value) = std::str::from_utf8(header.value_bytes()) else {
                    assert!(label.starts_with(FLIPPED), "{label}: {} is no UTF-8", header.name());
                    continue;
                };
                let Some(result) = canonical(header.id, value) else { continue };
                let listed = REFUSED
                    .iter()
                    .position(|(start, name, _)| label.starts_with(start) && *name == header.id);
                match (result, listed) {
                    (Ok(_), _) => read += 1,
                    (Err(_), Some(at)) => refused[at] += 1,
                    (Err(_), None) if label.starts_with(FLIPPED) => {}
                    (Err(error), None) => {
                        wrong.push(format!("{label}: {} {value:?}: {error}", header.name()));
                    }
                }
                if let Err(broken) = holds_its_law(header.id, value) {
                    wrong.push(format!("{label}: {broken}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {read} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for (count, row) in refused.iter().zip(REFUSED) {
        assert!(*count > 0, "{row:?} is refused no more");
    }
    assert!(read > 6000, "only {read} values");
}
