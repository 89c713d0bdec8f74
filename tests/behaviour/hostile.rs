//! Who means harm, and who is merely broken.

use crate::rig::*;
use sip_survivability::mode::State;
use sip_survivability::{Event, Notice};

#[test]
fn what_is_wrong_with_a_request_decides_its_status() {
    let good = request("INVITE", "sip:bob@office.example", "w");
    let cases = [
        (good.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), 505),
        (good.replace("Call-ID: w\r\n", ""), 400),
        (good.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
        (good.replace("CSeq: 1 INVITE", "CSeq: x INVITE"), 400),
        (good.replace("Content-Length: 0", "Content-Length: 10"), 400),
        (good.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (good.replace("INVITE sip:bob@office.example", "INVITE nobody:bob"), 416),
        // RFC 3261 16.3 step 5.
        (with(&good, "Proxy-Require: foo, bar"), 420),
        // RFC 5393 5.3.3.
        (with(&good, "Max-Breadth: 0"), 440),
        // RFC 3261 19.1.1.
        (good.replace("INVITE sip:bob@office.example", "INVITE sip:bob@office.example;lr;lr"), 400),
        (good.replace("INVITE sip:bob@office.example", &format!("INVITE sip:{}@h", "b".repeat(9_000))), 414),
    ];
    let in_both = cases.iter().flat_map(|case| [(case, Rig::new as fn() -> Rig), (case, Rig::lost)]);
    for (i, ((text, status), rig)) in in_both.enumerate() {
        let (mut rig, status) = (rig(), *status);
        let sent = rig.feed(ALICE, text.replace("z9hG4bKw", &format!("z9hG4bKw{i}")));
        assert_eq!(briefs(&sent), [format!("{status} {ALICE}")], "{text}");
        let answer = &sent[0];
        if status == 420 {
            assert_eq!(answer.header("Unsupported"), "foo, bar");
        }
    }
}

#[test]
fn a_broken_ack_is_never_answered() {
    let mut rig = Rig::new();
    for line in ["Max-Forwards: 0", "Max-Forwards: x"] {
        let ack = request("ACK", "sip:bob@office.example", "a").replace("Max-Forwards: 70", line);
        assert_eq!(rig.feed(ALICE, ack), []);
    }
}

#[test]
fn an_emergency_call_is_not_refused_for_an_extension_that_it_asks_of_us() {
    let mut rig = Rig::new();
    let call = with(&request("INVITE", "sip:911@office.example", "e"), "Proxy-Require: sec-agree");
    one(&rig.feed(ALICE, call), &format!("INVITE {GATEWAY}"));
}

#[test]
fn a_proxy_whose_answers_to_probes_are_broken_is_there_all_the_same() {
    let mut rig = Rig::new();
    rig.probe_lines = "nonsense\r\nTo: Nobody, really <sip:x@h>\r\nWarning: x\r\n";
    rig.run(secs(60));
    assert_eq!(rig.sas.state(), State::Normal);
}

#[test]
fn a_response_that_cannot_be_matched_is_not_passed_on() {
    let mut rig = Rig::new();
    let relayed = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "r"));
    let invite = relayed.iter().find(|sent| sent.is_request()).unwrap();
    let twice = invite.answer(180, "").replace("CSeq: ", "CSeq: 1 INVITE\r\nCSeq: ");
    assert_eq!(rig.feed(PROXY, twice), []);
    let odd = invite.answer(180, "nonsense\r\n");
    one(&rig.feed(PROXY, odd), &format!("180 {ALICE}"));
}

#[test]
fn garbage_leaves_nothing_behind_and_is_told_once_a_second() {
    let mut rig = Rig::new();
    rig.notices.clear();
    for text in
        ["\r\n\r\n", "hello", "SIP/2.0", "INVITE sip:x SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "\0\0"]
    {
        assert_eq!(rig.feed(MALLORY, text), []);
    }
    assert_eq!(rig.notices.iter().filter(|n| matches!(n, Notice::MessagesDropped { .. })).count(), 1);
    assert_eq!(rig.sas.load(), (0, 0));
}

#[test]
fn a_response_to_nothing_goes_nowhere() {
    let mut rig = Rig::new();
    let stray = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {SAS};branch=z9hG4bKx\r\nVia: SIP/2.0/UDP {BOB};branch=z9hG4bKy\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n\r\n"
    );
    assert_eq!(rig.feed(MALLORY, stray), []);
}

