//! The emergency state, and emergency numbers in every state (`sas.md` 4.2, 4.4).

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::config::{Route, Settings};
use sip_survivability::mode::State;

/// Its name is unknown to the DNS.
fn gateway_that_nobody_can_find(settings: &mut Settings) {
    settings.sas.default_gateway = vec!["sip:gateway.example".parse().unwrap()];
}

#[test]
fn an_emergency_number_goes_to_the_gateway_in_every_state_undecorated() {
    for mut rig in [Rig::new(), Rig::lost(), Rig::cold(|_| {})] {
        let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
        assert_eq!(one(&sent, &format!("INVITE {GATEWAY}")).uri(), format!("sip:911@{GATEWAY}"));
    }
}

#[test]
fn with_a_gateway_that_nobody_can_find_an_emergency_call_takes_the_proxy_even_if_it_is_believed_lost() {
    let mut rig = Rig::lost_with(gateway_that_nobody_can_find);
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    let invite = one(&sent, &format!("INVITE {PROXY}")).clone();
    assert_eq!(rig.feed_one(PROXY, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

/// The belief may be wrong.
#[test]
fn an_emergency_call_that_the_gateway_cannot_take_tries_a_proxy_that_is_believed_lost_at_last() {
    let mut rig = Rig::lost();
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    let refused = one(&sent, &format!("INVITE {GATEWAY}")).answer(503, "");
    let sent = rig.feed(GATEWAY, refused);
    let invite = one(&sent, &format!("INVITE {PROXY}")).clone();
    assert_eq!(rig.feed_one(PROXY, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

#[test]
fn an_emergency_call_that_no_route_could_take_is_told() {
    let mut rig = Rig::lost_with(gateway_that_nobody_can_find);
    rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    let sent = rig.failed(PROXY);
    assert_eq!(briefs(&sent), [format!("480 {ALICE}")]);
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::EmergencyCallFailed { .. })));
    rig.feed(ALICE, same_transaction(&request("INVITE", "sip:911@office.example", "e1"), "ACK"));
    rig.drain();
}

/// Where a row carries 911 in the emergency state alone, and the proxy is lost, but not yet known to be.
#[test]
fn an_emergency_call_that_the_proxy_leaves_unanswered_takes_a_row_of_the_table() {
    const TRUNK: &str = "192.0.2.30:5060";
    let mut rig = Rig::with(|settings| {
        settings.sas.default_gateway.clear();
        settings.routes = vec![Route::new("sip:192.0.2.30".parse().unwrap())];
    });
    rig.cut();
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    one(&sent, &format!("INVITE {PROXY}"));
    let sent = rig.run(secs(5));
    let invite = one(&sent, &format!("INVITE {TRUNK}")).clone();
    assert_eq!(invite.uri(), "sip:911@192.0.2.30");
    assert_eq!(rig.feed_one(TRUNK, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
    rig.drain();
}

#[test]
fn an_emergency_call_from_the_gateway_does_not_go_back_there() {
    let mut rig = Rig::new();
    let sent = rig.feed(GATEWAY, from_to("INVITE", "sip:911@office.example", "e1", GATEWAY, ""));
    assert_eq!(of(&sent, "INVITE").iter().map(|sent| sent.to).collect::<Vec<_>>(), [address(PROXY)]);
}

#[test]
fn users_are_called_by_the_database_and_the_rest_goes_to_the_gateway() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let call = |rig: &mut Rig, uri: &str, id: &str| rig.feed(ALICE, request("INVITE", uri, id));
    for (i, uri) in
        ["sip:bob@office.example", "sip:bob@192.0.2.10:5080", "sip:bob@192.0.2.1"].iter().enumerate()
    {
        assert_eq!(
            one(&call(&mut rig, uri, &format!("c{i}")), &format!("INVITE {BOB}")).uri(),
            format!("sip:bob@{BOB}")
        );
    }
    one(&call(&mut rig, "sip:5550100@office.example", "out"), &format!("INVITE {GATEWAY}"));
}

#[test]
fn what_comes_from_the_gateway_never_goes_back_there() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let call =
        |rig: &mut Rig, uri: &str, id: &str| rig.feed(GATEWAY, from_to("INVITE", uri, id, GATEWAY, ""));
    one(&call(&mut rig, "sip:bob@office.example", "g1"), &format!("INVITE {BOB}"));
    assert_eq!(briefs(&call(&mut rig, "sip:nobody@office.example", "g2")), [format!("404 {GATEWAY}")]);
}

#[test]
fn unknown_is_404_and_known_but_away_is_480() {
    let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
    rig.bind("bob", BOB);
    rig.run(secs(21));
    for (user, status) in [("bob", 480), ("nobody", 404)] {
        let sent = rig.feed(ALICE, request("INVITE", &format!("sip:{user}@office.example"), user));
        assert_eq!(briefs(&sent), [format!("{status} {ALICE}")]);
    }
}

#[test]
fn subscriptions_are_489_and_messages_to_nobody_404() {
    let mut rig = Rig::lost();
    for (method, status) in [("SUBSCRIBE", 489), ("MESSAGE", 404), ("NOTIFY", 404), ("REFER", 404)] {
        let sent = rig.feed_one(ALICE, request(method, "sip:nobody@office.example", method));
        assert_eq!(sent.brief(), format!("{status} {ALICE}"));
    }
}

#[test]
fn calls_that_the_proxy_sends_in_emergency_are_served_and_change_no_state() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent = rig.feed(PROXY, from_to("INVITE", "sip:bob@office.example", "p1", PROXY, ""));
    one(&sent, &format!("INVITE {BOB}"));
    assert_eq!(rig.sas.state(), State::Emergency);
}

#[test]
fn the_state_is_left_after_up_after_answers_and_the_dwell() {
    let mut rig = Rig::lost();
    let entered = rig.now;
    rig.up.insert(address(PROXY));
    while rig.sas.state() == State::Emergency {
        rig.run(millis(100));
        assert!(rig.now < entered + secs(20));
    }
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1"));
    one(&sent, &format!("INVITE {PROXY}"));
}

#[test]
fn emergency_is_entered_within_six_seconds_of_silence() {
    let mut rig = Rig::new();
    rig.run(secs(20));
    rig.cut();
    rig.run(secs(6));
    assert_eq!(rig.sas.state(), State::Emergency);
}

/// RFC 3966: parameters and visual separators are no part of the number.
#[test]
fn an_emergency_number_is_known_in_every_way_to_write_it() {
    for (i, uri) in [
        "tel:911",
        "tel:9-1-1",
        "tel:911;phone-context=+1",
        "sip:911;phone-context=+1@office.example;user=phone",
        "sip:911@somewhere.example;user=phone",
        "sips:911@office.example",
        "sip:%3911@office.example",
    ]
    .into_iter()
    .enumerate()
    {
        let mut rig = Rig::new();
        let sent = rig.feed(ALICE, request("INVITE", uri, &format!("e{i}")));
        let to: Vec<_> = of(&sent, "INVITE").iter().map(|sent| sent.to).collect();
        assert_eq!(to, [address(GATEWAY)], "{uri}");
    }
}

/// RFC 5031: a phone may ask for the service by its name. A gateway wants a number, a proxy that is asked may know better.
#[test]
fn emergency_services_asked_for_by_name_are_called_by_the_first_number() {
    let numbers = |settings: &mut Settings| settings.sas.emergency_numbers = vec!["112".into(), "110".into()];
    for uri in ["urn:service:sos", "URN:SERVICE:SOS", "urn:service:sos.police"] {
        for mut rig in [Rig::with(numbers), Rig::lost_with(numbers), Rig::cold(numbers)] {
            let call = request("INVITE", uri, "e1");
            let sent = rig.feed(ALICE, call.clone());
            let invite = one(&sent, &format!("INVITE {GATEWAY}")).clone();
            assert_eq!(invite.uri(), format!("sip:112@{GATEWAY}"));
            rig.feed(GATEWAY, invite.answer(180, ""));
            let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL"));
            one(&sent, &format!("200 {ALICE}"));
            one(&sent, &format!("CANCEL {GATEWAY}"));
        }
    }
    let mut rig = Rig::with(|settings| {
        settings.sas.default_gateway.clear();
        settings.routes = vec![Route::new("sip:192.0.2.30".parse().unwrap())];
    });
    let sent = rig.feed(ALICE, request("INVITE", "urn:service:sos", "e1"));
    assert_eq!(one(&sent, &format!("INVITE {PROXY}")).uri(), "urn:service:sos");
}

/// RFC 3261 16.3 step 2.
#[test]
fn other_services_are_no_scheme_of_ours_nor_are_they_where_there_is_no_emergency_number() {
    for uri in ["urn:service:sosimple", "urn:service:counseling", "urn:nena:service:sos", "xurn:service:sos"]
    {
        assert_eq!(Rig::new().feed_one(ALICE, request("INVITE", uri, "e1")).brief(), format!("416 {ALICE}"));
    }
    let mut rig = Rig::with(|settings| settings.sas.emergency_numbers.clear());
    assert_eq!(
        rig.feed_one(ALICE, request("INVITE", "urn:service:sos", "e1")).brief(),
        format!("416 {ALICE}")
    );
}

/// Law 13. A gateway that took the call on and fell silent is an emergency call that no route took, too.
#[test]
fn an_emergency_call_that_the_gateway_drops_is_told() {
    let mut rig = Rig::lost();
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    let invite = one(&sent, &format!("INVITE {GATEWAY}")).clone();
    rig.feed(GATEWAY, invite.answer(100, ""));
    rig.run(secs(300));
    assert!(rig.notices.iter().any(|notice| matches!(notice, Notice::EmergencyCallFailed { .. })));
}
