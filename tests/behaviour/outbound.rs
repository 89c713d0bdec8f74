//! Connections that the phone initiates (RFC 5626): flows in the registrar (section 6), at the edge (5), and for those who are
//! called (7).

use crate::rig::*;
use crate::streams::by_tcp;
use bytes::Bytes;
use sip_survivability::config::Settings;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Event};

/// Where bob's two connections come from.
const BOB_OUT: [&str; 2] = ["10.0.0.2:40001", "10.0.0.2:40002"];
const BOB_URI: &str = "sip:bob@office.example";
const INSTANCE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";

/// bob's REGISTER of the flow `reg_id`. All flows have the same contact, as phones write it.
fn flow(reg_id: &str, cseq: u32) -> String {
    let lines = format!(
        "Supported: path, outbound\r\nContact: <sip:bob@{BOB};ob>;{INSTANCE};reg-id={reg_id}\r\nExpires: 600\r\n"
    );
    register("bob", BOB, &lines, cseq)
}

/// The flow `reg_id` by a connection of its own.
fn connect(rig: &mut Rig, reg_id: usize, cseq: u32) -> FlowId {
    let id = rig.accept(100 + u64::from(cseq), Transport::Tcp, BOB_OUT[reg_id - 1]);
    let ok = rig.stream(id, by_tcp(&flow(&reg_id.to_string(), cseq)));
    assert_eq!(briefs(&ok), [format!("200 {}", BOB_OUT[reg_id - 1])]);
    id
}

fn lost_with_tcp() -> Rig {
    let mut rig = Rig::lost();
    rig.listen(Transport::Tcp, SAS);
    rig
}

/// The proxy's answer to a relayed REGISTER of a flow.
fn granted(relayed: &Sent) -> String {
    let lines = format!("Require: outbound\r\nContact: {};expires=600\r\n", relayed.header("Contact"));
    relayed.answer(200, &lines)
}

/// bob's flow by UDP, which the proxy has granted, and our Path in it.
fn relayed_flow(rig: &mut Rig) -> String {
    let relayed = rig.feed_one(BOB, flow("1", 1));
    let path = relayed.header("Path").to_owned();
    assert_eq!(rig.feed_one(PROXY, granted(&relayed)).brief(), format!("200 {BOB}"));
    path
}

/// Section 6: "the registrar MUST include the outbound option-tag in a Require header field value in its response".
#[test]
fn a_flow_is_granted_with_require_outbound_and_a_flow_timer_on_a_connection() {
    let mut rig = lost_with_tcp();
    let ok = rig.feed_one(BOB, flow("1", 1));
    assert_eq!(
        (ok.brief(), ok.header("Require"), ok.header("Flow-Timer")),
        (format!("200 {BOB}"), "outbound", "")
    );
    assert!(ok.header("Contact").contains(";reg-id=1"), "{ok:?}");
    let id = rig.accept(20, Transport::Tcp, BOB_OUT[0]);
    let ok = rig.stream(id, by_tcp(&flow("2", 2))).remove(0);
    assert_eq!((ok.header("Require"), ok.header("Flow-Timer")), ("outbound", "120"));
    assert_eq!(rig.sas.registrar().len(), 2, "same contact, but two flows");
    // Without the option tag the flow counts, and nothing is said of it.
    let silent = flow("3", 3).replace("Supported: path, outbound", "Supported: path");
    assert_eq!(rig.feed_one(BOB, silent).header("Require"), "");
    assert_eq!(rig.sas.registrar().len(), 3);
}

#[test]
fn a_flow_timer_of_zero_is_not_told() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.flow_timer = secs(0));
    let id = rig.accept(20, Transport::Tcp, BOB_OUT[0]);
    let ok = rig.stream(id, by_tcp(&flow("1", 1))).remove(0);
    assert_eq!((ok.header("Require"), ok.all("Flow-Timer").len()), ("outbound", 0));
}

