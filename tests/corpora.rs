//! Vectors that others made, read where they lie: beside the project, as `../shared/corpora`. Where that folder is absent
//! the tests say so on standard error and pass.
//!
//! What we do not agree with, or do not do yet, stands in a table with its reason; a row that no longer holds fails too.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "fuzz_corpus/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "other tests use the rest")]
mod checks;

use sip_survivability::message::{Edits, Message, ParseLimits};
use sip_survivability::uri::Uri;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Files or inputs, and why our answer is not the vector's.
type Exceptions = [(&'static [&'static str], &'static str)];

fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if folder.is_dir() {
        return Some(folder);
    }
    say("skipped: no corpora");
    None
}

/// To standard error itself: the test harness would hold back what is printed.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The messages in `folder` and below, by file name.
fn messages(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(messages(&path));
        } else if path.extension().is_some_and(|kind| kind == "sip" || kind == "dat") {
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

/// The rows of a table behind its head line, unescaped.
fn rows(file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').map(unescaped).collect()).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap(), after)
            }
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What becomes of a message: `refused`, `fine`, or the status that a request is answered with. A response is fine if the
/// fields that it is matched by can be read.
fn outcome(bytes: &[u8]) -> String {
    match Message::parse(bytes.to_vec()) {
        Err(_) => "refused".to_owned(),
        Ok(Message::Request(request)) => {
            request.validate().map_or_else(|fault| fault.to_string(), |()| "fine".to_owned())
        }
        Ok(Message::Response(response)) => {
            let head = [response.top_via().err(), response.cseq().err(), response.call_id().err()];
            let fault = head.into_iter().flatten().next();
            fault.map_or_else(|| "fine".to_owned(), |fault| format!("dropped: {fault}"))
        }
    }
}

/// Each verdict has to agree with the vector's, but for the exceptions, each of which has to be needed. Gives how many agree.
fn judge(verdicts: &[(String, String, bool)], exceptions: &Exceptions) -> usize {
    let excepted: BTreeSet<_> = exceptions.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let wrong = verdicts.iter().filter(|(name, _, agrees)| *agrees == excepted.contains(name.as_str()));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "disagreements without reason, or reasons without need: {wrong:#?}");
    for name in excepted {
        assert!(verdicts.iter().any(|(known, _, _)| known == name), "{name} is not among the vectors");
    }
    verdicts.iter().filter(|(_, _, agrees)| *agrees).count()
}

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
            fine += usize::from(outcome(bytes) == "fine");
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

/// RFC 4475, where our answer is not the one that the table asks for.
const TORTURE: &Exceptions =
    &[(&["bext01.dat"], "later: 420 for what Require and Proxy-Require ask, 3.3.5 and RFC 3261 8.2.2.3")];

#[test]
fn the_torture_messages_of_rfc_4475() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc4475");
    let mut verdicts = Vec::new();
    for row in rows(&folder.join("expected.tsv")) {
        let [name, _, class, grammar, ..] = &row[..] else { panic!("{row:?}") };
        let got = outcome(&fs::read(folder.join(name)).unwrap());
        let rejected =
            got == "refused" || got.starts_with('4') || got.starts_with('5') || got.starts_with("dropped");
        let agrees = match (class.as_str(), grammar.as_str()) {
            ("-", _) => true,
            // "may be liberal", "may ignore the headers": either will do.
            ("invalid", grammar) if grammar.contains("liberal") || grammar.contains("headers") => true,
            (_, "505" | "420" | "400") => got.starts_with(grammar.as_str()),
            (_, grammar) if grammar.starts_with("501") => got.starts_with("501") || got.starts_with("400"),
            (_, grammar) if grammar.starts_with("accept; 416") => got.starts_with("416"),
            (_, grammar) if grammar.starts_with("reject") || grammar == "4xx" => rejected,
            (_, grammar) if grammar.starts_with("drop") => rejected,
            _ => got == "fine",
        };
        verdicts.push((name.clone(), format!("{class} {grammar}: {got}"), agrees));
    }
    let agree = judge(&verdicts, TORTURE);
    say(&format!("rfc4475: {agree} of {} as expected", verdicts.len()));
}

/// RFC 5118, likewise.
const IPV6: &Exceptions = &[];

