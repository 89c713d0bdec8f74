//! CANCEL (RFC 3261 sections 9 and 16.10) and the ACK of refusals (17.1.1.3).

use crate::rig::*;

const BOB_URI: &str = "sip:bob@office.example";

fn calling() -> (Rig, String, Sent) {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let call = request("INVITE", BOB_URI, "c1");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    (rig, call, invite)
}

#[test]
fn a_cancel_of_a_ringing_call_gives_487_at_both_ends() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}"), format!("CANCEL {BOB}")]);
    // RFC 3261 9.1: the same Request-URI, Via, From, To, Call-ID and CSeq number.
    let cancel = &sent[1];
    assert_eq!(cancel.uri(), invite.uri());
    assert_eq!(cancel.all("Via"), [invite.all("Via")[0]]);
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(cancel.header(name), invite.header(name));
    }
    assert_eq!(cancel.header("CSeq"), "1 CANCEL");
    rig.feed(BOB, cancel.answer(200, ""));
    let sent = rig.feed(BOB, invite.answer(487, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("487 {ALICE}")]);
    assert_eq!(sent[0].all("Via"), [invite.all("Via")[0]], "RFC 3261 17.1.1.3: one Via, the INVITE's");
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
    assert_eq!(rig.run(secs(40)), [], "no retransmission after the ACK");
    rig.drain();
}

#[test]
fn a_cancel_before_any_provisional_waits_for_one() {
    let (mut rig, call, invite) = calling();
    assert_eq!(rig.feed_one(ALICE, same_transaction(&call, "CANCEL")).brief(), format!("200 {ALICE}"));
    assert_eq!(rig.feed_one(BOB, invite.answer(100, "")).brief(), format!("CANCEL {BOB}"));
}

#[test]
fn a_cancel_that_crosses_the_2xx_changes_nothing() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(200, ""));
    assert_eq!(rig.feed_one(ALICE, same_transaction(&call, "CANCEL")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

#[test]
fn a_2xx_after_the_cancel_reaches_the_caller() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    assert_eq!(rig.feed_one(BOB, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

/// RFC 3261 16.10: "it MUST statelessly forward the CANCEL", by 16.6; its sender hears 481 (9.2).
#[test]
fn a_cancel_of_nothing_that_we_know_is_sent_on() {
    let cancel = same_transaction(&request("INVITE", BOB_URI, "never"), "CANCEL");
    for (mut rig, to) in [(Rig::new(), PROXY), (Rig::lost(), BOB)] {
        rig.bind("bob", BOB);
        let sent = rig.feed(ALICE, cancel.clone());
        assert_eq!(briefs(&sent), [format!("481 {ALICE}"), format!("CANCEL {to}")]);
        assert_eq!((sent[1].all("Via").len(), sent[1].header("Max-Forwards")), (2, "69"));
        assert_eq!(briefs(&rig.feed(ALICE, cancel.clone())), [format!("481 {ALICE}")], "a retransmission");
        assert_eq!(rig.feed(to, sent[1].answer(481, "")), []);
        rig.drain();
    }
}

#[test]
fn a_cancel_that_leads_nowhere_or_round_is_481() {
    let mut rig = Rig::lost();
    let cancel = same_transaction(&request("INVITE", BOB_URI, "never"), "CANCEL");
    assert_eq!(rig.feed_one(ALICE, cancel.clone()).brief(), format!("481 {ALICE}"));
    let mut rig = Rig::new();
    let sent = rig.feed(ALICE, cancel)[1].clone();
    let via = format!("Via: {}", sent.header("Via"));
    let top = format!("Via: SIP/2.0/UDP {ALICE};branch=z9hG4bKround\r\n{via}");
    assert_eq!(rig.feed_one(ALICE, sent.text.replacen(&via, &top, 1)).brief(), format!("481 {ALICE}"));
}

/// RFC 3326: phones that did not get the call are told why, so that they count no missed one.
#[test]
fn a_cancel_says_why() {
    let ringing = |rig: &mut Rig| {
        rig.bind_as("bob", CAROL, &format!("<sip:bob@{CAROL}>"));
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "w1"));
        let [a, b] = [BOB, CAROL].map(|phone| one(&sent, &format!("INVITE {phone}")).clone());
        rig.feed(BOB, a.answer(180, ""));
        (a, b)
    };
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let (_, b) = ringing(&mut rig);
    let sent = rig.feed(CAROL, b.answer(200, ""));
    let cancel = one(&sent, &format!("CANCEL {BOB}"));
    assert_eq!(cancel.header("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");

    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let (_, b) = ringing(&mut rig);
    let sent = rig.feed(CAROL, b.answer(603, ""));
    assert_eq!(one(&sent, &format!("CANCEL {BOB}")).header("Reason"), "SIP;cause=603");

    // The caller's own reason goes along, also to a phone that is cancelled later.
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let (_, b) = ringing(&mut rig);
    let hung_up = same_transaction(&request("INVITE", BOB_URI, "w1"), "CANCEL");
    let reason = "SIP;cause=200;text=\"a, b\", Q.850;cause=16";
    let sent = rig.feed(ALICE, with(&hung_up, &format!("Reason: {reason}")));
    assert_eq!(one(&sent, &format!("CANCEL {BOB}")).header("Reason"), reason);
    let sent = rig.feed(CAROL, b.answer(180, ""));
    assert_eq!(one(&sent, &format!("CANCEL {CAROL}")).header("Reason"), reason);
}

/// RFC 3261 9.1: a phone that does not answer its CANCEL is given up after 64*T1.
#[test]
fn a_cancel_that_nobody_heeds_ends_in_487() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    let sent = rig.run(secs(33));
    assert!(of(&sent, "CANCEL").len() > 5);
    assert_eq!(of(&sent, "487")[0].to, address(ALICE));
    rig.drain();
}

#[test]
fn no_further_contact_is_tried_after_a_cancel() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.bind_as("bob", CAROL, &format!("<sip:bob@{CAROL}>;q=0.1"));
    let call = request("INVITE", BOB_URI, "c1");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, invite.answer(180, ""));
    rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(487, ""))).last(), Some(&format!("487 {ALICE}")));
}

