//! ENUM (`sas.md` 4.4 step 8, RFC 6116): where the DNS says that a number is.

use crate::rig::*;
use sip_survivability::config::{NumberMapping, Route, Settings};
use sip_survivability::mode::State;
use sip_survivability::resolve::{Answer, Naptr, Record};
use sip_survivability::routing::Step;
use sip_survivability::{Event, Notice};
use std::collections::BTreeSet;

const CALL: &str = "sip:+12015550123@office.example";
const QUESTION: &str = "3.2.1.0.5.5.5.1.0.2.1.e164.example NAPTR";
const FAR: &str = "192.0.2.77:5060";

fn asks(settings: &mut Settings) {
    settings.sas.number_mapping = Some(NumberMapping::new("e164.example".to_owned()));
}

/// The DNS makes `uri` of the number.
fn maps(rig: &mut Rig, uri: &str) {
    let record = Record::Naptr(Naptr {
        order: 10,
        preference: 1,
        flags: "u".to_owned(),
        services: "E2U+sip".to_owned(),
        regexp: format!("!^.*$!{uri}!"),
        replacement: ".".to_owned(),
    });
    rig.dns.insert(QUESTION.to_owned(), vec![record]);
}

fn asked(rig: &Rig) -> usize {
    rig.questions.iter().filter(|question| *question == QUESTION).count()
}

fn call(rig: &mut Rig, id: &str) -> Vec<Sent> {
    rig.feed(ALICE, request("INVITE", CALL, id))
}

#[test]
fn a_number_of_nobody_here_goes_where_enum_says_and_else_to_the_gateway() {
    let mut rig = Rig::lost_with(asks);
    maps(&mut rig, "sip:far@192.0.2.77");
    let sent = call(&mut rig, "c1");
    let invite = one(&sent, &format!("INVITE {FAR}"));
    assert_eq!(invite.uri(), "sip:far@192.0.2.77");
    let sent = rig.failed(FAR);
    one(&sent, &format!("INVITE {GATEWAY}"));

    let mut rig = Rig::lost_with(asks);
    one(&call(&mut rig, "c1"), &format!("INVITE {GATEWAY}"));
    one(&call(&mut rig, "c2"), &format!("INVITE {GATEWAY}"));
    assert_eq!(asked(&rig), 1, "what it does not know is known, too");
}

/// "Database with the result first, then its host".
#[test]
fn the_database_is_looked_at_before_the_host() {
    let mut rig = Rig::lost_with(asks);
    rig.bind("bob", BOB);
    maps(&mut rig, "sip:bob@office.example");
    let sent = call(&mut rig, "c1");
    one(&sent, &format!("INVITE {BOB}"));
    let by_enum = |notice: &Notice| matches!(notice, Notice::RequestRouted { step: Step::Enum, .. });
    assert!(rig.notices.iter().any(by_enum), "{:?}", rig.notices);
    assert!(!rig.questions.iter().any(|question| question.starts_with("office.example")));
}

#[test]
fn a_host_by_name_is_looked_for() {
    let mut rig = Rig::lost_with(asks);
    maps(&mut rig, "sip:far@far.example");
    rig.know("far.example", &[FAR]);
    let sent = call(&mut rig, "c1");
    assert_eq!(one(&sent, &format!("INVITE {FAR}")).uri(), "sip:far@far.example");
    // A name that nobody knows is nowhere.
    let mut rig = Rig::lost_with(asks);
    maps(&mut rig, "sip:far@far.example");
    one(&call(&mut rig, "c1"), &format!("INVITE {GATEWAY}"));
}

/// "Never blocks longer than `enum_timeout`", and not call by call while the DNS is away.
#[test]
fn a_dns_that_is_silent_keeps_one_call_waiting_for_its_time_and_the_next_one_not_at_all() {
    let mut rig = Rig::lost_with(asks);
    rig.dns_is_up = false;
    let sent = call(&mut rig, "c1");
    assert_eq!(briefs(&sent), [format!("100 {ALICE}")]);
    assert_eq!(call(&mut rig, "c1").len(), 1, "its copy hears the same");
    assert_eq!(rig.run(millis(1_999)), []);
    one(&rig.run(millis(1)), &format!("INVITE {GATEWAY}"));
    let other = rig.feed(ALICE, request("INVITE", "sip:+4930123456@office.example", "c2"));
    one(&other, &format!("INVITE {GATEWAY}"));
    let again = call(&mut rig, "c1b");
    one(&again, &format!("INVITE {GATEWAY}"));
    rig.run(secs(31));
    let later = rig.feed(ALICE, request("INVITE", "sip:+4930123456@office.example", "c3"));
    assert_eq!(briefs(&later), [format!("100 {ALICE}")], "it may be there again");
    for gateway in rig.run(secs(3)) {
        rig.feed(GATEWAY, gateway.answer(486, ""));
    }
    rig.drain();
}

