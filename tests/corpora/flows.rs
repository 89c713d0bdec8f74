//! Messages as they went over real wires, and as RFCs print them.

use crate::checks;
use crate::element::{Role, outcome};
use crate::support::*;
use sip_survivability::headers::field;
use sip_survivability::message::{Edits, Message, ParseLimits};
use std::path::Path;

#[test]
fn every_file_is_read_or_refused() {
    let Some(corpora) = corpora() else { return };
    for folder in ["rfc4475", "rfc5118", "flows", "captures", "malformed", "cves", "bench"] {
        let files = messages(&corpora.join(folder));
        assert!(!files.is_empty(), "{folder}");
        let (mut read, mut fine) = (0, 0);
        for bytes in files.values() {
            checks::parse(bytes);
            // A hop's worth of edits.
            checks::edit(&[&[4, 0, 5 << 3 | 1, 3, 1 << 3 | 6][..], bytes].concat());
            read += usize::from(Message::parse(bytes.clone()).is_ok());
            fine += usize::from(outcome(bytes, Role::Proxy) == "fine");
        }
        say(&format!("{folder}: {read} of {} read, {fine} fine", files.len()));
    }
}

/// Messages of call flows in RFCs that are not fine.
const FLOWS: &Exceptions = &[
    (
        &[
            "rfc3261-005.sip",
            "rfc3261-006.sip",
            "rfc3261-007.sip",
            "rfc3261-008.sip",
            "rfc3261-009.sip",
            "rfc3261-012.sip",
            "rfc3842-001.sip",
            "rfc3842-002.sip",
            "rfc3842-003.sip",
            "rfc3842-004.sip",
            "rfc3842-005.sip",
            "rfc3842-006.sip",
            "rfc3842-007.sip",
            "rfc3842-008.sip",
            "rfc3842-009.sip",
            "rfc3842-010.sip",
            "rfc3842-011.sip",
            "rfc3842-012.sip",
            "rfc3842-013.sip",
            "rfc3842-014.sip",
            "rfc3891-001.sip",
            "rfc3891-002.sip",
            "rfc3891-003.sip",
            "rfc3891-004.sip",
            "rfc3891-005.sip",
            "rfc3891-006.sip",
            "rfc3891-007.sip",
            "rfc3891-008.sip",
            "rfc5626-007.sip",
            "rfc5626-008.sip",
            "rfc5626-009.sip",
            "rfc5626-010.sip",
            "rfc5626-011.sip",
            "rfc5626-012.sip",
            "rfc5626-013.sip",
            "rfc5626-014.sip",
            "rfc5626-015.sip",
            "rfc5626-016.sip",
            "rfc5626-017.sip",
            "rfc5627-001.sip",
            "rfc3665-162.sip",
            "rfc5627-005.sip",
        ],
        "printed in part, without Via, From or To, which RFC 3261 8.1.1 asks for",
    ),
    (
        &[
            "rfc3261-015.sip",
            "rfc5626-002.sip",
            "rfc3327-009.sip",
            "rfc3327-010.sip",
            "rfc3327-011.sip",
            "rfc3327-012.sip",
        ],
        "a URI without scheme, RFC 3261 25.1",
    ),
    (&["rfc5626-001.sip"], "an empty parameter, which RFC 4475 3.1.2.1 has refused"),
    (
        &[
            "rfc3327-001.sip",
            "rfc3327-002.sip",
            "rfc3327-003.sip",
            "rfc3327-004.sip",
            "rfc3327-005.sip",
            "rfc3327-006.sip",
            "rfc3327-007.sip",
            "rfc3327-008.sip",
        ],
        "a last line of dots for what was left out, which folds into the value, RFC 3261 7.3.1",
    ),
    (
        &["rfc3515-001.sip", "rfc3515-003.sip", "rfc3515-007.sip", "rfc3515-009.sip"],
        "words in brackets where a value belongs, RFC 3515 2.1 and RFC 6665 8.4",
    ),
    (&["rfc3665-003.sip"], "no comma between two parameters of the credentials, RFC 3261 25.1"),
    (&["rfc3261-013.sip"], "no semicolon between two parameters of Content-Disposition, RFC 3261 25.1"),
];

/// Messages of captures that are not.
const CAPTURES: &Exceptions = &[
    (BIT_FLIPPED, "bits were flipped on purpose, in start lines, names and values, RFC 3261 25.1"),
    (
        &["invalid-content-length-be20-001-INVITE.sip", "invalid-content-length-be20-002-r200.sip"],
        "a Content-Length that is no number, RFC 3261 20.14",
    ),
    (&["sip-6dea-001-r401.sip"], "backslashes before the quotes of parameters, RFC 3261 25.1"),
    (&["sip-header-multi-val-8e43-001-INVITE.sip"], "two To header fields, RFC 3261 7.3.1"),
    (
        &[
            "gtp-iphone-b8d5-001-REGISTER.sip",
            "gtp-iphone-b8d5-003-REGISTER.sip",
            "gtp-iphone-b8d5-016-REGISTER.sip",
        ],
        "asks proxies for sec-agree: 420, RFC 3261 16.3 step 5",
    ),
];

