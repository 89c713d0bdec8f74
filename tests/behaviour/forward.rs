//! What forwarding changes (RFC 3261 16.6, RFC 3581), loops and hops.

use crate::rig::*;
use sip_survivability::Event;
use sip_survivability::transport::{FlowId, Transport};

fn relayed(rig: &mut Rig, from: &str, text: String) -> Sent {
    let sent = rig.feed(from, text);
    sent.into_iter().find(Sent::is_request).unwrap()
}

#[test]
fn a_forwarded_request_gets_our_via_one_hop_less_and_our_record_route() {
    let mut rig = Rig::new();
    let sent = relayed(
        &mut rig,
        ALICE,
        with(&request("INVITE", "sip:bob@office.example", "f1"), "X-Odd:  Kept As ; is"),
    );
    assert_eq!(sent.all("Via").len(), 2);
    assert!(sent.header("Via").starts_with(&format!("SIP/2.0/UDP {SAS};branch=z9hG4bK")), "{sent:?}");
    assert_eq!(sent.header("Max-Forwards"), "69");
    assert_eq!(sent.header("Record-Route"), format!("<sip:{SAS};lr>"));
    assert!(sent.text.contains("X-Odd:  Kept As ; is\r\n"));
    assert_eq!(sent.uri(), "sip:bob@office.example");
}

#[test]
fn the_senders_via_is_stamped_with_where_it_came_from() {
    let mut rig = Rig::new();
    let sent = relayed(&mut rig, "10.0.0.1:40000", request("INVITE", "sip:bob@office.example", "f1"));
    assert_eq!(
        sent.all("Via")[1],
        format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKf1;rport=40000;received=10.0.0.1")
    );
    // And the answers go there.
    let sent = rig.feed(PROXY, sent.answer(180, ""));
    assert_eq!(briefs(&sent), ["180 10.0.0.1:40000"]);
}

#[test]
fn without_rport_answers_go_to_the_port_of_the_via() {
    let mut rig = Rig::new();
    let sent = relayed(
        &mut rig,
        "10.0.0.1:40000",
        request("MESSAGE", "sip:bob@office.example", "f1").replace(";rport", ""),
    );
    assert_eq!(briefs(&rig.feed(PROXY, sent.answer(200, ""))), [format!("200 {ALICE}")]);
}

#[test]
fn without_max_forwards_it_gets_one() {
    let mut rig = Rig::new();
    let sent = relayed(
        &mut rig,
        ALICE,
        request("MESSAGE", "sip:bob@office.example", "f1").replace("Max-Forwards: 70\r\n", ""),
    );
    assert_eq!(sent.header("Max-Forwards"), "70");
}

#[test]
fn our_own_route_is_removed_and_a_request_uri_that_names_us_names_the_proxy() {
    let mut rig = Rig::new();
    let text = with(&request("INVITE", &format!("sip:bob@{SAS}"), "f1"), &format!("Route: <sip:{SAS};lr>"));
    let sent = relayed(&mut rig, ALICE, text);
    assert_eq!((sent.uri().to_owned(), sent.all("Route").len()), (format!("sip:bob@{PROXY}"), 0));
}

#[test]
fn record_route_can_be_off_and_is_for_requests_that_start_a_dialog() {
    let mut rig = Rig::with(|settings| settings.sas.record_route = false);
    assert_eq!(
        relayed(&mut rig, ALICE, request("INVITE", "sip:bob@office.example", "f1")).header("Record-Route"),
        ""
    );
    let mut rig = Rig::new();
    let methods = ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "MESSAGE", "PUBLISH"];
    for (method, has) in methods.into_iter().zip([true, true, true, true, false, false]) {
        let sent = relayed(&mut rig, ALICE, request(method, "sip:bob@office.example", method));
        assert_eq!(!sent.header("Record-Route").is_empty(), has, "{method}");
    }
}

/// 16.6 step 4: also "if this request is already part of a dialog", above what is there.
#[test]
fn a_re_invite_is_record_routed_too() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let text = in_dialog("INVITE", &format!("sip:bob@{BOB}"), "r1", &[]);
    let sent = relayed(&mut rig, ALICE, with(&text, "Record-Route: <sip:10.0.0.7;lr>"));
    assert_eq!(sent.all("Record-Route"), [format!("<sip:{SAS};lr>"), "<sip:10.0.0.7;lr>".to_owned()]);
}

/// 16.1: "proxies ... MUST be prepared to forward any method", by the rules of non-INVITE.
#[test]
fn a_method_that_nobody_knows_is_forwarded() {
    for mut rig in [Rig::new(), Rig::lost()] {
        rig.bind("bob", BOB);
        let text = request("SHUFFLE", "sip:bob@office.example", "u1");
        let sent = rig.feed_one(ALICE, text.clone());
        assert!(sent.line().starts_with("SHUFFLE sip:bob@") && sent.header("CSeq") == "1 SHUFFLE");
        assert_eq!(rig.feed(ALICE, text.clone()), [], "a retransmission");
        let to = sent.to.to_string();
        assert_eq!(rig.feed_one(&to, sent.answer(299, "")).brief(), format!("299 {ALICE}"));
        assert_eq!(rig.feed_one(ALICE, text).brief(), format!("299 {ALICE}"));
        rig.drain();
    }
}

