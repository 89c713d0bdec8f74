//! Sipsak as an administrator who asks whether we are there.

use crate::peer::{is_missing, skip};
use crate::process::Gateway;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

/// It writes no more than four digits of a port.
fn free_short_port() -> u16 {
    let is_free = |port: &u16| {
        let at = ("127.0.0.1", *port);
        UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
    };
    (7000..10_000).find(is_free).expect("a port")
}

#[test]
fn an_administrators_tool_asks_and_registers() {
    if is_missing("sipsak") {
        return skip("sipsak");
    }
    let port = free_short_port();
    let gateway = Gateway::start(
        "sipsak",
        &format!(
            "[listen]\nudp = [\"127.0.0.1:{port}\"]\ntcp = [\"127.0.0.1:{port}\"]\n[sas]\nsurvivability_mode = \"always-emergency\"\n"
        ),
    );
    let run = |args: &str| {
        let args = args.replace("HERE", &format!("127.0.0.1:{port}"));
        let output = Command::new("timeout")
            .args(["20", "sipsak", "-vv", "-i"])
            .args(args.split(' '))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{args}: {told}");
    };
    for (transport, contact) in [("udp", "127.0.0.1:5998"), ("tcp", "127.0.0.1:5999")] {
        run(&format!("--transport={transport} -s sip:HERE"));
        run(&format!("--transport={transport} -U -C sip:1001@{contact} -x 60 -s sip:1001@HERE"));
        assert_eq!(gateway.notice("user_bound")["aor"], format!("sip:1001@127.0.0.1:{port}"));
    }
}
