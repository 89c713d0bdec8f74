//! SIP by WebSocket (RFC 7118): phones in browsers, and strangers.

use crate::line::{Line, connect, upgrade};
use crate::phone::{Phone, call};
use crate::process::Gateway;
use crate::secure::Host;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A gateway that takes WebSockets, and where.
fn with_ws(name: &str) -> (Gateway, SocketAddr) {
    let gateway = Gateway::always_emergency_with(name, "ws = [\"127.0.0.1:0\"]");
    let address = gateway.listening("ws");
    (gateway, address)
}

#[test]
fn phones_of_every_transport_call_each_other() {
    let (name, host) = ("all", Host::new("all", "127.0.0.1"));
    let here = ["tcp", "tls", "ws", "wss"].map(|key| format!("{key} = [\"127.0.0.1:0\"]\n")).concat();
    let gateway = Gateway::always_emergency_with(name, &(here + &host.lines()));
    let [tcp, tls, ws, wss] = ["tcp", "tls", "ws", "wss"].map(|transport| gateway.listening(transport));
    let believer = host.believer();
    let mut phones = [
        Phone::new("1000", &gateway),
        Phone::on("1001", &gateway, Line::ws(connect(ws))),
        Phone::on("1002", &gateway, Line::tcp(connect(tcp))),
        Phone::on("1003", &gateway, Line::wss(&believer, connect(wss))),
        Phone::on("1004", &gateway, Line::tls(&believer, connect(tls))),
    ];
    for phone in &mut phones {
        phone.register();
    }
    for caller in 0..phones.len() {
        for callee in 0..phones.len() {
            if let Ok([caller, callee]) = phones.get_disjoint_mut([caller, callee]) {
                call(caller, callee);
            }
        }
    }
}

#[test]
fn a_browser_that_has_gone_is_unregistered() {
    let (gateway, address) = with_ws("gone");
    let mut alice = Phone::new("1001", &gateway);
    let mut bob = Phone::on("1002", &gateway, Line::ws(connect(address)));
    alice.register();
    bob.register();
    let target = format!("sip:1002@{}", gateway.address);
    alice.send(gateway.address, &alice.request("INVITE", &target, &format!("<{target}>"), ""));
    bob.expect("INVITE ");
    // No farewell.
    drop(bob);
    let status = alice.expect("SIP/2.0 ").text[8..11].to_owned();
    assert!(matches!(status.as_bytes()[0], b'4'..=b'6'), "{status}");
    let mut bob = Phone::on("1002", &gateway, Line::ws(connect(address)));
    bob.register();
    alice.cseq += 10;
    call(&mut bob, &mut alice);
}

#[test]
fn who_does_not_offer_sip_is_refused() {
    let (_gateway, address) = with_ws("offers");
    for offer in [None, Some("mqtt"), Some("sips, xmpp")] {
        match upgrade(Box::new(connect(address)), address, offer) {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400, "{offer:?}"),
            other => panic!("{offer:?}: {:?}", other.err()),
        }
    }
}

#[test]
fn who_does_not_ask_for_a_websocket_is_told_what_to_ask_for() {
    let (gateway, address) = with_ws("upgrade");
    for request in [
        "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\n\r\n",
    ] {
        let mut stream = connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
        assert!(answer.contains("\r\nUpgrade: websocket\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
    Phone::on("1001", &gateway, Line::ws(connect(address))).register();
}

#[test]
fn pings_are_answered_and_a_farewell_is_returned() {
    let (_gateway, address) = with_ws("ping");
    let mut socket = upgrade(Box::new(connect(address)), address, Some("sip")).unwrap();
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
    // RFC 5626 4.4.1, in a message of its own.
    socket.send(Message::text("\r\n\r\n")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("\r\n"));
    socket.close(None).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Close(None));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

#[test]
fn a_message_comes_in_one_piece_or_many_and_as_text_or_bytes() {
    let (gateway, address) = with_ws("pieces");
    let mut socket = upgrade(Box::new(connect(address)), address, Some("sip")).unwrap();
    let phone = Phone::new("1001", &gateway);
    let options = phone.request("OPTIONS", &format!("sip:{}", gateway.address), "<sip:127.0.0.1>", "");
    let options = options.replace("SIP/2.0/UDP", "SIP/2.0/WS");
    socket.send(Message::binary(options.clone().into_bytes())).unwrap();
    assert!(socket.read().unwrap().into_text().unwrap().starts_with("SIP/2.0 200 "));
    let (first, second) = options.split_at(100);
    let frame = |text: &str, kind, is_last| {
        use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding::OpCode};
        Message::Frame(Frame::message(text.to_owned().into_bytes(), OpCode::Data(kind), is_last))
    };
    use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
    socket.send(frame(first, Data::Text, false)).unwrap();
    socket.send(frame(second, Data::Continue, true)).unwrap();
    assert!(socket.read().unwrap().into_text().unwrap().starts_with("SIP/2.0 200 "));
}

#[test]
fn what_is_too_long_ends_its_connection_and_no_other() {
    let (gateway, address) = with_ws("long");
    let mut alice = Phone::on("1001", &gateway, Line::ws(connect(address)));
    alice.register();
    let mut socket = upgrade(Box::new(connect(address)), address, Some("sip")).unwrap();
    // The most that a message may have, then more.
    socket.send(Message::text("x".repeat(65_535))).unwrap();
    assert_eq!(gateway.notice("messages_dropped")["count"], 1);
    let _ = socket.send(Message::text("x".repeat(65_536)));
    let farewell = socket.read().unwrap();
    assert!(
        matches!(&farewell, Message::Close(Some(frame)) if frame.code == CloseCode::Size),
        "{farewell:?}"
    );
    alice.register();
}
