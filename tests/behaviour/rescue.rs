//! The gap: the proxy is gone, and nobody knows yet (`sas.md` 3.3, suspect).

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::config::{InboundManipulation, ManipulationRule};
use sip_survivability::mode::State;

const BOB_URI: &str = "sip:bob@office.example";

#[test]
fn an_invite_in_the_gap_is_routed_by_the_database_after_two_seconds_at_most() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    assert_eq!(briefs(&sent), [format!("100 {ALICE}"), format!("INVITE {PROXY}")]);
    let sent = rig.run(millis(2500));
    let invite = one(&sent, &format!("INVITE {BOB}"));
    assert!(invite.at <= sip_survivability::time::Instant::from_millis(2100), "{invite:?}");
    assert_eq!(invite.uri(), format!("sip:bob@{BOB}"));
}

#[test]
fn a_retransmitted_invite_in_the_gap_is_rescued_once() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let call = request("INVITE", BOB_URI, "c1");
    let mut sent = rig.feed(ALICE, call.clone());
    for _ in 0..4 {
        sent.extend(rig.run(millis(600)));
        sent.extend(rig.feed(ALICE, call.clone()));
    }
    one(&sent, &format!("INVITE {BOB}"));
}

/// An INVITE that reached the proxy only after its return would ring phones for a call that has long been served.
#[test]
fn a_call_that_was_rescued_is_not_offered_to_the_proxy_again() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}"));
    one(&rig.run(millis(2500)), &format!("INVITE {BOB}"));
    let later = briefs(&rig.run(secs(40)));
    assert!(!later.contains(&format!("INVITE {PROXY}")), "{later:?}");
    rig.drain();
}

/// `sas.md` 3.3 rescues a request once. The branch to the proxy that was given up ends by Timer B at 32 s, and by then it
/// is nobody's business: RFC 3261 16.8 speaks of pending branches.
#[test]
fn a_rescued_call_that_rings_for_long_is_left_alone_when_the_proxys_branch_times_out() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(millis(2500));
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    assert_eq!(rig.feed_one(BOB, invite.answer(180, "")).brief(), format!("180 {ALICE}"));
    let to_bob = rig.run(secs(40)).into_iter().filter(|sent| sent.to == address(BOB)).collect::<Vec<_>>();
    assert_eq!(briefs(&to_bob), Vec::<String>::new());
    assert_eq!(rig.feed_one(BOB, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

/// `sas.md` 3.3: evidence is a request that a target leaves unanswered, and an abandoned branch is none.
#[test]
fn a_rescued_request_is_no_fresh_evidence_half_a_minute_later() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    rig.run(millis(2200));
    rig.up.insert(address(PROXY));
    rig.run(secs(15));
    assert_eq!(rig.sas.state(), State::Normal);
    rig.notices.clear();
    rig.run(secs(30));
    let of_the_proxy =
        |notice: &&Notice| matches!(notice, Notice::ProxyStatus { .. } | Notice::StateChanged { .. });
    assert_eq!(rig.notices.iter().find(of_the_proxy), None, "nothing has happened to it in this time");
}

#[test]
fn a_late_provisional_of_the_proxy_is_cancelled_and_disturbs_nobody() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    rig.run(millis(2500));
    let cancel = rig.feed_one(PROXY, first.answer(100, ""));
    assert_eq!(cancel.brief(), format!("CANCEL {PROXY}"));
    assert_eq!(cancel.header("Via"), first.header("Via"));
    rig.feed(PROXY, cancel.answer(200, ""));
    // Its 487 gets its ACK and goes no further.
    assert_eq!(rig.feed_one(PROXY, first.answer(487, "")).brief(), format!("ACK {PROXY}"));
}

/// RFC 3261 16.7 step 5: each 2xx is forwarded, also of a branch that was given up.
#[test]
fn a_late_2xx_of_the_proxy_wins_and_the_local_branch_is_cancelled() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    let sent = rig.run(millis(2500));
    let local = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, local.answer(180, ""));
    let sent = rig.feed(PROXY, first.answer(200, ""));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}"), format!("CANCEL {BOB}")]);
    rig.feed(BOB, sent[1].answer(200, ""));
    assert_eq!(rig.feed_one(BOB, local.answer(487, "")).brief(), format!("ACK {BOB}"));
    rig.drain();
}

