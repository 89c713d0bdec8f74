//! Edits over messages.

use super::{plain, wide};
use bytes::Bytes;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Edits, Message};

const EDITED: [HeaderName; 8] = [
    HeaderName::Via,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Path,
    HeaderName::Contact,
    HeaderName::MaxForwards,
    HeaderName::Subject,
    HeaderName::Reason,
];

const VALUE: &str = "<sip:edited.example;lr>";

/// The first byte is a number of edits, those behind it one edit each, the rest a message. Edited, it parses again; lines
/// that no edit named are byte for byte what they were; edits in different places may come in any order.
pub fn edit(data: &[u8]) {
    let Some((&count, data)) = data.split_first() else { return };
    let Some((script, data)) = data.split_at_checked(usize::from(count % 8)) else { return };
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    let bytes = edited(&message, script.iter());
    let same = Edits::new(message.head()).finish();
    let touched = |id: HeaderName| script.iter().any(|&code| code % 8 != 0 && name(code) == id);
    let is_changed = |line: &[u8]| touched(name_of(line));
    let lines = |bytes| plain::raw_lines(bytes).into_iter().skip(1).filter(|line| !is_changed(line));
    assert!(lines(&bytes[..]).eq(lines(&same)));

    let after = Message::parse_within(bytes.clone(), &wide()).unwrap();
    assert_eq!(after.head().body(), message.head().body());
    match (&message, &after) {
        (Message::Request(before), Message::Request(after)) => {
            assert_eq!(before.method_str(), after.method_str());
            let has_uri = script.iter().any(|code| code % 8 == 0);
            assert_eq!(after.uri_str(), if has_uri { "sip:edited@edited.example" } else { before.uri_str() });
        }
        (Message::Response(before), Message::Response(after)) => {
            assert_eq!((before.status(), before.reason()), (after.status(), after.reason()));
        }
        _ => panic!("a request became a response, or a response a request"),
    }
    // Two edits of one header field, or two that add one where none was, meet in one place.
    let places: Vec<_> = script.iter().map(|&code| place(&message, code)).collect();
    if places.iter().enumerate().all(|(nth, place)| place.is_some() && !places[..nth].contains(place)) {
        assert_eq!(edited(&message, script.iter().rev()), bytes);
    }
}

fn name(code: u8) -> HeaderName {
    EDITED[usize::from(code >> 3) % EDITED.len()]
}

/// The known name of a header field's line.
fn name_of(line: &[u8]) -> HeaderName {
    let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
    HeaderName::of(line[..colon].trim_ascii_end())
}

fn edited<'a>(message: &Message, script: impl Iterator<Item = &'a u8>) -> Bytes {
    let mut edits = Edits::new(message.head());
    for &code in script {
        let name = name(code);
        match (code % 8, message) {
            (0, Message::Request(request)) => edits.set_uri(request, "sip:edited@edited.example"),
            (0, Message::Response(_)) => &mut edits,
            (1, _) => edits.set(name, VALUE),
            (2, _) => edits.append(name, VALUE),
            (3 | 4, _) => edits.insert_first(name, VALUE),
            (5, _) => edits.remove_all(name),
            (many, _) => edits.remove_values(name, usize::from(many - 5)),
        };
    }
    edits.finish()
}

/// Where the edit of `code` is made: the Request-URI, a header field that is there, or the end for those that are not.
/// `None` where that depends on other edits.
fn place(message: &Message, code: u8) -> Option<Option<HeaderName>> {
    let name = name(code);
    let is_there = message.head().first(name).is_some();
    match code % 8 {
        0 => Some(None),
        1..=4 if !is_there => None,
        2 => None,
        _ => Some(Some(name)),
    }
}