#[test]
fn calls_to_one_number_wait_for_one_answer() {
    let mut rig = Rig::lost_with(asks);
    maps(&mut rig, "sip:far@192.0.2.77");
    rig.dns_is_up = false;
    for id in ["c1", "c2", "c3"] {
        assert_eq!(briefs(&call(&mut rig, id)), [format!("100 {ALICE}")]);
    }
    let query = rig.unanswered.pop().unwrap();
    let answer = Answer::Found { records: rig.dns[QUESTION].clone(), ttl: secs(300) };
    let sent = rig.event(Event::Resolved { query, answer: answer.clone() });
    assert_eq!(of(&sent, "INVITE").iter().filter(|sent| sent.to == address(FAR)).count(), 3);
    assert_eq!(rig.event(Event::Resolved { query, answer }), [], "an answer counts once");
    one(&call(&mut rig, "c4"), &format!("INVITE {FAR}"));
    assert_eq!(asked(&rig), 1);
}

/// RFC 3261 9.2: a call that waits can be hung up.
#[test]
fn a_call_that_waits_can_be_cancelled() {
    let mut rig = Rig::lost_with(asks);
    rig.dns_is_up = false;
    call(&mut rig, "c1");
    let invite = request("INVITE", CALL, "c1");
    let stranger = same_transaction(&invite, "CANCEL");
    assert_eq!(rig.feed_one(MALLORY, stranger).brief(), format!("481 {MALLORY}"));
    let sent = rig.feed(ALICE, same_transaction(&invite, "CANCEL"));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}"), format!("487 {ALICE}")]);
    rig.feed(ALICE, same_transaction(&invite, "ACK"));
    assert_eq!(of(&rig.run(secs(5)), "INVITE"), Vec::<&Sent>::new());
    rig.drain();
}

/// `sas.md` 3.3: the proxy falls silent, and then the DNS.
#[test]
fn a_rescued_call_asks_too_and_the_proxy_may_answer_meanwhile() {
    for proxy_answers in [false, true] {
        let mut rig = Rig::with(asks);
        maps(&mut rig, "sip:far@192.0.2.77");
        rig.dns_is_up = false;
        let first = one(&call(&mut rig, "c1"), &format!("INVITE {PROXY}")).clone();
        assert_eq!(asked(&rig), 0);
        rig.cut();
        rig.run(millis(2_100));
        assert_eq!(asked(&rig), 1);
        if proxy_answers {
            assert_eq!(rig.feed_one(PROXY, first.answer(200, "")).brief(), format!("200 {ALICE}"));
        }
        let query = rig.unanswered.pop().unwrap();
        let answer = Answer::Found { records: rig.dns[QUESTION].clone(), ttl: secs(300) };
        let sent = rig.event(Event::Resolved { query, answer });
        assert_eq!(of(&sent, "INVITE").len(), usize::from(!proxy_answers), "{sent:#?}");
    }
}

/// ICMP, and then the patience of the same call.
#[test]
fn a_call_that_is_rescued_for_two_reasons_waits_once() {
    let mut rig = Rig::with(asks);
    rig.dns_is_up = false;
    call(&mut rig, "c1");
    rig.cut();
    rig.failed(PROXY);
    assert_eq!(asked(&rig), 1);
    let sent = rig.run(secs(5));
    let branches: BTreeSet<_> = of(&sent, "INVITE").iter().map(|invite| invite.header("Via")).collect();
    assert_eq!(branches.len(), 1, "{sent:#?}");
}

/// A proxy that is merely slow keeps the call.
#[test]
fn a_proxy_that_rings_while_enum_is_asked_is_left_in_peace() {
    let mut rig = Rig::with(asks);
    rig.dns_is_up = false;
    let first = one(&call(&mut rig, "c1"), &format!("INVITE {PROXY}")).clone();
    rig.run(millis(2_100));
    assert_eq!(asked(&rig), 1);
    rig.feed(PROXY, first.answer(180, ""));
    let sent = rig.run(secs(20));
    assert!(of(&sent, "INVITE").is_empty() && of(&sent, "CANCEL").is_empty(), "{sent:#?}");
}