/// Section 6: who is not the first hop, and finds no `ob` in the first value of Path, must not apply outbound, and says so to those who
/// asked for it.
#[test]
fn a_first_hop_that_keeps_no_flow_means_439() {
    for (cseq, path, status) in [
        (1, "", 439),
        (2, "Path: <sip:10.0.0.9;lr>\r\n", 439),
        (3, "Path: <sip:t@10.0.0.8;lr;ob>, <sip:10.0.0.9;lr>\r\n", 439),
        (4, "Path: <sip:10.0.0.8;lr>, <sip:t@10.0.0.9;lr;ob>\r\n", 200),
        (5, "Path: <sip:10.0.0.8;lr>\r\nPath: <sip:t@10.0.0.9;lr;ob>\r\n", 200),
    ] {
        let mut rig = Rig::lost();
        let text = flow("1", cseq).replacen(
            "Max-Forwards",
            "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKx\r\nMax-Forwards",
            1,
        );
        let sent = rig.feed_one(BOB, text.replacen("Supported", &format!("{path}Supported"), 1));
        assert_eq!(
            (sent.brief(), sent.header("Require") == "outbound"),
            (format!("{status} {BOB}"), status == 200),
            "{path}"
        );
        assert_eq!(rig.sas.registrar().len(), usize::from(status == 200));
    }
    let mut rig = Rig::lost();
    let through = |text: String| {
        text.replacen("Max-Forwards", "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKx\r\nMax-Forwards", 1)
    };
    let silent = through(flow("1", 1)).replace("path, outbound", "path");
    let ok = rig.feed_one(BOB, silent);
    assert_eq!(
        (ok.brief(), ok.header("Contact").contains("reg-id")),
        (format!("200 {BOB}"), false),
        "it is ignored"
    );
    // Without a flow there is nothing to refuse.
    let plain = through(flow("1", 2)).replace(";reg-id=1", "");
    assert_eq!(rig.feed_one(BOB, plain).brief(), format!("200 {BOB}"));
}

/// Section 6: a reg-id without an instance is ignored, and so is one that is none (1 to 2^31 - 1).
#[test]
fn what_is_no_flow_is_a_contact() {
    let mut rig = Rig::lost();
    for (cseq, reg_id) in
        (1..).zip(["0", "2147483648", "4294967296", "-1", "x", "\"1\"", "99999999999999999999"])
    {
        let ok = rig.feed_one(BOB, flow(reg_id, cseq));
        assert_eq!((ok.brief(), ok.header("Require")), (format!("200 {BOB}"), ""), "{reg_id}");
    }
    let ok = rig.feed_one(BOB, flow("1", 20).replace(INSTANCE, "x=y"));
    assert_eq!((ok.header("Require"), rig.sas.registrar().len()), ("", 1));
    let ok = rig.feed_one(BOB, flow("2147483647", 21));
    assert_eq!(
        (ok.header("Require"), ok.header("Contact").contains(";reg-id=2147483647")),
        ("outbound", true)
    );
}

/// Section 6: several contacts that are to last, one of them a flow: 400. One that is to go may go along.
#[test]
fn a_flow_is_the_only_contact_that_is_made() {
    let mut rig = Rig::lost();
    let with_other = |cseq, other: &str| {
        flow("1", cseq).replacen(
            "Expires: 600",
            &format!("Contact: <sip:bob@10.0.0.9>{other}\r\nExpires: 600"),
            1,
        )
    };
    assert_eq!(rig.feed_one(BOB, with_other(1, "")).brief(), format!("400 {BOB}"));
    assert_eq!(rig.sas.registrar().len(), 0);
    assert_eq!(rig.feed_one(BOB, with_other(2, ";expires=0")).brief(), format!("200 {BOB}"));
}

