//! Who is measured.

use crate::process::{Group, find_program};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A running server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) group: Group,
    /// Whether it answers any datagram with the same one: the yardstick of what a system takes for a datagram in and out.
    pub(crate) is_echo: bool,
}

impl Server {
    pub(crate) fn gateway(port: u16) -> Self {
        let program = program_folder().join("examples/gateway");
        let built = "`cargo build --release --example gateway` comes first";
        assert!(program.is_file(), "{}: {built}", program.display());
        let file = std::env::temp_dir().join(format!("versus-gateway-{port}.toml"));
        let text = format!(
            "listen.udp = [\"127.0.0.1:{port}\"]\n\
             sas.survivability_mode = \"always-emergency\"\n\
             sas.registration_time = \"0s\"\n\
             registrar.max_users = 200000\n\
             limits.max_transactions = 500000\n"
        );
        std::fs::write(&file, text).unwrap();
        Self::start("gateway", port, Command::new(program).arg("--config").arg(&file))
    }

    pub(crate) fn kamailio(port: u16) -> Self {
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/versus/kamailio.cfg");
        let mut command = Command::new(find_program("kamailio"));
        command.args(["-DD", "-E", "-x", "fm", "-m", "1024", "-M", "16", "-n", "2"]);
        command.args(["-l", &format!("udp:127.0.0.1:{port}"), "-f"]).arg(configuration);
        Self::start("Kamailio", port, &mut command)
    }

    pub(crate) fn echo(port: u16) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::start("bare echo", port, command.args(["echo", &port.to_string()]))
    }

    fn start(name: &'static str, port: u16, command: &mut Command) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = Self { name, address, group: Group::start(command), is_echo: name == "bare echo" };
        server.wait();
        server
    }

    /// Asks until it answers.
    fn wait(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (to, from) = (self.address, socket.local_addr().unwrap());
        let question = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:ready@{from}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let limit = Instant::now() + Duration::from_secs(20);
        while socket.send(question.as_bytes()).is_err() || socket.recv(&mut [0; 2000]).is_err() {
            assert!(Instant::now() < limit, "{} does not answer", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where this profile's programs are: ours is in `deps` there.
fn program_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().to_owned()
}

/// Sends each datagram back, until it is killed, or five minutes without any.
pub(crate) fn echo(port: &str) {
    let socket = UdpSocket::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(5))).unwrap();
    let mut buffer = [0; 65_535];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from);
    }
}