#[test]
fn a_refusal_is_sent_again_until_its_ack_comes() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(486, ""));
    let again = rig.run(millis(1600));
    assert_eq!(briefs(&again), vec![format!("486 {ALICE}"); 2]);
    // The callee's own retransmission is acknowledged here.
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(486, ""))), [format!("ACK {BOB}")]);
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
    assert_eq!(rig.run(secs(40)), []);
    rig.drain();
}

/// RFC 3261 9.2: the 200 of a CANCEL has the tag of To that the answers to its INVITE have.
#[test]
fn the_200_of_a_cancel_has_the_tag_of_the_calls_own_answers() {
    let (mut rig, call, invite) = calling();
    let ringing = rig.feed_one(BOB, invite.answer(180, ""));
    let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    assert_eq!(one(&sent, &format!("200 {ALICE}")).header("To"), ringing.header("To"));
    let sent = rig.feed(BOB, invite.answer(487, ""));
    assert_eq!(one(&sent, &format!("487 {ALICE}")).header("To"), ringing.header("To"));

    // Where nobody has said one, it is that of our own refusal.
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(100, ""));
    let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    let tag = one(&sent, &format!("200 {ALICE}")).header("To").to_owned();
    assert!(tag.contains(";tag="));
    let sent = rig.run(secs(33));
    assert_eq!(of(&sent, "487")[0].header("To"), tag);
}

/// The ACK of our own refusal is ours, also when it comes after all is over.
#[test]
fn a_late_ack_of_our_own_refusal_goes_nowhere() {
    let mut rig = Rig::new();
    rig.bind("alice", ALICE);
    let call = request("INVITE", "nobody:bob", "late");
    let refusal = rig.feed_one(ALICE, call.clone());
    assert_eq!(refusal.brief(), format!("416 {ALICE}"));
    rig.run(secs(40));
    let to = "To: <sip:bob@office.example>";
    let ack = same_transaction(&call, "ACK").replace("nobody:bob", BOB_URI);
    assert_eq!(rig.feed(ALICE, ack.replace(to, &format!("To: {}", refusal.header("To")))), []);
    one(&rig.feed(ALICE, ack.replace(to, &format!("{to};tag=another"))), &format!("ACK {PROXY}"));
}