#[test]
fn who_hangs_up_while_enum_is_asked_for_a_rescued_call_is_answered() {
    let mut rig = Rig::with(asks);
    rig.dns_is_up = false;
    call(&mut rig, "c1");
    rig.cut();
    rig.failed(PROXY);
    let invite = request("INVITE", CALL, "c1");
    one(&rig.feed(ALICE, same_transaction(&invite, "CANCEL")), &format!("200 {ALICE}"));
    one(&rig.run(secs(3)), &format!("487 {ALICE}"));
    rig.feed(ALICE, same_transaction(&invite, "ACK"));
    rig.drain();
}

/// Nor does he who may not call out.
#[test]
fn a_stranger_has_nothing_asked() {
    const STRANGER: &str = "198.51.100.66:5060";
    let mut rig = Rig::lost_with(asks);
    let refused = rig.feed_one(STRANGER, from_to("INVITE", CALL, "s1", STRANGER, ""));
    assert_eq!((refused.brief(), asked(&rig)), (format!("403 {STRANGER}"), 0));
}

#[test]
fn a_row_of_the_table_may_ask_and_what_backs_it_up_is_tried_where_there_is_no_answer() {
    let table = |settings: &mut Settings| {
        asks(settings);
        let mut alternative = Route::new("sip:192.0.2.30".parse().unwrap());
        alternative.alternative = sip_survivability::config::Alternative::IgnoreInputs;
        settings.routes = vec![Route::new("enum".parse().unwrap()), alternative];
    };
    let mut rig = Rig::lost_with(table);
    maps(&mut rig, "sip:far@192.0.2.77");
    one(&call(&mut rig, "c1"), &format!("INVITE {FAR}"));
    one(&rig.failed(FAR), "INVITE 192.0.2.30:5060");
    let mut rig = Rig::lost_with(table);
    one(&call(&mut rig, "c1"), "INVITE 192.0.2.30:5060");
}

/// Emergency numbers, those who are registered, names and what is no call never ask.
#[test]
fn who_needs_no_answer_asks_for_none() {
    let mut rig = Rig::lost_with(asks);
    rig.bind("1001", BOB);
    for (method, uri) in [
        ("INVITE", "sip:911@office.example"),
        ("INVITE", "sip:1001@office.example"),
        ("INVITE", "sip:bob@office.example"),
        ("MESSAGE", CALL),
    ] {
        rig.feed(ALICE, request(method, uri, uri));
    }
    assert!(!rig.questions.iter().any(|question| question.ends_with("e164.example NAPTR")));
    assert_eq!(rig.sas.state(), State::Emergency);
    let mut normal = Rig::with(asks);
    one(&call(&mut normal, "c1"), &format!("INVITE {PROXY}"));
    assert_eq!(asked(&normal), 0);
}

/// A URI that leads to us, or back to who calls.
#[test]
fn a_uri_that_leads_round_is_none() {
    for uri in
        [format!("sip:far@{SAS}"), format!("sip:far@{ALICE}"), "mailto:a@b".to_owned(), "sip:".to_owned()]
    {
        let mut rig = Rig::lost_with(asks);
        maps(&mut rig, &uri);
        let sent = call(&mut rig, "c1");
        one(&sent, &format!("INVITE {GATEWAY}"));
        assert_eq!(of(&sent, "INVITE").len(), 1, "{uri}");
    }
}

/// More numbers than there is room for: they go on without.
#[test]
fn numbers_beyond_the_room_do_not_wait() {
    let mut rig = Rig::lost_with(asks);
    rig.dns_is_up = false;
    let uri = |i: u32| format!("sip:+1201{i:07}@office.example");
    for i in 0..1_000 {
        assert_eq!(rig.feed(ALICE, request("INVITE", &uri(i), &format!("c{i}"))).len(), 1);
    }
    one(&rig.feed(ALICE, request("INVITE", &uri(1_000), "more")), &format!("INVITE {GATEWAY}"));
    let sent = rig.run(millis(2_000));
    let calls: BTreeSet<_> =
        of(&sent, "INVITE").iter().map(|invite| invite.header("Call-ID").to_owned()).collect();
    assert_eq!(calls.len(), 1_001, "those that waited, and again the one that did not");
}