#[test]
fn an_address_of_record_has_no_more_flows_than_contacts() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.max_contacts = 3);
    let status = |rig: &mut Rig, id: u32| rig.feed_one(BOB, flow(&id.to_string(), id)).brief();
    for id in 1..=3 {
        assert_eq!(status(&mut rig, id), format!("200 {BOB}"));
    }
    for id in 4..50 {
        assert_eq!(status(&mut rig, id), format!("503 {BOB}"));
    }
    assert_eq!(rig.sas.registrar().len(), 3);
}

/// Section 7: "The proxy MUST NOT populate the target set with more than one contact with the same AOR and instance-id at a time."
#[test]
fn a_call_goes_to_one_flow_of_an_instance_the_latest() {
    let mut rig = lost_with_tcp();
    let flows = [connect(&mut rig, 1, 1), connect(&mut rig, 2, 2)];
    let calls = |rig: &mut Rig, id| {
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, id));
        of(&sent, "INVITE").iter().map(|invite| invite.flow).collect::<Vec<_>>()
    };
    assert_eq!(calls(&mut rig, "c1"), [flows[1]]);
    rig.run(secs(1));
    rig.stream(flows[0], by_tcp(&flow("1", 3)));
    assert_eq!(calls(&mut rig, "c2"), [flows[0]]);
    // The flow that is gone takes no call, nor does the other wait for it.
    rig.close(flows[0]);
    assert_eq!(calls(&mut rig, "c3"), [flows[1]]);
    rig.close(flows[1]);
    assert_eq!(rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1")).brief(), format!("480 {ALICE}"));
    rig.drain();
}

/// Section 7: after 430 and 408 the next flow of the instance is tried, after any other answer none: "The targeted instance has already
/// provided its response."
#[test]
fn the_next_flow_is_tried_when_the_edge_says_that_this_one_failed() {
    for (status, tries_next) in
        [(430, true), (408, true), (486, false), (404, false), (500, false), (480, false)]
    {
        let mut rig = lost_with_tcp();
        let flows = [connect(&mut rig, 1, 1), connect(&mut rig, 2, 2)];
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
        let first = of(&sent, "INVITE")[0].clone();
        let sent = rig.stream(first.flow, first.answer(status, ""));
        let next: Vec<_> = of(&sent, "INVITE").iter().map(|invite| invite.flow).collect();
        assert_eq!(next, if tries_next { vec![flows[0]] } else { vec![] }, "{status}");
        if tries_next {
            let second = of(&sent, "INVITE")[0].clone();
            let sent = rig.stream(second.flow, second.answer(430, ""));
            // RFC 5626 11.5: "Endpoints should never receive a 430 response."
            assert_eq!(of(&sent, "480").len() + of(&sent, "408").len(), 1, "{sent:?}");
        } else {
            assert_eq!(of(&sent, &status.to_string()).len(), 1);
        }
        rig.drain();
    }
}

#[test]
fn the_next_flow_is_tried_when_this_one_is_closed_or_says_nothing() {
    for closes in [true, false] {
        let mut rig = lost_with_tcp();
        let flows = [connect(&mut rig, 1, 1), connect(&mut rig, 2, 2)];
        rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
        let sent = if closes { rig.close(flows[1]) } else { rig.run(secs(5)) };
        assert_eq!(of(&sent, "INVITE").iter().map(|invite| invite.flow).collect::<Vec<_>>(), [flows[0]]);
        let second = of(&sent, "INVITE")[0].clone();
        let sent = rig.stream(second.flow, second.answer(200, ""));
        assert_eq!(of(&sent, "200").len(), 1);
        rig.drain();
    }
}

/// Two phones of one user, each with two flows: both ring, each once.
#[test]
fn instances_ring_side_by_side() {
    let mut rig = lost_with_tcp();
    connect(&mut rig, 1, 1);
    connect(&mut rig, 2, 2);
    let other = |cseq| flow("1", cseq).replace("AABBCCDDEEFF", "AABBCCDDEE00").replace(BOB, CAROL);
    rig.feed_one(CAROL, other(9));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    assert_eq!(of(&sent, "INVITE").len(), 2, "{:?}", briefs(&sent));
    rig.drain();
}

