//! Connections that others open: TCP, TLS and WebSocket phones (RFC 3261 section 18, RFC 5626 4.4.1, RFC 5923, RFC 7118).

use crate::rig::*;
use sip_survivability::config::Settings;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Event, Notice};

/// Where alice's and bob's connections come from.
const ALICE_OUT: &str = "10.0.0.1:40001";
const BOB_OUT: &str = "10.0.0.2:40002";
const BOB_URI: &str = "sip:bob@office.example";

pub(crate) fn by_tcp(text: &str) -> String {
    text.replacen("SIP/2.0/UDP", "SIP/2.0/TCP", 1)
}

fn tcp_rig(mut rig: Rig) -> Rig {
    rig.listen(Transport::Tcp, SAS);
    rig
}

/// Binds bob with `contact` by the connection `flow`, in either state.
pub(crate) fn bind_by(rig: &mut Rig, flow: FlowId, contact: &str) {
    let text = register("bob", BOB, &format!("Contact: {contact}\r\nExpires: 3600\r\n"), 1);
    let mut sent = rig.stream(flow, by_tcp(&text));
    if sent[0].is_request() {
        let granted = format!("Contact: {contact};expires=3600\r\n");
        sent = rig.feed(PROXY, sent[0].answer(200, &granted));
    }
    assert_eq!((briefs(&sent), sent[0].flow), (vec![format!("200 {BOB_OUT}")], flow));
    rig.notices.clear();
}

/// A rig whose bob has registered over TCP.
fn with_bob(mut rig: Rig) -> (Rig, FlowId) {
    rig = tcp_rig(rig);
    let flow = rig.accept(20, Transport::Tcp, BOB_OUT);
    bind_by(&mut rig, flow, &format!("<sip:bob@{BOB};transport=tcp>"));
    (rig, flow)
}

fn drops(rig: &Rig) -> u64 {
    let count = |notice: &Notice| if let Notice::MessagesDropped { count, .. } = notice { *count } else { 0 };
    rig.notices.iter().map(count).sum()
}

/// RFC 3261 18.3: where a message ends says its Content-Length, and not how the stream was cut.
#[test]
fn messages_are_the_same_however_the_stream_is_cut() {
    let text = by_tcp(&request("OPTIONS", &format!("sip:{SAS}"), "o1"))
        + "\r\n\r\n"
        + &by_tcp(&request("MESSAGE", "sip:nobody@office.example", "m1")).replace(
            "Content-Length: 0\r\n\r\n",
            "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
        );
    let whole = {
        let mut rig = tcp_rig(Rig::lost());
        let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
        rig.stream(flow, text.clone())
    };
    assert_eq!(whole.len(), 3, "{whole:#?}");
    for cut in 1..text.len() {
        let mut rig = tcp_rig(Rig::lost());
        let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
        let mut sent = rig.stream(flow, &text[..cut]);
        sent.extend(rig.stream(flow, &text[cut..]));
        assert_eq!(sent, whole, "cut at {cut}");
    }
}

/// 18.2.2: "the response MUST be sent using the existing connection", whatever the Via says.
#[test]
fn answers_come_by_the_connection_of_the_request() {
    let mut rig = tcp_rig(Rig::lost());
    let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
    let text = by_tcp(&request("OPTIONS", &format!("sip:{SAS}"), "o1")).replace(";rport", "");
    let sent = rig.stream(flow, text);
    assert_eq!((briefs(&sent), sent[0].flow), (vec![format!("200 {ALICE_OUT}")], flow));
}

/// 18.2.2: "If that connection is no longer open, the server SHOULD open a connection to the IP address in the 'received'
/// parameter, if present, using the port in the sent-by value".
#[test]
fn an_answer_whose_connection_is_gone_opens_one_to_the_sent_by() {
    let mut rig = tcp_rig(Rig::new());
    let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
    let sent = rig.stream(flow, by_tcp(&request("MESSAGE", BOB_URI, "m1")));
    assert_eq!(rig.close(flow), []);
    let answer = rig.feed_one(PROXY, sent[0].answer(200, ""));
    let dialled = Dialled { flow: answer.flow, transport: Transport::Tcp, to: address(ALICE), name: None };
    assert_eq!((answer.brief(), rig.dialled.clone()), (format!("200 {ALICE}"), vec![dialled]));
    rig.close(answer.flow);
    rig.drain();
}