#[test]
fn a_register_in_the_gap_is_answered_here_with_the_short_expiry() {
    let mut rig = Rig::new();
    rig.cut();
    let text = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), 1);
    assert_eq!(rig.feed_one(BOB, text.clone()).brief(), format!("REGISTER {PROXY}"));
    let sent = rig.run(millis(2600));
    let ok = one(&sent, &format!("200 {BOB}"));
    let expires: u64 = ok.header("Contact").rsplit_once("expires=").unwrap().1.parse().unwrap();
    assert!((15..=20).contains(&expires), "{ok:?}");
    // Its retransmission gets the same 200.
    assert_eq!(&rig.feed_one(BOB, text).text, &ok.text);
}

#[test]
fn a_late_2xx_to_a_rescued_register_is_recorded_and_not_passed_on() {
    let mut rig = Rig::new();
    rig.cut();
    let text = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), 1);
    let relayed = rig.feed_one(BOB, text);
    rig.run(millis(2600));
    let granted = format!("Contact: <sip:bob@{BOB}>;expires=3600\r\n");
    assert_eq!(rig.feed(PROXY, relayed.answer(200, &granted)), []);
    let binding = rig.sas.registrar().iter().next().unwrap().clone();
    assert_eq!(binding.home.as_str(), "confirmed");
    rig.drain();
}

#[test]
fn a_bye_in_the_gap_skips_the_dead_hop() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let routes = ["<sip:192.0.2.10:5080;lr>", "<sip:192.0.2.1;lr>", "<sip:192.0.2.10:5080;lr>"];
    let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), "b1", &routes);
    assert_eq!(rig.feed_one(ALICE, bye).brief(), format!("BYE {PROXY}"));
    let sent = rig.run(millis(2600));
    let bye = one(&sent, &format!("BYE {BOB}"));
    assert_eq!(bye.all("Route"), Vec::<&str>::new());
    assert_eq!(rig.feed_one(BOB, bye.answer(200, "")).brief(), format!("200 {ALICE}"));
}

/// `sas.md` 3.3: without *any* response. A request that the proxy has answered 100 is not rescued, and is no evidence.
#[test]
fn a_request_that_the_proxy_has_taken_on_is_not_rescued_when_its_own_timer_ends() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let sent = rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1"));
    rig.feed(PROXY, sent.answer(100, ""));
    rig.notices.clear();
    let sent = rig.run(secs(40));
    // RFC 4320 4.2: no final answer after Timer F.
    let trying = format!("100 {ALICE}");
    let expected = |sent: &Sent| sent.brief() == format!("MESSAGE {PROXY}") || sent.brief() == trying;
    assert!(sent.iter().all(expected), "{:?}", briefs(&sent));
    assert_eq!(rig.notices, []);
    rig.drain();
}

#[test]
fn a_call_that_the_emergency_rules_would_refuse_waits_for_the_proxy_while_it_is_merely_suspect() {
    let mut rig = Rig::with(|settings| settings.sas.default_gateway.clear());
    let sent = rig.feed(ALICE, request("INVITE", "sip:nobody@office.example", "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    // The proxy answers its probes and is slow with calls.
    let sent = rig.run(secs(3));
    assert!(sent.iter().all(|sent| sent.brief() == format!("INVITE {PROXY}")), "{:?}", briefs(&sent));
    let sent = rig.feed(PROXY, first.answer(486, ""));
    assert_eq!(briefs(&sent), [format!("ACK {PROXY}"), format!("486 {ALICE}")]);
}

#[test]
fn what_waits_for_a_proxy_is_answered_when_the_state_becomes_emergency() {
    let mut rig = Rig::with(|settings| settings.sas.default_gateway.clear());
    rig.cut();
    rig.feed(ALICE, request("INVITE", "sip:nobody@office.example", "c1"));
    let sent = rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Emergency);
    assert_eq!(of(&sent, "404").first().map(|sent| sent.to), Some(address(ALICE)));
    rig.drain();
}

#[test]
fn icmp_from_the_proxy_rescues_at_once() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.failed(PROXY);
    assert_eq!(briefs(&sent), [format!("INVITE {BOB}")]);
    assert_eq!(rig.sas.state(), State::Normal, "one error is no verdict");
}

