//! Attacks on flows: whoever means harm and keeps to the grammar. Each test is one kind of attack, and says what it must not achieve.

use crate::rig::*;
use sip_survivability::Event;
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::config::{Authentication, Settings, User};
use sip_survivability::headers::Auth;
use sip_survivability::message::{ConnectionEnd, FrameLimits, Framer};
use sip_survivability::rng::Token;
use std::collections::VecDeque;

const BOB_URI: &str = "sip:bob@office.example";
const OUTSIDE: &str = "198.51.100.66:5060";
const VICTIM: &str = "203.0.113.5:5060";

fn ha1(user: &str, algorithm: Algorithm) -> Ha1 {
    Ha1::new(algorithm, user, "office.example", &format!("{user}'s secret"))
}

fn guarded(settings: &mut Settings) {
    let user = |name: &str| User {
        name: name.to_owned(),
        ha1: [Algorithm::Md5, Algorithm::Sha256].map(|a| ha1(name, a)).into(),
    };
    let users = ["alice", "bob", "mallory"].map(user).into();
    settings.auth = Some(Authentication::new("office.example".parse().unwrap(), users));
}

/// What `user` answers to a 401.
fn proof(challenge: &Sent, user: &str, uri: &str) -> String {
    let all = challenge.all("WWW-Authenticate").into_iter().map(|text| Auth::parse(text).unwrap());
    let session = Session::open(all, user, |_, algorithm| Some(ha1(user, algorithm)), Token::of(1));
    session.unwrap().answer("REGISTER", uri, b"")
}

fn reg(user: &str, at: &str, lines: &str, cseq: u32) -> String {
    register(user, at, &format!("Contact: <sip:{user}@{at}>\r\n{lines}"), cseq)
}

/// alice and bob are registered, and the proxy is lost.
fn served_with(change: impl FnOnce(&mut Settings)) -> Rig {
    let mut rig = Rig::with(change);
    rig.bind("alice", ALICE);
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(7));
    rig
}

fn served() -> Rig {
    served_with(|_| {})
}

#[test]
fn f1_a_registration_cannot_be_hijacked_with_ones_own_password() {
    let mut rig = served_with(guarded);
    let challenge = rig.feed_one(MALLORY, reg("alice", MALLORY, "", 1));
    assert_eq!(challenge.brief(), format!("401 {MALLORY}"));
    let line = format!("Authorization: {}\r\n", proof(&challenge, "mallory", "sip:office.example"));
    assert_eq!(rig.feed_one(MALLORY, reg("alice", MALLORY, &line, 2)).brief(), format!("403 {MALLORY}"));
    let contacts: Vec<String> = rig.sas.registrar().iter().map(|b| b.contact().to_string()).collect();
    assert!(!contacts.iter().any(|contact| contact.contains("10.0.0.66")), "{contacts:?}");
}

#[test]
fn f2_a_flood_of_requests_takes_bounded_memory_and_leaves_none() {
    let mut rig = served_with(|settings| {
        settings.limits.max_transactions = 200;
        settings.registrar.max_users = 50;
    });
    for i in 0..5_000_u32 {
        let method = ["OPTIONS", "INVITE", "MESSAGE", "SUBSCRIBE", "FOO"][i as usize % 5];
        rig.feed(MALLORY, request(method, BOB_URI, &format!("flood{i}")));
        rig.feed(MALLORY, register(&format!("u{i}"), MALLORY, "Contact: <sip:u@10.0.0.66>\r\n", i));
        let (transactions, contexts) = rig.sas.load();
        // Each request that is taken on may start one of its own.
        assert!(transactions <= 400 && contexts <= 200, "{transactions}, {contexts}");
        assert!(rig.sas.registrar().len() <= 50);
    }
    rig.drain();
}