/// 17.1.1.2, 17.1.2.2, 17.2.1: no Timer A, E or G.
#[test]
fn nothing_is_sent_again_on_a_connection() {
    let granted = |settings: &mut Settings| settings.sas.registration_time = secs(0);
    let (mut rig, bob) = with_bob(Rig::lost_with(granted));
    for method in ["INVITE", "MESSAGE"] {
        let sent = rig.feed(ALICE, request(method, BOB_URI, method));
        assert_eq!(one(&sent, &format!("{method} {BOB_OUT}")).flow, bob);
        assert!(!rig.run(secs(31)).iter().any(|sent| sent.flow == bob), "{method} goes out once");
    }
    let alice = rig.accept(9, Transport::Tcp, ALICE_OUT);
    let sent = rig.stream(alice, by_tcp(&request("INVITE", "sip:911x@office.example", "i2")));
    let to_gateway = one(&sent, &format!("INVITE {GATEWAY}"));
    let refused = rig.feed(GATEWAY, to_gateway.answer(486, ""));
    assert_eq!(one(&refused, &format!("486 {ALICE_OUT}")).flow, alice);
    let later = rig.run(secs(31));
    assert!(!later.iter().any(|sent| sent.flow == alice), "{:?}", briefs(&later));
    rig.drain();
}

/// The same sections: Timers D, I, J and K are zero.
#[test]
fn on_connections_a_transaction_ends_with_its_answer() {
    let (mut rig, bob) = with_bob(Rig::lost());
    let alice = rig.accept(9, Transport::Tcp, ALICE_OUT);
    let sent = rig.stream(alice, by_tcp(&request("MESSAGE", BOB_URI, "m1")));
    rig.stream(bob, sent[0].answer(200, ""));
    assert_eq!(rig.sas.load(), (0, 0), "J and K");
    let call = by_tcp(&request("INVITE", BOB_URI, "i1"));
    let sent = rig.stream(alice, call.clone());
    let refused = rig.stream(bob, one(&sent, &format!("INVITE {BOB_OUT}")).answer(603, ""));
    assert_eq!(briefs(&refused), [format!("ACK {BOB_OUT}"), format!("603 {ALICE_OUT}")]);
    assert_eq!(rig.sas.load(), (1, 0), "D; the server transaction waits for its ACK");
    rig.stream(alice, same_transaction(&call, "ACK"));
    assert_eq!(rig.sas.load(), (0, 0), "I");
}

#[test]
fn a_phone_that_registered_over_a_connection_is_called_by_it_in_both_states() {
    for rig in [Rig::new(), Rig::lost()] {
        let (mut rig, bob) = with_bob(rig);
        // The proxy calls the contact, since it has our Path; phones call the user.
        let (from, uri) = match rig.sas.state() {
            sip_survivability::mode::State::Normal => (PROXY, format!("sip:bob@{BOB};transport=tcp")),
            _ => (ALICE, BOB_URI.to_owned()),
        };
        let sent = rig.feed(from, from_to("INVITE", &uri, "c1", from, ""));
        let invite = one(&sent, &format!("INVITE {BOB_OUT}"));
        assert_eq!((invite.flow, rig.dialled.len()), (bob, 0));
        assert!(invite.header("Via").starts_with(&format!("SIP/2.0/TCP {SAS};branch=z9hG4bK")), "{invite:?}");
        assert!(!invite.header("Via").contains("rport"), "RFC 3581 is for datagrams");
        // RFC 5658: each side gets what it can reach.
        let routes = [format!("<sip:{SAS};transport=tcp;lr>"), format!("<sip:{SAS};lr>")];
        assert_eq!(invite.all("Record-Route"), routes);
        let ok = rig.stream(bob, invite.answer(200, ""));
        assert_eq!(briefs(&ok), [format!("200 {from}")]);
        // Both of ours are taken off again, and the connection is the way.
        let bye = from_to("BYE", &format!("sip:bob@{BOB};transport=tcp"), "b1", from, ";tag=callee");
        let bye = with(&with(&bye, &format!("Route: {}", routes[0])), &format!("Route: {}", routes[1]));
        let sent = rig.feed_one(from, bye);
        assert_eq!((sent.brief(), sent.flow), (format!("BYE {BOB_OUT}"), bob));
        assert!(sent.all("Route").is_empty());
        rig.stream(bob, sent.answer(200, ""));
        rig.drain();
    }
}

