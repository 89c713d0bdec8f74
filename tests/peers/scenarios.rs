//! SIPp as both ends of calls that the branch connects itself, by UDP and by TCP.

use crate::peer::{is_missing, skip};
use crate::phone::Phone;
use crate::process::{Gateway, PATIENCE};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a SIPp speaks.
#[derive(Clone, Copy, Debug)]
enum By {
    Udp,
    Tcp,
}

impl By {
    const fn option(self) -> &'static str {
        match self {
            Self::Udp => "u1",
            Self::Tcp => "t1",
        }
    }

    const fn param(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
        }
    }

    /// Whether somebody of this machine has the port.
    fn is_open(self, port: u16) -> bool {
        let table = match self {
            Self::Udp => "/proc/net/udp",
            Self::Tcp => "/proc/net/tcp",
        };
        // The local address and port, in hexadecimal digits.
        std::fs::read_to_string(table).unwrap().contains(&format!("0100007F:{port:04X} "))
    }
}

/// One call of one SIPp.
struct Sipp {
    process: Child,
    port: u16,
    errors: PathBuf,
}

impl Sipp {
    fn start(scenario: &str, by: By, more: &[&str]) -> Self {
        let port = free_port();
        let errors = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{scenario}-{port}.errors"));
        let process = Command::new("sipp")
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-t", by.option(), "-m", "1", "-nostdin"])
            .args(["-timeout", "15", "-timeout_error", "-trace_err", "-error_file"])
            .arg(&errors)
            .arg("-sf")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{scenario}.xml")))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port, errors }
    }

    /// One that waits to be called as `user`.
    fn called(scenario: &str, by: By, user: &'static str, gateway: &Gateway) -> Self {
        let sipp = Self::start(scenario, by, &[]);
        let end = Instant::now() + PATIENCE;
        while !by.is_open(sipp.port) {
            assert!(Instant::now() < end, "{scenario} does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut phone = Phone::new(user, gateway);
        let aor = format!("<sip:{user}@{}>", gateway.address);
        let register =
            phone.request("REGISTER", &format!("sip:{}", gateway.address), &aor, "Expires: 60\r\n");
        let contact = format!("{user}@127.0.0.1:{}{}", sipp.port, by.param());
        phone.send(gateway.address, &register.replace(&phone.contact(), &contact));
        phone.expect("SIP/2.0 200");
        sipp
    }

    /// It did all that its scenario says, and nothing else came.
    fn ends_well(mut self, what: &str) {
        let end = Instant::now() + 2 * PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{what}: does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        assert!(status.success(), "{what}: {status}: {errors}");
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.errors);
    }
}

/// A port that is free for both, also of those whom it was given to before.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A gateway on UDP and TCP, and where on TCP.
fn branch(name: &str) -> (Gateway, SocketAddr) {
    let gateway = Gateway::always_emergency_with(name, "tcp = [\"127.0.0.1:0\"]");
    let tcp = gateway.listening("tcp");
    (gateway, tcp)
}

/// One calls by each transport, the others are called by each.
fn play(name: &str, caller: &str, callees: &[&str]) {
    if is_missing("sipp") {
        return skip("sipp");
    }
    let (gateway, tcp) = branch(name);
    let ways = [(By::Udp, By::Udp), (By::Udp, By::Tcp), (By::Tcp, By::Udp), (By::Tcp, By::Tcp)];
    for ((from, to), user) in ways.into_iter().zip(["1002", "1003", "1004", "1005"]) {
        let called: Vec<_> =
            callees.iter().map(|scenario| Sipp::called(scenario, to, user, &gateway)).collect();
        let at = match from {
            By::Udp => gateway.address,
            By::Tcp => tcp,
        };
        let calls = Sipp::start(caller, from, &["-s", user, &at.to_string()]);
        calls.ends_well(&format!("{caller} by {from:?} to {to:?}"));
        for (sipp, scenario) in called.into_iter().zip(callees) {
            sipp.ends_well(&format!("{scenario} by {to:?} from {from:?}"));
        }
    }
}

#[test]
fn a_call_is_held_and_transferred() {
    play("talk", "talk_caller", &["talk_callee"]);
}

#[test]
fn a_call_is_cancelled() {
    play("cancel", "cancel_caller", &["cancelled"]);
}

#[test]
fn early_media_is_acknowledged() {
    play("prack", "prack_caller", &["prack_callee"]);
}

#[test]
fn three_phones_of_one_user_ring_and_one_answers() {
    play("fork", "talk_caller", &["cancelled", "talk_callee", "cancelled"]);
}
