//! RFC 4475: each message at each role that the RFC speaks of, and every fact about it.

use crate::element::Role::{Proxy, Registrar, UserAgent};
use crate::element::{Role, outcome, registered, sent_by_the_branch};
use crate::facts;
use crate::support::*;
use sip_survivability::message::{Message, Request};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What becomes of each message: the start of the outcome at each role.
const BEHAVIOUR: &[(&str, &[(Role, &str)])] = &[
    ("wsinv.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("intmeth.dat", &[(Proxy, "fine"), (UserAgent, "501 Not Implemented / Allow: INVITE, ")]),
    ("esc01.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("escnull.dat", &[(Proxy, "fine"), (Registrar, "fine")]),
    ("esc02.dat", &[(Proxy, "fine"), (UserAgent, "501"), (Registrar, "501")]),
    ("lwsdisp.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("longreq.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("dblreq.dat", &[(Proxy, "fine"), (Registrar, "fine")]),
    ("semiuri.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("transports.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("mpart01.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("unreason.dat", &[(Proxy, "fine")]),
    ("noreason.dat", &[(Proxy, "fine")]),
    ("badinv01.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("clerr.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("ncl.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("scalar02.dat", &[(Proxy, "400"), (Registrar, "400")]),
    ("scalarlg.dat", &[(Proxy, "dropped")]),
    ("quotbal.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("ltgtruri.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("lwsruri.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("lwsstart.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("trws.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("escruri.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("baddate.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("regbadct.dat", &[(Proxy, "400"), (Registrar, "400")]),
    ("badaspec.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("baddn.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("badvers.dat", &[(Proxy, "505"), (UserAgent, "505")]),
    ("mismatch01.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("mismatch02.dat", &[(Proxy, "400"), (UserAgent, "501")]),
    ("bigcode.dat", &[(Proxy, "refused")]),
    ("badbranch.dat", &[(Proxy, "fine")]),
    ("insuf.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("unkscm.dat", &[(Proxy, "416"), (UserAgent, "416")]),
    ("novelsc.dat", &[(Proxy, "416"), (UserAgent, "416")]),
    ("unksm2.dat", &[(Proxy, "fine"), (Registrar, "400")]),
    (
        "bext01.dat",
        &[
            (Proxy, "420 Bad Extension / Unsupported: noProxiesSupportThis, norDoAnyProxiesSupportThis"),
            (UserAgent, "420 Bad Extension / Unsupported: nothingSupportsThis, nothingSupportsThisEither"),
        ],
    ),
    ("invut.dat", &[(Proxy, "fine"), (UserAgent, "415 Unsupported Media Type / Accept: application/sdp")]),
    ("regaut01.dat", &[(Proxy, "fine"), (Registrar, "fine"), (UserAgent, "405")]),
    ("multi01.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("mcl01.dat", &[(Proxy, "400"), (UserAgent, "400")]),
    ("bcast.dat", &[(Proxy, "fine")]),
    ("zeromf.dat", &[(Proxy, "483"), (UserAgent, "fine")]),
    ("cparam01.dat", &[(Proxy, "fine"), (Registrar, "fine")]),
    ("cparam02.dat", &[(Proxy, "fine"), (Registrar, "fine")]),
    ("regescrt.dat", &[(Proxy, "fine"), (Registrar, "fine")]),
    ("sdp01.dat", &[(Proxy, "fine"), (UserAgent, "406")]),
    ("inv2543.dat", &[(Proxy, "fine"), (UserAgent, "fine")]),
    ("test.dat", &[(Proxy, "refused")]),
];

fn file(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn request(bytes: Vec<u8>) -> Request {
    let Ok(Message::Request(request)) = Message::parse(bytes) else { panic!("a request") };
    request
}

/// Whether the outcomes are what the class and the grammar of a row ask for.
fn fits(class: &str, grammar: &str, outcomes: &[String]) -> bool {
    let first = &outcomes[0];
    let every = |fits: fn(&str) -> bool| outcomes.iter().all(|outcome| fits(outcome));
    match (class, grammar) {
        ("-", _) => true,
        ("valid" | "compat", _) => every(|got| got == "fine" || got.starts_with("501")),
        (_, grammar) if grammar.starts_with("drop") => {
            every(|got| got == "refused" || got.starts_with("dropped"))
        }
        (_, "505" | "400" | "420" | "reject 400") => {
            outcomes.iter().all(|got| got.starts_with(last_word(grammar)))
        }
        (_, grammar) if grammar.contains("400") && grammar.contains("501") => {
            every(|got| got.starts_with("400") || got.starts_with("501"))
        }
        (_, "406 or 400") => every(|got| got == "fine" || got.starts_with("406")),
        (_, "reject 4xx" | "4xx") => every(|got| got.starts_with('4')),
        // "(may be liberal)", "(may infer the brackets)", "(datagram)", "may reject 400".
        ("invalid", grammar) if grammar.contains("400") => every(|got| got.starts_with("400")),
        (_, grammar) if grammar.starts_with("accept; 416") => first.starts_with("416"),
        (_, grammar) if grammar.starts_with("accept; proxy 483") => first.starts_with("483"),
        // What a role is to make of it stands behind "accept" and "register OK".
        (_, grammar) if grammar.starts_with("accept") || grammar.starts_with("register OK") => {
            first == "fine"
        }
        _ => false,
    }
}

fn last_word(text: &str) -> &str {
    text.rsplit(' ').next().unwrap_or_default()
}

#[test]
fn each_message_is_answered_as_its_role_has_to() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc4475");
    let (mut agree, mut known) = (0, BTreeSet::new());
    for row in rows(&folder.join("expected.tsv")) {
        let [name, _, class, grammar, ..] = &row[..] else { panic!("{row:?}") };
        let (_, behaviour) =
            BEHAVIOUR.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name}"));
        let bytes = file(&folder, name);
        let got: Vec<_> = behaviour.iter().map(|(role, _)| outcome(&bytes, *role)).collect();
        for ((role, expected), got) in behaviour.iter().zip(&got) {
            assert!(got.starts_with(expected), "{name} at {role:?}: {got}, not {expected}");
        }
        assert!(fits(class, grammar, &got), "{name}: {class}, {grammar}, {got:?}");
        known.insert(name.clone());
        agree += usize::from(class != "-");
    }
    assert_eq!((agree, known.len()), (49, BEHAVIOUR.len()));
    say(&format!("rfc4475: {agree} of 49 in class, grammar and behaviour"));
}

#[test]
fn every_fact_is_read() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc4475");
    let mut facts = 0;
    for row in rows(&folder.join("expected.tsv")) {
        let [name, .., told] = &row[..] else { panic!("{row:?}") };
        facts += facts::check(name, &file(&folder, name), told);
    }
    say(&format!("rfc4475: {facts} facts of {} messages", BEHAVIOUR.len()));
}

/// The archive's file lacks the empty line; with it, it is no better.
#[test]
fn a_display_name_with_a_comma_is_refused_in_the_repaired_file_too() {
    let Some(corpora) = corpora() else { return };
    let bytes = file(&corpora.join("rfc4475"), "baddn-fixed.dat");
    assert!(outcome(&bytes, Proxy).starts_with("400"));
}

/// 3.1.1.4, 3.3.12 to 3.3.14: what a registrar keeps and gives back.
#[test]
fn contacts_are_kept_as_they_were_registered() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc4475");
    let contacts = |name| {
        let registered = registered(&request(file(&folder, name))).unwrap();
        registered.contacts.iter().map(|contact| contact.uri().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(contacts("escnull.dat"), ["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]);
    assert_eq!(contacts("cparam01.dat"), ["sip:+19725552222@gw1.example.net"]);
    assert_eq!(contacts("cparam02.dat"), ["sip:+19725552222@gw1.example.net;unknownparam"]);
    assert_eq!(contacts("regescrt.dat"), ["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]);
    let escaped = registered(&request(file(&folder, "escnull.dat"))).unwrap();
    let key = escaped.changes[0].binding.key();
    assert!(key.contains("null-") && key.contains("-null@"));
}

/// 3.3.10: never toward 255.255.255.255. 3.3.11: not forwarded. 3.1.1.8: one request in the datagram.
#[test]
fn the_branch_sends_nothing_that_it_must_not() {
    let Some(corpora) = corpora() else { return };
    let sent = |name| sent_by_the_branch(&file(&corpora.join("rfc4475"), name));
    assert_eq!(sent("bcast.dat"), Vec::<String>::new());
    assert_eq!(sent("zeromf.dat"), ["10.0.0.7:5060 SIP/2.0 200 OK"]);
    assert_eq!(sent("dblreq.dat").len(), 1);
}
