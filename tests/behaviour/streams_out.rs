//! Connections that SAS asks for: by transport, by size, to the proxy; and what becomes of them (RFC 3261 18.1.1, 26.2.2).

use crate::rig::*;
use crate::streams::by_tcp;
use sip_survivability::Event;
use sip_survivability::mode::State;
use sip_survivability::transport::Transport;

const BOB_URI: &str = "sip:bob@office.example";

fn listening(mut rig: Rig) -> Rig {
    rig.listen(Transport::Tcp, SAS);
    rig.listen(Transport::Tls, "192.0.2.10:5081");
    rig
}

/// A rig whose proxy is reached by `params`, up and answering.
fn behind(uri: &str) -> Rig {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets = vec![uri.parse().unwrap()];
    });
    rig.up.insert(address("192.0.2.1:5061"));
    let mut rig = listening(rig);
    rig.run(millis(10));
    assert_eq!(rig.sas.state(), State::Normal);
    rig
}

fn large(method: &str, id: &str) -> String {
    with(&request(method, BOB_URI, id), &format!("Subject: {}", "x".repeat(1200)))
}

#[test]
fn the_transport_of_a_uri_is_how_it_is_reached() {
    for (uri, transport, to, via) in [
        ("sip:x@203.0.113.7;transport=tcp", Transport::Tcp, "203.0.113.7:5060", SAS),
        ("sips:x@203.0.113.7", Transport::Tls, "203.0.113.7:5061", "192.0.2.10:5081"),
        ("sip:x@203.0.113.7;transport=tls", Transport::Tls, "203.0.113.7:5061", "192.0.2.10:5081"),
    ] {
        let mut rig = listening(Rig::new());
        let sent = rig.feed(PROXY, from_to("MESSAGE", uri, "m1", PROXY, ""));
        let dialled = Dialled { flow: sent[0].flow, transport, to: address(to), name: None };
        assert_eq!((briefs(&sent), &rig.dialled), (vec![format!("MESSAGE {to}")], &vec![dialled.clone()]));
        assert!(dialled.flow.is_dialled());
        let start = format!("SIP/2.0/{} {via};branch=z9hG4bK", transport.via_name());
        assert!(sent[0].header("Via").starts_with(&start), "{sent:#?}");
        // And by the Route rather than the Request-URI.
        let text =
            with(&from_to("MESSAGE", "sip:y@203.0.113.9", "m2", PROXY, ""), &format!("Route: <{uri};lr>"));
        assert_eq!(rig.feed_one(PROXY, text).flow, dialled.flow, "one connection for both");
        let text = from_to("MESSAGE", "sip:x@203.0.113.7", "m3", PROXY, "");
        assert_eq!(rig.feed_one(PROXY, text).flow, FLOW, "UDP where nothing else is said");
    }
}

/// 16.6 step 4: "the URI placed into the Record-Route header field MUST be a SIPS URI".
#[test]
fn a_sips_request_is_record_routed_with_sips() {
    let mut rig = listening(Rig::new());
    let flow = rig.accept(9, Transport::Tls, "192.0.2.1:40000");
    let text = from_to("INVITE", "sips:x@203.0.113.7", "i1", PROXY, "").replace("/UDP", "/TLS");
    let sent = rig.stream(flow, text);
    let invite = one(&sent, "INVITE 203.0.113.7:5061");
    assert_eq!(invite.all("Record-Route"), ["<sips:192.0.2.10:5081;lr>", &format!("<sips:{SAS};lr>")]);
}

/// RFC 3327 and 5658, and the probes: all by the transport of the proxy.
#[test]
fn a_proxy_by_tcp_or_tls_gets_all_by_one_connection() {
    for (uri, to, params) in [
        (format!("sip:{PROXY};transport=tcp"), PROXY, format!("{SAS};transport=tcp")),
        (
            "sip:192.0.2.1;transport=tls".to_owned(),
            "192.0.2.1:5061",
            "192.0.2.10:5081;transport=tls".to_owned(),
        ),
    ] {
        let mut rig = behind(&uri);
        assert_eq!((rig.dialled.len(), rig.dialled[0].to), (1, address(to)));
        let proxy = rig.dialled[0].flow;
        let text = register("alice", ALICE, &format!("Contact: <sip:alice@{ALICE}>\r\n"), 1);
        let sent = rig.feed_one(ALICE, text);
        assert_eq!((sent.flow, sent.header("Path")), (proxy, &*format!("<sip:{params};lr>")));
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "i1"));
        let invite = one(&sent, &format!("INVITE {to}"));
        assert_eq!(invite.flow, proxy);
        assert_eq!(invite.all("Record-Route"), [format!("<sip:{params};lr>"), format!("<sip:{SAS};lr>")]);
        assert_eq!(rig.dialled.len(), 1, "reused");
        // What the proxy sends by it is the proxy's.
        let text = from_to("MESSAGE", "sip:x@203.0.113.7", "m1", PROXY, "");
        assert_eq!(briefs(&rig.stream(proxy, by_tcp(&text))), ["MESSAGE 203.0.113.7:5060"]);
    }
}

