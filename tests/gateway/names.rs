//! Proxies that have names, which the DNS tells.

use crate::process::{Gateway, PATIENCE};
use std::net::{SocketAddr, UdpSocket};

/// A name server that knows one service: `_sip._udp.pbx.test`, at the host `a.pbx.test`, which is 127.0.0.1.
fn name_server(port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer_to(&buffer[..length], port) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// The answer to one question (RFC 1035 4.1).
fn answer_to(query: &[u8], port: u16) -> Option<Vec<u8>> {
    let name_end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let name = query.get(12..name_end)?.to_ascii_lowercase();
    let kind = query.get(name_end + 2)?;
    let data = match (name.as_slice(), kind) {
        (b"\x04_sip\x04_udp\x03pbx\x04test", 33) => {
            [&[0, 0, 0, 0], &port.to_be_bytes()[..], b"\x01a\x03pbx\x04test\0"].concat()
        }
        (b"\x01a\x03pbx\x04test", 1) => vec![127, 0, 0, 1],
        _ => Vec::new(),
    };
    let count = u8::from(!data.is_empty());
    let mut answer =
        [&query[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0], &query[12..name_end + 5]].concat();
    if count == 1 {
        // Its name is that of the question; class IN; a TTL of 300 s.
        answer.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 1, 44, 0, u8::try_from(data.len()).unwrap()]);
        answer.extend(data);
    }
    Some(answer)
}

fn named_proxy(name: &str, server: SocketAddr) -> Gateway {
    let text = format!(
        "listen.udp = [\"127.0.0.1:0\"]\nproxy_set.targets = [\"sip:pbx.test\"]\ndns.servers = [\"{server}\"]\n"
    );
    Gateway::start(name, &text)
}

#[test]
fn a_proxy_with_a_name_is_found_by_the_dns() {
    let proxy = UdpSocket::bind("127.0.0.1:0").unwrap();
    proxy.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = proxy.local_addr().unwrap();
    let gateway = named_proxy("named", name_server(address.port()));
    let resolved = gateway.notice("name_resolved");
    assert_eq!(
        (&resolved["target"], &resolved["addresses"][0]),
        (&"sip:pbx.test".into(), &address.to_string().into())
    );
    let mut buffer = [0; 2000];
    let (length, from) = proxy.recv_from(&mut buffer).expect("no probe");
    assert_eq!(from, gateway.address);
    assert!(buffer[..length].starts_with(b"OPTIONS sip:pbx.test SIP/2.0\r\n"));
}

/// Without a name server nothing stands still: the branch serves itself.
#[test]
fn a_dns_that_is_silent_leaves_the_branch_to_itself() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gateway = named_proxy("silent-dns", silent.local_addr().unwrap());
    let state = gateway.notice("state_changed");
    assert_eq!(state["to"], "emergency");
    let unresolved = gateway.notice("name_unresolved");
    assert_eq!(unresolved["target"], "sip:pbx.test");
}