/// 16.7 step 3: one value is removed, however the Vias are written.
#[test]
fn vias_in_one_field_are_told_apart() {
    let mut rig = Rig::new();
    let text = request("MESSAGE", "sip:bob@office.example", "v1");
    let (first, below) =
        (format!("Via: SIP/2.0/UDP {ALICE};branch=z9hG4bKv1;rport"), "SIP/2.0/UDP h;branch=z9hG4bKx");
    let sent = relayed(&mut rig, ALICE, text.replace(&first, &format!("{first} , {below}")));
    let stamped = format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKv1;rport=5060;received=10.0.0.1 , {below}");
    assert_eq!(sent.all("Via")[1], stamped);
    let joined = format!("{}, {stamped}", sent.header("Via"));
    let apart = format!("Via: {}\r\nVia: {stamped}", sent.header("Via"));
    let answer = sent.answer(200, "").replace(&apart, &format!("Via: {joined}"));
    let ok = rig.feed_one(PROXY, answer);
    assert_eq!((ok.brief(), ok.header("Via").trim()), (format!("200 {ALICE}"), &*stamped));
}

/// RFC 5658 has both addresses where the two sides see different ones; the next hop's comes first.
#[test]
fn between_two_flows_both_addresses_are_record_routed() {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets = vec!["sip:[2001:db8::1]:5060".parse().unwrap()];
    });
    let wide = FlowId(2);
    rig.event(Event::FlowOpened {
        flow: wide,
        transport: Transport::Udp,
        local: address("[2001:db8::10]:5080"),
        remote: None,
    });
    let sent = relayed(&mut rig, ALICE, request("INVITE", "sip:bob@office.example", "f1"));
    assert_eq!(sent.flow, wide);
    assert_eq!(
        sent.all("Record-Route"),
        ["<sip:[2001:db8::10]:5080;lr>".to_owned(), format!("<sip:{SAS};lr>")]
    );
    // Both are taken off again, and the request leaves by the other flow.
    let routes = ["<sip:192.0.2.10:5080;lr>", "<sip:[2001:db8::10]:5080;lr>", "<sip:[2001:db8::1];lr>"];
    let bye = relayed(&mut rig, ALICE, in_dialog("BYE", "sip:bob@203.0.113.3", "f2", &routes));
    assert_eq!((bye.flow, bye.all("Route")), (wide, vec!["<sip:[2001:db8::1];lr>"]));
}

fn turned(sent: &Sent, uri: &str) -> String {
    let via = format!("Via: {}", sent.header("Via"));
    let text = sent.text.replacen(
        &via,
        &format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKturn{}\r\n{via}", sent.all("Via").len()),
        1,
    );
    text.replacen(sent.uri(), uri, 1)
}

#[test]
fn a_call_that_the_proxy_sends_back_for_a_phone_of_ours_is_a_spiral() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let first = relayed(&mut rig, ALICE, request("INVITE", "sip:bob@office.example", "f1"));
    let second = relayed(&mut rig, PROXY, turned(&first, &format!("sip:bob@{BOB}")));
    assert_eq!((second.brief(), second.all("Via").len()), (format!("INVITE {BOB}"), 4));
    // 200 goes the whole way back.
    let to_proxy = rig.feed_one(BOB, second.answer(200, ""));
    assert_eq!(to_proxy.brief(), format!("200 {PROXY}"));
    assert_eq!(rig.feed_one(PROXY, first.answer(200, "")).brief(), format!("200 {ALICE}"));
}

#[test]
fn the_same_decision_twice_is_a_loop() {
    let mut rig = Rig::new();
    let first = relayed(&mut rig, PROXY, from_to("INVITE", "sip:x@203.0.113.7", "l1", PROXY, ""));
    let sent = rig.feed(PROXY, turned(&first, first.uri()));
    assert_eq!(briefs(&sent), [format!("482 {PROXY}")]);
}

#[test]
fn options_are_answered_by_whom_they_reach() {
    let mut rig = Rig::new();
    let ok = rig.feed_one(ALICE, request("OPTIONS", &format!("sip:{SAS}"), "o1"));
    assert_eq!(ok.brief(), format!("200 {ALICE}"));
    // 11.2: these five "SHOULD be present".
    assert!(ok.header("Allow").contains("INVITE"));
    for name in ["Accept", "Accept-Encoding", "Accept-Language", "Supported"] {
        assert_eq!(ok.all(name).len(), 1, "{name}");
    }
    let last_hop =
        request("OPTIONS", "sip:bob@office.example", "o2").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(rig.feed_one(ALICE, last_hop).brief(), format!("200 {ALICE}"));
    assert_eq!(
        rig.feed_one(ALICE, request("OPTIONS", "sip:bob@office.example", "o3")).brief(),
        format!("OPTIONS {PROXY}")
    );
}