const BIT_FLIPPED: &[&str] = &[
    "fuzz-2006-06-26-2594-25cf-001-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-002-r401.sip",
    "fuzz-2006-06-26-2594-25cf-003-r100.sip",
    "fuzz-2006-06-26-2594-25cf-004-r403.sip",
    "fuzz-2006-06-26-2594-25cf-005-REGIStER.sip",
    "fuzz-2006-06-26-2594-25cf-006-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-007-r401.sip",
    "fuzz-2006-06-26-2594-25cf-008-r401.sip",
    "fuzz-2006-06-26-2594-25cf-009-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-010-r401.sip",
    "fuzz-2006-06-26-2594-25cf-011-r200.sip",
    "fuzz-2006-06-26-2594-25cf-012-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-013-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-014-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-015-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-016-r408.sip",
    "fuzz-2006-06-26-2594-25cf-017-ACK.sip",
    "fuzz-2006-06-26-2594-25cf-018-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-019-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-020-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-021-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-022-CANCEL.sip",
    "fuzz-2006-06-26-2594-25cf-023-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-024-r407.sip",
    "fuzz-2006-06-26-2594-25cf-025-ACK.sip",
    "fuzz-2006-06-26-2594-25cf-026-ACK.sip",
    "fuzz-2006-06-26-2594-25cf-027-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-028-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-029-r401.sip",
    "fuzz-2006-06-26-2594-25cf-030-r401.sip",
    "fuzz-2006-06-26-2594-25cf-031-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-032-r401.sip",
    "fuzz-2006-06-26-2594-25cf-033-r401.sip",
    "fuzz-2006-06-26-2594-25cf-034-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-036-r200.sip",
    "fuzz-2006-06-26-2594-25cf-037-r401.sip",
    "fuzz-2006-06-26-2594-25cf-038-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-039-r407.sip",
    "fuzz-2006-06-26-2594-25cf-040-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-041-r100.sip",
    "fuzz-2006-06-26-2594-25cf-042-r403.sip",
    "fuzz-2006-06-26-2594-25cf-043-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-044-r407.sip",
    "fuzz-2006-06-26-2594-25cf-045-INVITE.sip",
    "fuzz-2006-06-26-2594-25cf-046-r183.sip",
    "fuzz-2006-06-26-2594-25cf-047-r480.sip",
    "fuzz-2006-06-26-2594-25cf-048-ACK.sip",
    "fuzz-2006-06-26-2594-25cf-049-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-050-r401.sip",
    "fuzz-2006-06-26-2594-25cf-051-REGISTER.sip",
    "fuzz-2006-06-26-2594-25cf-052-r200.sip",
];

/// A message in TCP may be larger than a datagram.
const WIDE: ParseLimits = ParseLimits::new(1 << 18, 256);

/// What is wrong with a message, in words: it is refused, does not come back byte for byte, or has header fields that cannot be
/// read by their rules.
fn defects(bytes: &[u8]) -> Vec<String> {
    let Ok(message) = Message::parse_within(bytes.to_vec(), &WIDE) else {
        return vec!["refused".to_owned()];
    };
    let mut defects = Vec::new();
    // RFC 3261 7.5: line ends before the start line are no part of the message.
    let own = &bytes[bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap()..];
    let copy = Edits::new(message.head()).finish();
    if own != copy {
        defects.push(format!("{} bytes come back as {}", own.len(), copy.len()));
        // All that may differ is an empty line that was lacking.
        assert!(copy.strip_prefix(own).is_some_and(|end| b"\r\n\r\n".ends_with(end)));
    }
    for header in message.head().headers() {
        match str::from_utf8(header.value_bytes()).map(|text| field::canonical(header.id, text)) {
            Ok(None | Some(Ok(_))) => {}
            Ok(Some(Err(error))) => defects.push(format!("{}: {error}", header.id)),
            Err(error) => defects.push(format!("{}: {error}", header.id)),
        }
    }
    let outcome = outcome(bytes, Role::Proxy);
    if outcome != "fine" {
        defects.push(outcome);
    }
    defects
}

fn judge_all(folder: &Path, exceptions: &Exceptions) -> (usize, usize) {
    let verdicts: Vec<_> = messages(folder)
        .into_iter()
        .map(|(name, bytes)| {
            let defects = defects(&bytes);
            (name, defects.join(", "), defects.is_empty())
        })
        .collect();
    (judge(&verdicts, exceptions), verdicts.len())
}

#[test]
fn the_call_flows_of_the_rfcs_are_read_to_the_last_field_and_come_back_byte_for_byte() {
    let Some(corpora) = corpora() else { return };
    let (agree, all) = judge_all(&corpora.join("flows"), FLOWS);
    say(&format!("flows: {agree} of {all} read and written in full"));
}

#[test]
fn the_captures_are_read_to_the_last_field_and_come_back_byte_for_byte() {
    let Some(corpora) = corpora() else { return };
    let (agree, all) = judge_all(&corpora.join("captures"), CAPTURES);
    say(&format!("captures: {agree} of {all} read and written in full"));
    let (agree, all) = judge_all(&corpora.join("bench"), &[]);
    say(&format!("bench: {agree} of {all} read and written in full"));
}