/// Section 7: "receiving a destination unreachable ICMP error on a UDP flow".
#[test]
fn a_datagram_flow_ends_with_what_cannot_be_delivered() {
    let mut rig = Rig::lost();
    rig.feed_one(BOB, flow("1", 1));
    rig.failed(BOB);
    assert_eq!(rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m1")).brief(), format!("480 {ALICE}"));
    rig.feed_one(BOB, flow("1", 2));
    assert_eq!(rig.feed_one(ALICE, request("MESSAGE", BOB_URI, "m2")).brief(), format!("MESSAGE {BOB}"));
}

/// 5.1: the first hop "MUST insert its URI in a Path header field", with a flow token and `ob`; "If the edge proxy is not the first SIP
/// node after the UAC it MUST NOT place an "ob" URI parameter".
#[test]
fn a_relayed_flow_has_our_path_with_a_token() {
    let mut rig = Rig::new();
    let path = relayed_flow(&mut rig);
    assert!(path.starts_with("<sip:ft.") && path.ends_with(&format!("@{SAS};lr;ob>")), "{path}");
    let behind =
        flow("1", 2).replacen("Max-Forwards", "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKx\r\nMax-Forwards", 1);
    assert_eq!(rig.feed_one(BOB, behind).header("Path"), format!("<sip:{SAS};lr>"));
    let plain = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 3);
    assert_eq!(rig.feed_one(BOB, plain).header("Path"), format!("<sip:{SAS};lr>"));
}

/// 5.3.1: "the proxy removes the Route header field value and forwards the request over the 'logical flow' identified by the flow
/// token", and a dialog that starts so stays on it.
#[test]
fn a_request_with_the_token_goes_down_its_flow() {
    let mut rig = Rig::new();
    rig.listen(Transport::Tcp, SAS);
    let id = rig.accept(20, Transport::Tcp, BOB_OUT[0]);
    let relayed = rig.stream(id, by_tcp(&flow("1", 1))).remove(0);
    let path = relayed.header("Path").to_owned();
    rig.feed(PROXY, granted(&relayed));
    // Nothing but the token says where to.
    let uri = "sip:bob@10.9.9.9:9999;ob";
    let invite = with(&from_to("INVITE", uri, "c1", PROXY, ""), &format!("Route: {path}"));
    let sent = rig.feed(PROXY, invite);
    let down = one(&sent, &format!("INVITE {}", BOB_OUT[0])).clone();
    assert_eq!((down.flow, down.uri(), down.header("Route")), (id, uri, ""));
    let token = path.split(['<', ':', '@']).nth(2).unwrap();
    let routes = down.all("Record-Route");
    assert_eq!(
        routes
            .iter()
            .filter(|route| route.contains(&format!("sip:{token}@")) && !route.contains(";ob"))
            .count(),
        1
    );
    // The proxy's next request in the dialog comes with what it was told, and so does bob's.
    let record: Vec<String> = routes.iter().rev().map(|route| (*route).to_owned()).collect();
    let routes: Vec<&str> = record.iter().map(String::as_str).collect();
    let bye = in_dialog("BYE", uri, "c1", &routes).replace(ALICE, PROXY);
    let sent = rig.feed(PROXY, bye);
    assert_eq!((of(&sent, "BYE")[0].flow, of(&sent, "BYE")[0].all("Route").len()), (id, 0));
    let back: Vec<&str> = record.iter().rev().map(String::as_str).collect();
    let bye = in_dialog("BYE", &format!("sip:caller@{PROXY}"), "c2", &back).replace(ALICE, BOB);
    assert_eq!(
        briefs(&rig.stream(id, by_tcp(&bye)))[..],
        [format!("BYE {PROXY}")],
        "5.3.2: an outgoing request"
    );
    rig.drain();
}

