//! Phones and strangers that connect by TCP.

use crate::line::{Line, connect};
use crate::phone::{Phone, call};
use crate::process::{Gateway, PATIENCE};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A gateway that takes TCP, and where.
fn with_tcp(name: &str) -> (Gateway, SocketAddr) {
    let gateway = Gateway::always_emergency_with(name, "tcp = [\"127.0.0.1:0\"]");
    let address = gateway.listening("tcp");
    (gateway, address)
}

#[test]
fn phones_on_tcp_and_udp_call_each_other() {
    let (gateway, address) = with_tcp("tcp");
    let mut alice = Phone::on("1001", &gateway, Line::tcp(connect(address)));
    let (mut bob, mut carol) =
        (Phone::new("1002", &gateway), Phone::on("1003", &gateway, Line::tcp(connect(address))));
    for phone in [&mut alice, &mut bob, &mut carol] {
        phone.register();
    }
    call(&mut alice, &mut bob);
    call(&mut bob, &mut carol);
    call(&mut carol, &mut alice);
}

#[test]
fn a_connection_that_carries_rubbish_is_closed_and_the_others_go_on() {
    let (gateway, address) = with_tcp("rubbish");
    let mut alice = Phone::on("1001", &gateway, Line::tcp(connect(address)));
    alice.register();
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stranger.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n", "RFC 5626 4.4.1");
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n").unwrap();
    assert_eq!(stranger.read(&mut pong).unwrap(), 0, "closed");
    assert_eq!(gateway.notice("messages_dropped")["from"], stranger.local_addr().unwrap().to_string());
    alice.register();
}

#[test]
fn a_phone_that_has_hung_its_connection_up_is_called_by_a_new_one() {
    let (gateway, address) = with_tcp("again");
    let mut alice = Phone::new("1001", &gateway);
    alice.register();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bob = Phone::on("1002", &gateway, Line::tcp(connect(address)));
    let uri = format!("sip:1002@{};transport=tcp", listener.local_addr().unwrap());
    let aor = format!("<sip:1002@{}>", gateway.address);
    let register = bob.request("REGISTER", &format!("sip:{}", gateway.address), &aor, "Expires: 60\r\n");
    bob.send(address, &register.replace(&format!("<sip:{}>", bob.contact()), &format!("<{uri}>")));
    bob.expect("SIP/2.0 200");
    drop(bob);
    // Until the gateway has seen the end, what it sends there is lost, and the call with it.
    let invited = (0..50).find_map(|_| {
        let options = alice.request("OPTIONS", &format!("sip:1002@{}", gateway.address), &aor, "");
        alice.send(gateway.address, &options);
        alice.cseq += 1;
        listener.set_nonblocking(true).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        listener.accept().ok()
    });
    let (stream, _) = invited.expect("a connection");
    stream.set_nonblocking(false).unwrap();
    let mut bob = Phone::on("1002", &gateway, Line::tcp(stream));
    let options = bob.expect("OPTIONS ");
    assert_eq!(options.target(), uri);
    bob.answer(&options, "200 OK");
    alice.expect("SIP/2.0 ");
}
