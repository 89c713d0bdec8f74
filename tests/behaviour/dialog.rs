//! Requests in a dialog, and calls that were up when the proxy went (`sas.md` section 9).

use crate::rig::*;

const ROUTES: [&str; 3] = ["<sip:192.0.2.10:5080;lr>", "<sip:192.0.2.1;lr>", "<sip:192.0.2.10:5080;lr>"];

#[test]
fn in_normal_a_dialog_follows_its_route_set() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let sent = rig.feed_one(ALICE, in_dialog("BYE", &format!("sip:bob@{BOB}"), "b1", &ROUTES));
    assert_eq!((sent.brief(), sent.all("Route")), (format!("BYE {PROXY}"), ROUTES[1..].to_vec()));
    assert_eq!(sent.header("Record-Route"), "");
}

#[test]
fn in_emergency_it_leaves_out_the_dead_hop() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    for (method, to) in [("BYE", BOB), ("INFO", BOB), ("ACK", BOB)] {
        let sent = rig.feed_one(ALICE, in_dialog(method, &format!("sip:bob@{to}"), method, &ROUTES));
        assert_eq!((sent.brief(), sent.all("Route").len()), (format!("{method} {to}"), 0));
    }
    let sent = rig.feed_one(ALICE, in_dialog("BYE", &format!("sip:x@{GATEWAY}"), "g", &ROUTES));
    assert_eq!(sent.brief(), format!("BYE {GATEWAY}"));
}

#[test]
fn what_only_the_dead_proxy_could_answer_is_answered_at_once() {
    let mut rig = Rig::lost();
    for (method, status) in [("BYE", 200), ("INFO", 481)] {
        let text = in_dialog(method, &format!("sip:b2bua@{PROXY}"), method, &ROUTES[..1]);
        assert_eq!(rig.feed_one(ALICE, text).brief(), format!("{status} {ALICE}"));
    }
    let sent = rig.feed(ALICE, in_dialog("INVITE", &format!("sip:b2bua@{PROXY}"), "re", &ROUTES[..1]));
    assert_eq!(briefs(&sent), [format!("481 {ALICE}")]);
}

#[test]
fn a_bye_of_a_dialog_that_nobody_knows_is_481() {
    for mut rig in [Rig::new(), Rig::lost()] {
        let bye = in_dialog("BYE", &format!("sip:nobody@{SAS}"), "b1", &[]);
        assert_eq!(rig.feed_one(ALICE, bye).brief(), format!("481 {ALICE}"));
    }
}

#[test]
fn in_emergency_a_bye_to_a_phone_that_is_silent_is_481_within_a_second() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.feed(ALICE, in_dialog("BYE", &format!("sip:bob@{BOB}"), "b1", &ROUTES));
    assert_eq!(of(&rig.run(secs(1)), "481")[0].to, address(ALICE));
    rig.drain();
}

/// `gateway_patience` is for the next gateway to be tried. A dialog has no other, and its request ends by its own timers
/// (RFC 3261 17.1.2): a 481 would end the call (RFC 5057 5.1).
#[test]
fn a_gateway_may_take_its_time_with_a_request_in_a_dialog() {
    for lost in [false, true] {
        let mut rig = if lost { Rig::lost() } else { Rig::new() };
        let sent = rig.feed_one(ALICE, in_dialog("INFO", &format!("sip:x@{GATEWAY}"), "i1", &ROUTES[..1]));
        assert_eq!(sent.brief(), format!("INFO {GATEWAY}"));
        assert!(of(&rig.run(secs(10)), "481").is_empty());
        assert_eq!(rig.feed_one(GATEWAY, sent.answer(200, "")).brief(), format!("200 {ALICE}"));
    }
}

/// RFC 3261 16.11: an ACK of a 2xx is sent on without a transaction.
#[test]
fn each_ack_of_a_2xx_is_sent_on() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let ack = in_dialog("ACK", &format!("sip:bob@{BOB}"), "a1", &ROUTES[..1]);
    let load = rig.sas.load();
    for _ in 0..3 {
        assert_eq!(rig.feed_one(ALICE, ack.clone()).brief(), format!("ACK {BOB}"));
    }
    assert_eq!(rig.sas.load(), load);
}

/// RFC 3261 16.4: a strict router puts our Record-Route into the Request-URI, and the remote target last into Route.
#[test]
fn what_a_strict_router_did_to_the_request_uri_is_undone() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let target = format!("<sip:bob@{BOB}>");
    let bye = from_to("BYE", &format!("sip:{SAS};lr"), "b1", PROXY, ";tag=callee");
    let bye = with(&bye, &format!("Route: {target}"));
    let sent = rig.feed_one(PROXY, bye);
    assert_eq!(
        (sent.brief(), sent.uri(), sent.all("Route").len()),
        (format!("BYE {BOB}"), &target[1..target.len() - 1], 0)
    );
}