/// Each waiting call is rescued once, also where the first one's evidence changes the state and rescues the others.
#[test]
fn several_calls_that_fail_at_once_are_rescued_once_each() {
    let mut rig = Rig::with(|settings| settings.proxy_set.keepalive = false);
    rig.bind("bob", BOB);
    for id in ["c1", "c2", "c3"] {
        rig.feed(ALICE, request("INVITE", BOB_URI, id));
    }
    let sent = rig.failed(PROXY);
    assert_eq!(briefs(&sent), vec![format!("INVITE {BOB}"); 3]);
    assert_eq!(rig.sas.state(), State::Emergency);
}

#[test]
fn a_caller_who_hangs_up_in_the_gap_gets_487_and_nobody_is_called() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let call = request("INVITE", BOB_URI, "c1");
    rig.feed(ALICE, call.clone());
    assert_eq!(rig.feed_one(ALICE, same_transaction(&call, "CANCEL")).brief(), format!("200 {ALICE}"));
    let sent = rig.run(secs(3));
    assert_eq!(of(&sent, "487")[0].to, address(ALICE));
    assert!(sent.iter().all(|sent| sent.to != address(BOB)));
    rig.drain();
}

/// RFC 3261 13.2.2.4: the ACK is the caller's, and nothing answers it, so it cannot be rescued later. Past a suspect proxy
/// it goes to the phone; where only the proxy knows the way it goes there all the same.
#[test]
fn an_ack_goes_past_a_suspect_proxy_to_a_phone_and_to_the_proxy_where_nothing_else_is_known() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let routes = ["<sip:192.0.2.10:5080;lr>", "<sip:192.0.2.1;lr>"];
    let to_bob = in_dialog("ACK", &format!("sip:bob@{BOB}"), "a1", &routes);
    assert_eq!(rig.feed_one(ALICE, to_bob.clone()).brief(), format!("ACK {PROXY}"));
    rig.failed(PROXY);
    assert_eq!(rig.feed_one(ALICE, to_bob).brief(), format!("ACK {BOB}"));
    let outside = in_dialog("ACK", "sip:line@203.0.113.5", "a2", &routes);
    assert_eq!(rig.feed_one(ALICE, outside).brief(), format!("ACK {PROXY}"));
}

#[test]
fn with_keepalive_only_nothing_is_rescued_and_a_call_ends_in_408() {
    let mut rig = Rig::with(|settings| {
        settings.sas.entering_emergency = sip_survivability::config::EnteringEmergency::KeepAlive;
    });
    rig.bind("bob", BOB);
    rig.cut();
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(secs(33));
    assert!(sent.iter().all(|sent| sent.to != address(BOB)));
    assert_eq!(of(&sent, "408").first().map(|sent| sent.to), Some(address(ALICE)));
    assert_eq!(rig.sas.state(), State::Emergency, "the probes have told");
    rig.drain();
}

#[test]
fn without_keepalive_one_unanswered_call_is_an_emergency_and_probes_end_it() {
    let mut rig = Rig::with(|settings| settings.proxy_set.keepalive = false);
    rig.bind("bob", BOB);
    rig.cut();
    assert_eq!(rig.probes, 0);
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(millis(2100));
    assert_eq!(of(&sent, "INVITE").iter().filter(|sent| sent.to == address(BOB)).count(), 1);
    assert_eq!(rig.sas.state(), State::Emergency);
    rig.up.insert(address(PROXY));
    rig.run(secs(20));
    assert_eq!(rig.sas.state(), State::Normal);
    let probes = rig.probes;
    rig.run(secs(60));
    assert_eq!(rig.probes, probes, "no keep-alive in the normal state");
}