/// RFC 7118 5: the client "cannot be reached" but by its connection; its Via and Contact name a host that does not exist.
#[test]
fn a_websocket_phone_is_called_by_its_connection_and_by_nothing_else() {
    let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
    rig.listen(Transport::Wss, "192.0.2.10:443");
    let bob = rig.accept(20, Transport::Wss, BOB_OUT);
    let contact = "<sip:bob@df7jal23ls0d.invalid;transport=ws>";
    let text = register("bob", "df7jal23ls0d.invalid", &format!("Contact: {contact}\r\n"), 1);
    // RFC 7118 5: Content-Length is not needed where a message is a message.
    let text = text.replace("Content-Length: 0\r\n", "").replace("SIP/2.0/UDP", "SIP/2.0/WSS");
    assert_eq!(briefs(&rig.stream(bob, text)), [format!("200 {BOB_OUT}")]);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {BOB_OUT}"));
    assert!(invite.header("Via").starts_with("SIP/2.0/WSS "), "{invite:?}");
    assert_eq!(invite.header("Record-Route"), format!("<sip:{SAS};transport=ws;lr>"));
    assert_eq!(briefs(&rig.stream(bob, invite.answer(180, ""))), [format!("180 {ALICE}")]);
    // It rings, the page is closed, and nobody can answer any more.
    let sent = rig.close(bob);
    assert_eq!(briefs(&sent), [format!("408 {ALICE}")]);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c2"));
    assert_eq!(briefs(&sent), [format!("480 {ALICE}")]);
    assert_eq!(rig.dialled, []);
}