/// RFC 3261 18.1.2: the branch alone does not make a response ours.
#[test]
fn a_response_whose_topmost_via_is_not_ours_goes_nowhere() {
    let mut rig = Rig::new();
    let sent = rig.feed_one(ALICE, request("MESSAGE", "sip:bob@office.example", "v1"));
    for other in ["192.0.2.10:5061", "192.0.2.11:5080", "sas.example"] {
        let answer = sent.answer(200, "").replacen(SAS, other, 1);
        assert_eq!(rig.feed(PROXY, answer), [], "{other}");
    }
    assert_eq!(rig.feed_one(PROXY, sent.answer(200, "")).brief(), format!("200 {ALICE}"));
}

/// Nobody gets another phone's calls by registering that phone's contact first: a contact is proven by a REGISTER that
/// comes from its address.
#[test]
fn who_registers_the_contact_of_another_phone_does_not_get_its_calls() {
    let mut rig = Rig::new();
    rig.bind_as("mallory", MALLORY, &format!("<sip:bob@{BOB}>"));
    rig.bind("bob", BOB);
    let from_proxy = from_to("INVITE", &format!("sip:bob@{BOB}"), "p1", PROXY, "");
    one(&rig.feed(PROXY, from_proxy), &format!("INVITE {BOB}"));
    let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), "b1", &[]);
    assert_eq!(rig.feed_one(ALICE, bye).brief(), format!("BYE {BOB}"));
    let other_user = in_dialog("BYE", &format!("sip:line2@{BOB}"), "b2", &[]);
    assert_eq!(rig.feed_one(ALICE, other_user).brief(), format!("BYE {BOB}"));
}

/// The same for the gateway, whose contacts nobody else can prove.
#[test]
fn who_registers_the_contact_of_the_gateway_does_not_get_its_calls() {
    let mut rig = Rig::lost();
    rig.bind_as("mallory", MALLORY, &format!("<sip:5550100@{GATEWAY}>"));
    let bye = in_dialog("BYE", &format!("sip:5550100@{GATEWAY}"), "b1", &[]);
    assert_eq!(rig.feed_one(ALICE, bye).brief(), format!("BYE {GATEWAY}"));
}

#[test]
fn a_contact_that_names_us_is_never_called() {
    let mut rig = Rig::lost();
    rig.bind_as("loop", BOB, &format!("<sip:loop@{SAS}>"));
    let sent = rig.feed(ALICE, request("INVITE", "sip:loop@office.example", "c1"));
    assert!(sent.iter().all(|sent| sent.to != address(SAS)), "{:?}", briefs(&sent));
}