/// RFC 3325 5: who somebody is, only elements that we trust may say; and that a request comes from a phone's address proves nothing.
#[test]
fn f3_an_asserted_identity_of_a_phone_is_not_passed_on() {
    let line = "P-Asserted-Identity: <sip:boss@office.example>\r\nP-Asserted-Identity: <tel:+1>";
    for mut rig in [Rig::new(), served()] {
        let sent = rig.feed(MALLORY, with(&request("INVITE", BOB_URI, "f3"), line));
        let invite = sent.iter().find(|sent| sent.is_request()).unwrap();
        assert_eq!(invite.all("P-Asserted-Identity").len(), 0, "{invite:?}");
    }
    // Of the proxy and the gateway it is.
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let call = with(&from_to("INVITE", BOB_URI, "f3", PROXY, ""), line);
    let sent = rig.feed(PROXY, call.clone());
    assert_eq!(one(&sent, &format!("INVITE {BOB}")).all("P-Asserted-Identity").len(), 2);
    // RFC 3325 7: unless the caller wants it kept from phones.
    let sent = rig.feed(PROXY, with(&call.replace("f3", "f3b"), "Privacy: header; id"));
    assert_eq!(one(&sent, &format!("INVITE {BOB}")).all("P-Asserted-Identity").len(), 0);

    let mut rig = served_with(guarded);
    assert_eq!(rig.feed_one(ALICE, request("INVITE", BOB_URI, "f3c")).brief(), format!("407 {ALICE}"));
}

/// RFC 5393: two users, each with contacts at a proxy that sends every call back to us for either of them.
#[test]
fn f4_calls_in_a_loop_end_after_a_few_messages() {
    let mut rig = Rig::lost();
    for user in ["a", "b"] {
        let contacts = format!("Contact: <sip:a1-{user}@{MALLORY}>, <sip:b1-{user}@{MALLORY}>\r\n");
        rig.feed_one(MALLORY, register(user, MALLORY, &contacts, 1));
    }
    let first = request("INVITE", "sip:a@office.example", "f4");
    let mut waiting: VecDeque<String> = rig.feed(ALICE, first).into_iter().filter_map(sent_back).collect();
    let mut sent_on = waiting.len();
    while let Some(text) = waiting.pop_front() {
        let back: Vec<String> = rig.feed(MALLORY, text).into_iter().filter_map(sent_back).collect();
        sent_on += back.len();
        waiting.extend(back);
        assert!(sent_on < 100, "it does not end");
    }
    assert!(sent_on >= 4, "{sent_on}");
}

/// Mallory's proxy: an INVITE for `a1-…` comes back for `a`.
fn sent_back(sent: Sent) -> Option<String> {
    let user = sent.uri().strip_prefix("sip:")?.get(..1)?.to_owned();
    let via = format!(
        "Via: SIP/2.0/UDP {MALLORY};branch=z9hG4bK{}",
        sent.header("Via").len() * 7 + sent.text.len()
    );
    let branch = sent.header("Via").split("branch=").nth(1)?.split(';').next()?.to_owned();
    let line = sent.line().to_owned();
    (line.starts_with("INVITE") && sent.to == address(MALLORY)).then(|| {
        sent.text.replacen(&line, &format!("INVITE sip:{user}@office.example SIP/2.0\r\n{via}{branch}m"), 1)
    })
}

