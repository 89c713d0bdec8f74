//! Messages as they went over real wires, and as RFCs print them.

use crate::checks;
use crate::element::{Role, outcome};
use crate::support::*;
use sip_survivability::message::{Edits, Message, ParseLimits};

#[test]
fn every_file_is_read_or_refused() {
    let Some(corpora) = corpora() else { return };
    for folder in ["rfc4475", "rfc5118", "flows", "captures", "malformed", "cves", "bench"] {
        let files = messages(&corpora.join(folder));
        assert!(!files.is_empty(), "{folder}");
        let (mut read, mut fine) = (0, 0);
        for bytes in files.values() {
            checks::message(bytes);
            // A hop's worth of edits.
            checks::edit(&[&[4, 0, 5 << 3 | 1, 3, 1 << 3 | 6][..], bytes].concat());
            read += usize::from(Message::parse(bytes.clone()).is_ok());
            fine += usize::from(outcome(bytes, Role::Proxy) == "fine");
        }
        say(&format!("{folder}: {read} of {} read, {fine} fine", files.len()));
    }
}

/// Messages without their final empty line are completed, which is no change to what they say.
#[test]
fn without_edits_a_message_keeps_its_bytes() {
    let Some(corpora) = corpora() else { return };
    for folder in ["rfc4475", "rfc5118", "flows", "captures", "bench"] {
        let (mut same, mut all) = (0, 0);
        for (name, bytes) in messages(&corpora.join(folder)) {
            let Ok(message) = Message::parse_within(bytes.clone(), &ParseLimits::default()) else { continue };
            let copy = Edits::new(message.head()).finish();
            let start = bytes.iter().position(|b| !b"\r\n".contains(b)).unwrap();
            let own = &bytes[start..];
            all += 1;
            same += usize::from(own.starts_with(&copy));
            assert!(
                own.starts_with(&copy) || copy.strip_prefix(own).is_some_and(|end| end.len() <= 4),
                "{name}"
            );
        }
        say(&format!("{folder}: {same} of {all} come back byte for byte, the others completed"));
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
];

#[test]
fn the_call_flows_of_the_rfcs() {
    let Some(corpora) = corpora() else { return };
    let verdicts: Vec<_> = messages(&corpora.join("flows"))
        .into_iter()
        .map(|(name, bytes)| {
            let got = outcome(&bytes, Role::Proxy);
            let fine = got == "fine";
            (name, got, fine)
        })
        .collect();
    let agree = judge(&verdicts, FLOWS);
    say(&format!("flows: {agree} of {} fine", verdicts.len()));
}
