//! Retransmissions and ends (RFC 3261 section 17, RFC 6026, RFC 4320).

use crate::rig::*;

const BOB_URI: &str = "sip:bob@office.example";

#[test]
fn an_invite_gets_100_at_once_and_its_retransmissions_the_latest_provisional() {
    let mut rig = Rig::new();
    let call = request("INVITE", BOB_URI, "c1");
    let sent = rig.feed(ALICE, call.clone());
    assert_eq!(sent[0].brief(), format!("100 {ALICE}"));
    assert!(!sent[0].header("To").contains("tag="), "RFC 3261 8.2.6.2");
    let invite = sent[1].clone();
    assert_eq!(briefs(&rig.feed(ALICE, call.clone())), [format!("100 {ALICE}")]);
    rig.feed(PROXY, invite.answer(180, ""));
    assert_eq!(briefs(&rig.feed(ALICE, call)), [format!("180 {ALICE}")]);
}

#[test]
fn an_invite_is_sent_seven_times_over_half_a_minute() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    assert_eq!(of(&rig.run(secs(33)), "INVITE").len(), 6);
}

/// RFC 6026: 2xx are sent on, each of them, for 64*T1, and INVITEs absorbed meanwhile.
#[test]
fn each_2xx_of_an_invite_is_sent_on_and_the_invite_is_absorbed() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let call = request("INVITE", BOB_URI, "c1");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    for _ in 0..5 {
        assert_eq!(briefs(&rig.feed(BOB, invite.answer(200, ""))), [format!("200 {ALICE}")]);
        assert_eq!(rig.feed(ALICE, call.clone()), []);
        assert_eq!(rig.run(secs(4)), []);
    }
    rig.drain();
}

#[test]
fn a_non_invite_gets_its_answer_again_and_no_100() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let text = request("MESSAGE", BOB_URI, "m1");
    let message = rig.feed_one(ALICE, text.clone());
    assert_eq!(rig.feed(ALICE, text.clone()), []);
    assert_eq!(rig.feed(BOB, message.answer(100, "")), []);
    assert_eq!(briefs(&rig.feed(BOB, message.answer(200, ""))), [format!("200 {ALICE}")]);
    assert_eq!(briefs(&rig.feed(ALICE, text)), [format!("200 {ALICE}")]);
    assert_eq!(rig.feed(BOB, message.answer(200, "")), []);
    rig.drain();
}

/// RFC 4320 4.2: "MUST NOT send a response with Status-Code of 408 to a non-INVITE request", be it ours or another's.
#[test]
fn a_non_invite_that_nobody_answers_is_not_answered_408() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let message = rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1"));
    let sent = rig.run(secs(60));
    assert!(sent.iter().all(|sent| sent.is_request() || sent.brief() == format!("100 {ALICE}")));
    assert_eq!(rig.sas.load(), (0, 0));
    // A late answer goes nowhere (4.3).
    assert_eq!(rig.feed(BOB, message.answer(200, "")), []);

    let message = rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m2"));
    assert_eq!(rig.feed(BOB, message.answer(408, "")), []);
    assert_eq!(rig.sas.load().1, 0);
    rig.drain();
}

/// RFC 4320 4.1: 100 once Timer E has reached T2 "if it has not otherwise responded", not before, and nothing else.
#[test]
fn a_non_invite_that_takes_long_gets_a_100() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let text = request("MESSAGE", BOB_URI, "m1");
    let message = rig.feed_one(ALICE, text.clone());
    assert_eq!(rig.feed(BOB, message.answer(183, "")), []);
    let responses = |sent: Vec<Sent>| sent.into_iter().filter(|sent| !sent.is_request()).collect::<Vec<_>>();
    assert_eq!(responses(rig.run(millis(3499))), []);
    let trying = responses(rig.run(millis(1)));
    assert_eq!(briefs(&trying), [format!("100 {ALICE}")]);
    assert!(!trying[0].header("To").contains("tag="));
    assert_eq!(briefs(&rig.feed(ALICE, text)), [format!("100 {ALICE}")]);
    assert_eq!(briefs(&rig.feed(BOB, message.answer(200, ""))), [format!("200 {ALICE}")]);
    rig.drain();
}

/// 17.1.2.2: Timer E doubles up to T2, and is T2 once a provisional response has come; Timer F ends it.
#[test]
fn a_non_invite_is_sent_again_by_timer_e() {
    for (answered, times) in
        [(false, vec![500, 1500, 3500, 7500, 11_500]), (true, vec![500, 4500, 8500, 12_500])]
    {
        let mut rig = Rig::lost();
        rig.bind("bob", BOB);
        let message = rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1"));
        if answered {
            rig.feed(BOB, message.answer(100, ""));
        }
        let sent = rig.run(secs(33));
        let again: Vec<_> = of(&sent, "MESSAGE").iter().map(|sent| sent.at - message.at).collect();
        assert_eq!(again[..times.len()], times.into_iter().map(millis).collect::<Vec<_>>());
        assert!(again.iter().all(|after| *after < secs(32)));
        rig.drain();
    }
}

/// 17.2.1: Timer G doubles up to T2, Timer H gives up after 64*T1; an ACK before either ends it.
#[test]
fn a_refusal_is_sent_again_by_timer_g_until_timer_h() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, invite.answer(486, ""));
    let start = rig.now;
    let sent = rig.run(secs(60));
    let again: Vec<_> = sent.iter().map(|sent| sent.at - start).collect();
    let expected = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500].map(millis);
    assert_eq!(again, expected);
    assert!(sent.iter().all(|sent| sent.brief() == format!("486 {ALICE}")));
    rig.drain();
}

/// RFC 6026 7.3: a 2xx whose transaction has ended is not forwarded.
#[test]
fn a_2xx_after_the_transaction_goes_nowhere() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, invite.answer(200, ""));
    rig.run(millis(31_900));
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(200, ""))), [format!("200 {ALICE}")]);
    rig.run(secs(1));
    assert_eq!(rig.feed(BOB, invite.answer(200, "")), []);
}

#[test]
fn requests_without_the_magic_cookie_are_matched_by_rfc_2543() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let call = request("INVITE", BOB_URI, "c1").replace("branch=z9hG4bKc1", "branch=old");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    assert_eq!(briefs(&rig.feed(ALICE, call.clone())), [format!("100 {ALICE}")]);
    rig.feed(BOB, invite.answer(486, ""));
    rig.feed(ALICE, same_transaction(&call, "ACK"));
    assert_eq!(rig.run(secs(40)), []);
}

#[test]
fn nothing_is_left_of_a_busy_hour() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    for i in 0..200 {
        if i == 60 {
            rig.cut();
        }
        if i == 120 {
            rig.up.insert(address(PROXY));
        }
        let method = ["INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE"][i % 4];
        let text = request(method, BOB_URI, &format!("x{i}"));
        let sent = rig.feed(ALICE, text.clone());
        let answers = [100, 180, 200, 302, 404, 420, 486, 500, 503, 603];
        for (j, sent) in sent.iter().filter(|sent| sent.is_request()).enumerate() {
            rig.feed(&sent.to.to_string(), sent.answer(answers[(i + j) % answers.len()], ""));
        }
        if i % 3 == 0 && method == "INVITE" {
            rig.feed(ALICE, same_transaction(&text, "CANCEL"));
        }
        rig.run(millis(317));
    }
    rig.drain();
}