/// What is sent to a proxy that is away waits in the connection, and the connection tries again less and less often.
#[test]
fn a_proxy_that_is_away_is_asked_on_a_new_connection_each_time() {
    let mut rig = behind(&format!("sip:{PROXY};transport=tcp"));
    rig.cut();
    rig.run(secs(30));
    assert_eq!(rig.sas.state(), State::Emergency);
    let before = rig.dialled.len();
    rig.run(secs(20));
    assert!(rig.dialled.len() >= before + 4, "{:?}", rig.dialled);
    // No more than one at a time.
    assert!(rig.dialled.len() - rig.closed.len() <= 1);
    rig.up.insert(address(PROXY));
    rig.run(secs(30));
    assert_eq!(rig.sas.state(), State::Normal);
}

/// A connection that is refused is as good as an unanswered probe.
#[test]
fn a_proxy_that_refuses_connections_is_lost() {
    let mut rig = behind(&format!("sip:{PROXY};transport=tcp"));
    rig.cut();
    for _ in 0..100 {
        if let Some(last) = rig.dialled.last().cloned() {
            rig.close(last.flow);
        }
        rig.run(millis(100));
    }
    assert_eq!(rig.sas.state(), State::Emergency);
}

/// A proxy may close a connection that nobody uses.
#[test]
fn an_idle_connection_that_the_proxy_closes_is_no_evidence() {
    let mut rig = behind(&format!("sip:{PROXY};transport=tcp"));
    rig.notices.clear();
    let first = rig.dialled[0].flow;
    rig.close(first);
    assert_eq!(rig.notices, []);
    let sent = rig.feed(ALICE, request("MESSAGE", BOB_URI, "m1"));
    assert_ne!(sent[0].flow, first);
}

/// 17.1.4 and RFC 3263 4.3: the next proxy is tried.
#[test]
fn what_waits_on_a_connection_to_a_proxy_that_breaks_goes_to_the_next_one() {
    let mut rig = Rig::cold(|settings| {
        let targets = [format!("sip:{PROXY};transport=tcp"), format!("sip:{PROXY_2}")];
        settings.proxy_set.targets = targets.iter().map(|uri| uri.parse().unwrap()).collect();
    });
    rig.listen(Transport::Tcp, SAS);
    rig.run(millis(10));
    let sent = rig.feed(ALICE, request("MESSAGE", BOB_URI, "m1"));
    assert_eq!(briefs(&sent), [format!("MESSAGE {PROXY}")]);
    let sent = rig.close(sent[0].flow);
    assert_eq!(briefs(&sent), [format!("MESSAGE {PROXY_2}")]);
}

/// 18.1.1: "If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and the path MTU is unknown, the
/// request MUST be sent using an RFC 2914 congestion controlled transport protocol, such as TCP. If this causes a change in the
/// transport protocol from the one indicated in the top Via, the value in the top Via MUST be changed."
#[test]
fn a_request_too_large_for_udp_goes_by_tcp() {
    let mut rig = listening(Rig::new());
    let sent = rig.feed(ALICE, large("INVITE", "i1"));
    let invite = one(&sent, &format!("INVITE {PROXY}"));
    let dialled = Dialled { flow: invite.flow, transport: Transport::Tcp, to: address(PROXY), name: None };
    assert_eq!(rig.dialled, [dialled]);
    assert!(invite.header("Via").starts_with(&format!("SIP/2.0/TCP {SAS};")), "{invite:?}");
    assert_eq!(
        invite.all("Record-Route"),
        [format!("<sip:{SAS};transport=tcp;lr>"), format!("<sip:{SAS};lr>")]
    );
    let answered = rig.stream(invite.flow, invite.answer(486, ""));
    assert_eq!(briefs(&answered), [format!("ACK {PROXY}"), format!("486 {ALICE}")]);
    // A small one goes as it is told.
    let sent = rig.feed(ALICE, request("MESSAGE", BOB_URI, "m1"));
    assert_eq!(sent[0].flow, FLOW);
}

/// The same: "If an element sends a request over TCP because of these message size constraints, and that request would have
/// otherwise been sent over UDP, if the attempt to establish the connection generates either an ICMP Protocol Not Supported, or
/// results in a TCP reset, the element SHOULD retry the request, using UDP."
#[test]
fn where_the_connection_is_refused_it_goes_by_udp_after_all() {
    let mut rig = listening(Rig::new());
    rig.notices.clear();
    let sent = rig.feed(ALICE, large("INVITE", "i1"));
    let sent = rig.close(one(&sent, &format!("INVITE {PROXY}")).flow);
    let invite = one(&sent, &format!("INVITE {PROXY}"));
    assert_eq!(invite.flow, FLOW);
    assert!(invite.header("Via").starts_with("SIP/2.0/UDP "), "{invite:?}");
    let refused = rig.feed(PROXY, invite.answer(486, ""));
    assert_eq!(briefs(&refused), [format!("ACK {PROXY}"), format!("486 {ALICE}")]);
    assert!(
        !rig.notices.iter().any(|notice| matches!(notice, sip_survivability::Notice::ProxyStatus { .. }))
    );
    // Who has refused once is not asked again so soon.
    let sent = rig.feed(ALICE, large("MESSAGE", "m1"));
    assert_eq!((sent[0].flow, rig.dialled.len()), (FLOW, 1));
    rig.feed(PROXY, sent[0].answer(200, ""));
    rig.run(secs(601));
    let sent = rig.feed(ALICE, large("MESSAGE", "m2"));
    assert_eq!((sent[0].flow, rig.dialled.len()), (rig.dialled[1].flow, 2));
}