/// 5.3.1: "If the flow no longer exists, the proxy SHOULD send a 430 (Flow Failed) response".
#[test]
fn a_token_of_a_flow_that_is_gone_means_430() {
    let mut rig = Rig::new();
    rig.listen(Transport::Tcp, SAS);
    let id = rig.accept(20, Transport::Tcp, BOB_OUT[0]);
    let relayed = rig.stream(id, by_tcp(&flow("1", 1))).remove(0);
    let path = relayed.header("Path").to_owned();
    rig.feed(PROXY, granted(&relayed));
    rig.close(id);
    let invite =
        |id| with(&from_to("INVITE", &format!("sip:bob@{BOB}"), id, PROXY, ""), &format!("Route: {path}"));
    let sent = rig.feed(PROXY, invite("c1"));
    assert_eq!((briefs(&sent), sent[0].line()), (vec![format!("430 {PROXY}")], "SIP/2.0 430 Flow Failed"));
    // Another connection of the same addresses is another flow.
    rig.accept(21, Transport::Tcp, BOB_OUT[0]);
    assert_eq!(briefs(&rig.feed(PROXY, invite("c2"))), [format!("430 {PROXY}")]);
}

/// 5.3.1: "If the flow token has been tampered with, the proxy SHOULD send a 403 (Forbidden) response."
#[test]
fn a_forged_token_means_403_and_leads_nowhere() {
    let mut rig = Rig::new();
    let path = relayed_flow(&mut rig);
    let at = path.find('@').unwrap();
    let mut forged =
        vec![path.replacen("sip:ft.", "sip:ft.AA", 1), "<sip:ft.@192.0.2.10:5080;lr;ob>".to_owned()];
    forged.extend((9..at).step_by(5).map(|cut| format!("{}{}", &path[..cut], &path[cut + 1..])));
    forged.push(format!("<sip:ft.{}@{SAS};lr;ob>", "A".repeat(31)));
    forged.push(format!("<sip:ft.{}@{SAS};lr>", "_".repeat(5000)));
    for (n, route) in forged.iter().enumerate() {
        let invite = from_to("INVITE", &format!("sip:bob@{BOB}"), &format!("f{n}"), PROXY, "");
        assert_eq!(
            briefs(&rig.feed(PROXY, with(&invite, &format!("Route: {route}")))),
            [format!("403 {PROXY}")],
            "{route}"
        );
        let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), &format!("g{n}"), &[route]);
        assert_eq!(briefs(&rig.feed(ALICE, bye)), [format!("403 {ALICE}")]);
    }
    // A user part that is not meant for one is none.
    let invite = with(
        &from_to("INVITE", &format!("sip:bob@{BOB}"), "u1", PROXY, ""),
        &format!("Route: <sip:us@{SAS};lr>"),
    );
    assert_eq!(of(&rig.feed(PROXY, invite), "INVITE").len(), 1);
}

/// With a secret of the site's the token of a UDP flow holds over a restart; that of another site's does not.
#[test]
fn a_token_of_a_datagram_flow_outlives_a_restart() {
    let with_secret = |text: &'static str| {
        move |settings: &mut Settings| settings.sas.flow_secret = Some(text.parse().unwrap())
    };
    let path = relayed_flow(&mut Rig::with(with_secret("a secret of this branch")));
    let call = |rig: &mut Rig| {
        let invite = from_to("INVITE", "sip:bob@10.9.9.9:9999", "c1", PROXY, "");
        briefs(&rig.feed(PROXY, with(&invite, &format!("Route: {path}"))))
    };
    let mut rig = Rig::with(with_secret("a secret of this branch"));
    assert_eq!(call(&mut rig), [format!("100 {PROXY}"), format!("INVITE {BOB}")]);
    assert_eq!(call(&mut Rig::with(with_secret("one of another branch"))), [format!("403 {PROXY}")]);
}