/// Whatever a Via claims, from outside the branch answers go to the packet's source, few of them, and not much larger.
#[test]
fn f5_answers_are_no_weapon_against_others() {
    for claim in [
        VICTIM.to_owned(),
        format!("{VICTIM};maddr=203.0.113.5"),
        "victim.example;received=203.0.113.5".to_owned(),
    ] {
        let via = format!("SIP/2.0/UDP {claim};branch=z9hG4bKf5");
        let text = request("INVITE", "sip:nobody@nowhere.example", "f5")
            .replace(&format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKf5;rport"), &via);
        let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
        let mut sent = rig.feed(OUTSIDE, text.clone());
        sent.extend(rig.run(secs(100)));
        assert!(!sent.is_empty() && sent.len() <= 11, "{}", sent.len());
        for answer in &sent {
            assert_eq!(answer.to.ip(), address(OUTSIDE).ip(), "{answer:?}");
            assert!(answer.text.len() <= text.len() + 100, "{} for {}", answer.text.len(), text.len());
        }
    }
}

#[test]
fn f6_a_route_of_a_strangers_choice_is_not_followed() {
    for mut rig in [Rig::new(), served()] {
        for (i, method) in ["INVITE", "MESSAGE", "BYE", "ACK", "OPTIONS"].into_iter().enumerate() {
            let tag = if matches!(method, "BYE" | "ACK") { ";tag=x" } else { "" };
            let text = from_to(method, BOB_URI, &format!("f6{i}"), OUTSIDE, tag);
            let line = format!(
                "Route: <sip:{SAS};lr>\r\nRoute: <sip:{VICTIM};lr>\r\nRecord-Route: <sip:{VICTIM};lr>"
            );
            let mut sent = rig.feed(OUTSIDE, with(&text, &line));
            sent.extend(rig.run(secs(3)));
            assert!(sent.iter().all(|sent| sent.to != address(VICTIM)), "{method}: {sent:#?}");
        }
    }
}

#[test]
fn f7_a_call_is_cancelled_by_whoever_made_it_alone() {
    let mut rig = served();
    let call = request("INVITE", BOB_URI, "f7");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, invite.answer(180, ""));
    let cancel = same_transaction(&call, "CANCEL");
    let forged = [
        // Another branch, another sent-by, another source.
        (ALICE, cancel.replace("z9hG4bKf7", "z9hG4bKguess")),
        (MALLORY, cancel.replace(&format!("UDP {ALICE}"), &format!("UDP {MALLORY}"))),
        (MALLORY, cancel.clone()),
    ];
    for (from, text) in forged {
        let sent = rig.feed(from, text.clone());
        assert_eq!(of(&sent, "481").len(), 1, "{text} from {from}");
        assert!(sent.iter().all(|sent| !sent.all("Via").contains(&invite.header("Via"))), "{sent:#?}");
    }
    let sent = rig.feed(ALICE, cancel.replace("z9hG4bKf7;rport", "z9hG4bKf7"));
    assert_eq!(of(&sent, "CANCEL").len(), 1, "{sent:#?}");
}

#[test]
fn f8_credentials_are_good_once_for_what_they_were_made_for_and_as_strong_as_asked() {
    let mut rig = served_with(|settings| {
        guarded(settings);
        settings.registrar.max_users = 10;
    });
    let mut cseq = 10;
    let mut ask = |rig: &mut Rig, line: &str| {
        cseq += 1;
        rig.feed_one(BOB, reg("bob", BOB, line, cseq))
    };
    let challenge = ask(&mut rig, "");
    let good = proof(&challenge, "bob", "sip:office.example");
    let cut = |text: &str, name: &str| {
        text.split(", ").filter(|part| !part.starts_with(name)).collect::<Vec<_>>().join(", ")
    };
    let forged = [
        // For a request to somebody.
        proof(&challenge, "bob", "sip:carol@office.example"),
        // Without qop, and with the algorithm taken down.
        cut(&cut(&cut(&good, "qop"), "nc"), "cnonce"),
        good.replace("SHA-256", "MD5"),
        cut(&good, "algorithm"),
        // Of a realm, a nonce or a user that is none.
        good.replace("office.example\"", "other.example\""),
        good.replace("nonce=\"", "nonce=\"0"),
        good.replace("\"bob\"", "\"Bob\""),
    ];
    for line in forged {
        assert_ne!(line, good);
        let answer = ask(&mut rig, &format!("Authorization: {line}\r\n"));
        assert!(["400", "401", "403"].contains(&&answer.brief()[..3]), "{} for {line}", answer.brief());
    }
    assert_eq!(ask(&mut rig, &format!("Authorization: {good}\r\n")).brief(), format!("200 {BOB}"));
    assert_eq!(
        ask(&mut rig, &format!("Authorization: {good}\r\n")).brief(),
        format!("401 {BOB}"),
        "a replay"
    );
}

