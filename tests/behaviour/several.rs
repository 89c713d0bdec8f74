//! Several proxies, several gateways: the next one when one does not answer (`sas.md` 3.1, 4.2).

use crate::rig::*;
use sip_survivability::config::Settings;
use sip_survivability::mode::State;

const BOB_URI: &str = "sip:bob@office.example";

fn proxies(settings: &mut Settings) {
    settings.proxy_set.targets = [PROXY, PROXY_2].map(|at| format!("sip:{at}").parse().unwrap()).to_vec();
}

fn gateways(settings: &mut Settings) {
    settings.sas.default_gateway =
        [GATEWAY, GATEWAY_2].map(|at| format!("sip:{at}").parse().unwrap()).to_vec();
}

#[test]
fn a_silent_proxy_leads_to_the_next_one() {
    let mut rig = Rig::with(proxies);
    rig.up.remove(&address(PROXY));
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(millis(2100));
    let second = one(&sent, &format!("INVITE {PROXY_2}")).clone();
    let sent = rig.feed(PROXY_2, second.answer(486, ""));
    assert_eq!(briefs(&sent).last(), Some(&format!("486 {ALICE}")));
    rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Normal, "one of two is up");
    rig.drain();
}

/// The patience with the second target is not ended by what the first one says late.
#[test]
fn a_late_100_of_the_first_proxy_does_not_end_the_patience_with_the_second() {
    let mut rig = Rig::with(proxies);
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    one(&rig.run(millis(2100)), &format!("INVITE {PROXY_2}"));
    assert_eq!(briefs(&rig.feed(PROXY, first.answer(100, ""))), [format!("CANCEL {PROXY}")]);
    one(&rig.run(millis(2600)), &format!("INVITE {BOB}"));
}

#[test]
fn an_offline_proxy_is_passed_over() {
    let mut rig = Rig::with(proxies);
    rig.up.remove(&address(PROXY));
    rig.run(secs(7));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    assert_eq!(briefs(&sent), [format!("100 {ALICE}"), format!("INVITE {PROXY_2}")]);
}

#[test]
fn a_503_of_one_proxy_leads_to_the_next_and_any_other_refusal_does_not() {
    for (status, next) in [(503, true), (403, false), (500, false)] {
        let mut rig = Rig::with(proxies);
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
        let first = one(&sent, &format!("INVITE {PROXY}")).clone();
        let last = briefs(&rig.feed(PROXY, first.answer(status, ""))).pop().unwrap();
        let expected = if next { format!("INVITE {PROXY_2}") } else { format!("{status} {ALICE}") };
        assert_eq!(last, expected);
    }
}

#[test]
fn a_register_goes_to_the_next_proxy_too() {
    let mut rig = Rig::with(proxies);
    rig.up.remove(&address(PROXY));
    rig.feed(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 1));
    let sent = rig.run(millis(2100));
    let second = one(&sent, &format!("REGISTER {PROXY_2}")).clone();
    let granted = format!("Contact: <sip:bob@{BOB}>;expires=600\r\n");
    assert_eq!(rig.feed_one(PROXY_2, second.answer(200, &granted)).brief(), format!("200 {BOB}"));
    assert_eq!(rig.sas.registrar().len(), 1);
    rig.drain();
}

#[test]
fn a_silent_gateway_leads_to_the_next_one_after_gateway_patience() {
    let mut rig = Rig::lost_with(gateways);
    let sent = rig.feed(ALICE, request("INVITE", "sip:5550100@office.example", "c1"));
    let first = one(&sent, &format!("INVITE {GATEWAY}")).clone();
    assert!(of(&rig.run(millis(3900)), "INVITE").iter().all(|sent| sent.to == address(GATEWAY)));
    let second = one(&rig.run(millis(200)), &format!("INVITE {GATEWAY_2}")).clone();
    // A late 180 of the first is cancelled.
    assert_eq!(rig.feed_one(GATEWAY, first.answer(180, "")).brief(), format!("CANCEL {GATEWAY}"));
    assert_eq!(rig.feed_one(GATEWAY_2, second.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

#[test]
fn a_gateway_that_cannot_serve_leads_to_the_next_one_and_a_busy_line_does_not() {
    for (status, next) in [(503, true), (500, true), (486, false), (404, false)] {
        let mut rig = Rig::lost_with(gateways);
        let sent = rig.feed(ALICE, request("INVITE", "sip:5550100@office.example", "c1"));
        let first = one(&sent, &format!("INVITE {GATEWAY}")).clone();
        let last = briefs(&rig.feed(GATEWAY, first.answer(status, ""))).pop().unwrap();
        assert_eq!(last, if next { format!("INVITE {GATEWAY_2}") } else { format!("{status} {ALICE}") });
    }
}

#[test]
fn a_gateway_that_is_unreachable_leads_to_the_next_one_at_once() {
    let mut rig = Rig::lost_with(gateways);
    rig.feed(ALICE, request("INVITE", "sip:12015550123@office.example", "c1"));
    assert_eq!(briefs(&rig.failed(GATEWAY)), [format!("INVITE {GATEWAY_2}")]);
    assert_eq!(briefs(&rig.failed(GATEWAY_2)), [format!("480 {ALICE}")]);
    rig.drain();
}

#[test]
fn a_gateway_that_rings_for_long_is_left_in_peace() {
    let mut rig = Rig::lost_with(gateways);
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "c1"));
    let first = one(&sent, &format!("INVITE {GATEWAY}")).clone();
    rig.feed(GATEWAY, first.answer(100, ""));
    assert_eq!(rig.run(secs(60)), []);
}

/// `sas.md` section 9, with another proxy left: what the route of a call leads through is gone all the same. An ACK most of all,
/// which nobody rescues.
#[test]
fn a_call_by_way_of_the_proxy_that_is_gone_goes_past_it_while_the_other_one_serves() {
    let routes = [format!("<sip:{SAS};lr>"), format!("<sip:{PROXY};lr>"), format!("<sip:{SAS};lr>")];
    let routes = routes.each_ref().map(String::as_str);
    let mut rig = Rig::with(proxies);
    rig.bind("bob", BOB);
    rig.up.remove(&address(PROXY));
    rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Normal);
    for method in ["INFO", "ACK", "BYE"] {
        let sent = rig.feed_one(ALICE, in_dialog(method, &format!("sip:bob@{BOB}"), method, &routes));
        assert_eq!((sent.brief(), sent.all("Route").len()), (format!("{method} {BOB}"), 0));
    }
    // Where nothing else is known, the route is all there is.
    let sent = rig.feed_one(ALICE, in_dialog("ACK", "sip:carol@203.0.113.7", "a2", &routes));
    assert_eq!(sent.brief(), format!("ACK {PROXY}"));
}
