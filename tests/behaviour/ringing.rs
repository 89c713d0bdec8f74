//! Calls that ring, by way of the proxy, when the proxy is lost (`sas.md` section 9).

use crate::rig::*;
use sip_survivability::mode::State;

const BOB_URI: &str = "sip:bob@office.example";

/// Alice calls bob, and the proxy sends the call back to us: it passes us twice, and rings. Its INVITE to the proxy, and that to bob.
fn ringing(rig: &mut Rig) -> (Sent, Sent) {
    rig.bind("bob", BOB);
    let first = one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}")).clone();
    let via = format!("Via: {}", first.header("Via"));
    let text = first.text.replacen(&via, &format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKpbx\r\n{via}"), 1);
    let text = text.replacen(BOB_URI, &format!("sip:bob@{BOB}"), 1);
    let second = one(&rig.feed(PROXY, text), &format!("INVITE {BOB}")).clone();
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