/// 17.1.4: what waits on a connection that is gone has failed.
#[test]
fn a_call_that_waits_on_a_connection_that_breaks_is_answered_at_once() {
    let (mut rig, bob) = with_bob(Rig::lost());
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    assert_eq!(briefs(&rig.close(bob)), [format!("480 {ALICE}")]);
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

/// A binding outlives its connection where the contact says how else the phone can be reached.
#[test]
fn in_mid_call_a_broken_connection_is_opened_anew_to_the_contact() {
    let (mut rig, bob) = with_bob(Rig::lost());
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    rig.stream(bob, one(&sent, &format!("INVITE {BOB_OUT}")).answer(200, ""));
    assert_eq!(rig.close(bob), []);
    let contact = format!("sip:bob@{BOB};transport=tcp");
    let bye = rig.feed_one(ALICE, in_dialog("BYE", &contact, "b1", &[&format!("<sip:{SAS};lr>")]));
    let dialled = Dialled { flow: bye.flow, transport: Transport::Tcp, to: address(BOB), name: None };
    assert_eq!((bye.brief(), rig.dialled.clone()), (format!("BYE {BOB}"), vec![dialled]));
    assert_eq!(briefs(&rig.stream(bye.flow, bye.answer(200, ""))), [format!("200 {ALICE}")]);
    // And again by the same one.
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c2"));
    assert_eq!((one(&sent, &format!("INVITE {BOB}")).flow, rig.dialled.len()), (bye.flow, 1));
}

/// The proxy grants a binding whose connection has broken meanwhile.
#[test]
fn a_binding_whose_connection_broke_before_it_was_granted_is_reached_by_its_contact() {
    let mut rig = tcp_rig(Rig::new());
    let bob = rig.accept(20, Transport::Tcp, BOB_OUT);
    let contact = format!("<sip:bob@{BOB};transport=tcp>");
    let text = register("bob", BOB, &format!("Contact: {contact}\r\n"), 1);
    let sent = rig.stream(bob, by_tcp(&text));
    rig.close(bob);
    rig.feed(PROXY, sent[0].answer(200, &format!("Contact: {contact};expires=3600\r\n")));
    let uri = format!("sip:bob@{BOB};transport=tcp");
    let sent = rig.feed_one(PROXY, from_to("MESSAGE", &uri, "m1", PROXY, ""));
    assert_eq!(
        (sent.brief(), rig.dialled.last().map(|dialled| dialled.flow)),
        (format!("MESSAGE {BOB}"), Some(sent.flow))
    );
}

/// RFC 5626 5.3: a flow that failed takes its binding's use with it.
#[test]
fn an_outbound_flow_that_is_gone_is_not_replaced_by_the_contact() {
    let mut rig = tcp_rig(Rig::lost());
    let bob = rig.accept(20, Transport::Tcp, BOB_OUT);
    let flow = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1";
    bind_by(&mut rig, bob, &format!("<sip:bob@{BOB};transport=tcp>;{flow}"));
    rig.close(bob);
    let sent = rig.feed(ALICE, request("MESSAGE", BOB_URI, "m1"));
    assert_eq!((briefs(&sent), rig.dialled.clone()), (vec![format!("480 {ALICE}")], vec![]));
}

/// RFC 5626 4.4.1: "the server 'pong' is a single CRLF".
#[test]
fn a_ping_is_answered_with_a_pong() {
    let mut rig = tcp_rig(Rig::lost());
    let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
    let sent: Vec<_> = rig.stream(flow, "\r\n\r\n").into_iter().map(|sent| (sent.flow, sent.text)).collect();
    assert_eq!(sent, [(flow, "\r\n".to_owned())]);
}

/// RFC 3261 18.3 and 7.5: without Content-Length nobody knows where the next message starts.
#[test]
fn a_message_without_length_is_answered_and_its_connection_closed() {
    let mut rig = tcp_rig(Rig::lost());
    for (n, length, status) in [
        (9, "", 400),
        (10, "Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (11, "Content-Length: 99999999\r\n", 413),
    ] {
        let flow = rig.accept(n, Transport::Tcp, ALICE_OUT);
        let text = by_tcp(&request("MESSAGE", BOB_URI, "m1")).replace("Content-Length: 0\r\n", length);
        assert_eq!(briefs(&rig.stream(flow, text)), [format!("{status} {ALICE_OUT}")]);
        assert_eq!(rig.closed.last(), Some(&flow));
        assert_eq!(rig.stream(flow, by_tcp(&request("MESSAGE", BOB_URI, "m2"))), [], "it is closed");
    }
    rig.run(secs(2));
    assert_eq!(drops(&rig), 3);
}

#[test]
fn rubbish_on_a_stream_closes_it_and_is_counted() {
    let mut rig = tcp_rig(Rig::lost());
    for (n, rubbish) in (9..).zip([
        "GET / HTTP/1.1\r\nHost: sas\r\n\r\n".to_owned(),
        "x".repeat(70_000),
        "\u{16}\u{3}\u{1}\n".repeat(20_000),
    ]) {
        let flow = rig.accept(n, Transport::Tcp, MALLORY);
        assert_eq!(rig.stream(flow, rubbish), []);
        assert_eq!(rig.closed.last(), Some(&flow));
    }
    rig.run(secs(2));
    assert_eq!(drops(&rig), 3);
    assert_eq!(rig.sas.load(), (0, 0));
}

/// A WebSocket message says itself where it ends: the next one can be read.
#[test]
fn rubbish_on_a_websocket_is_counted_and_the_connection_goes_on() {
    let mut rig = Rig::lost();
    rig.listen(Transport::Ws, SAS);
    let flow = rig.accept(9, Transport::Ws, ALICE_OUT);
    for rubbish in ["", "x", &"x".repeat(70_000)] {
        assert_eq!(rig.stream(flow, rubbish), []);
    }
    rig.run(secs(2));
    assert_eq!((drops(&rig), rig.closed.clone()), (3, vec![]));
    let sent = rig.stream(flow, request("OPTIONS", &format!("sip:{SAS}"), "o1").replace("/UDP", "/WS"));
    assert_eq!(briefs(&sent), [format!("200 {ALICE_OUT}")]);
}

#[test]
fn connections_beyond_the_limit_are_refused_and_counted() {
    let mut rig = tcp_rig(Rig::lost_with(|settings| settings.limits.max_connections = 2));
    for n in 10..15 {
        rig.accept(n, Transport::Tcp, MALLORY);
    }
    assert_eq!(rig.closed, [FlowId(12), FlowId(13), FlowId(14)]);
    rig.run(secs(2));
    assert_eq!(drops(&rig), 3);
    rig.close(FlowId(10));
    rig.accept(16, Transport::Tcp, ALICE_OUT);
    assert_eq!(rig.closed.len(), 3, "there is room again");
}

#[test]
fn one_host_cannot_take_all_connections() {
    let mut rig = tcp_rig(Rig::lost_with(|settings| settings.limits.max_connections_of_host = 2));
    for n in 10..14 {
        rig.accept(n, Transport::Tcp, MALLORY);
    }
    rig.accept(14, Transport::Tcp, ALICE_OUT);
    assert_eq!(rig.closed, [FlowId(12), FlowId(13)]);
}

#[test]
fn unfinished_messages_beyond_the_limit_cost_the_connection() {
    let mut rig = tcp_rig(Rig::lost_with(|settings| settings.limits.max_buffered = 65_535));
    let half = "OPTIONS sip:h SIP/2.0\r\nX: ".to_owned() + &"x".repeat(40_000);
    let (first, second) = (rig.accept(10, Transport::Tcp, MALLORY), rig.accept(11, Transport::Tcp, MALLORY));
    rig.stream(first, half.clone());
    assert_eq!(rig.closed, []);
    rig.stream(second, half);
    assert_eq!(rig.closed, [second]);
}

#[test]
fn a_connection_that_nobody_needs_is_closed_after_a_time_and_one_of_a_binding_is_not() {
    let (mut rig, bob) = with_bob(Rig::new());
    let idle = rig.accept(9, Transport::Tcp, ALICE_OUT);
    rig.run(secs(300));
    rig.stream(idle, "\r\n\r\n");
    rig.run(secs(599));
    assert_eq!(rig.closed, []);
    rig.run(secs(2));
    assert_eq!(rig.closed, [idle]);
    rig.run(secs(2000));
    assert!(!rig.closed.contains(&bob), "its binding lives for an hour");
    rig.run(secs(2000));
    assert!(rig.closed.contains(&bob));
}

/// RFC 5923 4: "alias" asks for requests to the sent-by on this connection. Of TLS it is heeded, of TCP as the site wants it, and of
/// nobody for another host.
#[test]
fn an_alias_makes_a_connection_the_way_to_its_sent_by() {
    for (transport, policy, sent_by, reused) in [
        (Transport::Tls, false, BOB, true),
        (Transport::Tcp, true, BOB, true),
        (Transport::Tcp, false, BOB, false),
        (Transport::Tls, true, CAROL, false),
    ] {
        let mut rig = Rig::with(|settings| settings.sas.connection_reuse = policy);
        rig.listen(transport, SAS);
        let flow = rig.accept(20, transport, BOB_OUT);
        let name = transport.via_name();
        let text = from_to("OPTIONS", &format!("sip:{SAS}"), "o1", &format!("{sent_by};alias"), "");
        rig.stream(flow, text.replacen("/UDP", &format!("/{name}"), 1));
        let sent = rig
            .feed(PROXY, from_to("MESSAGE", &format!("sip:x@{sent_by};transport={name}"), "m1", PROXY, ""));
        assert_eq!((sent[0].flow == flow, rig.dialled.is_empty()), (reused, reused), "{transport} {policy}");
    }
}

/// Late news of a connection that is gone finds nothing.
#[test]
fn a_closed_connection_says_nothing_more() {
    let mut rig = tcp_rig(Rig::lost());
    let flow = rig.accept(9, Transport::Tcp, ALICE_OUT);
    rig.close(flow);
    assert_eq!(rig.close(flow), []);
    assert_eq!(rig.stream(flow, by_tcp(&request("OPTIONS", &format!("sip:{SAS}"), "o1"))), []);
    let data = request("OPTIONS", &format!("sip:{SAS}"), "o1").into();
    let flow = rig.accept(10, Transport::Tcp, ALICE_OUT);
    assert_eq!(
        rig.event(Event::Datagram { flow, from: address(ALICE), data }),
        [],
        "no datagrams on a stream"
    );
    let data = request("OPTIONS", &format!("sip:{SAS}"), "o1").into();
    assert_eq!(rig.event(Event::Stream { flow: FLOW, data }), [], "and no stream on a packet socket");
}
