//! The gateway as its user meets it: a process with a command line, signals, standard output and sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at what it does not expect"
)]
#![expect(clippy::disallowed_methods, reason = "phones have sockets")]

#[path = "support/program.rs"]
#[expect(unreachable_pub, reason = "other tests use it too")]
mod program;

use program::example;
use serde_json::Value;
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::headers::Auth;
use sip_survivability::rng::Token;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take that should be at once.
const PATIENCE: Duration = Duration::from_secs(10);

// The program

fn run(args: &[&str]) -> Output {
    Command::new(example("gateway")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Of `1001:branch.example:secret`.
const MD5_OF_1001: &str = "cc6a4ecc594e08d9027abf693ba832ef";

/// A configuration file of its own for each caller.
fn file(name: &str, text: &str) -> String {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A running gateway. It ends with the test.
struct Gateway {
    process: Child,
    notices: Receiver<Value>,
    address: SocketAddr,
}

impl Gateway {
    /// Starts one, and waits for the line that says where it listens.
    fn start(name: &str, text: &str) -> Self {
        let mut process = Command::new(example("gateway"))
            .args(["--config", &file(name, text)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, notices) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let notice = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut gateway = Self { process, notices, address: ([0, 0, 0, 0], 0).into() };
        let listening = gateway.notice("listening");
        assert_eq!(listening["transport"], "udp");
        gateway.address = listening["address"].as_str().unwrap().parse().unwrap();
        gateway
    }

    /// A branch without a proxy, on a port that the system chooses.
    fn always_emergency(name: &str) -> Self {
        Self::start(
            name,
            "[listen]\nudp = [\"127.0.0.1:0\"]\n[sas]\nsurvivability_mode = \"always-emergency\"\n",
        )
    }

    /// The next notice of this name; others before it are passed over.
    fn notice(&self, name: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let notice = self.notices.recv_timeout(end.saturating_duration_since(Instant::now()));
            let notice = notice.unwrap_or_else(|_| panic!("no notice {name}"));
            assert!(notice["at"].is_number(), "{notice}");
            if notice["notice"] == name {
                return notice;
            }
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the gateway does not end");
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// The command line and the configuration

/// Whole files, each with how its one line goes on after `gateway: FILE: `.
const WRONG_FILES: &[(&str, &str)] = &[
    ("", "listen.udp = []: must name an address"),
    ("listen.udp = []", "listen.udp = []: must name an address"),
    (r#"listen.udp = "127.0.0.1:0""#, r#"listen.udp = "127.0.0.1:0": must be a list"#),
    ("listen.udp = [5080]", "listen.udp = 5080: must be a string"),
    (r#"listen.udp = ["localhost"]"#, r#"listen.udp = "localhost": must be an IP address and a port"#),
    ("listen = 5080", "listen = 5080: must be one section: [listen]"),
    (r#"listen.udp = ["127.0.0.1:0"]"#, "proxy_set.targets = []: must name a proxy"),
    ("[listen]\nudp = [\"127.0.0.1:0\"\n[sas]\npath = true", "line 3: "),
    ("[sas]\npath = true\npath = true", "line 3: "),
    ("[listen]\n\nudp =", "line 3: "),
];

/// A file that would do but for one more line.
const RIGHT: &str = "listen.udp = [\"127.0.0.1:0\"]\nproxy_set.targets = [\"sip:192.0.2.1\"]\n";

/// That line, and how the answer goes on.
const WRONG_LINES: &[(&str, &str)] = &[
    ("listen.port = 5080", "listen.port = 5080: unknown key"),
    (r#"listen.advertise = "0.0.0.0""#, r#"listen.advertise = "0.0.0.0": must be the IP address"#),
    (r#"listen.domains = ["a b"]"#, "listen.domains = a b: neither a host name nor"),
    (r#"proxy_set.keepalive = "yes""#, r#"proxy_set.keepalive = "yes": must be true or false"#),
    (
        "proxy_set.keepalive_interval = 4",
        "proxy_set.keepalive_interval = 4: must be a whole number and a unit",
    ),
    (r#"proxy_set.reprobe_interval = "1ms""#, "proxy_set.reprobe_interval = 1ms: must be from 10ms to 60s"),
    ("proxy_set.down_after = 0", "proxy_set.down_after = 0: must be at least 1"),
    ("proxy_set.up_after = -1", "proxy_set.up_after = -1: must be a whole number from 0 to 4294967295"),
    ("proxy_set.failure_responses = [200]", "proxy_set.failure_responses = 200: must be from 300"),
    ("proxy_set.retries = 3", "proxy_set.retries = 3: unknown key"),
    (r#"sas.survivability_mode = "maybe""#, r#"sas.survivability_mode = "maybe": must be "standard" or"#),
    ("sas.entering_emergency = 1", r#"sas.entering_emergency = 1: must be "requests" or "keepalive""#),
    (r#"sas.default_gateway = "gw""#, r#"sas.default_gateway = "gw": must be a SIP URI: no scheme"#),
    (r#"sas.default_gateway = ["sip:192.0.2.9", 9]"#, "sas.default_gateway = 9: must be a string"),
    (
        r#"sas.default_gateway = "sip:gw.example:0""#,
        "sas.default_gateway = sip:gw.example:0: must not have 0.0.0.0 or [::] for its host",
    ),
    (r#"sas.emergency_numbers = ["9\n1"]"#, r"sas.emergency_numbers = 9\n1: must be a user part"),
    ("sas.subscribe_response = 100", "sas.subscribe_response = 100: must be from 200 to 699"),
    ("[[sas]]\npath = true", "sas = [{ path = true }]: must be one section"),
    ("[sass]\npath = true", "sass = { path = true }: unknown key"),
    ("registrar.max_users = \"\"\"a\nb\"\"\"", r#"registrar.max_users = "a\nb": must be a whole number"#),
    ("[auth]", r#"auth.users = "": must name the file of users"#),
    (r#"auth.users = "/no/such/users""#, r#"auth.users = "/no/such/users": "#),
    (r#"auth.realm = "a\"b""#, r#"auth.realm = "a\"b": must be text without quotes"#),
    (r#"dns.servers = ["ns.example"]"#, r#"dns.servers = "ns.example": must be"#),
    ("dns.server = []", "dns.server = []: unknown key"),
    ("limits.max_message = 1.5", "limits.max_message = 1.5: must be a whole number"),
];

/// What a gateway that will not run says and how it ends: one line on standard error, nothing else, status 2.
fn refusal(args: &[&str]) -> String {
    let output = run(args);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {line}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(line.matches('\n').count(), 1, "{args:?}: {line}");
    line.trim_end().to_owned()
}

#[test]
fn a_wrong_configuration_is_one_line_with_key_value_and_reason() {
    let files = WRONG_FILES.iter().map(|&(text, expected)| (text.to_owned(), expected));
    let lines = WRONG_LINES.iter().map(|&(line, expected)| (format!("{RIGHT}{line}"), expected));
    for (number, (text, expected)) in files.chain(lines).enumerate() {
        let path = file(&format!("wrong-{number}"), &text);
        let line = refusal(&["--config", &path]);
        assert!(line.starts_with(&format!("gateway: {path}: {expected}")), "{line}\n  instead of {expected}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let line = refusal(&["--config", "/no/such/file.toml"]);
    assert!(line.starts_with("gateway: /no/such/file.toml: "), "{line}");
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    for address in [taken.local_addr().unwrap(), "192.0.2.77:5080".parse().unwrap()] {
        let text = format!("listen.udp = [\"{address}\"]\nsas.survivability_mode = \"always-emergency\"");
        let line = refusal(&["--config", &file(&format!("taken-{}", address.port()), &text)]);
        assert!(line.contains(&format!("listen.udp = {address}: cannot be listened on: ")), "{line}");
    }
}

#[test]
fn unknown_arguments_are_refused() {
    assert!(refusal(&["--listen"]).contains("\"--listen\""));
    assert!(refusal(&["file.toml"]).contains("\"file.toml\""));
    assert!(refusal(&["--config"]).contains("--config needs a file"));
    assert!(refusal(&["--config=a", "--config=b"]).contains("twice"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (arg, expected) in [("--help", "Usage: gateway"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = run(&[arg]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected));
        assert!(output.stderr.is_empty());
    }
}

// A running gateway

#[test]
fn it_says_where_it_listens() {
    let gateway = Gateway::always_emergency("listens");
    assert!(gateway.address.ip().is_loopback());
    assert_ne!(gateway.address.port(), 0);
}

#[test]
fn each_socket_is_announced_with_what_it_advertises() {
    let gateway = Gateway::start(
        "advertises",
        "listen.udp = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\nlisten.advertise = \"203.0.113.5\"\n\
         sas.survivability_mode = \"always-emergency\"\n",
    );
    assert_eq!(gateway.address.ip().to_string(), "203.0.113.5");
    let second = gateway.notice("listening");
    assert!(second["address"].as_str().unwrap().starts_with("203.0.113.5:"));
}

#[cfg(unix)]
#[test]
fn it_ends_cleanly_when_it_is_told_to() {
    for signal in ["-TERM", "-INT"] {
        let mut gateway = Gateway::always_emergency(&format!("ends{signal}"));
        gateway.signal(signal);
        assert_eq!(gateway.wait(), Some(0), "{signal}");
        assert!(gateway.log().contains("stopping"));
    }
}

#[test]
fn two_phones_register_and_call_each_other() {
    let gateway = Gateway::always_emergency("call");
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    for phone in [&mut alice, &mut bob] {
        phone.register();
        let bound = gateway.notice("user_bound");
        assert!(bound["aor"].as_str().unwrap().contains(phone.user), "{bound}");
        assert!(bound["contact"].as_str().unwrap().contains(&phone.contact()), "{bound}");
        assert!(bound["origin"].is_string());
    }
    call(&mut alice, &mut bob);
    let routed = gateway.notice("request_routed");
    assert_eq!(routed["method"], "INVITE");
    assert_eq!(routed["step"], "database", "{routed}");
    assert!(routed["to"].as_str().unwrap().contains(&bob.contact()), "{routed}");
    assert!(routed["reasons"].is_array());
    call(&mut bob, &mut alice);
}

#[test]
fn a_phone_needs_its_password_where_there_is_a_file_of_users() {
    // The second line is wrong, then it is mended.
    let ha1 = Ha1::new(Algorithm::Md5, "1001", "branch.example", "secret");
    let users = |second: &str| file("users", &format!("1001:branch.example:{MD5_OF_1001}\n{second}\n"));
    let config = |users: &str| {
        format!(
            "listen.udp = [\"127.0.0.1:0\"]\nsas.survivability_mode = \"always-emergency\"\nauth.users = {users:?}\n"
        )
    };
    let wrong = users("1002:secret");
    let line = refusal(&["--config", &file("locked", &config(&wrong))]);
    assert!(
        line.ends_with(&format!(
            "auth.users = {wrong:?}: line 2: must be user:realm:HA1 or user:realm:algorithm:HA1"
        )),
        "{line}"
    );

    let gateway = Gateway::start("locked", &config(&users("")));
    let mut phone = Phone::new("1001", &gateway);
    let (aor, uri) = (format!("<sip:1001@{}>", gateway.address), format!("sip:{}", gateway.address));
    phone.send(gateway.address, &phone.request("REGISTER", &uri, &aor, ""));
    let challenge = phone.expect("SIP/2.0 401");
    let challenges = Auth::parse(challenge.value("WWW-Authenticate"));
    let mut session = Session::open(challenges, "1001", |_, _| Some(ha1), Token::of(1)).unwrap();
    phone.cseq += 1;
    let credentials = format!("Authorization: {}\r\n", session.answer("REGISTER", &uri, b""));
    phone.send(gateway.address, &phone.request("REGISTER", &uri, &aor, &credentials));
    phone.expect("SIP/2.0 200");
    assert_eq!(gateway.notice("user_bound")["aor"], format!("sip:1001@{}", gateway.address));
}

/// SIPp hashes by code of its own. It knows MD5, and gives up where another algorithm stands first.
#[test]
fn another_implementation_knows_how_to_answer_our_challenges() {
    let users = file("sipp-users", &format!("1001:branch.example:{MD5_OF_1001}\n"));
    let gateway = Gateway::start(
        "sipp",
        &format!(
            "listen.udp = [\"127.0.0.1:0\"]\nlisten.domains = [\"branch.example\"]\n\
             sas.survivability_mode = \"always-emergency\"\nauth.users = {users:?}\n"
        ),
    );
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/credentials.xml");
    let sipp = Command::new("sipp")
        .args([
            &gateway.address.to_string(),
            "-i",
            "127.0.0.1",
            "-m",
            "1",
            "-timeout",
            "10",
            "-nostdin",
            "-sf",
        ])
        .arg(scenario)
        .output();
    match sipp {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        // To standard error itself: the test harness would hold back what is printed.
        Err(_) => drop(writeln!(std::io::stderr(), "skipped: sipp is not installed")),
    }
}

#[test]
fn a_reader_that_has_gone_ends_no_call() {
    let mut gateway = Gateway::always_emergency("reader");
    let (sender, notices) = channel();
    drop(sender);
    // The thread that reads ends at its next line, and with it the pipe.
    gateway.notices = notices;
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    bob.register();
    call(&mut alice, &mut bob);
    assert_eq!(gateway.process.try_wait().unwrap(), None);
}

/// A gateway that takes TCP, and where.
fn with_tcp(name: &str) -> (Gateway, SocketAddr) {
    let text = "[listen]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\n[sas]\nsurvivability_mode = \"always-emergency\"\n";
    let gateway = Gateway::start(name, text);
    let listening = gateway.notice("listening");
    assert_eq!(listening["transport"], "tcp");
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    (gateway, address)
}

#[test]
fn phones_on_tcp_and_udp_call_each_other() {
    let (gateway, address) = with_tcp("tcp");
    let mut alice = Phone::by_tcp("1001", &gateway, address);
    let (mut bob, mut carol) = (Phone::new("1002", &gateway), Phone::by_tcp("1003", &gateway, address));
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
    let mut alice = Phone::by_tcp("1001", &gateway, address);
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
    let mut bob = Phone::by_tcp("1002", &gateway, address);
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
    let line = Line::Tcp(BufReader::new(stream));
    let mut bob = Phone { line, ..Phone::new("1002", &gateway) };
    let options = bob.expect("OPTIONS ");
    assert_eq!(options.target(), uri);
    bob.answer(&options, "200 OK");
    alice.expect("SIP/2.0 ");
}

/// `caller` calls `callee`, who rings and answers; `caller` hangs up.
fn call(caller: &mut Phone, callee: &mut Phone) {
    let target = format!("sip:{}@{}", callee.user, caller.gateway);
    let invite = caller.request("INVITE", &target, &format!("<{target}>"), "");
    caller.send(caller.gateway, &invite);

    let invite = callee.expect("INVITE ");
    assert_eq!(invite.target(), format!("sip:{}", callee.contact()));
    callee.answer(&invite, "180 Ringing");
    caller.expect("SIP/2.0 180");
    callee.answer(&invite, "200 OK");
    let answer = caller.expect("SIP/2.0 200");

    // RFC 3261 12.1.2: the route set is the answer's Record-Route from the last to the first.
    let routes: String = answer.values("Record-Route").rev().map(|uri| format!("Route: {uri}\r\n")).collect();
    assert!(!routes.is_empty(), "the gateway is not on the call's route");
    let remote = answer.value("Contact").trim_matches(['<', '>']).to_owned();
    let to = answer.value("To").to_owned();
    caller.send(caller.gateway, &caller.request("ACK", &remote, &to, &routes));
    callee.expect("ACK ");

    caller.cseq += 1;
    caller.send(caller.gateway, &caller.request("BYE", &remote, &to, &routes));
    let bye = callee.expect("BYE ");
    callee.answer(&bye, "200 OK");
    assert!(caller.expect("SIP/2.0 200").value("CSeq").ends_with("BYE"));
    caller.calls += 1;
}

// A scripted phone

struct Phone {
    user: &'static str,
    line: Line,
    gateway: SocketAddr,
    cseq: u32,
    calls: u32,
    /// What has come, to know retransmissions by.
    seen: Vec<String>,
}

impl Phone {
    fn new(user: &'static str, gateway: &Gateway) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { user, line: Line::Udp(socket), gateway: gateway.address, cseq: 1, calls: 0, seen: Vec::new() }
    }

    /// One that has connected to `address`.
    fn by_tcp(user: &'static str, gateway: &Gateway, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { line: Line::Tcp(BufReader::new(stream)), ..Self::new(user, gateway) }
    }

    fn contact(&self) -> String {
        let params = if self.line.transport() == "TCP" { ";transport=tcp" } else { "" };
        format!("{}@{}{params}", self.user, self.line.local())
    }

    fn register(&mut self) {
        let aor = format!("<sip:{}@{}>", self.user, self.gateway);
        let register = self.request("REGISTER", &format!("sip:{}", self.gateway), &aor, "Expires: 60\r\n");
        self.send(self.gateway, &register);
        let answer = self.expect("SIP/2.0 200");
        assert!(answer.value("Contact").contains(&self.contact()), "{}", answer.text);
        self.cseq += 1;
        self.calls += 1;
    }

    fn request(&self, method: &str, target: &str, to: &str, more: &str) -> String {
        let Self { user, cseq, calls, gateway, .. } = self;
        let (contact, local, transport) = (self.contact(), self.line.local(), self.line.transport());
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {local};branch=z9hG4bK-{user}-{calls}-{cseq}-{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{gateway}>;tag={user}\r\n\
             To: {to}\r\n\
             Call-ID: {user}-{calls}@{local}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{contact}>\r\n\
             {more}Content-Length: 0\r\n\r\n"
        )
    }

    /// RFC 3261 8.2.6: Via, From, To, Call-ID, CSeq and Record-Route are the request's.
    fn answer(&self, request: &Message, status: &str) {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"];
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for line in request.text.lines().skip(1) {
            if line.split(':').next().is_some_and(|name| copied.contains(&name)) {
                let tag = if line.starts_with("To:") && !line.contains("tag=") { ";tag=callee" } else { "" };
                answer += &format!("{line}{tag}\r\n");
            }
        }
        answer += &format!("Contact: <sip:{}>\r\nContent-Length: 0\r\n\r\n", self.contact());
        self.send(request.from, &answer);
    }

    fn send(&self, to: SocketAddr, message: &str) {
        self.line.send(to, message.as_bytes());
    }

    /// The next message, which has to start so. Only 100 Trying and retransmissions may come before it.
    fn expect(&mut self, start: &str) -> Message {
        loop {
            let received = self.line.receive();
            let message = received.unwrap_or_else(|error| panic!("no {start}: {error}"));
            if self.seen.contains(&message.text) || message.text.starts_with("SIP/2.0 100") {
                continue;
            }
            assert!(message.text.starts_with(start), "{} instead of {start}", message.text);
            self.seen.push(message.text.clone());
            return message;
        }
    }
}

/// What a phone is plugged into.
enum Line {
    Udp(UdpSocket),
    Tcp(BufReader<TcpStream>),
}

impl Line {
    fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Tcp(_) => "TCP",
        }
    }

    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Tcp(stream) => stream.get_ref().local_addr().unwrap(),
        }
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send_to(bytes, to).unwrap()),
            Self::Tcp(stream) => stream.get_ref().write_all(bytes).unwrap(),
        }
    }

    fn receive(&mut self) -> std::io::Result<Message> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 65_535];
                let (length, from) = socket.recv_from(&mut buffer)?;
                Ok(Message { text: str::from_utf8(&buffer[..length]).unwrap().to_owned(), from })
            }
            Self::Tcp(stream) => {
                let (mut text, from) = (String::new(), stream.get_ref().peer_addr()?);
                // None of what comes here has a body.
                while !text.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut text)? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                assert!(text.contains("\r\nContent-Length: 0\r\n"), "{text}");
                Ok(Message { text, from })
            }
        }
    }
}

struct Message {
    text: String,
    from: SocketAddr,
}

impl Message {
    /// The Request-URI.
    fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }

    /// The values of all header fields of this name, first to last.
    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.text.lines().filter_map(move |line| {
            let (field, value) = line.split_once(':')?;
            (field == name).then(|| value.trim())
        })
    }

    fn value(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

// The DNS

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