/// RFC 3261 11: an OPTIONS for a server has a Request-URI "without a user part, similar to the way a Request-URI is set for a
/// REGISTER", so that the domain is ours to answer for while its proxy is away.
#[test]
fn options_to_the_domain_are_answered_while_the_proxy_is_away() {
    let mut rig = Rig::lost();
    for (uri, status) in [("sip:office.example", 200), ("sip:other.example", 404)] {
        let sent = rig.feed_one(ALICE, request("OPTIONS", uri, &format!("d{status}")));
        assert_eq!(sent.brief(), format!("{status} {ALICE}"), "{uri}");
    }
}

/// RFC 3261 8.2.2.3 and 8.2.3 hold for what we answer as a server; 11.2: "had it been an INVITE" changes nothing.
#[test]
fn options_that_end_here_are_refused_for_what_we_do_not_understand() {
    for mut rig in [Rig::new(), Rig::lost()] {
        let options = |id: &str| request("OPTIONS", &format!("sip:{SAS}"), id);
        let sent = rig.feed_one(ALICE, with(&options("q1"), "Require: foo, path, bar"));
        assert_eq!((sent.brief(), sent.header("Unsupported")), (format!("420 {ALICE}"), "foo, bar"));
        let last_hop = with(&options("q2"), "Require: foo").replace("Max-Forwards: 70", "Max-Forwards: 0");
        assert_eq!(rig.feed_one(ALICE, last_hop).brief(), format!("420 {ALICE}"));
        let body =
            with(&options("q3"), "Content-Type: text/odd").replace("Content-Length: 0", "Content-Length: 2");
        let sent = rig.feed_one(ALICE, format!("{body}xx"));
        assert_eq!((sent.brief(), sent.header("Accept")), (format!("415 {ALICE}"), "application/sdp"));
        let sent = rig.feed_one(ALICE, with(&options("q4"), "Require: path"));
        assert_eq!(sent.brief(), format!("200 {ALICE}"));
    }
}

/// What names us and nobody behind us: RFC 3261 15.1.2, RFC 3262 3, RFC 3311 5.2, RFC 6086 4.2.2 and RFC 6665 4.1.3 want 481 where
/// there is no dialog; 21.5.2: 501 for a method that nobody knows, with what we do know (8.2.1).
#[test]
fn what_asks_ourselves_for_a_dialog_is_481_and_for_an_unknown_method_501() {
    let us = format!("sip:{SAS}");
    let mut lost = Rig::lost();
    for method in ["BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"] {
        let sent = lost.feed_one(ALICE, request(method, &us, method));
        assert_eq!(sent.brief(), format!("481 {ALICE}"), "{method}");
    }
    let sent = lost.feed_one(ALICE, request("FOO", &us, "foo"));
    assert_eq!(sent.brief(), format!("501 {ALICE}"));
    assert!(sent.header("Allow").contains("OPTIONS"), "{sent:?}");
    let mut rig = Rig::new();
    for (method, status) in [("BYE", 481), ("FOO", 501), ("MESSAGE", 404)] {
        let sent = rig.feed_one(PROXY, from_to(method, &us, method, PROXY, ""));
        assert_eq!(sent.brief(), format!("{status} {PROXY}"), "{method}");
    }
}

#[test]
fn calls_of_the_proxy_go_to_the_registered_contact_with_our_path_taken_off() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    let text = with(
        &from_to("INVITE", &format!("sip:bob@{BOB}"), "p1", PROXY, ""),
        &format!("Route: <sip:{SAS};lr>"),
    );
    let sent = relayed(&mut rig, PROXY, text);
    assert_eq!((sent.brief(), sent.all("Route").len()), (format!("INVITE {BOB}"), 0));
    let unknown = from_to("INVITE", &format!("sip:nobody@{SAS}"), "p2", PROXY, "");
    assert_eq!(briefs(&rig.feed(PROXY, unknown)), [format!("404 {PROXY}")]);
}

/// RFC 3261 26.2.2: a request to a `sips:` URI goes over TLS or not at all. An emergency call goes; and a call that is up for a
/// phone with such a Contact can be hung up.
#[test]
fn what_asks_for_tls_is_refused_where_there_is_none() {
    for mut rig in [Rig::new(), Rig::lost()] {
        rig.bind("bob", BOB);
        let sent = rig.feed_one(ALICE, request("INVITE", "sips:bob@office.example", "s1"));
        assert_eq!(sent.brief(), format!("416 {ALICE}"));
        let sent = rig.feed(ALICE, request("INVITE", "sips:911@office.example", "s3"));
        one(&sent, &format!("INVITE {GATEWAY}"));
        let sent = rig.feed_one(ALICE, in_dialog("BYE", &format!("sips:bob@{BOB}"), "s4", &[]));
        assert_eq!(sent.brief(), format!("BYE {BOB}"));
    }
}