/// What a stream may hold back is bounded before it is a message.
#[test]
fn f9_a_message_that_never_ends_is_given_up() {
    let limits = FrameLimits::default();
    let mut framer = Framer::new(ConnectionEnd::Accepted, limits);
    framer.push("INVITE sip:a@b SIP/2.0\r\n");
    let mut pushed = 0_usize;
    while framer.next_frame().is_ok_and(|frame| frame.is_none()) {
        framer.push("X: y\r\n");
        pushed += 6;
        assert!(pushed < 1_000_000, "it waits for ever");
    }
    let mut framer = Framer::new(ConnectionEnd::Accepted, limits);
    framer.push("INVITE sip:a@b SIP/2.0\r\nContent-Length: 4294967296\r\n\r\n");
    assert!(framer.next_frame().is_err(), "nobody has that much to say");
}

#[test]
fn f10_half_open_calls_end_by_themselves() {
    // Nobody answers; the caller never acknowledges; a phone rings for ever; the flow closes under it.
    let acts: [fn(&mut Rig, &Sent); 4] = [
        |_, _| {},
        |rig, invite| drop(rig.feed(BOB, invite.answer(486, ""))),
        |rig, invite| drop(rig.feed(BOB, invite.answer(180, ""))),
        |rig, _| drop(rig.event(Event::FlowClosed { flow: FLOW })),
    ];
    for act in acts {
        let mut rig = served();
        for i in 0..50 {
            let sent = rig.feed(ALICE, request("INVITE", BOB_URI, &format!("f10-{i}")));
            if let Some(invite) = sent.iter().find(|sent| sent.is_request()) {
                act(&mut rig, &invite.clone());
            }
        }
        rig.drain();
    }
}

/// Where the body ends, all read alike or nobody does.
#[test]
fn f11_nothing_is_smuggled_behind_an_ambiguous_length() {
    let hidden = "INVITE sip:victim@h SIP/2.0\r\n\r\n";
    let lengths = [
        "Content-Length: 0\r\nContent-Length: 33\r\n",
        "Content-Length: 0\r\nl: 33\r\n",
        "Content-Length: 0, 33\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 4294967328\r\n",
        "Content-Length: 0x0\r\n",
        "Content-Length\x0b: 0\r\nContent-Length: 33\r\n",
    ];
    let mut rig = served();
    for (i, length) in lengths.iter().enumerate() {
        let text = request("MESSAGE", BOB_URI, &format!("f11-{i}")).replace("Content-Length: 0\r\n", length);
        let sent = rig.feed(ALICE, text + hidden);
        assert!(sent.iter().all(|sent| sent.brief() == format!("400 {ALICE}")), "{length}: {sent:#?}");
    }
    // What stands behind the body does not go on (RFC 3261 18.3), and a bare CR makes no header field of a value.
    let text = request("MESSAGE", BOB_URI, "f11-a") + hidden;
    assert!(!rig.feed_one(ALICE, text).text.contains("victim"));
    let text = with(&request("MESSAGE", BOB_URI, "f11-b"), "Subject: x\rRoute: <sip:203.0.113.5;lr>");
    assert_eq!(rig.feed_one(ALICE, text).brief(), format!("400 {ALICE}"));
}

/// Keys are hashed with a secret: what collides on one node, and can be found out there, collides on no other.
#[test]
fn f12_what_a_transaction_is_hashed_to_depends_on_a_secret() {
    let tag = |seed: u8| {
        let mut settings = Settings::default();
        settings.proxy_set.targets = vec![format!("sip:{PROXY}").parse().unwrap()];
        let sas = sip_survivability::Sas::new(settings.validate().unwrap(), [seed; 32], Rig::new().now);
        let mut rig = Rig::new();
        rig.sas = sas;
        rig.event(Event::FlowOpened {
            flow: FLOW,
            transport: sip_survivability::transport::Transport::Udp,
            local: address(SAS),
            remote: None,
        });
        rig.feed_one(ALICE, request("INVITE", "nobody:x", "f12")).header("To").to_owned()
    };
    assert_eq!(tag(1), tag(1));
    assert_ne!(tag(1), tag(2));
}