/// What the proxy sends back to us it has received, though its own responses are lost. A second copy would get a 482 of the phone
/// (RFC 3261 8.2.2.2), and the caller with it, while the first one is answered.
#[test]
fn a_call_that_the_proxy_has_sent_back_is_not_rescued_beside_its_own_copy() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    let copy = sent_back(&first);
    let to_bob = rig.feed(PROXY, copy);
    let copy = one(&to_bob, &format!("INVITE {BOB}")).clone();
    let again = rig.run(secs(3)).into_iter().filter(|sent| sent.to == address(BOB));
    assert_eq!(again.filter(|sent| sent.text != copy.text).collect::<Vec<_>>(), []);
    // The answer goes the way of the copy, by the proxy.
    assert_eq!(rig.feed_one(BOB, copy.answer(200, "")).brief(), format!("200 {PROXY}"));
    assert_eq!(rig.feed_one(PROXY, first.answer(200, "")).brief(), format!("200 {ALICE}"));
}

/// `first` as the proxy forwards it, to where it came from.
fn sent_back(first: &Sent) -> String {
    let vias = format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKcopy\r\nVia: {}", first.header("Via"));
    first.text.replacen(&format!("Via: {}", first.header("Via")), &vias, 1)
}

/// A proxy that thaws reads the INVITEs that it was sent meanwhile, and calls phones for calls that are over.
#[test]
fn a_ghost_call_after_a_thaw_is_487() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    rig.run(secs(3));
    let sent = rig.feed(PROXY, sent_back(&first));
    assert_eq!(briefs(&sent), [format!("487 {PROXY}")]);
}

#[test]
fn at_start_up_requests_are_served_by_the_suspect_rules() {
    let mut rig = Rig::cold(|_| {});
    rig.cut();
    let text = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), 1);
    rig.feed(BOB, text);
    let sent = rig.run(millis(510));
    assert_eq!(of(&sent, "200").len(), 1);
}

/// RFC 3261 16.7 step 5 forwards no second final response of a non-INVITE.
#[test]
fn a_message_that_was_rescued_is_answered_once() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    let first = rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1"));
    let sent = rig.run(millis(2600));
    let local = one(&sent, &format!("MESSAGE {BOB}")).clone();
    assert_eq!(rig.feed_one(BOB, local.answer(200, "")).brief(), format!("200 {ALICE}"));
    assert_eq!(rig.feed(PROXY, first.answer(202, "")), []);
    rig.drain();
}

/// The emergency state may come and go while a call waits: it is rescued once.
#[test]
fn a_flapping_proxy_does_not_ring_a_phone_twice() {
    let mut rig = Rig::with(|settings| settings.sas.minimum_dwell = secs(0));
    rig.bind("bob", BOB);
    rig.cut();
    let mut sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    for turn in 0..8 {
        rig.cut();
        rig.up.extend((turn % 2 == 1).then(|| address(PROXY)));
        sent.extend(rig.run(millis(3700)));
    }
    one(&sent, &format!("INVITE {BOB}"));
}

/// With the number that manipulation makes of it, which only the emergency rules do.
#[test]
fn a_call_whose_number_is_manipulated_into_an_emergency_number_is_rescued() {
    let mut rig = Rig::with(|settings| {
        let mut rule = ManipulationRule::default();
        rule.manipulation.remove_from_left = 1;
        settings.sas.inbound_manipulation = InboundManipulation::Emergency;
        settings.inbound_manipulation_rules = vec![rule];
    });
    rig.cut();
    one(&rig.feed(ALICE, request("INVITE", "sip:9911@office.example", "e9")), &format!("INVITE {PROXY}"));
    let sent = rig.run(secs(5));
    assert_eq!(one(&sent, &format!("INVITE {GATEWAY}")).uri(), format!("sip:911@{GATEWAY}"));
}