/// Nothing may hang on a host that lets no connection in and says nothing.
#[test]
fn a_connection_without_a_sign_of_life_is_given_up() {
    let mut rig = listening(Rig::lost());
    let text = large("INVITE", "i1").replace(BOB_URI, "sip:911@office.example");
    let sent = rig.feed(ALICE, text);
    let by_tcp = one(&sent, &format!("INVITE {GATEWAY}")).clone();
    assert_eq!(rig.dialled[0].flow, by_tcp.flow);
    assert_eq!(rig.run(millis(1_490)), []);
    let sent = rig.run(millis(20));
    assert_eq!(one(&sent, &format!("INVITE {GATEWAY}")).flow, FLOW);
    assert_eq!(rig.closed, [by_tcp.flow]);
}

#[test]
fn a_connection_that_is_told_to_be_up_has_all_the_time() {
    let mut rig = listening(Rig::lost());
    let text = large("INVITE", "i1").replace(BOB_URI, "sip:911@office.example");
    let sent = rig.feed(ALICE, text);
    let flow = one(&sent, &format!("INVITE {GATEWAY}")).flow;
    let (transport, local, remote) = (Transport::Tcp, address("192.0.2.10:41234"), Some(address(GATEWAY)));
    rig.event(Event::FlowOpened { flow, transport, local, remote });
    assert!(!rig.run(secs(3)).iter().any(Sent::is_request));
    assert_eq!(rig.closed, []);
}

/// Nobody can be called back by TCP who does not take it, nor through a NAT that let a datagram in.
#[test]
fn a_large_request_stays_with_udp_where_there_is_no_other_way() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent = rig.feed(ALICE, large("MESSAGE", "m1"));
    assert_eq!((sent[0].flow, rig.dialled.len()), (FLOW, 0), "we take no TCP");
    let mut rig = listening(Rig::lost());
    rig.bind_as("bob", "203.0.113.5:31000", "<sip:bob@192.168.1.7>");
    let sent = rig.feed(ALICE, large("MESSAGE", "m1"));
    assert_eq!((sent[0].brief(), rig.dialled.len()), ("MESSAGE 203.0.113.5:31000".to_owned(), 0));
}

#[test]
fn no_more_connections_are_opened_than_the_site_allows() {
    let mut rig = listening(Rig::with(|settings| settings.limits.max_dialled = 2));
    for n in 1..5 {
        let uri = format!("sip:x@203.0.113.{n};transport=tls");
        rig.feed(PROXY, from_to("MESSAGE", &uri, &format!("m{n}"), PROXY, ""));
    }
    assert_eq!(rig.dialled.len(), 2);
}

/// RFC 3261 18.1.1: the port of a sent-by that has none is the transport's own.
#[test]
fn a_proxy_that_opens_the_connection_is_known_by_its_via() {
    let mut rig = listening(Rig::new());
    let flow = rig.accept(9, Transport::Tcp, "192.0.2.1:40000");
    let text = from_to("MESSAGE", "sip:x@203.0.113.7", "m1", "192.0.2.1", "");
    let sent = rig.stream(flow, by_tcp(&text));
    assert_eq!(briefs(&sent), ["MESSAGE 203.0.113.7:5060"], "not back to the proxy");
}

/// A CANCEL finds its way where the connection of its INVITE broke (RFC 3261 9.1: "the same ... transport").
#[test]
fn a_cancel_opens_the_connection_of_its_invite_again() {
    let mut rig = listening(Rig::new());
    let call = from_to("INVITE", "sip:x@203.0.113.7;transport=tcp", "i1", PROXY, "");
    let sent = rig.feed(PROXY, call.clone());
    let invite = one(&sent, "INVITE 203.0.113.7:5060").clone();
    rig.stream(invite.flow, invite.answer(180, ""));
    rig.close(invite.flow);
    let sent = rig.feed(PROXY, same_transaction(&call, "CANCEL"));
    let cancel = one(&sent, "CANCEL 203.0.113.7:5060");
    assert_eq!((cancel.flow, rig.dialled.len()), (rig.dialled[1].flow, 2));
    assert_eq!(cancel.all("Via"), [invite.all("Via")[0]]);
}
