//! Calls that ring, by way of the proxy, when the proxy is lost (`sas.md` section 9).

use crate::rig::*;
use sip_survivability::mode::State;

const BOB_URI: &str = "sip:bob@office.example";

/// The call that the proxy makes of `first`.
fn come_back(first: &Sent) -> String {
    let via = format!("Via: {}", first.header("Via"));
    let text = first.text.replacen(&via, &format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKpbx\r\n{via}"), 1);
    text.replacen(BOB_URI, &format!("sip:bob@{BOB}"), 1)
}

/// Alice calls bob, and the proxy sends the call back to us: it passes us twice, and rings. Its INVITE to the proxy, and that to bob.
fn ringing(rig: &mut Rig) -> (Sent, Sent) {
    rig.bind("bob", BOB);
    let first = one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}")).clone();
    let second = one(&rig.feed(PROXY, come_back(&first)), &format!("INVITE {BOB}")).clone();
    assert_eq!(rig.feed_one(BOB, second.answer(180, "")).brief(), format!("180 {PROXY}"));
    assert_eq!(rig.feed_one(PROXY, first.answer(180, "")).brief(), format!("180 {ALICE}"));
    (first, second)
}

fn to_alice(sent: &[Sent]) -> Vec<String> {
    briefs(&sent.iter().filter(|sent| sent.to == address(ALICE)).cloned().collect::<Vec<_>>())
}

#[test]
fn while_the_proxy_is_there_the_answer_is_its_business() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    assert_eq!(rig.feed_one(BOB, second.answer(200, "")).brief(), format!("200 {PROXY}"));
}

#[test]
fn once_it_is_lost_the_answer_goes_past_it_and_so_does_its_copy() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Emergency);
    for _ in 0..2 {
        let sent = rig.feed(BOB, second.answer(200, ""));
        assert_eq!(to_alice(&sent), [format!("200 {ALICE}")]);
    }
    rig.drain();
}

#[test]
fn so_does_a_refusal() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    rig.run(secs(10));
    let sent = rig.feed(BOB, second.answer(486, ""));
    assert_eq!(to_alice(&sent), [format!("486 {ALICE}")]);
    rig.drain();
}

/// Before the loss was known it went to the proxy alone, which never acknowledged it.
#[test]
fn so_does_a_refusal_of_the_last_seconds() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    assert_eq!(to_alice(&rig.feed(BOB, second.answer(486, ""))), [""; 0]);
    let sent = rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Emergency);
    assert!(to_alice(&sent).iter().any(|brief| *brief == format!("486 {ALICE}")), "{:?}", briefs(&sent));
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

/// A refusal that the proxy acknowledged is its business: it may ring somebody else.
#[test]
fn a_refusal_that_the_proxy_has_heard_stays_its_business() {
    let mut rig = Rig::new();
    let (first, second) = ringing(&mut rig);
    rig.feed(BOB, second.answer(486, ""));
    rig.feed(PROXY, same_transaction(&come_back(&first), "ACK"));
    rig.cut();
    let sent = rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Emergency);
    assert_eq!(to_alice(&sent), [""; 0]);
}

#[test]
fn so_does_our_own_word_for_a_phone_that_says_nothing() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let first = one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}")).clone();
    rig.feed(PROXY, come_back(&first));
    rig.feed(PROXY, first.answer(183, ""));
    rig.cut();
    let sent = rig.run(secs(40));
    assert!(to_alice(&sent).contains(&format!("408 {ALICE}")), "{:?}", briefs(&sent));
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

/// Behind a proxy that ends calls itself (a B2BUA) the two calls are not one.
#[test]
fn an_answer_to_a_call_of_the_proxys_own_goes_nowhere_else() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let own = from_to("INVITE", &format!("sip:bob@{BOB}"), "b2bua", PROXY, "");
    let second = one(&rig.feed(PROXY, own), &format!("INVITE {BOB}")).clone();
    rig.cut();
    rig.run(secs(10));
    assert_eq!(rig.feed_one(BOB, second.answer(200, "")).brief(), format!("200 {PROXY}"));
}