#[test]
fn the_ipv6_messages_of_rfc_5118() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc5118");
    let mut verdicts = Vec::new();
    for row in rows(&folder.join("expected.tsv")) {
        let [name, _, _, grammar, ..] = &row[..] else { panic!("{row:?}") };
        let name = name.replace(".dat", ".sip");
        let got = outcome(&fs::read(folder.join(&name)).unwrap());
        let agrees = match grammar.as_str() {
            "may accept" => true,
            "reject" => got.starts_with("400"),
            _ => got == "fine",
        };
        verdicts.push((name, format!("{grammar}: {got}"), agrees));
    }
    let agree = judge(&verdicts, IPV6);
    say(&format!("rfc5118: {agree} of {} as expected", verdicts.len()));
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
            let got = outcome(&bytes);
            let fine = got == "fine";
            (name, got, fine)
        })
        .collect();
    let agree = judge(&verdicts, FLOWS);
    say(&format!("flows: {agree} of {} fine", verdicts.len()));
}

/// A torture suite whose index says what must be refused.
const MALFORMED: &Exceptions = &[
    (&["004.sip", "373.sip"], "spaces in the Request-Line may be forgiven, RFC 4475 3.1.2.9"),
    (&["006.sip", "375.sip"], "header fields in the Request-URI may be ignored, RFC 4475 3.1.2.11"),
    (&["024.sip"], "the file's CSeq does match its method"),
    (&["376.sip"], "a Date that nobody uses is no reason to refuse, RFC 4475 3.1.2.12"),
    (&["364.sip"], "the file holds `<hex>20</hex>` where it means a space"),
];

#[test]
fn the_malformed_messages() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("malformed/jain-torture");
    let mut verdicts = Vec::new();
    for row in rows(&folder.join("INDEX.tsv")) {
        let [name, expectation, why, ..] = &row[..] else { panic!("{row:?}") };
        let got = outcome(&fs::read(folder.join(name)).unwrap());
        // What parses need not be fine: the suite's other messages are partly those of RFC 2543.
        let agrees = if expectation == "should-parse" { got != "refused" } else { got != "fine" };
        verdicts.push((name.clone(), format!("{expectation} {why}: {got}"), agrees));
    }
    let agree = judge(&verdicts, MALFORMED);
    say(&format!("malformed: {agree} of {} as expected", verdicts.len()));
}

/// URIs that other projects' tests accept or refuse, and we do not.
const PEER_URIS: &Exceptions = &[
    (&["sip:%@atlanta.org", "sip:%4`@atlanta.org"], "a broken escape, RFC 3261 25.1"),
    (&["sip:localhost;pvalue=\"hello world\""], "quotes and spaces must be escaped, RFC 3261 25.1"),
    (
        &[
            "sip:alice@atlanta.org;pn-prid=",
            "sip:alice@atlanta.org;pn-prid",
            "sip:alice@atlanta.org;pn-prid;foo=bar",
            "sip:alice@atlanta.org;pn-param=",
            "sip:alice@atlanta.org;pn-param",
            "sip:alice@atlanta.org;pn-param;foo=bar",
            "sip:alice@atlanta.org;pn-purr=",
            "sip:alice@atlanta.org;pn-purr",
            "sip:alice@atlanta.org;pn-purr;foo=bar",
        ],
        "parameters of RFC 8599 are kept as data",
    ),
];

#[test]
fn uris_of_other_projects() {
    let Some(corpora) = corpora() else { return };
    let mut verdicts = Vec::new();
    for file in fs::read_dir(corpora.join("peers")).unwrap() {
        for row in rows(&file.unwrap().path()) {
            let [kind, verdict, input, ..] = &row[..] else { panic!("{row:?}") };
            let is_sip = input.get(..4).is_some_and(|scheme| scheme.to_ascii_lowercase().starts_with("sip"));
            if matches!(kind.as_str(), "uri" | "fast_uri" | "url") && is_sip {
                let got = Uri::parse(input);
                verdicts.push((
                    input.clone(),
                    format!("{verdict}: {got:?}"),
                    (verdict == "accept") == got.is_ok(),
                ));
            }
        }
    }
    let agree = judge(&verdicts, PEER_URIS);
    say(&format!("peers: {agree} of {} URIs judged alike", verdicts.len()));
}

const PAIRS: &Exceptions = &[(
    &["sip:172.21.55.55:5060 sip:172.21.55.55", "sips:172.21.55.55:5061 sips:172.21.55.55"],
    "a default port that is written differs from none, RFC 3261 19.1.4",
)];

#[test]
fn pairs_of_uris_are_equal_or_not() {
    let Some(corpora) = corpora() else { return };
    let mut verdicts = Vec::new();
    for row in rows(&corpora.join("digest/uri-compare.tsv")) {
        let [a, b, expected, ..] = &row[..] else { panic!("{row:?}") };
        let (a_uri, b_uri) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        let equal = a_uri.equivalent(&b_uri);
        verdicts.push((format!("{a} {b}"), expected.clone(), (expected == "equal") == equal));
    }
    let agree = judge(&verdicts, PAIRS);
    say(&format!("uri-compare: {agree} of {} pairs judged alike", verdicts.len()));
}
