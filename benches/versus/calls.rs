//! SIPp calls SIPp: INVITE, 180, 200, ACK, BYE, 200, with record-routing.

use crate::Figures;
use crate::process::{Group, find_program, free_port};
use crate::servers::Server;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const CALLS: &str = "10000";
const CALLS_A_SECOND: &str = "2000";

pub(crate) fn run(server: &Server) -> Figures {
    let phone = free_port();
    let mut answering = sipp("answering.xml");
    let _answering = Group::start(answering.args(["-p", &phone.to_string(), "-timeout", "120s"]));
    register(server, phone);

    let (processor, memory) = (server.group.processor_time(), server.group.memory());
    let mut calling = sipp("calling.xml");
    calling
        .arg(server.address.to_string())
        .args(["-p", &free_port().to_string(), "-s", "7000"])
        .args(["-m", CALLS, "-r", CALLS_A_SECOND, "-l", CALLS, "-recv_timeout", "20000", "-timeout", "100s"])
        .args(["-trace_stat", "-fd", "1", "-stf"])
        .arg(statistics());
    let done = calling.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let (processor, memory) = (server.group.processor_time() - processor, server.group.memory() - memory);

    let failed = column("FailedCall(C)").unwrap_or(f64::NAN);
    let counted = column("SuccessfulCall(C)").unwrap_or(f64::NAN) + failed;
    assert!(done.success() || failed > 0.0, "sipp ended with {done}");
    vec![
        ("processor, microseconds", processor / counted),
        ("memory behind the last call, bytes", memory / counted),
        ("calls that failed, of 10,000", failed),
    ]
}

fn sipp(scenario: &str) -> Command {
    let mut command = Command::new(find_program("sipp"));
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/versus").join(scenario);
    command.arg("-sf").arg(scenario).args(["-i", "127.0.0.1", "-nostdin"]);
    command
}

fn statistics() -> PathBuf {
    std::env::temp_dir().join("versus-calls.csv")
}

/// The last value of a column of SIPp's statistics.
fn column(name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(statistics()).ok()?;
    let mut lines = text.lines();
    let index = lines.next()?.split(';').position(|title| title == name)?;
    lines.last()?.split(';').nth(index)?.parse().ok()
}

/// The one that answers is user 7000.
fn register(server: &Server, phone: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (to, from) = (server.address, socket.local_addr().unwrap());
    let request = format!(
        "REGISTER sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-register;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:7000@{to}>;tag=1\r\nTo: <sip:7000@{to}>\r\nCall-ID: register\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:7000@127.0.0.1:{phone}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send(request.as_bytes()).unwrap();
    let mut buffer = [0; 2000];
    let length = socket.recv(&mut buffer).unwrap();
    assert!(buffer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(buffer.get(..length).unwrap()));
}