/// One refuses, the other has yet to answer (RFC 3261 16.7 step 5), wherever the call was forked.
#[test]
fn a_refusal_counts_when_nobody_rings_any_more() {
    for (forked_here, second_answer) in [(true, 200), (true, 486), (false, 200), (false, 486)] {
        let mut rig = Rig::new();
        rig.bind("bob", BOB);
        rig.bind("bob", CAROL);
        let first =
            one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}")).clone();
        let via = format!("Via: {}", first.header("Via"));
        let back = |uri: &str, branch: &str| {
            let vias = format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bK{branch}\r\n{via}");
            first.text.replacen(&via, &vias, 1).replacen(BOB_URI, uri, 1)
        };
        let sent = if forked_here {
            rig.feed(PROXY, back(BOB_URI, "p1"))
        } else {
            let mut sent = rig.feed(PROXY, back(&format!("sip:bob@{BOB}"), "p1"));
            sent.extend(rig.feed(PROXY, back(&format!("sip:bob@{CAROL}"), "p2")));
            sent
        };
        let to_bob = one(&sent, &format!("INVITE {BOB}")).clone();
        let to_carol = one(&sent, &format!("INVITE {CAROL}")).clone();
        rig.feed(BOB, to_bob.answer(180, ""));
        rig.feed(CAROL, to_carol.answer(180, ""));
        rig.feed(PROXY, first.answer(180, ""));
        rig.cut();
        rig.run(secs(10));
        assert_eq!(rig.sas.state(), State::Emergency);
        assert_eq!(to_alice(&rig.feed(BOB, to_bob.answer(486, ""))), [""; 0], "{forked_here}");
        let sent = rig.feed(CAROL, to_carol.answer(second_answer, ""));
        assert_eq!(to_alice(&sent), [format!("{second_answer} {ALICE}")], "{forked_here}");
        rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
        rig.drain();
    }
}

/// Bob knows the Vias of the call, and writes them as often as a datagram takes.
#[test]
fn made_up_passages_are_few() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    rig.run(secs(10));
    let vias = second.all("Via");
    let (proxy, ours) = (format!("SIP/2.0/UDP {PROXY}"), vias[2]);
    let passages = format!("{proxy},{ours},").repeat(500);
    let answer = second.answer(180, "");
    let again = answer.replacen(&format!("Via: {}", vias[1]), &format!("Via: {passages}{}", vias[1]), 1);
    assert!(again.len() > 40_000, "{}", again.len());
    assert!(rig.feed(BOB, again).len() <= 6);
}

/// RFC 3261 16.10: the CANCEL goes where the INVITE went, and what that brings comes back.
#[test]
fn who_hangs_up_is_heard_past_the_lost_proxy() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    rig.run(secs(10));
    let sent = rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "CANCEL"));
    one(&sent, &format!("200 {ALICE}"));
    let cancel = one(&sent, &format!("CANCEL {BOB}")).clone();
    rig.feed(BOB, cancel.answer(200, ""));
    assert_eq!(to_alice(&rig.feed(BOB, second.answer(487, ""))), [format!("487 {ALICE}")]);
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

#[test]
fn who_hung_up_in_the_last_seconds_is_heard_when_the_loss_is_known_and_so_is_why() {
    let mut rig = Rig::new();
    let (_, second) = ringing(&mut rig);
    rig.cut();
    let cancel = same_transaction(&request("INVITE", BOB_URI, "c1"), "CANCEL");
    let sent = rig.feed(ALICE, with(&cancel, "Reason: SIP;cause=200"));
    assert_eq!(of(&sent, "CANCEL").len(), 1);
    let sent = rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Emergency);
    let cancel = one(&sent, &format!("CANCEL {BOB}")).clone();
    assert_eq!(cancel.header("Reason"), "SIP;cause=200");
    rig.feed(BOB, cancel.answer(200, ""));
    assert_eq!(to_alice(&rig.feed(BOB, second.answer(487, ""))), [format!("487 {ALICE}")]);
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

#[test]
fn while_the_proxy_is_there_hanging_up_is_its_business_too() {
    let mut rig = Rig::new();
    ringing(&mut rig);
    let sent = rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "CANCEL"));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}"), format!("CANCEL {PROXY}")]);
}