#[test]
fn when_the_table_is_full_emergency_calls_still_pass() {
    let mut rig = Rig::with(|settings| {
        settings.limits.max_transactions = 20;
        settings.limits.emergency_reserve = 10;
    });
    for i in 0..30 {
        rig.feed(MALLORY, from_to("OPTIONS", &format!("sip:{SAS}"), &format!("o{i}"), MALLORY, ""));
    }
    assert_eq!(
        rig.feed_one(ALICE, request("INVITE", "sip:bob@office.example", "c1")).brief(),
        format!("503 {ALICE}")
    );
    one(&rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1")), &format!("INVITE {GATEWAY}"));
    rig.drain();
}

/// RFC 3261 21.5.4, and 8.2.7: without a transaction the tag is the same each time, and the ACK ends here.
#[test]
fn when_the_table_is_full_some_are_told_when_to_try_again_and_the_rest_nothing() {
    let mut rig = Rig::with(|settings| settings.limits.max_transactions = 1);
    rig.feed(MALLORY, from_to("OPTIONS", &format!("sip:{SAS}"), "o", MALLORY, ""));
    let call = request("INVITE", "sip:bob@office.example", "c1");
    let refusal = rig.feed_one(ALICE, call.clone());
    let after: u32 = refusal.header("Retry-After").parse().unwrap();
    assert!(refusal.brief() == format!("503 {ALICE}") && (5..=15).contains(&after));
    assert_eq!(rig.feed_one(ALICE, call.clone()).header("To"), refusal.header("To"));
    let to = format!("To: {}", refusal.header("To"));
    let ack = same_transaction(&call, "ACK").replace("To: <sip:bob@office.example>", &to);
    assert_eq!(rig.feed(ALICE, ack), []);
    let flood =
        (0..1000).map(|i| rig.feed(MALLORY, from_to("MESSAGE", "sip:x@h", &format!("f{i}"), MALLORY, "")));
    assert_eq!(flood.filter(|sent| !sent.is_empty()).count(), 98);
    assert_eq!(rig.sas.load(), (1, 0));
    rig.run(secs(1));
    assert_eq!(rig.feed_one(ALICE, call).brief(), format!("503 {ALICE}"));
}

#[test]
fn who_registers_too_often_is_told_to_wait_and_nobody_else_is() {
    let mut rig = Rig::lost_with(|settings| settings.limits.register_rate_per_source = 3);
    let from = |place: &str, cseq| register("bob", place, &format!("Contact: <sip:bob@{place}>\r\n"), cseq);
    let statuses: Vec<_> = (1..=5).map(|cseq| rig.feed_one(MALLORY, from(MALLORY, cseq)).brief()).collect();
    assert_eq!(statuses.iter().filter(|brief| brief.starts_with("200")).count(), 3);
    assert_eq!(statuses.iter().filter(|brief| brief.starts_with("503")).count(), 2);
    assert!(rig.feed_one(ALICE, from(ALICE, 1)).brief().starts_with("200"));
    rig.run(secs(1));
    assert!(rig.feed_one(MALLORY, from(MALLORY, 6)).brief().starts_with("200"));
}

#[test]
fn time_that_runs_backwards_stands_still_and_an_early_tick_does_nothing() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1"));
    let (now, due) = (rig.now, rig.sas.next_timeout());
    assert_eq!(rig.event(Event::Tick), []);
    rig.now = sip_survivability::time::Instant::ZERO;
    assert_eq!(rig.event(Event::Tick), []);
    assert_eq!(
        rig.feed_one(BOB, request("OPTIONS", &format!("sip:{SAS}"), "o")).brief(),
        format!("200 {BOB}")
    );
    rig.now = now;
    assert_eq!(rig.sas.next_timeout(), due);
}

#[test]
fn forged_errors_do_not_change_the_state_of_a_proxy_that_answers() {
    let mut rig = Rig::new();
    for _ in 0..200 {
        rig.failed(PROXY);
        rig.run(millis(50));
    }
    assert_eq!(rig.sas.state(), State::Normal);
    assert_eq!(rig.states(), []);
}

#[test]
fn phones_of_a_closed_flow_cannot_be_reached_and_are_known_all_the_same() {
    let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
    rig.bind("bob", BOB);
    rig.event(Event::FlowClosed { flow: FLOW });
    let (flow, local) = (sip_survivability::transport::FlowId(2), address(SAS));
    let transport = sip_survivability::transport::Transport::Udp;
    rig.event(Event::FlowOpened { flow, transport, local, remote: None });
    let data = request("INVITE", "sip:bob@office.example", "c1").into();
    let sent = rig.event(Event::Datagram { flow, from: address(ALICE), data });
    assert_eq!(briefs(&sent), [format!("480 {ALICE}")]);
}

/// RFC 3261 17.1.4: what waits on a connection that is gone has failed.
#[test]
fn a_closed_flow_fails_what_waits_on_it() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let (wide, transport) =
        (sip_survivability::transport::FlowId(2), sip_survivability::transport::Transport::Udp);
    rig.event(Event::FlowOpened { flow: wide, transport, local: address("192.0.2.11:5080"), remote: None });
    let data = request("INVITE", "sip:carol@office.example", "c1").into();
    let sent = rig.event(Event::Datagram { flow: wide, from: address(ALICE), data });
    assert_eq!((sent[1].brief(), sent[1].flow), (format!("INVITE {PROXY}"), wide));
    let sent = rig.event(Event::FlowClosed { flow: wide });
    assert_eq!((sent[0].brief(), sent[0].flow), (format!("INVITE {GATEWAY}"), FLOW));
    let later = rig.run(secs(60));
    assert!(later.iter().all(|sent| sent.flow != wide || !sent.is_request()), "{:?}", briefs(&later));
    rig.drain();
}
