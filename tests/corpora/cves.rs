//! Messages of the kinds that broke other stacks: what each may come to.

use crate::element::{Role, outcome, registered, sent_by_the_branch};
use crate::support::*;
use sip_survivability::headers::field::{Authorization, Replaces};
use sip_survivability::message::Message;
use std::fs;
use std::path::Path;

/// Who is asked, where it is not a proxy.
const ROLES: &[(Asked, &[&str])] = &[
    (
        Asked::Registrar,
        &[
            "branch-long.sip",
            "from-tag-long.sip",
            "expires-overflow.sip",
            "contact-star-with-others.sip",
            "contact-star-expires.sip",
            "contact-percent-only.sip",
            "contacts-1000.sip",
            "contact-self-loop.sip",
        ],
    ),
    (
        Asked::UserAgent,
        &[
            "cseq-long-method.sip",
            "accept-many-bad.sip",
            "multipart-no-boundary.sip",
            "multipart-bad.sip",
            "multipart-boundary-empty.sip",
        ],
    ),
    (
        Asked::Branch,
        &[
            "no-via.sip",
            "start-line-only.sip",
            "start-line-one-byte.sip",
            "cancel-spoof.sip",
            "response-unmatched.sip",
            "response-0-code.sip",
            "response-6-digit.sip",
            "keepalive-flood.sip",
            "ws-nul-datagram.sip",
            "http-on-sip.sip",
            "stun-on-sip.sip",
        ],
    ),
    (
        Asked::Reader,
        &[
            "auth-digest-truncated.sip",
            "auth-digest-unclosed.sip",
            "auth-no-algo-value.sip",
            "replaces-bad.sip",
        ],
    ),
];

#[derive(Clone, Copy, Debug)]
enum Asked {
    Proxy,
    Registrar,
    UserAgent,
    /// The whole core, with what it sends.
    Branch,
    /// Whoever acts on the header field, and answers 400 to one that cannot be read. A proxy leaves it alone.
    Reader,
}

/// Where our answer is not the one that the table asks for.
const CVES: &Exceptions = &[
    (
        &["route-to-self-many.sip"],
        "the Route is not ours to judge, and Max-Forwards ends a loop, RFC 3261 16.3 step 3",
    ),
    (&["contacts-1000.sip"], "the limit on one header field comes first: 400, RFC 3261 21.4.1"),
    (&["sdp-a-empty-end.sip"], "a proxy leaves the body alone, RFC 3261 16.6"),
    (
        &["invite-spoof-pai.sip", "register-hijack.sip", "digest-replay-nc.sip", "digest-uri-mismatch.sip"],
        "who may say what is decided behind validation, RFC 3261 16.3 step 6 and 10.3 steps 3 and 4",
    ),
];

/// The outcome: `fine`, `dropped`, or a status.
fn come_to(asked: Asked, bytes: &[u8]) -> String {
    match asked {
        Asked::Proxy => outcome(bytes, Role::Proxy),
        Asked::Registrar => outcome(bytes, Role::Registrar),
        Asked::UserAgent => outcome(bytes, Role::UserAgent),
        Asked::Branch => sent_by_the_branch(bytes).first().map_or_else(
            || "dropped".to_owned(),
            |sent| sent.split("SIP/2.0 ").nth(1).unwrap_or("fine").to_owned(),
        ),
        Asked::Reader => {
            let message = Message::parse(bytes.to_vec()).unwrap();
            let head = message.head();
            let bad = head.find::<Authorization>().is_err() || head.find::<Replaces>().is_err();
            if bad { "400".to_owned() } else { "fine".to_owned() }
        }
    }
}

/// Words of the table for an outcome that is no refusal.
const FINE: &[&str] = &[
    "accept",
    "2xx",
    "2543",
    "ignore",
    "answer",
    "clamp",
    "passes",
    "pass through",
    "UAS copies",
    "no recursion",
    "rest is body",
    "never fetch",
];

fn allows(expected: &str, got: &str) -> bool {
    match got {
        "fine" => FINE.iter().any(|word| expected.contains(word)),
        "refused" | "dropped" => expected.contains("drop") || expected.contains("ignore"),
        refusal => expected.contains(&refusal[..3]) || expected.contains("no recursion"),
    }
}

fn file(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn each_comes_to_what_it_may() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("cves");
    let mut verdicts = Vec::new();
    for row in rows(&folder.join("INDEX.tsv")) {
        let [name, _, class, expected, ..] = &row[..] else { panic!("{row:?}") };
        let role = ROLES.iter().find(|(_, names)| names.contains(&name.as_str()));
        let asked = role.map_or(Asked::Proxy, |(asked, _)| *asked);
        let got = come_to(asked, &file(&folder, name));
        verdicts.push((
            name.clone(),
            format!("{class}: {expected}: {asked:?} {got}"),
            allows(expected, &got),
        ));
    }
    let agree = judge(&verdicts, CVES);
    say(&format!("cves: {agree} of {} as expected", verdicts.len()));
}

#[test]
fn what_is_sent_goes_to_the_source_and_nowhere_else() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("cves");
    for (name, bytes) in messages(&folder) {
        for sent in sent_by_the_branch(&bytes) {
            // SIP, or the Binding Response of STUN (RFC 5389 6).
            let known = ["10.0.0.7:5060 SIP/2.0 ", "10.0.0.7:5060 \x01\x01", "192.0.2.1:5060 "];
            assert!(known.iter().any(|start| sent.starts_with(start)), "{name}: {sent}");
        }
    }
}

#[test]
fn a_lifetime_beyond_all_numbers_does_not_wrap() {
    let Some(corpora) = corpora() else { return };
    let bytes = file(&corpora.join("cves"), "expires-overflow.sip");
    let Ok(Message::Request(request)) = Message::parse(bytes) else { panic!("a request") };
    assert!(registered(&request).unwrap().contacts.iter().all(|contact| contact.expires >= 3600));
}