/// A name is nothing that we look up for a stranger, nor a number a place that we carry requests to.
#[test]
fn f13_a_request_uri_opens_no_way_into_the_network() {
    let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
    for (i, uri) in ["sip:x@slow.example", "sip:x@10.9.9.9:25", "sip:x@127.0.0.1:5038", "sip:x@[::1]:80"]
        .iter()
        .enumerate()
    {
        for method in ["INVITE", "MESSAGE", "BYE", "OPTIONS"] {
            let tag = if method == "BYE" { ";tag=x" } else { "" };
            let sent = rig.feed(OUTSIDE, from_to(method, uri, &format!("f13{i}"), OUTSIDE, tag));
            assert!(sent.iter().all(|sent| sent.to == address(OUTSIDE)), "{method} {uri}: {sent:#?}");
        }
    }
}

/// However a user is written, it is one user for whoever asks and whoever is asked; and no other is taken for it.
#[test]
fn f14_a_user_has_one_name_for_registration_call_and_permission() {
    let mut rig = served_with(guarded);
    for (i, (to, status)) in [
        ("sip:%6Dallory@office.example", 200),
        ("sip:mallory@OFFICE.example", 200),
        ("sip:%61lice@office.example", 403),
        ("sip:alice%00@office.example", 403),
        ("sip:alice%40office.example@office.example", 403),
        ("sip:mallory%00@office.example", 403),
        ("sip:Mallory@office.example", 403),
    ]
    .into_iter()
    .enumerate()
    {
        let text = |line: &str, cseq| {
            let text = reg("mallory", MALLORY, line, cseq);
            text.replace("To: <sip:mallory@office.example>", &format!("To: <{to}>"))
        };
        let cseq = u32::try_from(i).unwrap() * 2 + 1;
        let challenge = rig.feed_one(MALLORY, text("", cseq));
        let line = format!("Authorization: {}\r\n", proof(&challenge, "mallory", "sip:office.example"));
        assert_eq!(
            rig.feed_one(MALLORY, text(&line, cseq + 1)).brief(),
            format!("{status} {MALLORY}"),
            "{to}"
        );
    }
    let mut rig = served();
    for (i, uri) in
        ["sip:%62ob@office.example", "sip:bob@Office.EXAMPLE", "sip:bob@192.0.2.1"].iter().enumerate()
    {
        let sent = rig.feed(ALICE, request("MESSAGE", uri, &format!("f14{i}")));
        assert_eq!(briefs(&sent), [format!("MESSAGE {BOB}")], "{uri}");
    }
    for (i, uri) in ["sip:bob%00@office.example", "sip:Bob@office.example"].iter().enumerate() {
        let sent = rig.feed(ALICE, request("MESSAGE", uri, &format!("f14{i}n")));
        assert_eq!(briefs(&sent), [format!("404 {ALICE}")], "{uri}");
    }
}

/// A callee that says more than one thing costs us no memory for it, and the caller no more than the callee.
#[test]
fn f15_a_talkative_callee_is_passed_on_word_for_word() {
    let mut rig = served();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "f15"));
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    let load = rig.sas.load();
    for status in [180, 200] {
        for i in 0..2_000 {
            let answer = invite.answer(status, "").replace(";tag=t", &format!(";tag={i}t"));
            assert_eq!(briefs(&rig.feed(BOB, answer)), [format!("{status} {ALICE}")]);
            assert_eq!(rig.sas.load(), load);
        }
    }
    rig.drain();
}