/// 4.3 and 5.3.2: a phone that writes `ob` into the Contact of a call gets the requests of that call by the flow of that call.
#[test]
fn a_callers_flow_is_kept_for_the_call() {
    let mut rig = Rig::new();
    rig.listen(Transport::Tcp, SAS);
    let id = rig.accept(20, Transport::Tcp, BOB_OUT[0]);
    let invite = by_tcp(&request("INVITE", "sip:carol@office.example", "c1"))
        .replace(&format!("Contact: <sip:alice@{ALICE}>"), "Contact: <sip:bob@10.9.9.9:9999;ob>");
    let sent = rig.stream(id, invite);
    let up = one(&sent, &format!("INVITE {PROXY}"));
    let routes = up.all("Record-Route");
    assert_eq!(routes.iter().filter(|route| route.contains("sip:ft.")).count(), 1, "{routes:?}");
    let routes: Vec<&str> = routes.clone();
    let bye = in_dialog("BYE", "sip:bob@10.9.9.9:9999;ob", "c2", &routes).replace(ALICE, PROXY);
    assert_eq!(of(&rig.feed(PROXY, bye), "BYE")[0].flow, id);
}

/// Section 6 by the proxy: its 2xx says whether the flows count.
#[test]
fn a_relayed_flow_is_one_if_the_proxy_says_so() {
    for (require, bindings) in [("Require: outbound\r\n", 2), ("", 1)] {
        let mut rig = Rig::new();
        for (cseq, reg_id) in [(1, "1"), (2, "2")] {
            let relayed = rig.feed_one(BOB, flow(reg_id, cseq));
            let lines = format!("{require}Contact: {};expires=600\r\n", relayed.header("Contact"));
            rig.feed(PROXY, relayed.answer(200, &lines));
        }
        assert_eq!(rig.sas.registrar().len(), bindings, "{require}");
        let sent = rig.feed(PROXY, from_to("INVITE", BOB_URI, "c1", PROXY, ""));
        assert_eq!(of(&sent, "INVITE").len(), 1, "{require}");
    }
}

/// 5.4 and 8: "All edge proxies compliant with this specification MUST implement support for STUN NAT keep-alives on their SIP UDP
/// ports".
#[test]
fn a_stun_keep_alive_is_told_where_it_came_from() {
    let mut rig = Rig::new();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"abcdefghijkl"].concat();
    let from = address(BOB);
    let mut tell = |data: Vec<u8>| {
        rig.sas.handle(rig.now, Event::Datagram { flow: FLOW, from, data: Bytes::from(data) })
    };
    let sent: Vec<_> = tell(request.clone()).into_iter().collect();
    let [Action::Send { flow, to, payload }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((*flow, *to), (FLOW, from));
    assert_eq!(payload[..4], [1, 1, 0, 12]);
    assert_eq!(payload[8..20], *b"abcdefghijkl");
    // An answer of somebody else's is no question.
    let mut answer = request;
    answer[0] = 1;
    assert!(tell(answer).iter().all(|action| !matches!(action, Action::Send { .. })));
}

/// RFC 3261 16.7 step 5: after a 6xx no new branch, nor another flow of who has not been reached.
#[test]
fn after_a_6xx_no_other_flow_is_tried() {
    let mut rig = lost_with_tcp();
    let flows = [connect(&mut rig, 1, 1), connect(&mut rig, 2, 2)];
    let carol = register("bob", CAROL, &format!("Contact: <sip:bob@{CAROL}>\r\nExpires: 600\r\n"), 3);
    assert_eq!(rig.feed_one(CAROL, carol).brief(), format!("200 {CAROL}"));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let to_carol = one(&sent, &format!("INVITE {CAROL}")).clone();
    let by = of(&sent, "INVITE").iter().find(|sent| flows.contains(&sent.flow)).unwrap().flow;
    rig.feed(CAROL, to_carol.answer(603, ""));
    let mut sent = rig.close(by);
    sent.extend(rig.run(secs(40)));
    assert!(of(&sent, "INVITE").is_empty(), "{:?}", briefs(&sent));
    one(&sent, &format!("603 {ALICE}"));
}
